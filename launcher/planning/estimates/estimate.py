"""Hours and dollars of a job on a fleet, item by item.

Pure. Knows what a machine of a Candidate costs and how fast it is. Knows no limits (those are the optimizer's) and no
chance (that is `monte_carlo`'s). Sums hold what is known: of disks and egress the priced part, which
`unpriced` completes; another item with an unknown price is None.
"""

from collections.abc import Iterable, Mapping, Sequence
from dataclasses import dataclass, field, replace
from datetime import date
from decimal import Decimal

from launcher.money import SECONDS_PER_HOUR, decimal_of_float, multiply
from launcher.planning.estimates.launching import (
    LAUNCHES_AT_ONCE,
    TEARDOWN_SECONDS,
    Starting,
    last_launch_seconds,
    machines_started,
    mean_queue_seconds,
)
from launcher.throughput.spread import Spread
from pricing.account import access
from pricing.charges.billing_rules import SECOND, billing_rule

MILLION = Decimal(1_000_000)
SHARD_SECONDS = 60.0  # work in a shard of a fleet: shards are cut so that the slowest machine takes this long
NO_TIME = Spread(0.0, 0.0, 0.0)
NO_PREEMPTION = Spread(0.0, 0.0, 0.0)
PARTLY_KNOWN = frozenset({"disk", "egress"})  # items of which a part may be known
ITEMS = (
    "compute",
    "cold_start",
    "preemption",
    "idle_tail",
    "teardown",
    "disk",
    "storage",
    "egress",
    "controller",
)
LOCAL = "local"  # the cloud of this machine


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
    cold_start: Spread  # seconds that are paid, from when the machine is there to its first token
    price_source: str = ""
    instance_type: str = ""
    zone: str | None = None
    vcpus: int | None = None
    launch: Spread = NO_TIME  # seconds of the cold start in which it holds one of SkyPilot's launches
    ahead: Spread = NO_TIME  # seconds before that, not paid: the controller's start, and waiting for capacity
    hazard: Spread = NO_PREEMPTION  # preemptions per hour
    disk_usd_per_hour: Decimal | None = None
    egress_usd_per_token: Decimal | None = None  # of the legs that have a price; None: none has
    disk_at_most: Decimal | None = None  # USD per hour, where the disk has no price; None: no bound is known
    egress_missing: Decimal | None = Decimal(0)  # USD per token, at most, of the legs without a price
    price_age_days: float = 0.0
    price_as_of: date | None = None
    quoted_usd_per_hour: Decimal | None = None  # of the price book, before age and discounts
    discount: str | None = None  # of the account, in words; it is in `usd_per_hour`
    at_most: int | None = None  # machines that there are of this offer; None: not known
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
        where = access.place_name(self.cloud, self.region, self.zone)
        return f"{self.gpus:g} x {self.gpu} on {self.cloud} {where}, {purchase}"


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
    controller_at_most: Decimal | None = None  # USD per hour, where the controller has no price
    controller_after: float = 0.0  # seconds that the controller is paid for after the last shard


NO_CHARGES = RunCharges(Decimal(0), Decimal(0))


@dataclass(frozen=True, slots=True)
class Estimate:
    """A fleet that does all the work. `hours` is wall time from asking for the first machine; items are USD at P50."""

    allocations: tuple[Allocation, ...]
    hours: Spread
    usd: UsdSpread | None
    items: Mapping[str, Decimal | None]
    usd_per_million_tokens: Decimal | None
    unpriced: Mapping[str, Decimal | None] = field(default_factory=dict[str, Decimal | None])
    """Items that lack a price in whole or in part, with the most that the missing part costs; None: no bound."""

    @property
    def machines(self) -> int:
        return sum(allocation.machines for allocation in self.allocations)

    @property
    def main_candidate(self) -> Candidate:
        """The candidate that does most of the work."""
        return max(self.allocations, key=lambda allocation: allocation.tokens).candidate


