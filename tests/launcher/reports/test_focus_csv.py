import csv
import json
from dataclasses import replace
from decimal import Decimal
from io import StringIO

from launcher.reports.focus_csv import COLUMNS, rows, to_csv
from launcher.reports.report import Report
from tests.support import sample_report


def read(report: Report) -> list[dict[str, str]]:
    return list(csv.DictReader(StringIO(to_csv(report))))


def test_columns_are_those_of_focus() -> None:
    assert tuple(read(sample_report.report())[0]) == COLUMNS


def test_costs_of_all_rows_add_up_to_the_known_total() -> None:
    report = sample_report.report()
    costs = [Decimal(row["BilledCost"]) for row in read(report) if row["BilledCost"]]
    assert sum(costs) == report.spend.known_usd


def test_every_row_has_the_runs_label() -> None:
    found = rows(sample_report.report())
    assert {json.loads(row["Tags"])["embedfleet-run"] for row in found} == {"r-20261001-a1b2"}


def test_unknown_cost_is_empty() -> None:
    report = sample_report.small([], [sample_report.machine("w", 0, 10, 50, price=None)])
    (row,) = read(report)
    assert (row["BilledCost"], row["ListUnitPrice"]) == ("", "")


def test_estimated_charge_says_so() -> None:
    descriptions = {row["ChargeDescription"] for row in read(sample_report.report())}
    assert "egress, estimated at list prices" in descriptions


def test_formula_is_escaped() -> None:
    report = sample_report.report()
    machines = (replace(report.machines[0], instance_type="=cmd()"), *report.machines[1:])
    text = to_csv(replace(report, machines=machines))
    assert "'=cmd()" in text
    assert ",=cmd()" not in text
