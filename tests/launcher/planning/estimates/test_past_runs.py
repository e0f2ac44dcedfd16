"""How earlier plans came true widens the next interval, by the rule of the module, and never narrows it."""

from dataclasses import replace
from datetime import timedelta
from decimal import Decimal
from math import exp, log

import pytest
from hypothesis import given
from hypothesis import strategies as st

from launcher.ledger.records import PlanOutcome
from launcher.planning.estimates.estimate import UsdSpread
from launcher.planning.estimates.past_runs import (
    MOST_OFF,
    MOST_RUNS,
    FigureRecord,
    PastRuns,
    basis_of,
    deviations,
    past_runs,
    past_runs_text,
    widened,
    widened_usd,
)
from launcher.throughput.spread import P90, Spread
from tests.support.ledger_values import NOON

OWN = Spread(2.0, 3.0, 5.0)
RENTED = PlanOutcome(
    run="r", finished=NOON, place="rented", basis="predicted", model="m", engine="vllm", gpu="L4"
)


def came(off: float, number: int = 0) -> PlanOutcome:
    """A run whose hours came `off` standard deviations from P50, of a plan with the interval OWN."""
    side = log(OWN.high / OWN.mid) if off > 0 else log(OWN.mid / OWN.low)
    return replace(
        RENTED,
        run=f"r{number}",
        finished=NOON - timedelta(days=number),
        hours_p10=OWN.low,
        hours_p50=OWN.mid,
        hours_p90=OWN.high,
        hours=OWN.mid * exp(off * side / P90),
        hours_off=off,
    )


def record(*offs: float) -> FigureRecord:
    return past_runs([came(off, n) for n, off in enumerate(offs)])["rented", "predicted"].hours


def test_without_runs_there_is_nothing_to_say() -> None:
    assert past_runs([]) == {}


def test_runs_that_came_true_change_nothing() -> None:
    found = record(0.3, -0.5, 1.0, -1.0, 0.1, 0.6)
    assert (found.runs, found.inside) == (6, 6)
    assert (found.low, found.high) == (P90, P90)
    assert widened(OWN, found) == OWN


def test_one_run_far_off_counts_as_one_of_eleven() -> None:
    found = record(3.0)
    mean = 3.0 / 11
    deviation = (((3.0 - mean) ** 2 + 10 * (1 + mean**2)) / 11) ** 0.5
    assert found.high == pytest.approx(P90 * deviation + mean)
    assert found.low == pytest.approx(P90 * deviation - mean)
    assert (found.runs, found.inside) == (1, 0)


def test_runs_that_all_came_late_move_the_late_end_alone() -> None:
    found = record(*[2.0] * 6)
    got = widened(OWN, found)
    assert (got.low, got.mid) == (OWN.low, OWN.mid)
    assert got.high == pytest.approx(OWN.mid * (OWN.high / OWN.mid) ** (found.high / P90))
    assert got.high == pytest.approx(7.66, abs=0.01)  # 5 before


def test_runs_of_another_sort_do_not_count() -> None:
    others = [replace(came(4.0), place="local"), replace(came(4.0), basis="measured")]
    assert ("rented", "predicted") not in past_runs(others)


def test_only_the_last_runs_count() -> None:
    found = record(*[0.0] * MOST_RUNS, *[4.0] * 50)
    assert (found.runs, found.inside, found.high) == (MOST_RUNS, MOST_RUNS, P90)


def test_a_figure_that_does_not_compare_is_not_counted() -> None:
    unknown = replace(came(0.0), hours=None, hours_off=None)
    found = past_runs([unknown, came(1.0, 1)])["rented", "predicted"]
    assert (found.runs, found.hours.runs, found.hours.inside, found.usd.runs) == (2, 1, 1, 0)


def test_deviations_are_those_of_the_planners_own_interval() -> None:
    """A run of a plan that was widened already does not undo what earlier runs taught."""
    taught = record(*[2.0] * 6)
    shown = widened(OWN, taught)
    actual = 6.0
    own = deviations(actual, OWN.low, OWN.mid, OWN.high, FigureRecord())
    assert own is not None
    assert deviations(actual, shown.low, shown.mid, shown.high, taught) == pytest.approx(own)
    assert own == pytest.approx(log(2.0) / (log(5 / 3) / P90))


def test_deviations_are_bounded_and_unknown_without_a_ratio() -> None:
    assert deviations(1e9, 2.0, 3.0, 5.0, FigureRecord()) == MOST_OFF
    assert deviations(1e-9, 2.0, 3.0, 5.0, FigureRecord()) == -MOST_OFF
    assert deviations(1.0, 0.0, 0.0, 0.0, FigureRecord()) is None


def test_an_interval_without_width_is_widened_too() -> None:
    got = widened(Spread(3.0, 3.0, 3.0), record(*[4.0] * 10))
    assert got.high > 3.3
    assert got.mid == 3.0


def test_dollars_keep_their_middle_to_the_cent() -> None:
    own = UsdSpread(Decimal("60.5"), Decimal("80.250000000001"), Decimal(131))
    got = widened_usd(own, record(*[3.0] * 5))
    assert got.p50 == own.p50
    assert got.p90 > own.p90
    assert widened_usd(own, FigureRecord()) is own


@given(st.lists(st.floats(-9, 9), max_size=30), st.floats(0.01, 1), st.floats(1, 100))
def test_no_record_narrows_an_interval(offs: list[float], low: float, high: float) -> None:
    own = Spread(low, 1.0, high)
    found = record(*[max(-MOST_OFF, min(MOST_OFF, off)) for off in offs]) if offs else FigureRecord()
    got = widened(own, found)
    assert got.low <= own.low
    assert got.high >= own.high
    assert got.mid == own.mid


def test_one_predicted_speed_makes_the_plan_predicted() -> None:
    assert basis_of(["measured here", "predicted: ceiling 46.4 TFLOPS"]) == "predicted"
    assert basis_of(["measured here", "the job file"]) == "measured"


def test_sentence_says_how_many_came_inside() -> None:
    past = PastRuns(
        "rented", "predicted", 6, FigureRecord(6, 5), FigureRecord(4, 2, P90, 2.0), FigureRecord()
    )
    assert past_runs_text(past) == (
        "your last 6 runs on rented machines with predicted speeds: time 5 of 6, dollars 2 of 4 inside P10 to P90; "
        "dollars given a wider interval for it"
    )
    alone = PastRuns("local", "measured", 1, FigureRecord(1, 1), FigureRecord(), FigureRecord())
    assert past_runs_text(alone) == (
        "your last run on this machine with measured speeds: time 1 of 1, dollars not known inside P10 to P90"
    )


def test_a_few_runs_on_this_machine_count_for_more_than_a_few_rented_ones() -> None:
    """Three runs that all took half as long again are inside the next interval of a plan for this machine."""
    assumed = Spread(1.0 / 1.1, 1.0, 1.0 / 0.75)
    late = replace(came(0.0), place="local", basis="measured")
    off = deviations(1.5, assumed.low, assumed.mid, assumed.high, FigureRecord())
    for runs in (1, 3, 8):
        found = past_runs([replace(late, run=f"r{n}", hours_off=off) for n in range(runs)])
        assert widened(assumed, found["local", "measured"].hours).high > 1.5
