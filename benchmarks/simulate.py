"""`make bench-simulate`: policies on recorded spot markets, beside hindsight, printed as one JSON object.

    python -m benchmarks.simulate [--seeds N] [--first-seed N] [--policies A,B] [--markets A,B] [--ratios 1.2,2]

Reads the traces in ../shared/traces; without them one generated market stands in. Work is 6 hours of the fleet, the
deadline a ratio of that, cold starts 5 and 10 minutes; a seed is a start within the trace. Costs are relative to
hindsight (a linear program over the same market). Asks are answered after a minute, launches do not hold each
other up, and a machine is not billed for its teardown, as in the study that the targets come from. Speed: CPU
seconds of 100 runs of 24 hours with 32 machines, and of one look at 400 machines.
"""

import argparse
import csv
import gc
import gzip
import json
import platform
import time
from collections.abc import Mapping, Sequence
from dataclasses import dataclass, replace
from decimal import Decimal
from math import inf
from pathlib import Path
from typing import Any

import numpy as np

from launcher.cli.commands.simulate import GARBAGE_THRESHOLD
from launcher.fleet.scheduling.fleet_view import FleetGroup
from launcher.simulator.hindsight import hindsight_usd
from launcher.simulator.market import Market, market_of
from launcher.simulator.one_run import horizon, simulate_run
from launcher.simulator.policies import Answered, Observation, Policy
from launcher.simulator.rivals import OnDemandPolicy
from launcher.simulator.scenario import Kind, RunOutcome, Scenario, fixed_fleet
from launcher.simulator.simulate import POLICIES
from launcher.simulator.steered_policy import SteeredPolicy
from launcher.simulator.trace_files import read_traces
from launcher.simulator.traces import PlaceTrace, TraceSet, only_places, with_machines
from tasks.skypilot_task import Place

TRACES = Path(__file__).parents[2] / "shared" / "traces"
PROBES = TRACES / "spot_availability.csv.gz"
RATIOS = (1.2, 1.5, 2.0, 4.0)
COLD_STARTS = (300.0, 600.0)  # seconds
P90_OF_COLD_START = 1.3  # times the median
WORK_HOURS = 6.0
SEEDS = 10
SPEED = 1000.0  # tokens per second of a machine
V100_LIST, L4_LIST = 3.06, 4.6016  # USD an hour on demand: p3.2xlarge, and g6.12xlarge in us-east-2
PRICE_TICK = 195.0  # seconds between two prices of V100


