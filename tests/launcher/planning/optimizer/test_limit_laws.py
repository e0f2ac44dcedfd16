"""Laws of the choice: a looser limit never makes the cheapest fleet dearer, and fewer machines cost at most 2 % more."""

import random
from collections.abc import Sequence
from contextlib import suppress
from dataclasses import replace
from decimal import Decimal

import pytest

from launcher.errors import Infeasible
from launcher.planning.estimates.estimate import Candidate, Estimate, RunCharges, as_launched
from launcher.planning.optimizer import search
from launcher.planning.optimizer.decide import decide
from launcher.planning.optimizer.search import SAME_PRICE, Requirements, most_usd, rank_usd
from tests.support.candidates import candidate, candidates, groups, sure

CHARGES = RunCharges(Decimal(1), Decimal("0.2"))
TOLERANCE = Decimal("1.005")  # the solver stops within half a per cent of the optimum
SEEDS = range(2)
WORK = 3.6e6  # tokens that the plain kind does in an hour


def market(seed: int) -> tuple[list[Candidate], Requirements]:
    """Offers, and work for which a handful of machines is needed in a day."""
    dice, found = random.Random(seed), candidates(seed, 40, regions=5)
    wanted = Requirements(
        tokens=sure(10 ** dice.uniform(9, 10.5)),
        charges=CHARGES,
        deadline_hours=dice.uniform(8, 24),
        obtainable=groups(found, 4),
        seed=7,
    )
    return found, wanted


def cheapest(
    found: Sequence[Candidate], wanted: Requirements, monkeypatch: pytest.MonkeyPatch
) -> Estimate | None:
    """The choice by price alone; None: nothing keeps the limits."""
    monkeypatch.setattr(search, "SAME_PRICE", Decimal(0))
    try:
        return decide(found, wanted).chosen
    except Infeasible:
        return None


def never_dearer(made: Sequence[Estimate | None]) -> bool:
    """Whether each is at most as dear as the best before it; what could be done once can be done again."""
    best: Decimal | None = None
    for one in made:
        if best is not None and (one is None or rank_usd(one) > best * TOLERANCE):
            return False
        if one is not None:
            best = rank_usd(one) if best is None else min(best, rank_usd(one))
    return best is not None


@pytest.mark.parametrize("seed", SEEDS)
def test_later_deadline_is_never_dearer(seed: int, monkeypatch: pytest.MonkeyPatch) -> None:
    found, wanted = market(seed)
    assert wanted.deadline_hours
    hours = [wanted.deadline_hours * 1.35**n for n in range(5)]
    made = [cheapest(found, replace(wanted, deadline_hours=h), monkeypatch) for h in hours]
    assert never_dearer(made), [one and (one.machines, rank_usd(one)) for one in made]


@pytest.mark.parametrize("seed", SEEDS)
def test_larger_budget_is_never_dearer(seed: int, monkeypatch: pytest.MonkeyPatch) -> None:
    """The cheapest at P50 may be beyond a small budget at P90."""
    found, wanted = market(seed)
    free = cheapest(found, wanted, monkeypatch)
    assert free
    budgets = [most_usd(free) * Decimal(share) for share in ("0.97", "1", "1.03", "1.2")]
    made = [cheapest(found, replace(wanted, budget=usd), monkeypatch) for usd in budgets]
    assert never_dearer([*made, free]), [one and (one.machines, rank_usd(one)) for one in made]