def as_launched(allocations: Sequence[Allocation]) -> tuple[Allocation, ...]:
    """The machines that the launcher does start, and their work as they share it.

    Workers take shards from one queue until there are none: one that is there sooner and is faster does more, and all end
    at the same time, whatever each costs. Machines that are still waiting for their turn when too little work is left are
    never asked for, so they are in no estimate and in no plan.
    """
    tokens = sum(one.tokens for one in allocations)
    rented = [one for one in allocations if one.candidate.cloud != LOCAL]
    count = sum(one.machines for one in rented)
    queued = count > LAUNCHES_AT_ONCE and any(one.candidate.launch.mid for one in rented)
    if len(rented) < len(allocations) or not queued:
        return _shared_work(allocations, tokens)
    started = machines_started([_starting(one) for one in rented], tokens)
    kept = [replace(one, machines=n) for one, n in zip(rented, started, strict=True) if n]
    return _shared_work(kept, tokens)


def _shared_work(allocations: Sequence[Allocation], tokens: float) -> tuple[Allocation, ...]:
    """The same machines, with the tokens that each kind does until all is done; less those that would come too late."""
    kept = list(allocations)
    while True:
        idle = idle_hours(kept)
        idle = [hours - min(idle) for hours in idle]  # after the first that is there
        rates = [_tokens_per_hour(one.candidate) * one.machines for one in kept]
        end = (tokens + sum(rate * hours for rate, hours in zip(rates, idle, strict=True))) / sum(rates)
        in_time = [hours < end for hours in idle]
        if all(in_time):
            break
        kept = [one for one, comes in zip(kept, in_time, strict=True) if comes]
    if len(kept) == 1:
        return (replace(kept[0], tokens=tokens),)
    does = [rate * (end - hours) for rate, hours in zip(rates, idle, strict=True)]
    return tuple(replace(one, tokens=own) for one, own in zip(kept, does, strict=True))


def _tokens_per_hour(candidate: Candidate) -> float:
    """What one machine does in an hour of its life after the start, preemptions included."""
    lost = preemption_overhead(candidate.hazard.mid, candidate.cold_start.mid)
    return candidate.tokens_per_second.mid * SECONDS_PER_HOUR / (1 + lost)


def _starting(allocation: Allocation) -> Starting:
    candidate = allocation.candidate
    return Starting(
        machines=allocation.machines,
        tokens_per_second=candidate.tokens_per_second.mid,
        launch=candidate.launch.mid,
        ahead=candidate.ahead.mid,
        cold_start=candidate.cold_start.mid,
    )


def queue_hours(allocations: Sequence[Allocation]) -> list[float]:
    """Hours that the machines of each allocation wait on average until SkyPilot launches them; not paid."""
    waits = mean_queue_seconds([_starting(one) for one in allocations])
    return [seconds / SECONDS_PER_HOUR for seconds in waits]


def launch_note(allocations: Sequence[Allocation]) -> str | None:
    """In words, when the last machine of a fleet is launched; None: all start at once."""
    rented = [one for one in allocations if one.candidate.cloud != LOCAL]
    seconds = last_launch_seconds([_starting(one) for one in rented])
    if not seconds:
        return None
    when = f"{seconds / SECONDS_PER_HOUR:.2g} h" if seconds >= SECONDS_PER_HOUR else f"{seconds / 60:.0f} min"
    count = sum(one.machines for one in rented)
    last = f"the last of {count:,} {when} after the first"
    return f"launches: SkyPilot brings up {LAUNCHES_AT_ONCE} machines at a time, {last}"


def idle_hours(allocations: Sequence[Allocation]) -> list[float]:
    """Hours in which a machine of each allocation does no work, on average: before its first token, and at the end."""
    return [
        wait
        + (one.candidate.ahead.mid + one.candidate.cold_start.mid + tail_seconds(one.candidate))
        / SECONDS_PER_HOUR
        for one, wait in zip(allocations, queue_hours(allocations), strict=True)
    ]


def preemption_overhead(hazard: float, cold_start: float, shard_seconds: float = SHARD_SECONDS) -> float:
    """Machine hours lost to preemption per hour of work.

    Each preemption costs a new cold start and, on average, half a shard. `hazard` is preemptions per hour,
    `cold_start` seconds.
    """
    return hazard * (cold_start + shard_seconds / 2) / SECONDS_PER_HOUR


