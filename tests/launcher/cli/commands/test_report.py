"""`embedfleet report` and `compare` in their forms, on the history of a fleet and on what is no run."""

import csv
import json
from collections.abc import Iterator
from datetime import date
from decimal import Decimal
from io import StringIO
from pathlib import Path

import pytest

from launcher.cli.main import main
from launcher.costs.usage.daily import cost_by_day
from launcher.ledger.ledger import Ledger
from launcher.ledger.upgrade import MIGRATIONS, upgrade
from launcher.reports.assemble import report_of
from launcher.reports.focus_csv import COLUMNS, to_csv
from launcher.reports.report import Report
from tests.support import ledger_history
from tests.support.ledger_history import NOW_SECONDS, RUN, at

EVIL = "<script>alert(1)</script>|`x`"


@pytest.fixture(scope="module")
def runs(tmp_path_factory: pytest.TempPathFactory) -> Path:
    """A folder of runs: the fleet's history, and a run that never began."""
    folder: Path = tmp_path_factory.mktemp("runs")
    with ledger_history.ledger_of(folder) as ledger:
        ledger.runs.create("reviews-ffffffff", "reviews", "{}", "d", str(folder / "out"), at(-90_000))
    return folder


@pytest.fixture(scope="module")
def report(runs: Path) -> Iterator[Report]:
    with Ledger.open(runs / "ledger.db") as ledger:
        yield report_of(ledger, None, RUN, at(NOW_SECONDS))


def said(capsys: pytest.CaptureFixture[str], *words: str) -> tuple[int, str, str]:
    code = main(words)
    captured = capsys.readouterr()
    return code, captured.out, captured.err


def test_csv_has_focus_columns_and_the_runs_costs(report: Report) -> None:
    read = list(csv.DictReader(StringIO(to_csv(report))))
    assert tuple(read[0]) == COLUMNS
    assert sum(Decimal(row["BilledCost"]) for row in read if row["BilledCost"]) == report.spend.known_usd


def test_daily_costs_add_up_to_the_known_total(report: Report) -> None:
    days = cost_by_day(report.machines, report.spend.lives, report.spend.others, report.updated, "aws")
    assert abs(sum(days.values(), Decimal(0)) - report.spend.known_usd) < Decimal("1e-9")
    assert {day for day, _ in days} == {date(2026, 11, 2)}


def test_report_prints_csv_alone_on_stdout(runs: Path, capsys: pytest.CaptureFixture[str]) -> None:
    code, out, _ = said(capsys, "report", RUN, "--runs", str(runs), "--csv")
    assert (code, out.splitlines()[0]) == (0, ",".join(COLUMNS))


def test_report_prints_markdown(runs: Path, capsys: pytest.CaptureFixture[str]) -> None:
    code, out, _ = said(capsys, "report", RUN, "--runs", str(runs), "--md")
    assert (code, out.splitlines()[0]) == (0, "# reviews")


def test_all_lists_every_run_and_the_total(runs: Path, capsys: pytest.CaptureFixture[str]) -> None:
    code, out, _ = said(capsys, "report", "--all", "--runs", str(runs), "--json")
    body = json.loads(out)
    assert (code, {run["run"] for run in body["runs"]}) == (0, {RUN, "reviews-ffffffff"})
    assert Decimal(body["known_usd"]) == sum(Decimal(run["known_usd"]) for run in body["runs"])


def test_since_leaves_out_older_runs(runs: Path, capsys: pytest.CaptureFixture[str]) -> None:
    _, out, _ = said(capsys, "report", "--since", "2026-11-02", "--runs", str(runs), "--json")
    assert [run["run"] for run in json.loads(out)["runs"]] == [RUN]


def test_wrong_since_is_usage_error(runs: Path, capsys: pytest.CaptureFixture[str]) -> None:
    assert main(["report", "--since", "soon", "--runs", str(runs)]) == 2
    assert "give a date such as 2026-11-01, or 7d or 12h, not 'soon'" in capsys.readouterr().err


def test_compare_lists_the_figures_of_two_runs(runs: Path, capsys: pytest.CaptureFixture[str]) -> None:
    code, out, _ = said(capsys, "compare", RUN, "reviews-ffffffff", "--runs", str(runs), "--json")
    body = json.loads(out)
    assert (code, body["one"], body["other"]) == (0, RUN, "reviews-ffffffff")
    assert {row["figure"] for row in body["figures"]} >= {"usd", "tokens", "hours", "preemptions"}


def test_reconcile_of_our_own_export_has_no_difference(
    runs: Path, tmp_path: Path, capsys: pytest.CaptureFixture[str]
) -> None:
    bill = tmp_path / "focus.csv"
    code, out, _ = said(capsys, "report", RUN, "--runs", str(runs), "--csv")
    bill.write_text(out)  # what the bill would be if our metering is right
    code, out, _ = said(capsys, "report", RUN, "--runs", str(runs), "--json", "--reconcile", str(bill))
    body = json.loads(out)
    assert (code, body["files"][0]["layout"]) == (0, "FOCUS")
    compute = [row for row in body["lines"] if row["service"] == "Virtual Machines"]
    assert {row["difference_usd"] for row in compute if row["day"] == "2026-11-02"} == {"0"}


def test_unreadable_bill_is_two_lines(runs: Path, tmp_path: Path, capsys: pytest.CaptureFixture[str]) -> None:
    (tmp_path / "bill.parquet").write_bytes(b"PAR1")
    code, _, err = said(
        capsys, "report", RUN, "--runs", str(runs), "--reconcile", str(tmp_path / "bill.parquet")
    )
    assert code == 1
    assert [line.partition(":")[0] for line in err.splitlines()[-2:]] == ["Error", "Try"]


def test_unknown_run_has_the_known_runs_as_hint(runs: Path, capsys: pytest.CaptureFixture[str]) -> None:
    code, _, err = said(capsys, "report", "reviws-0a1b", "--runs", str(runs))
    assert (code, err.splitlines()[1]) == (1, f"Try: name one of: {RUN}, reviews-ffffffff")


def test_report_of_a_run_that_never_began_is_empty(runs: Path, capsys: pytest.CaptureFixture[str]) -> None:
    code, out, _ = said(capsys, "report", "reviews-ffffffff", "--runs", str(runs), "--json")
    body = json.loads(out)
    assert (code, body["work"]["shards"], body["machines"], body["waterfall"]) == (0, 0, [], None)


def test_ledger_of_a_newer_version_is_two_lines(tmp_path: Path, capsys: pytest.CaptureFixture[str]) -> None:
    import sqlite3
    from contextlib import closing

    path = tmp_path / "ledger.db"
    with closing(sqlite3.connect(path, isolation_level=None)) as connection:
        upgrade(connection, path, (*MIGRATIONS, "CREATE TABLE future (id);"))
    code, _, err = said(capsys, "report", "--runs", str(tmp_path))
    assert (code, len(err.splitlines())) == (1, 2)
    assert "is of a newer embedfleet" in err


def test_run_and_all_together_are_usage_error(runs: Path, capsys: pytest.CaptureFixture[str]) -> None:
    code, _, err = said(capsys, "report", RUN, "--all", "--runs", str(runs))
    assert code == 2
    assert "Error: --all and --since are about many runs" in err
