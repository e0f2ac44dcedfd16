"""The document of `simulate --json`, schema embedfleet/simulation/1. None is unknown, or does not apply."""

from collections.abc import Sequence
from dataclasses import dataclass
from decimal import Decimal

SCHEMA = "embedfleet/simulation/1"


@dataclass(frozen=True, slots=True)
class SimulatedUsd:
    """Dollars of the machines over all runs of a policy."""

    mean: Decimal
    p10: Decimal
    p50: Decimal
    p90: Decimal


@dataclass(frozen=True, slots=True)
class SimulatedHours:
    """Hours of the runs that were done."""

    p10: float
    p50: float
    p90: float


@dataclass(frozen=True, slots=True)
class OverHindsight:
    """Dollars as a multiple of hindsight's in the same market."""

    mean: float
    p50: float
    p90: float
    worst: float


@dataclass(frozen=True, slots=True)
class SimulatedCurve:
    """How one run went, a point every few minutes; all lists are of the same length."""

    hours: Sequence[float]
    usd: Sequence[float]
    done: Sequence[float]  # share of the work
    spot: Sequence[int]  # machines
    on_demand: Sequence[int]


@dataclass(frozen=True, slots=True, kw_only=True)
class PolicyOutcome:
    """All runs of a policy for one deadline on one set of traces."""

    policy: str
    runs: int
    late: int  # runs that were not done by the deadline
    late_share: float
    late_low: float  # 95 % interval of the chance to be late
    late_high: float
    unfinished: int  # runs that were not done three deadlines after the start
    over_budget: int | None  # runs that cost more than the budget; None: there is no budget
    usd: SimulatedUsd
    over_hindsight: (
        OverHindsight | None
    )  # None: some runs were late, so their dollars are of less than the work
    hours: SimulatedHours | None  # None: no run was done
    on_demand_share: float  # of the dollars, on average
    starts: float  # machines that came up, on average
    losses: float  # machines that were taken, on average
    most_machines: int  # held or asked for at one moment, in any run
    curve: SimulatedCurve  # of the first run


@dataclass(frozen=True, slots=True)
class StandIn:
    """A kind of machine, and the place whose trace stands in for its spot market; None: on demand, or no trace."""

    place: str
    gpu: str
    gpus_per_machine: float
    instance_type: str | None
    purchase: str
    machines: int  # at most
    usd_per_hour: Decimal
    tokens_per_second: float
    trace: str | None
    drawn: bool  # the trace is of another region, and was drawn by the seed


@dataclass(frozen=True, slots=True, kw_only=True)
class SimulatedMarket:
    """One set of traces and one deadline."""

    traces: str
    about: str
    each: int | None  # machines that a place gives while it is up; None: the traces count machines
    deadline_hours: float
    machines: int  # at most, of all kinds together
    budget: Decimal | None  # of a run: of --budget, else of the job; None: neither has one
    hindsight_usd: (
        Decimal | None
    )  # P50 of the least that a run could have cost; None: nobody could be in time
    kinds: Sequence[StandIn]
    left_out: int  # spot kinds without a trace, the dearest
    policies: Sequence[PolicyOutcome]


@dataclass(frozen=True, slots=True, kw_only=True)
class SimulationDocument:
    """Simulated runs of a job or a plan. Nothing was rented."""

    schema: str = SCHEMA
    job: str
    tokens: int
    budget: Decimal | None  # of --budget; None: the job's, or none
    runs: int  # of each policy, deadline and set of traces
    seed: int
    cold_start_seconds: float | None  # of --cold-start; None: those of the plan
    no_on_demand: float
    slower: float
    without: Sequence[str]
    assumes: Sequence[str]  # what the simulation takes as given, in words
    markets: Sequence[SimulatedMarket]
