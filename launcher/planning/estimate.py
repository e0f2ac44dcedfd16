"""Hours and dollars of a job on a fleet, item by item.

Pure. Knows what a machine of a Candidate costs and how fast it is. Knows no limits (those are the optimizer's) and no
chance (that is `monte_carlo`'s). Sums hold what is known; an item with any unknown price is None.
"""

from collections.abc import Iterable, Mapping, Sequence
from dataclasses import dataclass
from decimal import Decimal

from launcher.money import SECONDS_PER_HOUR, decimal_of_float, multiply
from launcher.throughput.spread import Spread

MILLION = Decimal(1_000_000)
SHARD_SECONDS = 60.0  # work in a shard of a fleet: shards are cut so that the slowest machine takes this long
NO_PREEMPTION = Spread(0.0, 0.0, 0.0)
ITEMS = ("compute", "cold_start", "preemption", "idle_tail", "disk", "storage", "egress", "controller")


@dataclass(frozen=True, slots=True)
class Candidate:
    """A machine type in one place under one purchase kind, as this job would use it.

    Prices are USD per machine-hour; None: unknown.
    """

    cloud: str
    region: str
    gpu: str
    gpus: float
    spot: bool
    usd_per_hour: Decimal | None
    tokens_per_second: Spread  # of the whole machine, while it works
    speed_source: str
    cold_start: Spread  # seconds from asking for it to its first token
    price_source: str = ""
    instance_type: str = ""
    zone: str | None = None
    vcpus: int | None = None
    hazard: Spread = NO_PREEMPTION  # preemptions per hour
    disk_usd_per_hour: Decimal | None = None
    egress_usd_per_token: Decimal | None = None
    price_age_days: float = 0.0
    floats: bool = False  # a market makes the price: spot, and the on-demand prices of machine resellers

    @property
    def group(self) -> tuple[str, str, str, bool]:
        """Cloud, region, GPU and spot: what quotas and capacity are counted by."""
        return self.cloud, self.region, self.gpu, self.spot

    @property
    def name(self) -> str:
        """Such as "4 x L4 on gcp us-central1, spot"."""
        if self.cloud == "local":
            return "this machine"
        purchase = "spot" if self.spot else "on-demand"
        return f"{self.gpus:g} x {self.gpu} on {self.cloud} {self.region}, {purchase}"


@dataclass(frozen=True, slots=True)
class Allocation:
    """A number of machines of one candidate, and the tokens that they take of the work."""

    candidate: Candidate
    machines: int
    tokens: float


@dataclass(frozen=True, slots=True)
class UsdSpread:
    """P10, P50 and P90 in USD."""

    p10: Decimal
    p50: Decimal
    p90: Decimal


@dataclass(frozen=True, slots=True)
class RunCharges:
    """What a run costs apart from its machines. None: unknown."""

    storage: Decimal | None  # USD for the first month of the vectors
    controller_usd_per_hour: Decimal | None  # SkyPilot's controller


NO_CHARGES = RunCharges(Decimal(0), Decimal(0))


@dataclass(frozen=True, slots=True)
class Estimate:
    """A fleet that does all the work. `hours` is wall time from asking for the first machine; items are USD at P50."""

    allocations: tuple[Allocation, ...]
    hours: Spread
    usd: UsdSpread | None
    items: Mapping[str, Decimal | None]
    usd_per_million_tokens: Decimal | None

    @property
    def machines(self) -> int:
        return sum(allocation.machines for allocation in self.allocations)

    @property
    def main_candidate(self) -> Candidate:
        """The candidate that does most of the work."""
        return max(self.allocations, key=lambda allocation: allocation.tokens).candidate


def preemption_overhead(hazard: float, cold_start: float, shard_seconds: float = SHARD_SECONDS) -> float:
    """Machine hours lost to preemption per hour of work.

    Each preemption costs a new cold start and, on average, half a shard. `hazard` is preemptions per hour,
    `cold_start` seconds.
    """
    return hazard * (cold_start + shard_seconds / 2) / SECONDS_PER_HOUR


def wall_hours(allocations: Sequence[Allocation]) -> float:
    """Wall hours until the last allocation is done, everything at its median.

    Each takes its cold start, its work with the overhead of preemptions, and on average half of another's last shard.
    """
    return max(_hours(allocation) for allocation in allocations)


def _hours(allocation: Allocation) -> float:
    candidate = allocation.candidate
    work = allocation.tokens / candidate.tokens_per_second.mid / SECONDS_PER_HOUR
    lost = preemption_overhead(candidate.hazard.mid, candidate.cold_start.mid)
    idle = (candidate.cold_start.mid + tail_seconds(candidate)) / SECONDS_PER_HOUR
    return idle + work * (1 + lost) / allocation.machines


def tail_seconds(candidate: Candidate) -> float:
    """Seconds that a machine waits for the last shards of others, on average; this machine works alone: 0."""
    return 0.0 if candidate.cloud == "local" else SHARD_SECONDS / 2


def itemize(allocations: Sequence[Allocation], charges: RunCharges) -> dict[str, Decimal | None]:
    """Each cost item in USD, everything at its median; None when any part of the item is unknown."""
    hours = wall_hours(allocations)
    parts: dict[str, list[Decimal | None]] = {name: [] for name in ITEMS}
    for allocation in allocations:
        candidate, rate = allocation.candidate, allocation.candidate.usd_per_hour
        machines, start = allocation.machines, candidate.cold_start.mid
        work = decimal_of_float(allocation.tokens / candidate.tokens_per_second.mid / SECONDS_PER_HOUR)
        lost = decimal_of_float(preemption_overhead(candidate.hazard.mid, start))
        starts = decimal_of_float(machines * start / SECONDS_PER_HOUR)
        tails = decimal_of_float(machines * tail_seconds(candidate) / SECONDS_PER_HOUR)
        machine_hours = work * (1 + lost) + starts + tails
        parts["compute"].append(multiply(rate, work))
        parts["preemption"].append(multiply(rate, work * lost))
        parts["cold_start"].append(multiply(rate, starts))
        parts["idle_tail"].append(multiply(rate, tails))
        parts["disk"].append(multiply(candidate.disk_usd_per_hour, machine_hours))
        parts["egress"].append(multiply(candidate.egress_usd_per_token, decimal_of_float(allocation.tokens)))
    parts["storage"].append(charges.storage)
    parts["controller"].append(multiply(charges.controller_usd_per_hour, decimal_of_float(hours)))
    return {name: _sum(amounts) for name, amounts in parts.items()}


def known_total(items: Mapping[str, Decimal | None]) -> Decimal:
    """The sum of the items that are known."""
    return sum((amount for amount in items.values() if amount is not None), Decimal(0))


def per_million(usd: Decimal, tokens: float) -> Decimal | None:
    """Dollars per million tokens; None when there are no tokens."""
    return usd / decimal_of_float(tokens) * MILLION if tokens >= 1 else None


def _sum(amounts: Iterable[Decimal | None]) -> Decimal | None:
    total = Decimal(0)
    for amount in amounts:
        if amount is None:
            return None
        total += amount
    return total
