from datetime import timedelta

from tests.support.sample_report import at, machine, receipt, small


def test_finished_run_lasts_from_creation_to_last_receipt() -> None:
    assert small([receipt(0, "w", 10, 40)]).span == timedelta(seconds=40)


def test_open_run_lasts_until_now() -> None:
    assert small([receipt(0, "w", 10, 40)], shards=2).span == timedelta(seconds=100)


def test_receipts_are_ordered_by_position() -> None:
    report = small([receipt(1, "w", 40, 70), receipt(0, "w", 10, 40)])
    assert list(report.done.position) == [0, 1]


def test_machines_and_their_spend_are_ordered_together() -> None:
    report = small([], [machine("late", 20, 30, 60), machine("soon", 0, 10, 50)])
    assert [m.name for m in report.machines] == ["soon", "late"]
    assert [one.total_time for one in report.spend.lives] == [timedelta(seconds=50), timedelta(seconds=40)]


def test_tokens_are_those_of_all_receipts() -> None:
    assert small([receipt(0, "w", 10, 40, tokens=3), receipt(1, "w", 40, 70, tokens=4)]).tokens == 7


def test_report_without_rows_is_empty() -> None:
    report = small()
    assert (report.tokens, report.machines, report.span) == (0, (), at(100) - at(0))
