"""What a refusal says: the limit that cannot be kept, and a value for it that works."""

import re
from dataclasses import replace
from decimal import Decimal

import pytest

from launcher.planning.estimates.estimate import Allocation
from launcher.planning.optimizer.decide import decide
from launcher.planning.optimizer.infeasible import round_duration_up
from launcher.planning.optimizer.search import estimate_fleet
from launcher.throughput.spread import Spread
from tests.launcher.planning.optimizer.decisions import (
    CHARGES,
    TOKENS,
    UNSURE,
    WORK,
    case,
    refusal,
    requirements,
    suggested,
)
from tests.support.candidates import candidate, candidates, free, groups, sure


def test_refusal_of_a_short_deadline_names_the_soonest() -> None:
    problem = refusal([candidate()], requirements(100 * WORK, 2, machines=10))
    assert str(problem).startswith(
        "nothing finishes in 2 h with at most 10 machines (limits.machines); soonest: "
    )
    assert suggested(problem).keys() == {"deadline_hours", "machines"}
    assert suggested(problem)["deadline_hours"] == pytest.approx(10.1, abs=0.2)
    assert 53 <= suggested(problem)["machines"] <= 58  # 100 hours in 1.9


def test_fleet_that_makes_the_deadline_at_p90_is_not_refused() -> None:
    one = candidate(tokens_per_second=sure(897), cold_start=Spread(157, 338, 680))
    made = estimate_fleet([Allocation(one, 406, TOKENS)], requirements(TOKENS))
    assert made.hours.high < 2.5
    assert decide([one], requirements(TOKENS, 2.5, machines=406)).chosen.hours.high <= 2.5


def test_deadline_before_the_first_token_is_refused_with_one_that_works() -> None:
    problem = refusal([candidate()], requirements(WORK, 0.05))
    decide([candidate()], requirements(WORK, suggested(problem)["deadline_hours"]))


def test_refusal_of_a_small_budget_names_the_least() -> None:
    problem = refusal([free()], requirements(100 * WORK, budget=Decimal(50)))
    assert str(problem).startswith("nothing costs at most $50 (P90); the least is $10")
    assert suggested(problem)["budget"] in (Decimal(102), Decimal(103))


def test_small_quota_is_named() -> None:
    one = free()
    problem = refusal([one], requirements(100 * WORK, 5, quota={one.group: 4}))
    assert "within the quota" in str(problem)
    assert "or quota: gcp us-central1 L4 on_demand " in problem.hint


def test_suggested_quota_works() -> None:
    one = free()
    wanted = requirements(100 * WORK, 5, quota={one.group: 4})
    said = re.search(r"L4 on_demand (\d+)", refusal([one], wanted).hint)
    assert said
    assert 20 <= int(said[1]) <= 23
    decide([one], replace(wanted, quota={one.group: int(said[1])}))


def test_quota_of_zero_is_named() -> None:
    problem = refusal([candidate()], requirements(WORK, quota={candidate().group: 0}))
    assert "the quota leaves no machine" in str(problem)


def test_too_few_machines_per_region_are_named() -> None:
    problem = refusal([free()], requirements(100 * WORK, 5, machines_per_region=4))
    assert "at most 4 machines a region" in str(problem)
    assert "limits.machines_per_region" in problem.hint


def test_duration_is_rounded_up() -> None:
    assert (
        round_duration_up(0.501),
        round_duration_up(1.99),
        round_duration_up(2.01),
        round_duration_up(6.0),
    ) == ("31m", "120m", "2.1h", "6h")


@pytest.mark.parametrize("number", range(4))
def test_suggested_deadline_and_number_of_machines_work(number: int) -> None:
    one = case(number, slack=0.6)
    values = suggested(refusal(one.candidates, one.requirements))
    assert "deadline_hours" in values
    for field, value in values.items():
        decide(one.candidates, replace(one.requirements, **{field: value}))


@pytest.mark.parametrize("number", range(4))
def test_suggested_budget_works(number: int) -> None:
    one = case(number, slack=2)
    hours = one.requirements.deadline_hours if number % 2 else None
    wanted = replace(one.requirements, budget=Decimal("0.05"), deadline_hours=hours)
    budget = suggested(refusal(one.candidates, wanted))["budget"]
    found = decide(one.candidates, replace(wanted, budget=budget)).chosen
    assert found.usd is not None
    assert found.usd.p90 <= budget


def test_suggested_budget_works_where_spot_prices_are_old() -> None:
    spot = candidate(
        spot=True, usd_per_hour=Decimal("0.3"), tokens_per_second=UNSURE, price_age_days=150.0, floats=True
    )
    wanted = requirements(100 * WORK, budget=Decimal(1))
    values = suggested(refusal([spot, candidate()], wanted))
    assert decide([spot, candidate()], replace(wanted, budget=values["budget"]))


def test_suggested_budget_works_with_a_limit_on_machines() -> None:
    found = candidates(0, 25)
    wanted = requirements(1e8, 0.3, charges=CHARGES, machines=10, budget=Decimal("0.05"))
    values = suggested(refusal(found, wanted))
    assert values["budget"] < 11
    assert decide(found, replace(wanted, budget=values["budget"]))


def test_deadline_that_is_just_made_with_a_small_budget_is_refused() -> None:
    found = candidates(23, 14)
    wanted = requirements(
        8.098e10,
        107.3,
        charges=CHARGES,
        budget=Decimal(1),
        machines=28,
        quota={one.group: 3 for one in found},
        obtainable=groups(found, 2),
    )
    assert "nothing costs at most $1" in str(refusal(found, wanted))
