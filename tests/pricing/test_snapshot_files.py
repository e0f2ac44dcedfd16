"""The CSV files of the snapshot, read by name, and their empty cells."""

from decimal import Decimal

from pricing.snapshot_files import optional_date, optional_integer, optional_money, rows


def test_rows_are_by_column() -> None:
    assert {"cloud", "launchable", "spot"} <= rows("clouds.csv")[0].keys()


def test_empty_cell_is_unknown() -> None:
    assert (optional_money(""), optional_integer(""), optional_date("")) == (None, None, None)
    assert (optional_money("0.10"), optional_integer("512.0")) == (Decimal("0.10"), 512)
