"""Laws of the decision: every limit holds at P90, and loosening one never costs more."""

import random
from dataclasses import replace
from decimal import Decimal
from itertools import pairwise

import pytest

from launcher.errors import Infeasible
from launcher.planning.optimizer.decide import decide
from launcher.planning.optimizer.search import Requirements, rank_usd
from tests.launcher.planning.optimizer.decisions import (
    CASES,
    CHARGES,
    LAW,
    WORK,
    case,
    decision,
    decisions,
    outcome_of,
    refusal,
    requirements,
    suggested,
    usd,
)
from tests.support.candidates import candidates, free, groups


def test_cases_are_hard() -> None:
    assert 5 <= len(decisions()) <= len(CASES) - 2


def test_every_limit_holds_and_deadline_and_budget_at_p90() -> None:
    for wanted, found in decisions():
        chosen = found.chosen
        assert wanted.deadline_hours
        assert wanted.budget
        assert wanted.machines
        assert chosen.hours.high <= wanted.deadline_hours
        assert chosen.usd is not None
        assert chosen.usd.p90 <= wanted.budget
        assert chosen.machines <= wanted.machines
        for group in {one.candidate.group for one in chosen.allocations}:
            own = [one for one in chosen.allocations if one.candidate.group == group]
            most = wanted.machines_per_region
            assert most is None or sum(one.machines for one in own) <= most
            assert sum(one.machines * one.candidate.gpus for one in own) <= wanted.quota.get(group, 1e9)
        assert sum(one.tokens for one in chosen.allocations) == pytest.approx(wanted.tokens.mid)


def test_no_alternative_is_cheaper_than_the_chosen_fleet() -> None:
    for wanted, found in decisions():
        assert wanted.deadline_hours
        dollars = [rank_usd(one.estimate) for one in found.alternatives]
        assert dollars == sorted(dollars)
        assert all(one.more is not None and one.more >= 0 for one in found.alternatives)
        assert all(one.estimate.hours.high <= wanted.deadline_hours for one in found.alternatives)


def test_every_point_of_the_frontier_is_slower_and_cheaper_than_the_one_before() -> None:
    for _, found in decisions():
        for one, other in pairwise(found.frontier):
            assert one.hours.high < other.hours.high
            assert rank_usd(one) > rank_usd(other)


@pytest.mark.parametrize("number", CASES[:3])
def test_equal_inputs_give_an_equal_decision(number: int) -> None:
    again, found = outcome_of(case(number)), decision(number)
    if isinstance(found, Infeasible):
        assert isinstance(again, Infeasible)
        assert (str(again), again.hint) == (str(found), found.hint)
    else:
        assert again == found


LOOSENED = ("offers", "deadline", "machines", "no machines", "regions", "quota")


def loosened(wanted: Requirements, what: str) -> Requirements:
    assert wanted.deadline_hours
    assert wanted.machines
    assert wanted.machines_per_region
    return {
        "deadline": replace(wanted, deadline_hours=wanted.deadline_hours * 1.7),
        "machines": replace(wanted, machines=wanted.machines * 2),
        "no machines": replace(wanted, machines=None),
        "regions": replace(wanted, machines_per_region=wanted.machines_per_region * 2),
        "quota": replace(wanted, quota={}),
    }.get(what, wanted)


@pytest.mark.parametrize(("number", "what"), list(enumerate(LOOSENED)))
def test_fleet_never_costs_more_when_an_offer_is_added_or_a_limit_loosened(number: int, what: str) -> None:
    dice, found = random.Random(number), candidates(number, 24)
    wanted = requirements(
        10 ** dice.uniform(8, 10.5),
        dice.uniform(2, 50),
        machines=40,
        machines_per_region=8,
        quota={c.group: 4 for c in found[:8]},
    )
    tight = decide(found, wanted)
    more = candidates(number + 100, 8) if what == "offers" else []
    loose = decide([*found, *more], loosened(wanted, what))
    assert usd(loose) <= usd(tight) * LAW


def test_fleet_uses_the_time_until_the_deadline() -> None:
    """With ten more offers a plan cost 5 % more: without them a point of the frontier was closer to 13 h by chance."""
    found = candidates(128, 40)
    wanted = requirements(10**10.25, 13, machines=40, machines_per_region=8)
    wanted = replace(wanted, quota={one.group: 4 for one in found[:10]})
    assert usd(decide(found, wanted)) <= usd(decide(found[:30], wanted)) * LAW


def test_later_deadline_never_costs_more_where_a_region_is_used_up() -> None:
    pair = [free(region="a"), free(region="b", usd_per_hour=Decimal(10))]
    soon, late = (decide(pair, requirements(1_000 * WORK, h, obtainable=groups(pair, 16))) for h in (30, 35))
    assert usd(late) <= usd(soon) * LAW


def test_small_budget_does_not_exceed_what_is_known_to_be_obtainable() -> None:
    pair = [free(region="a"), free(region="b", usd_per_hour=Decimal(10))]
    wanted = requirements(1_000 * WORK, 45, obtainable=groups(pair, 16))
    least = suggested(refusal(pair, replace(wanted, budget=Decimal(2_000))))["budget"]
    for budget in (least, 20_000):
        chosen = decide(pair, replace(wanted, budget=Decimal(budget))).chosen
        assert max(allocation.machines * allocation.candidate.gpus for allocation in chosen.allocations) <= 16


@pytest.mark.parametrize(("seed", "tokens"), [(1, 1e10), (2, 1e11), (3, 1e12)])
def test_twice_the_corpus_is_twice_the_compute(seed: int, tokens: float) -> None:
    found = candidates(seed, 20)
    one, two = (decide(found, requirements(n * tokens, charges=CHARGES)).chosen for n in (1, 2))
    assert float(two.items["compute"] or 0) == pytest.approx(2 * float(one.items["compute"] or 0), rel=0.01)