def wall_hours(allocations: Sequence[Allocation]) -> float:
    """Wall hours until the last allocation is done, everything at its median.

    Each takes its wait for a launch and for capacity, its cold start, its work with the overhead of preemptions, and on
    average half of another's last shard.
    """
    return max(
        idle + one.tokens / (_tokens_per_hour(one.candidate) * one.machines)
        for one, idle in zip(allocations, idle_hours(allocations), strict=True)
    )


def tail_seconds(candidate: Candidate) -> float:
    """Seconds that a machine waits for the last shards of others, on average; this machine works alone: 0."""
    return 0.0 if candidate.cloud == LOCAL else SHARD_SECONDS / 2


def stop_seconds(candidate: Candidate, lived: float) -> float:
    """Seconds that a machine is billed beyond what it `lived` until the last shard.

    Until it is gone, rounded up as its cloud bills (half of an increment on average), and at least the minimum.
    """
    if candidate.cloud == LOCAL:
        return 0.0
    rule = billing_rule(candidate.cloud)
    rounding = rule.increment.total_seconds() / 2 if rule.increment > SECOND else 0.0
    return max(TEARDOWN_SECONDS + rounding, rule.minimum.total_seconds() - lived)


def itemize(allocations: Sequence[Allocation], charges: RunCharges) -> dict[str, Decimal | None]:
    """Each cost item in USD, everything at its median; None when it is unknown.

    Of disks and egress the known part is kept where another part is unknown: `unpriced.unpriced_items` names it.
    """
    hours = wall_hours(allocations)
    parts: dict[str, list[Decimal | None]] = {name: [] for name in ITEMS}
    for allocation in allocations:
        candidate, rate = allocation.candidate, allocation.candidate.usd_per_hour
        machines, start = allocation.machines, candidate.cold_start.mid
        work = decimal_of_float(allocation.tokens / candidate.tokens_per_second.mid / SECONDS_PER_HOUR)
        lost = decimal_of_float(preemption_overhead(candidate.hazard.mid, start))
        starts = decimal_of_float(machines * start / SECONDS_PER_HOUR)
        tails = decimal_of_float(machines * tail_seconds(candidate) / SECONDS_PER_HOUR)
        lived = float(work * (1 + lost) + starts + tails) * SECONDS_PER_HOUR / machines
        stops = decimal_of_float(machines * stop_seconds(candidate, lived) / SECONDS_PER_HOUR)
        machine_hours = work * (1 + lost) + starts + tails + stops
        parts["compute"].append(multiply(rate, work))
        parts["preemption"].append(multiply(rate, work * lost))
        parts["cold_start"].append(multiply(rate, starts))
        parts["idle_tail"].append(multiply(rate, tails))
        parts["teardown"].append(multiply(rate, stops))
        parts["disk"].append(multiply(candidate.disk_usd_per_hour, machine_hours))
        parts["egress"].append(multiply(candidate.egress_usd_per_token, decimal_of_float(allocation.tokens)))
    parts["storage"].append(charges.storage)
    up = decimal_of_float(hours + charges.controller_after / SECONDS_PER_HOUR)
    parts["controller"].append(multiply(charges.controller_usd_per_hour, up))
    return {name: (_known_sum if name in PARTLY_KNOWN else _sum)(amounts) for name, amounts in parts.items()}


def known_total(items: Mapping[str, Decimal | None]) -> Decimal:
    """The sum of the items that are known."""
    return sum((amount for amount in items.values() if amount is not None), Decimal(0))


def per_million(usd: Decimal, tokens: float) -> Decimal | None:
    """Dollars per million tokens; None when there are no tokens."""
    return usd / decimal_of_float(tokens) * MILLION if tokens >= 1 else None


def _known_sum(amounts: Iterable[Decimal | None]) -> Decimal | None:
    known = [amount for amount in amounts if amount is not None]
    return sum(known, Decimal(0)) if known else None


def _sum(amounts: Iterable[Decimal | None]) -> Decimal | None:
    total = Decimal(0)
    for amount in amounts:
        if amount is None:
            return None
        total += amount
    return total
