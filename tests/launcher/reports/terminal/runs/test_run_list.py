from datetime import UTC, datetime
from decimal import Decimal

from launcher.reports.lists.run_list import ListedRun, RunListDocument
from launcher.reports.terminal.runs.run_list import run_list_text
from tests.support.screens import printed

NOON = datetime(2026, 3, 1, 12, tzinfo=UTC)


def listed(run: str, usd: str | None, known: str = "2") -> ListedRun:
    return ListedRun(
        run=run, state="DONE", created=NOON, shards=3, shards_done=3, tokens=1_500_000,
        usd=None if usd is None else Decimal(usd), known_usd=Decimal(known), usd_per_million_tokens=None,
        name=run, model="hash", corpus="in", output="out", seconds=12.5, tags={}, notes=(),
    )  # fmt: skip


def document(*runs: ListedRun, usd: str | None, since: datetime | None = None) -> RunListDocument:
    total = None if usd is None else Decimal(usd)
    return RunListDocument(at=NOON, since=since, runs=runs, usd=total, known_usd=Decimal(4), tokens=3_000_000)


def test_each_run_and_the_sum_is_a_line() -> None:
    found = printed(run_list_text(document(listed("a", "2"), listed("b", "2"), usd="4"))).splitlines()
    assert found[1].split() == ["a", "done", "2026-03-01", "3/3", "1.5M", "$2.00", "?"]
    assert found[3].split() == ["together", "3M", "$4.00"]


def test_sum_that_is_known_in_part_says_how_much() -> None:
    text = printed(run_list_text(document(listed("a", None), listed("b", "2"), usd=None)))
    assert text.count("? (known: $2.00)") == 1
    assert "? (known: $4.00)" in text


def test_first_day_is_in_the_note() -> None:
    text = printed(run_list_text(document(usd="4", since=NOON)))
    assert "since 2026-03-01 12:00:00 UTC; Machines and what the ledger has of other charges" in text
