from dataclasses import replace

from launcher.reports.document import RowFailure
from launcher.reports.unknowns import unknown
from tests.support import sample_plan, sample_report
from tests.support.sample_report import lease, machine, receipt, small


def test_machine_without_a_price_is_named() -> None:
    report = small([], [machine("w", 0, 10, 50, price=None), machine("v", 0, 10, 50)])
    assert "dollars spent: no price per hour for w" in unknown(report)


def test_plan_that_cannot_be_read_gives_no_figure() -> None:
    assert "planned dollars: the plan does not say" in unknown(small(plan=None))


def test_plan_without_prices_leaves_its_dollars_unknown() -> None:
    sentences = unknown(small(plan=sample_plan.saved_local()))
    assert "planned dollars: the plan does not say" in sentences
    assert "planned hours: the plan does not say" not in sentences


def test_open_leases_are_counted() -> None:
    report = small([], [machine("w", 0, 10, None)], [lease(0, "w", 20, None)])
    assert "work in progress: open leases, counted as useful until they are lost: 1" in unknown(report)


def test_finished_run_names_machines_whose_end_was_not_reported() -> None:
    report = small([receipt(0, "w", 10, 40)], [machine("w", 0, 10, None)])
    assert "the end of w: not reported, so metered until this report" in unknown(report)


def test_of_many_machines_five_are_named() -> None:
    machines = [machine(f"w-{i}", i, 10 + i, None) for i in range(8)]
    sentences = unknown(small([receipt(0, "w-0", 10, 40)], machines))
    assert (
        "the end of w-0, w-1, w-2, w-3, w-4 and 3 more: not reported, so metered until this report"
        in sentences
    )


def test_failed_rows_that_are_not_listed_are_counted() -> None:
    assert "failed rows not listed here: 7 of 7" in unknown(small(failed_rows=7))


def test_estimated_charges_are_named() -> None:
    expected = "egress, storage: estimated from the work done at list prices, not metered"
    assert expected in unknown(sample_report.report())


def test_spot_machine_without_price_history_is_named() -> None:
    (sentence,) = (s for s in unknown(sample_report.report()) if s.startswith("spot prices of"))
    assert sentence.endswith("gcp publishes no price history, so the price at launch is used")


def test_rows_behind_a_damaged_place_are_an_unknown_number() -> None:
    said = "how many rows are lost behind 2 damaged places: the files do not tell; each counts as one row"
    assert said in unknown(replace(small(), cut_short=2, failed_rows=2))
    assert not any("damaged" in sentence for sentence in unknown(small()))


def test_a_listed_row_that_stands_for_many_is_not_counted_as_one() -> None:
    failure = RowFailure("a.parquet", 7, "the file is damaged from here on", None, rows=100)
    report = replace(small(), failed_rows=101, failures=(failure,))
    assert "failed rows not listed here: 1 of 101" in unknown(report)