@dataclass(frozen=True, slots=True)
class BenchMarket:
    """A recorded market: its places, machines of the fleet, and the price on demand."""

    name: str
    traces: TraceSet
    machines: int
    list_usd: float

    def scenario(self, ratio: float, cold: float, machines: int | None = None) -> Scenario:
        """The work of WORK_HOURS of the fleet, with a deadline `ratio` times as long."""
        most = machines or self.machines
        kinds = tuple(
            _kind(trace.place, _mean_usd(trace), "spot", most, cold) for trace in self.traces.places
        )
        kinds += (_kind("aws/us-east-2", self.list_usd, "on-demand", most, cold),)
        tokens = WORK_HOURS * 3600 * self.machines * SPEED
        deadline = ratio * WORK_HOURS * 3600
        return Scenario(
            kinds=kinds,
            tokens=tokens,
            deadline=deadline,
            machines=most,
            shard_tokens=60 * SPEED,
            teardown=0.0,
            launches_per_second=inf,
            probes=2,
            fleet=fixed_fleet(kinds, tokens, deadline, most),
        )

    def start(self, seed: int) -> int:
        """The minute of the traces at which the market of this seed begins."""
        return int(np.random.default_rng([seed, 77]).integers(self.traces.minutes))

    def market(self, scenario: Scenario, seed: int) -> Market:
        """The market from a start that the seed draws."""
        random = np.random.default_rng([seed, 77])
        offset = int(random.integers(self.traces.minutes))
        # By place and not by position: a scenario may have some of the places alone.
        places = {trace.place: trace for trace in self.traces.places}
        traces = {n: places[kind.infra] for n, kind in enumerate(scenario.kinds) if kind.spot}
        return market_of(scenario, traces, offset, int(horizon(scenario.deadline) // 60) + 1, random)


def _kind(place: str, usd: float, purchase: str, cap: int, cold: float) -> Kind:
    cloud, region, *zone = place.split("/")
    return Kind(
        place=Place(cloud, region, zone[0] if zone else None, "machine", Decimal(str(round(usd, 6)))),
        purchase=purchase,
        cap=cap,
        usd_per_hour=usd,
        tokens_per_second=SPEED,
        tokens_per_second_p10=SPEED,
        cold_start=cold,
        cold_start_p90=P90_OF_COLD_START * cold,
        gpu="GPU",
    )


def _mean_usd(trace: PlaceTrace) -> float:
    return 1.0 if trace.usd_per_hour is None else float(np.mean(trace.usd_per_hour))


def markets() -> list[BenchMarket]:
    """The five recorded markets."""
    v100 = _with_prices(read_traces(PROBES, "cant-be-late/aws-02-15-2023"), _v100_prices())
    nodes = _with_prices(read_traces(PROBES, "cant-be-late/aws-08-27-2023"), _v100_prices(mean=True))
    l4 = _with_prices(read_traces(PROBES, "skynomad/L4-e2e"), _l4_prices())
    many = with_machines(v100, 8)
    return [
        BenchMarket("v100-9-zones", many, 16, V100_LIST),
        BenchMarket("v100-scarce", with_machines(v100, 3), 16, V100_LIST),
        BenchMarket("v100-us-east-1", only_places(many, "aws/us-east-1/"), 16, V100_LIST),
        BenchMarket("v100-16-nodes", nodes, 24, V100_LIST),
        BenchMarket("l4-10-zones", with_machines(l4, 8), 16, L4_LIST),
    ]


def _with_prices(traces: TraceSet, prices: Mapping[str, Sequence[tuple[float, float]]]) -> TraceSet:
    """The traces with the prices of each zone: (seconds, USD an hour) in order of time."""
    places = list[PlaceTrace]()
    for place in traces.places:
        found = prices[place.place.rpartition("/")[2]]
        at = np.array([seconds for seconds, _ in found])
        index = np.maximum(np.searchsorted(at, np.arange(traces.minutes) * 60.0, side="right") - 1, 0)
        places.append(replace(place, usd_per_hour=np.array([usd for _, usd in found])[index]))
    return replace(traces, places=tuple(places))


def _v100_prices(*, mean: bool = False) -> dict[str, list[tuple[float, float]]]:
    with gzip.open(TRACES / "v100_spot_prices_aws_2023.json.gz", "rt", encoding="utf-8") as file:
        found: dict[str, list[float]] = json.load(file)
    series = {key.partition("_")[0]: usd for key, usd in found.items()}
    if mean:
        return {zone: [(0.0, float(np.mean(usd)))] for zone, usd in series.items()}
    return {zone: [(n * PRICE_TICK, one) for n, one in enumerate(usd)] for zone, usd in series.items()}


def _l4_prices() -> dict[str, list[tuple[float, float]]]:
    with gzip.open(TRACES / "l4_spot_prices_aws_2025-12.csv.gz", "rt", encoding="utf-8") as file:
        rows = list(csv.DictReader(file))
    first = np.datetime64(rows[0]["time"])
    found: dict[str, list[tuple[float, float]]] = {}
    for row in rows:
        seconds = float((np.datetime64(row["time"]) - first) / np.timedelta64(1, "s"))
        found.setdefault(row["zone"], []).append((seconds, float(row["spot_price"])))
    return found


def generated() -> BenchMarket:
    """A market that is drawn: for where no recorded one is."""
    random = np.random.default_rng(5)
    places = list[PlaceTrace]()
    for number in range(6):
        lengths = np.maximum(1, random.exponential(170.0, 400)).astype(int)
        states = np.concatenate([np.full(length, 8 * (n % 2)) for n, length in enumerate(lengths)])
        usd = np.full(20_000, 1.0 + 0.1 * number)
        places.append(PlaceTrace(f"drawn/region-{number}", states[:20_000].astype(np.int32), usd))
    return BenchMarket("generated", TraceSet("generated", "drawn", tuple(places)), 16, 3.0)


@dataclass(frozen=True, slots=True)
class _Case:
    market: str
    ratio: float
    outcome: RunOutcome
    hindsight: float
    all_on_demand: float
    machines: int


def run_cases(
    chosen: Sequence[BenchMarket], policies: Sequence[str], ratios: Sequence[float], seeds: Sequence[int]
) -> dict[str, list[_Case]]:
    """Every policy in every market, ratio, cold start and seed."""
    found: dict[str, list[_Case]] = {name: [] for name in policies}
    for market in chosen:
        for ratio in ratios:
            for cold in COLD_STARTS:
                scenario = market.scenario(ratio, cold)
                for seed in seeds:
                    world = market.market(scenario, seed)
                    least = hindsight_usd(scenario, world)
                    if least is None:
                        raise SystemExit(f"{market.name}, ratio {ratio}: no fleet could be in time")
                    listed = simulate_run(scenario, world, OnDemandPolicy(scenario), _random(seed)).usd
                    for name in policies:
                        outcome = simulate_run(scenario, world, POLICIES[name](scenario), _random(seed))
                        found[name].append(
                            _Case(market.name, ratio, outcome, least, listed, scenario.machines)
                        )
    return found


def _random(seed: int) -> np.random.Generator:
    return np.random.default_rng([seed, 5])


def row(cases: Sequence[_Case]) -> dict[str, Any]:
    """One cell of the table."""
    ratios = [case.outcome.usd / case.hindsight for case in cases]
    return {
        "runs": len(cases),
        "late": sum(case.outcome.late for case in cases),
        "cost_over_hindsight": _rounded(np.mean(ratios)),
        "p90": _rounded(np.quantile(ratios, 0.9)),
        "worst": _rounded(max(ratios)),
        "share_of_on_demand": _rounded(np.mean([case.outcome.usd / case.all_on_demand for case in cases])),
        "starts_per_machine": _rounded(np.mean([case.outcome.starts / case.machines for case in cases])),
        "over_limit": sum(case.outcome.most_machines > case.machines + 2 for case in cases),
    }


def _rounded(value: Any) -> float:
    return round(float(value), 3)


def table(found: Mapping[str, Sequence[_Case]]) -> dict[str, Any]:
    """Rows by policy and ratio, over all markets and of each."""
    out: dict[str, Any] = {}
    for name, cases in found.items():
        by_ratio: dict[str, Any] = {}
        for ratio in dict.fromkeys(case.ratio for case in cases):
            here = [case for case in cases if case.ratio == ratio]
            names = dict.fromkeys(case.market for case in here)
            cell = row(here)
            cell["markets"] = {m: row([case for case in here if case.market == m]) for m in names}
            by_ratio[f"{ratio:g}"] = cell
        out[name] = by_ratio
    for name, rows in out.items():
        for ratio, cell in rows.items():
            if "uniform" in found and name != "uniform":
                cell.update(points_under(found["uniform"], found[name], float(ratio)))
    return out


def points_under(others: Sequence[_Case], cases: Sequence[_Case], ratio: float) -> dict[str, float]:
    """How many points of hindsight the same runs cost less than by `uniform`: the mean and its standard error."""
    pairs = zip(others, cases, strict=True)
    points = [
        100 * (other.outcome.usd - case.outcome.usd) / case.hindsight
        for other, case in pairs
        if case.ratio == ratio
    ]
    return {
        "points_under_uniform": round(float(np.mean(points)), 1),
        "points_standard_error": round(float(np.std(points)) / len(points) ** 0.5, 2),
    }


def speed(market: BenchMarket, policy: str, runs: int = 100) -> dict[str, float]:
    """CPU seconds of runs of 24 hours with 32 machines, their markets included, and of one look at 400 machines."""
    bigger = replace(market, machines=32)
    scenario = bigger.scenario(4.0, 300.0)
    started, looks = time.process_time(), 0
    for seed in range(runs):
        long = replace(scenario, tokens=scenario.tokens * 3)
        world = bigger.market(long, seed)
        looks += simulate_run(long, world, POLICIES[policy](long), _random(seed)).looks
    whole = time.process_time() - started
    return {"runs": runs, "cpu_seconds": _rounded(whole), "looks_per_run": _rounded(looks / runs)}


@dataclass(slots=True)
class _Recorder:
    """A policy that keeps the look at which most machines were there."""

    inner: Policy
    most: Observation | None = None

    @property
    def groups(self) -> Sequence[FleetGroup]:
        return self.inner.groups

    def decide(self, observation: Observation) -> Answered:
        if self.most is None or len(observation.machines) > len(self.most.machines):
            self.most = observation
        return self.inner.decide(observation)


def look_seconds(machines: int = 400, looks: int = 20) -> dict[str, float]:
    """CPU seconds of one look of the autopilot at so many machines, in ten places with plenty of them."""
    drawn = generated()
    places = [
        PlaceTrace(f"drawn/region-{n}", np.full(2000, 60, np.int32), np.full(2000, 1.0 + n / 50))
        for n in range(10)
    ]
    market = replace(drawn, traces=TraceSet("plenty", "drawn", tuple(places)), machines=machines)
    scenario = market.scenario(1.5, 300.0)
    recorder = _Recorder(SteeredPolicy(scenario))
    simulate_run(scenario, market.market(scenario, 0), recorder, _random(0))
    if recorder.most is None:
        raise SystemExit("the run had no look")
    policy = SteeredPolicy(scenario, with_forecast=True)
    policy.decide(recorder.most)
    started = time.process_time()
    for _ in range(looks):
        policy.decide(recorder.most)
    seconds = (time.process_time() - started) / looks
    return {"machines": len(recorder.most.machines), "cpu_seconds": round(seconds, 5)}


def main() -> None:
    parser = argparse.ArgumentParser(
        prog="benchmarks.simulate", description=(__doc__ or "").partition("\n")[0]
    )
    parser.add_argument("--seeds", type=int, default=SEEDS)
    parser.add_argument("--first-seed", type=int, default=0)
    parser.add_argument("--policies", default=",".join(POLICIES))
    parser.add_argument("--markets", default="")
    parser.add_argument("--ratios", default=",".join(f"{ratio:g}" for ratio in RATIOS))
    arguments = parser.parse_args()
    chosen = markets() if PROBES.exists() else [generated()]
    if arguments.markets:
        chosen = [market for market in chosen if market.name in arguments.markets.split(",")]
    policies = arguments.policies.split(",")
    seeds = range(arguments.first_seed, arguments.first_seed + arguments.seeds)
    gc.freeze()  # as the command does
    gc.set_threshold(GARBAGE_THRESHOLD)
    started = time.process_time()
    found = run_cases(chosen, policies, [float(word) for word in arguments.ratios.split(",")], seeds)
    document = {
        "machine": platform.machine(),
        "markets": {market.name: {"fleet": market.machines} for market in chosen},
        "seeds": list(seeds),
        "cold_starts": COLD_STARTS,
        "cpu_seconds": _rounded(time.process_time() - started),
        "policies": table(found),
        "speed": {name: speed(chosen[0], name) for name in policies[:1]},
        "look": look_seconds(),
    }
    print(json.dumps(document, indent=1))


if __name__ == "__main__":
    main()
