"""The choice: cheapest of what is on time and affordable; else the limit that binds and a value that works."""

import re
from decimal import Decimal
from random import Random

import pytest
from hypothesis import assume, given
from hypothesis import strategies as st

from launcher.errors import Infeasible
from launcher.estimate import Estimate, Kind, Money
from launcher.optimize import affordable, cheapest, on_time, rank
from launcher.speed import Spread

HOURS = {"m": 1 / 60, "h": 1.0}


def offer(name: str, hours: float, usd: float | None, machines: int = 1) -> Estimate:
    """An estimate whose P90 is twice its P50, in hours and in dollars."""
    kind = Kind(
        cloud="gcp",
        region="us-central1",
        gpu=name,
        gpus=1.0,
        spot=True,
        usd_per_hour=Decimal(1),
        tokens_per_second=Spread(1, 1, 1),
        speed_source="a test",
        cold_start=0.0,
    )
    cost = None if usd is None else Decimal(str(usd))
    money = None if cost is None else Money(cost / 2, cost, cost * 2)
    return Estimate(kind, machines, Spread(hours / 2, hours, hours * 2), money, cost, Decimal(0), None)


def chosen(offers: list[Estimate], deadline: float | None = None, budget: str | None = None) -> str:
    return cheapest(offers, deadline, None if budget is None else Decimal(budget)).kind.gpu


def refusal(offers: list[Estimate], deadline: float | None, budget: str | None) -> Infeasible:
    with pytest.raises(Infeasible) as caught:
        cheapest(offers, deadline, None if budget is None else Decimal(budget))
    return caught.value


def deadline_named(hint: str) -> float:
    found = re.search(r"limits\.deadline to (\d+)([mh])", hint)
    assert found
    return int(found[1]) * HOURS[found[2]]


def budget_named(hint: str) -> Decimal:
    found = re.search(r"limits\.budget to \$(\d+)", hint)
    assert found
    return Decimal(found[1])


prices = st.decimals(0, 10_000, places=2).map(float)
offers = st.builds(
    offer, st.sampled_from(["T4", "L4", "A10G", "H100"]), st.floats(0.01, 10_000), st.none() | prices
)
priced = st.builds(offer, st.sampled_from(["T4", "L4", "A10G", "H100"]), st.floats(0.01, 10_000), prices)


def test_the_cheapest_is_chosen() -> None:
    assert chosen([offer("L4", 4, 3.0), offer("T4", 9, 2.5), offer("H100", 1, 8.0)]) == "T4"


def test_dollars_are_ranked_not_dollars_per_hour() -> None:
    assert chosen([offer("T4", 100, 20.0), offer("H100", 2, 6.0)]) == "H100"


def test_a_tie_goes_to_the_faster() -> None:
    assert chosen([offer("T4", 9, 2.5), offer("L4", 4, 2.5)]) == "L4"


def test_a_full_tie_goes_by_name() -> None:
    assert chosen([offer("T4", 4, 2.5), offer("L4", 4, 2.5)]) == "L4"


def test_an_unknown_price_comes_after_every_known_one() -> None:
    assert chosen([offer("cpu", 1, None), offer("H100", 1, 9_999.0)]) == "H100"


def test_an_unknown_price_is_chosen_where_nothing_else_is_there() -> None:
    assert chosen([offer("cpu", 1, None)], budget="0.01") == "cpu"


def test_the_slow_end_must_make_the_deadline() -> None:
    both = [offer("T4", 4, 2.5), offer("L4", 3, 3.0)]
    assert chosen(both, deadline=7.9) == "L4"  # the T4 may take 8 h
    assert chosen(both, deadline=8.0) == "T4"


def test_the_dear_end_must_be_within_the_budget() -> None:
    both = [offer("H100", 1, 2.0), offer("L4", 1, 2.5)]
    assert chosen(both, budget="4.00") == "H100"
    assert "nothing costs at most $3.99" in str(refusal(both, None, "3.99"))


def test_nothing_to_choose_from_names_the_limits_that_may_be_loosened() -> None:
    problem = refusal([], 6.0, "300")
    assert str(problem) == "no machine fits the limits of the job and has a known price and speed"
    assert problem.hint == "loosen limits.gpus, clouds, regions or spot in the job file"


def test_a_missed_deadline_is_named_with_the_soonest() -> None:
    problem = refusal([offer("T4", 9, 2.5), offer("L4", 4, 3.0, machines=400)], 6.0, None)
    assert str(problem) == "nothing finishes in 6 h; soonest: 400 x L4 on gcp, 8.0 h (P90)"
    assert problem.hint == "set limits.deadline to 8h, or raise limits.machines"


def test_a_short_deadline_is_named_in_minutes() -> None:
    problem = refusal([offer("L4", 0.5, 3.0)], 0.1, None)
    assert problem.hint == "set limits.deadline to 60m, or raise limits.machines"


def test_a_budget_too_small_is_named_with_the_nearest_that_works() -> None:
    problem = refusal([offer("T4", 1, 2.6), offer("L4", 1, 3.0)], None, "5")
    assert str(problem) == "nothing costs at most $5; cheapest in time: 1 x T4 on gcp, $5.20 (P90)"
    assert problem.hint == "set limits.budget to $6, or a later deadline"


def test_the_budget_that_is_named_is_the_least_dear_end() -> None:
    sure = offer("L4", 1, 3.0)
    wide = Estimate(
        sure.kind, 1, sure.hours, Money(Decimal(1), Decimal(2), Decimal(40)), Decimal(2), Decimal(0), None
    )
    assert budget_named(refusal([wide, sure], None, "5").hint) == 6


def test_a_missed_deadline_is_told_before_a_budget() -> None:
    assert "nothing finishes" in str(refusal([offer("L4", 10, 300.0)], 1.0, "1"))


@given(st.lists(offers, min_size=1, max_size=8), st.floats(0.001, 1_000))
def test_the_deadline_that_is_named_works(found: list[Estimate], deadline: float) -> None:
    assume(not any(on_time(e, deadline) for e in found))
    named = deadline_named(refusal(found, deadline, None).hint)
    assert named > deadline
    assert on_time(cheapest(found, named, None), named)


@given(st.lists(priced, min_size=1, max_size=8), st.decimals("0.01", 1_000, places=2))
def test_the_budget_that_is_named_works_and_a_dollar_less_does_not(
    found: list[Estimate], budget: Decimal
) -> None:
    assume(not any(affordable(e, budget) for e in found))
    named = budget_named(refusal(found, None, str(budget)).hint)
    assert affordable(cheapest(found, None, named), named)
    assert not any(affordable(e, named - 1) for e in found)


@given(st.lists(priced, min_size=1, max_size=8), priced, st.none() | st.floats(1, 1_000))
def test_the_choice_never_costs_more_when_an_estimate_is_added(
    found: list[Estimate], more: Estimate, deadline: float | None
) -> None:
    assume(any(on_time(e, deadline) for e in found))
    before, after = cheapest(found, deadline, None), cheapest([*found, more], deadline, None)
    assert before.usd
    assert after.usd
    assert after.usd.p50 <= before.usd.p50


@given(st.lists(offers, min_size=1, max_size=8), st.randoms(use_true_random=False))
def test_the_choice_does_not_depend_on_the_order(found: list[Estimate], dice: Random) -> None:
    shuffled = list(found)
    dice.shuffle(shuffled)
    assert rank(cheapest(shuffled, None, None)) == rank(cheapest(found, None, None))
