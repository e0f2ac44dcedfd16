"""Columns to keep that no row has."""

from launcher.corpus.samples.kept_columns import KeptColumns
from tasks.formats.rows import Document


def row(*kept: str | None) -> Document:
    return Document(id="a", text="text", file="a.jsonl", position=0, kept=kept)


def test_a_column_that_no_row_has_is_named() -> None:
    kept = KeptColumns(("lang", "titel"))
    kept.add(row("en", None))
    kept.add(row(None, None))
    assert kept.line() == "output.keep: 'titel' is missing or null in all 2 rows of the sample"


def test_a_column_that_one_row_has_is_enough() -> None:
    kept = KeptColumns(("lang",))
    kept.add(row(None))
    kept.add(row("en"))
    assert kept.line() is None


def test_nothing_is_said_without_rows_or_columns() -> None:
    assert KeptColumns(("lang",)).line() is None
    none = KeptColumns(())
    none.add(row())
    assert none.line() is None
