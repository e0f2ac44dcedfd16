"""The first forecast of the autopilot, beside simulated runs: hours, dollars, on demand's share, chance to be late.

A case is one simulated run of the autopilot: a market, a deadline as a ratio of six hours of the fleet, a fleet with or
without room for twice the machines, on demand there all the time or 85 % of it, and a seed: a start within the trace, and
a true speed from the plan's spread. The forecast is that of the first look, which knows nothing of the market. Reported:
coverage of P10 to P90, shares of runs below each quantile, seen over said, and 20 bins of chances (late), of shares (on
demand), and of quantiles (hours, dollars).
"""

from collections.abc import Callable, Sequence
from dataclasses import dataclass, replace
from math import exp, log
from typing import Any
from zlib import crc32

import numpy as np

from benchmarks.calibration.bins import BINS, chance_row
from benchmarks.simulate import L4_LIST, PROBES, V100_LIST, BenchMarket, markets
from launcher.simulator.catalog import find_traces
from launcher.simulator.market import Market
from launcher.simulator.one_run import simulate_run
from launcher.simulator.policies import Observation, Policy
from launcher.simulator.scenario import RunOutcome, Scenario
from launcher.simulator.steered_policy import SteeredPolicy
from launcher.simulator.traces import TraceSet, only_places, with_machines
from launcher.steering.course import Forecast
from launcher.steering.forecast import P90_SIGMAS, normal_cdf

RATIOS = (1.2, 1.5, 2.0, 4.0)
ROOMS = (1, 2)  # machines that may be held, as a multiple of the fleet
OBTAINABLE = (1.0, 0.85)  # share of the time in which machines are there on demand
SPEED_P10 = 0.8  # of the planned speed
COLD_START = 300.0  # seconds
TUNING, HELD_OUT = "tuning", "held-out"
GENERATED_LIST_USD = 3.0  # an hour on demand; a spot machine costs 1.0 on the mean


@dataclass(frozen=True, slots=True)
class Case:
    """One run: what was said, and what was seen."""

    market: str
    ratio: float
    room: int
    obtainable: float
    hours: tuple[float, float, float]  # P10, P50, P90, as said
    usd: tuple[float, float, float]
    chance_late: float
    on_demand_share: float
    seen_hours: float
    seen_usd: float
    seen_late: bool
    seen_share: float


def halves() -> dict[str, list[BenchMarket]]:
    """The markets of each half. No recording is in both."""
    v100 = with_machines(_dear(find_traces("aws-v100-2023", 0)), 8)
    l4 = with_machines(_dear(find_traces("aws-l4-2025", 0)), 8)
    nodes = [market for market in markets() if market.name == "v100-16-nodes"] if PROBES.exists() else []
    return {
        TUNING: [
            BenchMarket("v100-9-zones", v100, 16, V100_LIST),
            BenchMarket("v100-us-east-1", only_places(v100, "aws/us-east-1/"), 16, V100_LIST),
            _generated("falls=0.25,returns=0.35,places=8", 1),
            _generated("falls=1,returns=0.4,places=4", 2),
        ],
        HELD_OUT: [
            BenchMarket("l4-10-zones", l4, 16, L4_LIST),
            *nodes,
            _generated("falls=1.5,returns=0.5,places=6", 3),
            _generated("falls=0.15,returns=0.3,places=5", 4),
        ],
    }


def _generated(options: str, seed: int) -> BenchMarket:
    traces = with_machines(find_traces(f"synthetic:{options}", seed), 8)
    return BenchMarket(f"generated {options}", traces, 16, GENERATED_LIST_USD)


def _dear(traces: TraceSet) -> TraceSet:
    """The traces; a recording that has no prices is refused."""
    if any(place.usd_per_hour is None for place in traces.places):
        raise SystemExit(f"{traces.name} has no prices")
    return traces


def first_forecast(scenario: Scenario, market: Market) -> Forecast:
    """What the policy forecasts at its first look, before any machine was asked for."""
    policy = SteeredPolicy(scenario, with_forecast=True)
    policy.decide(
        Observation(
            seconds=0.0,
            tokens_left=scenario.tokens,
            machines=[],
            ended={},
            prices=[kind.usd_per_hour[0] for kind in market.kinds],
            answers=[],
            spent=0.0,
            committed=0.0,
        )
    )
    found = None if policy.last is None else policy.last.forecast
    if found is None:
        raise SystemExit("nothing was forecast")
    return found


def scenario_of(market: BenchMarket, ratio: float, room: int, obtainable: float) -> Scenario:
    """What is simulated, at the planned speed."""
    plain = market.scenario(ratio, COLD_START, room * market.machines)
    kinds = tuple(
        replace(
            kind,
            tokens_per_second_p10=SPEED_P10 * kind.tokens_per_second,
            cap=kind.cap if kind.spot else market.machines * room,
        )
        for kind in plain.kinds
    )
    return replace(plain, kinds=kinds, no_on_demand=1 - obtainable)


def simulated_run(
    market: BenchMarket, scenario: Scenario, draw: str, policy: Callable[[Scenario], Policy]
) -> RunOutcome:
    """A run by a policy at a speed and from a start that `draw` decides."""
    number = crc32(draw.encode())
    random = np.random.default_rng([number, 11])
    speed = exp(log(1 / SPEED_P10) / P90_SIGMAS * float(random.standard_normal()))
    true = replace(scenario, slower=speed)
    world = market.market(scenario, number)
    return simulate_run(true, world, policy(true), np.random.default_rng([number, 5]))


