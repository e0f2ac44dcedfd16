"""The chance that a planned fleet is late where it is not steered, beside simulated runs of it.

A case is one run of the fewest spot machines that do six hours' work of the market's fleet within a share of the
deadline, if all come when they are asked for, in the cheapest places. What is said is what a plan says of it: before any
run, and where earlier runs asked in the same places for a day each, two, three and four days before.
"""

from collections.abc import Sequence
from dataclasses import dataclass, replace
from datetime import timedelta
from typing import Any
from zlib import crc32

import numpy as np

from benchmarks.calibration.bins import chance_row
from benchmarks.calibration.steered import scenario_of, simulated_run
from benchmarks.simulate import BenchMarket
from launcher.planning.steering.static_fleet import LateChance, StaticWork, late_chance
from launcher.simulator.policies import EPOCH, StaticPolicy
from launcher.simulator.scenario import Scenario, fixed_fleet
from launcher.steering.market import beliefs
from launcher.steering.market.priors import PastRun, priors_of
from launcher.steering.situation import Answer, AnswerKind, Belief, Kind, PlaceKey

# The deadline as a multiple of six hours, and of the time that the fleet would take.
DEADLINES = ((2.0, 1.0), (2.0, 2.0), (4.0, 1.0), (4.0, 2.0), (4.0, 4.0))
DAYS_BEFORE = (2, 3, 4)  # the run, of the earlier runs
ASK_MINUTES = 5  # between two asks of an earlier run in a place that has none
DAY_MINUTES = 24 * 60


@dataclass(frozen=True, slots=True)
class StaticCase:
    """One run: what was said, and what was seen. `machines`: of the planned fleet; `places`: where they are.

    `said`: before any run. `after`: where the earlier runs are known.
    """

    market: str
    ratio: float
    times: float
    machines: int
    places: int
    said: LateChance
    after: LateChance
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
    kinds = _kinds(scenario)
    work = StaticWork(scenario.tokens, scenario.tokens, scenario.deadline)
    start = market.start(crc32(draw.encode()))
    past = [_earlier_run(market, kinds, start, days) for days in DAYS_BEFORE]
    return StaticCase(
        market=market.name,
        ratio=ratio,
        times=times,
        machines=scenario.machines,
        places=len(kinds),
        said=late_chance(kinds, work),
        after=late_chance(kinds, work, priors_of(past, EPOCH)),
        late=simulated_run(market, scenario, draw, StaticPolicy).late,
    )


def _kinds(scenario: Scenario) -> list[Kind]:
    return [
        Kind(
            number=number,
            key=(kind.infra, kind.gpu, kind.purchase),
            cap=kind.cap,
            usd_per_hour=kind.usd_per_hour,
            tokens_per_second=kind.tokens_per_second,
            tokens_per_second_p10=kind.tokens_per_second_p10,
            cold_start=kind.cold_start,
            cold_start_p90=kind.cold_start_p90,
        )
        for number, kind in enumerate(scenario.kinds)
    ]


def _earlier_run(market: BenchMarket, kinds: Sequence[Kind], start: int, days: int) -> PastRun:
    """What a run believed at its end that asked in the same places for a day, so many days before."""
    began = EPOCH - timedelta(days=days)
    traces = {trace.place: trace.available for trace in market.traces.places}
    index = start - days * DAY_MINUTES + np.arange(DAY_MINUTES)
    found: dict[PlaceKey, Belief] = {}
    for kind in kinds:
        trace = traces[kind.key[0]]
        answers = list[Answer]()
        held = 0
        for minute, there in enumerate(np.minimum(trace[index % len(trace)], kind.cap).tolist()):
            what, count = None, 1
            if there < held:
                what, count = AnswerKind.TAKEN, held - there
            elif there > held and not held:
                what, count = AnswerKind.CAME, there
            elif not there and minute % ASK_MINUTES == 0:
                what = AnswerKind.NONE
            if what is not None:
                held = there if what is not AnswerKind.NONE else 0
                at = began + timedelta(minutes=minute)
                answers.append(Answer(*kind.key, at, what, count=count, held=held))
        found |= beliefs.learn({}, answers)
    return PastRun(found, began + timedelta(days=1))


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
    return {
        "before_any_run": chance_row([(c.said.mean, float(c.late)) for c in cases], chances=True),
        "after_earlier_runs": chance_row([(c.after.mean, float(c.late)) for c in cases], chances=True),
        "brier": _briers(cases),
    }


def _briers(cases: Sequence[StaticCase]) -> dict[str, float]:
    """Mean squared distance of what is said from what was seen; of one who says the mean of all runs, too."""
    late = np.array([float(case.late) for case in cases])
    ways = {
        "before_any_run": np.array([case.said.mean for case in cases]),
        "after_earlier_runs": np.array([case.after.mean for case in cases]),
        "the_mean_of_all": np.full(len(cases), late.mean()),
    }
    return {name: round(float(np.mean((said - late) ** 2)), 4) for name, said in ways.items()}


def _means(cases: Sequence[StaticCase]) -> dict[str, Any]:
    """`range`: P10 and P90 over markets, on the mean of the cases."""
    found = {
        name: {
            "said": round(float(np.mean([one.mean for one in said])), 3),
            "range": [
                round(float(np.mean(ends)), 3) for ends in ([o.low for o in said], [o.high for o in said])
            ],
        }
        for name, said in (
            ("before_any_run", [case.said for case in cases]),
            ("after_earlier_runs", [case.after for case in cases]),
        )
    }
    seen = round(float(np.mean([case.late for case in cases])), 3)
    return {"runs": len(cases), "seen": seen, **found, "brier": _briers(cases)}
