"""The chance that a planned fleet is late where it is not steered, beside simulated runs of it.

A case is one run of the fewest spot machines that do six hours' work of the market's fleet within a share of the
deadline, if all come when they are asked for, in the cheapest places. What is said is what a plan says of it: the
forecast with nothing to rent but those machines in their own places.
"""

from collections.abc import Sequence
from dataclasses import dataclass, replace
from typing import Any

from benchmarks.calibration.bins import chance_row
from benchmarks.calibration.steered import drawn_run, scenario_of
from benchmarks.simulate import BenchMarket
from launcher.simulator.policies import StaticPolicy
from launcher.simulator.scenario import Scenario, fixed_fleet

# The deadline as a multiple of six hours, and of the time that the fleet would take.
DEADLINES = ((2.0, 1.0), (2.0, 2.0), (4.0, 1.0), (4.0, 2.0), (4.0, 4.0))


@dataclass(frozen=True, slots=True)
class StaticCase:
    """One run: what was said, and what was seen. `machines`: of the planned fleet; `places`: where they are."""

    market: str
    ratio: float
    times: float
    machines: int
    places: int
    chance_late: float
    late: bool


def fleet_of(scenario: Scenario, times: float) -> Scenario:
    """The scenario with nothing to rent but the machines of the fleet, in their own places."""
    fleet = fixed_fleet(scenario.kinds, scenario.tokens, scenario.deadline / times, scenario.machines)
    counts = dict(zip((place.infra for place in fleet[0].places), fleet[0].counts, strict=True))
    kinds = tuple(
        replace(kind, cap=counts[kind.infra]) for kind in scenario.kinds if kind.spot and kind.infra in counts
    )
    return replace(scenario, kinds=kinds, fleet=fleet, machines=sum(counts.values()))


def run_case(market: BenchMarket, ratio: float, times: float, seed: int) -> StaticCase:
    """One run at a drawn speed, from a drawn start."""
    scenario = fleet_of(scenario_of(market, ratio, 1, 1.0), times)
    draw = f"static {market.name} {ratio:g} {times:g} {seed}"
    said, outcome = drawn_run(market, scenario, draw, StaticPolicy)
    return StaticCase(
        market=market.name,
        ratio=ratio,
        times=times,
        machines=scenario.machines,
        places=len(scenario.kinds),
        chance_late=said.chance_late or 0.0,
        late=outcome.late,
    )


def run_cases(markets: Sequence[BenchMarket], seeds: int) -> list[StaticCase]:
    """Every market, deadline and fleet, so many times."""
    return [
        run_case(market, *cell, seed) for market in markets for cell in DEADLINES for seed in range(seeds)
    ]


def report(cases: Sequence[StaticCase]) -> dict[str, Any]:
    """Said and seen of some runs, in bins, and without bins of each deadline and market."""
    return {
        "runs": len(cases),
        **_row(cases),
        "by_deadline": {
            f"{ratio:g} times six hours, {times:g} times the fleet's": _means(
                [case for case in cases if (case.ratio, case.times) == (ratio, times)]
            )
            for ratio, times in DEADLINES
        },
        "by_market": {
            name: _means([case for case in cases if case.market == name])
            for name in dict.fromkeys(case.market for case in cases)
        },
    }


def _row(cases: Sequence[StaticCase]) -> dict[str, Any]:
    return chance_row([(case.chance_late, float(case.late)) for case in cases], chances=True)


def _means(cases: Sequence[StaticCase]) -> dict[str, Any]:
    row = _row(cases)
    return {"runs": len(cases), "said": row["said"], "seen": row["seen"]}
