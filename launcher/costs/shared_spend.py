"""What a run has cost in all, over every launcher that ever drove it, from what each of them wrote into the store.

Pure. A ledger knows the machines that its own launchers started or found; another laptop's, or those of a ledger that
was lost, it does not. So each launcher leaves a SpendRecord beside the run, and money is the union of all records by
machine and life. An error may count money twice, never not at all: of two figures for one life the larger one counts,
and a life whose end is not known goes on costing its price.
"""

from collections.abc import Collection, Iterable, Mapping, Sequence
from dataclasses import dataclass, replace
from datetime import datetime, timedelta
from decimal import Decimal

from launcher.costs.budget import BILLED_TEARDOWN, DEFAULT_SHARD_TIME, OtherSpend, hourly_rate
from launcher.costs.usage.machine_time import MachineTime
from launcher.costs.usage.metering import meter, usd_for
from launcher.money import ZERO
from pricing.charges.billing_rules import NO_TIME
from tasks.protocol.bounds import Name

SCHEMA = "embedfleet/spent/1"
LOCAL = "local"

LifeKey = tuple[str, str]  # the name of a machine, and which of its lives


@dataclass(frozen=True, slots=True, kw_only=True)
class LifeSpend:
    """What one life of a machine has cost, as far as a launcher saw it."""

    machine: Name
    life: (
        str  # of a rented machine the number; of a worker of a laptop its handle, for names come again there
    )
    cloud: str
    usd: Decimal
    usd_per_hour: Decimal  # from then on, while it has not ended
    started: datetime
    ended: bool  # its provider, or the table of processes, said so

    def __post_init__(self) -> None:
        if not all(usd.is_finite() and usd >= 0 for usd in (self.usd, self.usd_per_hour)):
            raise ValueError(f"{self.usd} and {self.usd_per_hour} an hour are no cost")

    @property
    def key(self) -> LifeKey:
        return self.machine, self.life

    @property
    def rented(self) -> bool:
        return self.cloud != LOCAL


@dataclass(frozen=True, slots=True, kw_only=True)
class SpendRecord:
    """All lives that one launcher knows of. No other launcher writes its record."""

    run: str
    launcher: Name
    by: str  # user and host
    at: datetime  # by that launcher's clock
    lives: tuple[LifeSpend, ...]


@dataclass(frozen=True, slots=True)
class DatedRecord:
    """A record, and how long ago it was written by the store's clock."""

    record: SpendRecord
    age: timedelta


@dataclass(frozen=True, slots=True)
class Elsewhere:
    """What the records hold beyond a ledger's own figures, and the lives of it that may go on."""

    spend: OtherSpend
    unknown_usd: Decimal = ZERO  # of `spend`, that of lives which the ledger does not have, or doubts
    unknown_lives: int = 0
    open: tuple[LifeSpend, ...] = ()


def spent_elsewhere(
    own: Iterable[LifeSpend], records: Sequence[DatedRecord], doubtful: Collection[LifeKey] = ()
) -> Elsewhere:
    """What is to be added to a ledger's own spend, whose lives are `own`.

    `doubtful`: those of them that this ledger holds as ended although neither backend nor provider said so.
    """
    mine = {life.key: life for life in own}
    total, unknown, hourly, committed = ZERO, ZERO, ZERO, ZERO
    going: list[LifeSpend] = []
    strangers = 0
    for key, found in _by_life(records).items():
        known = mine.get(key)
        if (
            known is not None and key not in doubtful
        ):  # this ledger follows it: a record is right up to when it was written
            total += max(ZERO, max(life.usd for life, _ in found) - known.usd)
            continue
        usd = max(life.usd for life, _ in found)
        if not any(life.ended for life, _ in found):
            usd = max(life.usd + usd_for(max(NO_TIME, age), life.usd_per_hour) for life, age in found)
            last, _ = min(found, key=lambda one: one[1])
            going.append(last)
            hourly += last.usd_per_hour
            committed += usd_for(_bound(last), last.usd_per_hour)
        more = max(ZERO, usd - (known.usd if known else ZERO))
        strangers += 1
        total += more
        unknown += more
    return Elsewhere(
        spend=OtherSpend(usd=total, committed=committed, usd_per_hour=hourly),
        unknown_usd=unknown,
        unknown_lives=strangers,
        open=tuple(going),
    )


def recorded_usd(records: Sequence[DatedRecord]) -> Decimal:
    """What all recorded lives had cost when they were last recorded, each at its highest."""
    return sum((max(life.usd for life, _ in found) for found in _by_life(records).values()), ZERO)


def life_spends(
    machines: Sequence[MachineTime], handles: Mapping[str, str | None], now: datetime
) -> list[LifeSpend]:
    """What each life of a ledger's machines has cost until `now`, without those that never ran.

    `handles`: of the machines by name. A price that is not known counts as 0: see `at_least`.
    """
    found: list[LifeSpend] = []
    for machine, metered in zip(machines, meter(machines, [], [], now).lives, strict=True):
        handle = handles.get(machine.name)
        never = machine.started == machine.ended and not metered.total_known_usd
        if never or (machine.cloud == LOCAL and handle is None):
            continue
        found.append(
            LifeSpend(
                machine=machine.name,
                life=str(handle) if machine.cloud == LOCAL else str(machine.number),
                cloud=machine.cloud,
                usd=metered.total_known_usd + metered.disk,
                usd_per_hour=hourly_rate(machine, now) or ZERO,
                started=machine.started,
                ended=machine.ended is not None,
            )
        )
    return found


def at_least(machine: MachineTime, fallback: Decimal | None) -> MachineTime:
    """The machine at a price that is not too low, where its own is not known."""
    if machine.usd_per_hour is not None or fallback is None:
        return machine
    return replace(machine, usd_per_hour=fallback)


def _by_life(records: Sequence[DatedRecord]) -> dict[LifeKey, list[tuple[LifeSpend, timedelta]]]:
    found: dict[LifeKey, list[tuple[LifeSpend, timedelta]]] = {}
    for dated in records:
        for life in dated.record.lives:
            found.setdefault(life.key, []).append((life, dated.age))
    return found


def _bound(life: LifeSpend) -> timedelta:
    """How long a machine of another launcher is billed if it is stopped now: half a shard, and its teardown."""
    return DEFAULT_SHARD_TIME / 2 + BILLED_TEARDOWN if life.rented else NO_TIME
