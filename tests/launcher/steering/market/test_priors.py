"""What earlier runs saw, as the belief with which a run begins: bounded, and for less the older it is."""

from datetime import timedelta

import pytest

from launcher.steering.market import beliefs
from launcher.steering.market.priors import HALF_LIFE, MOST_AGE, PastRun, priors_of
from launcher.steering.situation import Belief
from tests.launcher.steering.situations import EAST, NOON, WEST

BAD = Belief(
    falls=4.0, hours_up=4.0, returns=0.0, hours_down=4.0, up=False, seen=NOON, refusals=3, refused=NOON
)


def run(belief: Belief, age: timedelta) -> PastRun:
    return PastRun({EAST.key: belief}, NOON - age)


def falls_after(age: timedelta) -> float:
    return beliefs.rates(priors_of([run(BAD, age)], NOON).get(EAST.key, Belief()))[0]


def test_the_past_counts_for_less_the_older_it_is() -> None:
    """A fall an hour was seen; without any past it is 0.25 of one."""
    found = [falls_after(age) for age in (timedelta(0), HALF_LIFE, 3 * HALF_LIFE, MOST_AGE * 1.01)]
    assert found == pytest.approx([5 / 8, 3 / 6, 1.5 / 4.5, 0.25])
    assert falls_after(-HALF_LIFE) == found[0]  # a clock that was set back


def test_the_past_weighs_as_a_few_events_however_much_of_it_there_is() -> None:
    many = [run(Belief(falls=100.0, hours_up=100.0), timedelta(hours=n)) for n in range(20)]
    found = priors_of(many, NOON)[EAST.key]
    assert found.hours_up == pytest.approx(12.0)  # three times the four hours of the general prior
    assert found.falls == pytest.approx(12.0)


def test_only_rates_are_taken_over() -> None:
    """A place that had none at the end of an earlier run is asked at once, and is not taken for down."""
    found = priors_of([run(BAD, timedelta(0))], NOON)[EAST.key]
    assert beliefs.retry_after(found) is None
    assert (found.up, found.seen, found.most, found.held) == (None, None, None, 0)
    returns, falls = found.returns + 1, found.falls + 1
    rate = returns / (found.hours_down + 1 / 0.35), falls / (found.hours_up + 4)
    assert beliefs.chance_up_now(found, NOON) == pytest.approx(rate[0] / sum(rate))


def test_runs_add_up_and_other_places_have_none() -> None:
    found = priors_of([run(BAD, timedelta(0)), run(BAD, HALF_LIFE)], NOON)
    assert found[EAST.key].falls == pytest.approx(6.0)
    assert WEST.key not in found
    assert priors_of([], NOON) == {}
    assert priors_of([run(Belief(up=True, seen=NOON), HALF_LIFE)], NOON) == {}
