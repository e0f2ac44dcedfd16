"""Hours and dollars of work on machines, item by item.

Pure. Knows what a machine of a Kind costs and does; nothing of limits, which are `optimize`'s business, nor of
chance, which is `risk`'s. Only what is known is in a sum; an item that nobody priced stays None.
"""

from collections.abc import Iterable, Mapping, Sequence
from dataclasses import dataclass
from decimal import Decimal

from launcher.money import decimal_of_float, multiply
from launcher.throughput.spread import SECONDS_PER_HOUR, Spread

MILLION = Decimal(1_000_000)
SHARD_SECONDS = 60.0  # what a shard of a fleet takes: shards are cut so that the slowest machine keeps to it
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
    hazard: Spread = NO_PREEMPTION  # times an hour that it is taken away
    disk_usd_per_hour: Decimal | None = None
    egress_usd_per_token: Decimal | None = None
    price_age_days: float = 0.0
    floats: bool = False  # a price made by a market: spot, and what resellers of machines call on demand

    @property
    def group(self) -> tuple[str, str, str, bool]:
        """What quotas and capacity are counted by."""
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
    """`machines` of a kind, and the tokens that they take of the work."""

    kind: Candidate
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
    """What the work costs besides its machines. None: unknown."""

    storage: Decimal | None  # of the vectors, for their first month
    controller_usd_per_hour: Decimal | None


NO_CHARGES = RunCharges(Decimal(0), Decimal(0))


@dataclass(frozen=True, slots=True)
class Estimate:
    """A fleet doing all the work. `hours` is wall time from asking for the first machine; items are at P50, in USD."""

    shares: tuple[Allocation, ...]
    hours: Spread
    usd: UsdSpread | None
    items: Mapping[str, Decimal | None]
    usd_per_million_tokens: Decimal | None

    @property
    def machines(self) -> int:
        return sum(share.machines for share in self.shares)

    @property
    def kind(self) -> Candidate:
        """The kind of most of the work."""
        return max(self.shares, key=lambda share: share.tokens).kind


def preemption_overhead(hazard: float, cold_start: float, shard_seconds: float = SHARD_SECONDS) -> float:
    """Machine time lost to preemption for each hour of work: a new start, and on average half a shard."""
    return hazard * (cold_start + shard_seconds / 2) / SECONDS_PER_HOUR


def wall_hours(shares: Sequence[Allocation]) -> float:
    """Wall hours at the median of everything, until the last of the shares is done.

    For each: start, work with what preemption costs of it, and on average half of somebody's last shard.
    """
    return max(_hours(share) for share in shares)


def _hours(share: Allocation) -> float:
    kind = share.kind
    work = share.tokens / kind.tokens_per_second.mid / SECONDS_PER_HOUR
    lost = preemption_overhead(kind.hazard.mid, kind.cold_start.mid)
    return (kind.cold_start.mid + tail_seconds(kind)) / SECONDS_PER_HOUR + work * (1 + lost) / share.machines


def tail_seconds(kind: Candidate) -> float:
    """Seconds that a machine waits for the others' last shards, on average; one that works alone waits for nobody."""
    return 0.0 if kind.cloud == "local" else SHARD_SECONDS / 2


def itemize(shares: Sequence[Allocation], rest: RunCharges) -> dict[str, Decimal | None]:
    """Each item in USD at the median of everything; None where any part of it is unknown."""
    hours = wall_hours(shares)
    parts: dict[str, list[Decimal | None]] = {name: [] for name in ITEMS}
    for share in shares:
        kind, rate = share.kind, share.kind.usd_per_hour
        work = decimal_of_float(share.tokens / kind.tokens_per_second.mid / SECONDS_PER_HOUR)
        lost = decimal_of_float(preemption_overhead(kind.hazard.mid, kind.cold_start.mid))
        starts = decimal_of_float(share.machines * kind.cold_start.mid / SECONDS_PER_HOUR)
        tails = decimal_of_float(share.machines * tail_seconds(kind) / SECONDS_PER_HOUR)
        whole = work * (1 + lost) + starts + tails
        parts["compute"].append(multiply(rate, work))
        parts["preemption"].append(multiply(rate, work * lost))
        parts["cold_start"].append(multiply(rate, starts))
        parts["idle_tail"].append(multiply(rate, tails))
        parts["disk"].append(multiply(kind.disk_usd_per_hour, whole))
        parts["egress"].append(multiply(kind.egress_usd_per_token, decimal_of_float(share.tokens)))
    parts["storage"].append(rest.storage)
    parts["controller"].append(multiply(rest.controller_usd_per_hour, decimal_of_float(hours)))
    return {name: _sum(amounts) for name, amounts in parts.items()}


def known_total(items: Mapping[str, Decimal | None]) -> Decimal:
    """The sum of what is known."""
    return sum((amount for amount in items.values() if amount is not None), Decimal(0))


def per_million(usd: Decimal, tokens: float) -> Decimal | None:
    """Dollars per million tokens; None when there are none."""
    return usd / decimal_of_float(tokens) * MILLION if tokens >= 1 else None


def _sum(amounts: Iterable[Decimal | None]) -> Decimal | None:
    total = Decimal(0)
    for amount in amounts:
        if amount is None:
            return None
        total += amount
    return total