@pytest.mark.parametrize("seed", SEEDS)
def test_more_places_and_types_are_never_dearer(seed: int, monkeypatch: pytest.MonkeyPatch) -> None:
    found, wanted = market(seed)
    regions, types = sorted({one.region for one in found}), sorted({one.gpu for one in found})
    parts = [
        [one for one in found if one.region in regions[:2]],
        [one for one in found if one.region in regions[:4]],
        found,
    ]
    made = [cheapest(part, wanted, monkeypatch) for part in parts]
    assert never_dearer(made), [one and (one.machines, rank_usd(one)) for one in made]
    fewer = [one for one in found if one.gpu in types[: len(types) // 2]]
    made = [cheapest(part, wanted, monkeypatch) for part in (fewer, found)]
    assert never_dearer(made), [one and (one.machines, rank_usd(one)) for one in made]


@pytest.mark.parametrize("seed", SEEDS)
def test_larger_quota_and_more_machines_are_never_dearer(seed: int, monkeypatch: pytest.MonkeyPatch) -> None:
    found, wanted = market(seed)
    wanted = replace(wanted, obtainable={})  # what is beyond it is for deadlines that nothing else makes
    quotas = [groups(found, most) for most in (1, 2, 4, 16)]
    made = [cheapest(found, replace(wanted, quota=quota), monkeypatch) for quota in quotas]
    assert never_dearer(made), [one and (one.machines, rank_usd(one)) for one in made]
    made = [cheapest(found, replace(wanted, machines=n), monkeypatch) for n in (4, 6, 12, 50)]
    assert never_dearer(made), [one and (one.machines, rank_usd(one)) for one in made]


@pytest.mark.parametrize("seed", range(8))
def test_fleets_keep_their_limits_as_their_machines_share_the_work(seed: int) -> None:
    """Small quotas make fleets of many places and prices; the budget is little above the cheapest."""
    found, wanted = market(seed)
    for gpus in (1, 2, 4, 8, 16):
        wanted = replace(wanted, quota=groups(found, gpus), obtainable={})
        with suppress(Infeasible):
            free = decide(found, wanted)
            break
    else:
        pytest.fail("no fleet of this market makes the deadline")
    budget = most_usd(free.chosen) * Decimal("1.02")
    bounded = decide(found, replace(wanted, budget=budget))
    assert most_usd(bounded.chosen) <= budget
    for made in (free, bounded):
        assert wanted.deadline_hours
        assert made.chosen.hours.high <= wanted.deadline_hours
        for one in (made.chosen, *made.frontier, *(other.estimate for other in made.alternatives)):
            does = [allocation.tokens for allocation in one.allocations]
            assert does == pytest.approx([again.tokens for again in as_launched(one.allocations)])


@pytest.mark.parametrize("seed", SEEDS)
def test_fewer_machines_cost_at_most_two_per_cent_more(seed: int, monkeypatch: pytest.MonkeyPatch) -> None:
    found, wanted = market(seed)
    taken = decide(found, wanted).chosen
    least = cheapest(found, wanted, monkeypatch)
    assert least
    assert taken.machines <= least.machines
    assert rank_usd(taken) <= rank_usd(least) * (1 + SAME_PRICE) * TOLERANCE
    assert wanted.deadline_hours
    assert taken.hours.high <= wanted.deadline_hours


def test_large_machines_are_taken_for_nearly_the_same_price() -> None:
    small = candidate(gpus=1.0, usd_per_hour=Decimal("1.00"), tokens_per_second=sure(1_000))
    large = candidate(
        gpus=8.0, usd_per_hour=Decimal("8.08"), tokens_per_second=sure(8_000), instance_type="large"
    )
    wanted = Requirements(sure(160 * WORK), CHARGES, 12)
    found = decide([small, large], wanted)
    assert [one.candidate.gpus for one in found.chosen.allocations] == [8.0]
    assert any(why.startswith("fewer machines: 2 instead of ") for why in found.binding)
    dear = replace(large, usd_per_hour=Decimal("8.40"))
    assert decide([small, dear], wanted).chosen.machines > 10


def test_without_a_deadline_the_cheapest_is_taken() -> None:
    small = candidate(usd_per_hour=Decimal("1.00"))
    large = candidate(gpus=8.0, usd_per_hour=Decimal("8.08"), tokens_per_second=sure(8_000))
    found = decide([small, large], Requirements(sure(160 * WORK), CHARGES))
    assert not any(why.startswith("fewer machines") for why in found.binding)
