"""Markets with requirements that they just keep or just fail, and the decisions on them.

A decision takes a third of a second, so each is made once and all laws read it.
"""

import random
import re
from collections.abc import Sequence
from dataclasses import dataclass, replace
from decimal import Decimal
from functools import cache
from typing import Any

import pytest

from launcher.errors import Infeasible
from launcher.planning.estimates.estimate import NO_CHARGES, Candidate, RunCharges
from launcher.planning.optimizer.decide import Alternative, Decision, decide
from launcher.planning.optimizer.market import TokenDemand, market_of
from launcher.planning.optimizer.search import Requirements, rank_usd
from launcher.planning.optimizer.solver import GAP
from launcher.planning.optimizer.thresholds import least_hours, least_slow_cost
from launcher.throughput.spread import Spread
from tests.support.candidates import candidates, groups, sure

TOKENS = 29.5e6 * 102
WORK = 3.6e6  # tokens that the plain kind does in an hour
TAIL = 60 / 3_600  # hours of the last shard
UNSURE = Spread(500, 1_000, 2_000)
CHARGES = RunCharges(Decimal(1), Decimal("0.2"))
LAW = 1 + GAP + 0.005  # the solver's gap, and half a per cent
HOURS = {"m": 1 / 60, "h": 1.0}


def requirements(tokens: float, hours: float | None = None, **changes: Any) -> Requirements:
    """So much work, by then; nothing is paid but the machines."""
    fields: dict[str, Any] = {
        "tokens": sure(tokens),
        "charges": NO_CHARGES,
        "deadline_hours": hours,
        "seed": 7,
    }
    return Requirements(**fields | changes)


def usd(found: Decision) -> float:
    return float(rank_usd(found.chosen))


def refusal(found: Sequence[Candidate], wanted: Requirements) -> Infeasible:
    with pytest.raises(Infeasible) as caught:
        decide(found, wanted)
    return caught.value


def suggested(problem: Infeasible) -> dict[str, Any]:
    """The values that a refusal suggests, by field of Requirements."""
    out: dict[str, Any] = {}
    if said := re.search(r"limits\.deadline to ([\d.]+)([mh])", problem.hint):
        out["deadline_hours"] = float(said[1]) * HOURS[said[2]]
    if said := re.search(r"limits\.budget to \$(\d+)", problem.hint):
        out["budget"] = Decimal(said[1])
    if said := re.search(r"limits\.machines to (\d+)", problem.hint):
        out["machines"] = int(said[1])
    return out


def named(found: Decision) -> dict[str, Alternative]:
    return {one.name: one for one in found.alternatives}


@dataclass(frozen=True, slots=True)
class Case:
    """A market, and requirements that it just keeps or just fails."""

    candidates: tuple[Candidate, ...]
    requirements: Requirements


@cache
def case(number: int, slack: float | None = None) -> Case:
    """Deadline and budget about what the market can just keep. `slack`: the deadline over the shortest; no budget."""
    dice = random.Random(number)
    found = candidates(number, 12 + 6 * (number % 3))
    size = 10 ** dice.uniform(8, 11)
    wanted = Requirements(
        tokens=Spread(0.9 * size, size, 1.1 * size),
        charges=CHARGES,
        machines=dice.choice((12, 40, 200)),
        machines_per_region=dice.choice((None, None, 8)),
        quota={one.group: 5 for one in found[:6]} if number % 2 else {},
        obtainable=groups(found, 9),
        seed=7,
    )
    market = market_of(found, TokenDemand(size, 1.1 * size))
    soonest = least_hours(market, wanted.limits)
    assert soonest
    hours = soonest * (slack or dice.uniform(0.95, 3))
    cheapest = least_slow_cost(market, hours, wanted.limits)
    budget = None
    if slack is None and cheapest:
        budget = Decimal(f"{cheapest.slow_usd * dice.uniform(0.7, 1.3):.2f}")
    return Case(tuple(found), replace(wanted, deadline_hours=hours, budget=budget))


@cache
def decision(number: int) -> Decision | Infeasible:
    return outcome_of(case(number))


def outcome_of(one: Case) -> Decision | Infeasible:
    try:
        return decide(one.candidates, one.requirements)
    except Infeasible as problem:
        return problem


CASES = range(9)


def decisions() -> list[tuple[Requirements, Decision]]:
    """The cases that have a decision."""
    found = [(case(number).requirements, decision(number)) for number in CASES]
    return [(wanted, made) for wanted, made in found if isinstance(made, Decision)]
