"""Many simulated runs of several policies in the same markets, and their statistics. Pure."""

from collections.abc import Callable, Mapping, Sequence
from dataclasses import dataclass
from decimal import Decimal
from math import sqrt

import numpy as np

from launcher.documents.simulation import (
    OverHindsight,
    PolicyOutcome,
    SimulatedCurve,
    SimulatedHours,
    SimulatedMarket,
    SimulatedUsd,
    StandIn,
)
from launcher.money import SECONDS_PER_HOUR, decimal_of_float
from launcher.simulator.hindsight import hindsight_usd
from launcher.simulator.market import market_of
from launcher.simulator.one_run import horizon, simulate_run
from launcher.simulator.policies import Policy, StaticPolicy
from launcher.simulator.rivals import OnDemandPolicy, SpotPolicy, UniformEachPolicy
from launcher.simulator.scenario import RunOutcome, Scenario
from launcher.simulator.stand_ins import StandInTrace, simulated_kinds, stand_ins
from launcher.simulator.steered_policy import SteeredPolicy
from launcher.simulator.traces import TraceSet

NORMAL_95 = 1.959964  # standard deviations of the two-sided 95 % interval


def _uniform(scenario: Scenario) -> Policy:
    return SpotPolicy(scenario, even=True)


POLICIES: Mapping[str, Callable[[Scenario], Policy]] = {
    "autopilot": SteeredPolicy,
    "static": StaticPolicy,
    "on-demand": OnDemandPolicy,
    "greedy": SpotPolicy,
    "uniform": _uniform,
    "uniform-each": UniformEachPolicy,
}


@dataclass(frozen=True, slots=True)
class Runs:
    """How many runs, of which policies, and the seed that all draws come from."""

    policies: Sequence[str]
    count: int
    seed: int
    each: int | None = None  # machines that a place gives while it is up, as it is said


def simulate_market(scenario: Scenario, traces: TraceSet, runs: Runs) -> SimulatedMarket:
    """Every policy in the same markets: run number i begins at the same moment of the traces for all."""
    kept, left_out = simulated_kinds(scenario)
    found = stand_ins(kept.kinds, traces, runs.seed)
    minutes = int(horizon(kept.deadline) // 60) + 1
    outcomes: dict[str, list[RunOutcome]] = {name: [] for name in runs.policies}
    least = list[float | None]()
    for number in range(runs.count):
        random = np.random.default_rng([runs.seed, number])
        offset = int(random.integers(traces.minutes))
        used = {kind: one.trace for kind, one in found.items()}
        market = market_of(kept, used, offset, minutes, random)
        least.append(hindsight_usd(kept, market))
        for name in runs.policies:
            policy, drawn = POLICIES[name](kept), np.random.default_rng([runs.seed, number, 1])
            outcomes[name].append(simulate_run(kept, market, policy, drawn, curve=not number))
    known = [usd for usd in least if usd is not None]
    return SimulatedMarket(
        traces=traces.name,
        about=traces.about,
        each=runs.each,
        deadline_hours=scenario.deadline / SECONDS_PER_HOUR,
        machines=scenario.machines,
        budget=scenario.budget,
        hindsight_usd=_dollars(float(np.median(known))) if len(known) == len(least) else None,
        kinds=_kinds(kept, found),
        left_out=left_out,
        policies=[
            policy_outcome(name, outcomes[name], least, has_budget=scenario.budget is not None)
            for name in runs.policies
        ],
    )


def policy_outcome(
    name: str, outcomes: Sequence[RunOutcome], least: Sequence[float | None], *, has_budget: bool
) -> PolicyOutcome:
    """The statistics of a policy's runs. `least`: hindsight's dollars of each. `has_budget`: whether runs have one."""
    usd = [one.usd for one in outcomes]
    late = sum(one.late for one in outcomes)
    low, high = wilson_interval(late, len(outcomes))
    hours = [one.hours for one in outcomes if one.hours is not None]
    shares = [one.usd_on_demand / one.usd for one in outcomes if one.usd > 0]
    curve = outcomes[0].curve
    return PolicyOutcome(
        policy=name,
        runs=len(outcomes),
        late=late,
        late_share=late / len(outcomes),
        late_low=low,
        late_high=high,
        unfinished=sum(one.hours is None for one in outcomes),
        over_budget=sum(one.over_budget for one in outcomes) if has_budget else None,
        usd=SimulatedUsd(
            _dollars(float(np.mean(usd))), *(_dollars(_quantile(usd, q)) for q in (0.1, 0.5, 0.9))
        ),
        over_hindsight=None if late else _over(usd, least),
        hours=SimulatedHours(*(round(_quantile(hours, q), 4) for q in (0.1, 0.5, 0.9))) if hours else None,
        on_demand_share=round(float(np.mean(shares)), 4) if shares else 0.0,
        starts=float(np.mean([one.starts for one in outcomes])),
        losses=float(np.mean([one.losses for one in outcomes])),
        most_machines=max(one.most_machines for one in outcomes),
        curve=SimulatedCurve(
            hours=[round(value, 4) for value in curve.hours],
            usd=[round(value, 4) for value in curve.usd],
            done=[round(value, 6) for value in curve.done],
            spot=curve.spot,
            on_demand=curve.on_demand,
        ),
    )


def wilson_interval(count: int, of: int) -> tuple[float, float]:
    """The 95 % interval of a share that was seen `count` times of `of`: Wilson's score interval."""
    share, square = count / of, NORMAL_95**2
    middle = (share + square / (2 * of)) / (1 + square / of)
    half = NORMAL_95 / (1 + square / of) * sqrt(share * (1 - share) / of + square / (4 * of * of))
    low = 0.0 if not count else max(0.0, middle - half)
    return low, 1.0 if count == of else min(1.0, middle + half)


def _over(usd: Sequence[float], least: Sequence[float | None]) -> OverHindsight | None:
    ratios = [one / best for one, best in zip(usd, least, strict=True) if best]
    if len(ratios) < len(usd):
        return None
    values = (float(np.mean(ratios)), _quantile(ratios, 0.5), _quantile(ratios, 0.9), max(ratios))
    return OverHindsight(*(round(value, 4) for value in values))


def _quantile(values: Sequence[float], share: float) -> float:
    return float(np.quantile(values, share))


def _dollars(usd: float) -> Decimal:
    return round(decimal_of_float(usd), 4)


def _kinds(scenario: Scenario, found: Mapping[int, StandInTrace]) -> list[StandIn]:
    kinds = list[StandIn]()
    for number, kind in enumerate(scenario.kinds):
        trace = found.get(number)
        kinds.append(
            StandIn(
                place=kind.place.infra,
                gpu=kind.gpu,
                gpus_per_machine=kind.gpus,
                instance_type=kind.place.instance_type,
                purchase=kind.purchase,
                machines=kind.cap,
                usd_per_hour=_dollars(kind.usd_per_hour),
                tokens_per_second=kind.tokens_per_second,
                trace=None if trace is None else _trace_name(trace),
                drawn=trace is not None and trace.drawn,
            )
        )
    return kinds


def _trace_name(one: StandInTrace) -> str:
    return f"{one.trace.place}, {one.later / 60:.1f} h later" if one.later else one.trace.place