def run_case(market: BenchMarket, ratio: float, room: int, obtainable: float, seed: int) -> Case:
    """One run at a drawn speed, from a drawn start."""
    scenario = scenario_of(market, ratio, room, obtainable)
    draw = f"{market.name} {ratio:g} {room} {seed}"  # the same with and without refusals
    said = first_forecast(scenario, market.market(scenario, crc32(draw.encode())))
    outcome = simulated_run(market, scenario, draw, SteeredPolicy)
    return Case(
        market=market.name,
        ratio=ratio,
        room=room,
        obtainable=obtainable,
        hours=(_p10(said, "hours"), said.hours_p50, said.hours_p90),
        usd=(_p10(said, "usd"), float(said.usd_to_finish_p50), float(said.usd_to_finish_p90)),
        chance_late=said.chance_late or 0.0,
        on_demand_share=said.on_demand_share,
        seen_hours=np.inf if outcome.hours is None else outcome.hours,
        seen_usd=outcome.usd,
        seen_late=outcome.late,
        seen_share=outcome.usd_on_demand / outcome.usd if outcome.usd else 0.0,
    )


def _p10(said: Forecast, what: str) -> float:
    return said.hours_p10 if what == "hours" else float(said.usd_to_finish_p10)


def chance_below(quantiles: tuple[float, float, float], seen: float) -> float:
    """The chance that a said distribution gives to less than `seen`: log-normal on each side of its P50."""
    low, middle, high = quantiles
    if middle <= 0 or seen <= 0:
        return 0.5
    distance = log(seen / middle) if np.isfinite(seen) else np.inf
    spread = log(high / middle) if distance > 0 else log(middle / low) if low > 0 else 0.0
    if spread <= 1e-9:
        return 0.5 + 0.5 * float(np.sign(round(distance, 9)))
    return normal_cdf(P90_SIGMAS * distance / spread)


def quantile_row(
    cases: Sequence[Case], of: Callable[[Case], tuple[tuple[float, float, float], float]]
) -> Any:
    """Coverage of P10 to P90, the share of runs at or below each, and how far P50 and P90 are from those seen.

    `p50_ratio`: the median of seen over said P50. `p90_ratio`: the P90 of seen over said P50, by the said P90 over P50.
    """
    found = [of(case) for case in cases]
    at = [[seen <= said[n] * 1.0001 for said, seen in found] for n in range(3)]
    inside = [said[0] * 0.9999 <= seen <= said[2] * 1.0001 for said, seen in found]
    chances = [chance_below(said, seen) for said, seen in found]
    bins = [
        {"said": step / BINS, "seen": _share([chance <= step / BINS for chance in chances])}
        for step in range(1, BINS)
    ]
    return {
        "within_p10_p90": _share(inside),
        "below": {name: _share(below) for name, below in zip(("p10", "p50", "p90"), at, strict=True)},
        "seen_over_p50": _rounded([seen / said[1] for said, seen in found if said[1]], 0.5),
        "seen_p90_over_p50": _rounded([seen / said[1] for said, seen in found if said[1]], 0.9),
        "said_p90_over_p50": _rounded([said[2] / said[1] for said, _ in found if said[1]], 0.5),
        "bins": bins,
        "largest_gap": max(abs(one["said"] - one["seen"]) for one in bins),
    }


def report(cases: Sequence[Case]) -> dict[str, Any]:
    """All figures of some runs."""
    return {
        "runs": len(cases),
        "hours": quantile_row(cases, lambda case: (case.hours, case.seen_hours)),
        "usd": quantile_row(cases, lambda case: (case.usd, case.seen_usd)),
        "late": _late(cases),
        "on_demand_share": chance_row([(case.on_demand_share, case.seen_share) for case in cases]),
    }


def _share(flags: Sequence[bool]) -> float:
    return round(float(np.mean(flags)), 3)


def _rounded(values: Sequence[float], quantile: float) -> float | None:
    return round(float(np.quantile(values, quantile)), 3) if values else None


def late_report(cases: Sequence[Case]) -> dict[str, Any]:
    """The chance to be late of all runs, and by how on demand is there."""
    return {"runs": len(cases), "late": _late(cases), **_late_by_on_demand(cases)}


def _late(cases: Sequence[Case]) -> dict[str, Any]:
    return chance_row([(case.chance_late, float(case.seen_late)) for case in cases], chances=True)


def _late_by_on_demand(cases: Sequence[Case]) -> dict[str, Any]:
    """The chance to be late by the share of the time in which on demand is there, and by the room for machines, too."""
    shares = dict.fromkeys(case.obtainable for case in cases)
    both = dict.fromkeys((case.obtainable, case.room) for case in cases)
    return {
        "late_by_obtainable": {
            f"{share:g}": _late([case for case in cases if case.obtainable == share]) for share in shares
        },
        "late_by_obtainable_and_room": {
            f"{share:g}, {room} x the fleet": _late(
                [case for case in cases if (case.obtainable, case.room) == (share, room)]
            )
            for share, room in both
        },
    }


def half_report(cases: Sequence[Case]) -> dict[str, Any]:
    """The figures of a half, and those of each ratio, market and availability on demand.

    The latter are without their bins, but for the chance to be late by availability on demand.
    """
    out = {**report(cases), **_late_by_on_demand(cases)}
    keys: dict[str, Callable[[Case], str]] = {
        "ratio": lambda case: f"{case.ratio:g}",
        "market": lambda case: case.market,
        "obtainable": lambda case: f"{case.obtainable:g}",
    }
    for name, key in keys.items():
        values = dict.fromkeys(key(case) for case in cases)
        out[f"by_{name}"] = {
            value: _without_bins(report([case for case in cases if key(case) == value])) for value in values
        }
    return out


def _without_bins(figures: dict[str, Any]) -> dict[str, Any]:
    return {
        name: value if name == "runs" else {key: one for key, one in value.items() if key != "bins"}
        for name, value in figures.items()
    }
