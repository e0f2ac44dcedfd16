"""The budget: what was spent and what is bound to be, against what may be.

Pure. Bound to be spent is what cannot be taken back: of each machine that runs, the lease in its hands, the way down,
and the least that its cloud bills. Near the budget nothing new begins; at it everything ends.
"""

from collections.abc import Sequence
from dataclasses import dataclass
from datetime import datetime, timedelta
from decimal import Decimal
from enum import StrEnum

from launcher.costs.billing_rules import terms
from launcher.costs.metering import MICROSECOND, MachineTime, Spend
from launcher.money import USD_GRAIN

HOLD_AT = Decimal("0.9")  # of the budget: no new leases, no new machines (docs/architecture.md#money)
HOUR = Decimal(3_600_000_000)
TEARDOWN = timedelta(seconds=60)  # of a rented machine, from the order to go until nothing is billed
SHARD = timedelta(seconds=60)  # what a shard of a fleet takes, until the run has shown it
LONGEST = timedelta(minutes=10)  # that one lease is taken to hold a machine
NONE = timedelta(0)


class Word(StrEnum):
    GO = "go"
    HOLD = "hold"  # no new leases, no new machines
    STOP = "stop"


@dataclass(frozen=True, slots=True)
class Standing:
    """`spent` is what is known; `whole`: nothing is unknown."""

    spent: Decimal
    committed: Decimal
    whole: bool
    usd_per_hour: Decimal  # of the machines that run now, as far as their prices are known

    @property
    def bound(self) -> Decimal:
        return self.spent + self.committed


def word(bound: Decimal, budget: Decimal | None) -> Word:
    """What the budget says to so much."""
    if budget is None or bound < budget * HOLD_AT:
        return Word.GO
    return Word.HOLD if bound < budget else Word.STOP


def standing(
    machines: Sequence[MachineTime], spend: Spend, now: datetime, shard: timedelta | None
) -> Standing:
    """`shard`: how long a lease holds a worker, None while nobody knows."""
    living = [m for m in machines if m.ended is None]
    bound = sum((_bound(m, now, shard) for m in living), Decimal(0))
    hourly = sum((rate for m in living if (rate := rate_of(m, now)) is not None), Decimal(0))
    return Standing(spend.known_usd, bound, spend.usd is not None, hourly)


def rate_of(machine: MachineTime, now: datetime) -> Decimal | None:
    """What an hour of it costs at this moment."""
    seen = [usd for at, usd in machine.rates if at <= now]
    return seen[-1] if seen else machine.usd_per_hour


def _bound(machine: MachineTime, now: datetime, shard: timedelta | None) -> Decimal:
    rate = rate_of(machine, now)
    if rate is None:
        return Decimal(0)
    rented = machine.cloud != "local"
    lease = NONE
    if machine.ready and not machine.stopping:  # on average it is in the middle of one
        lease = min(LONGEST, shard if shard is not None else SHARD if rented else NONE) / 2
    least = machine.started + terms(machine.cloud).least - now
    time = max(lease + (TEARDOWN if rented else NONE), least, NONE)
    return (Decimal(time // MICROSECOND) * rate / HOUR).quantize(USD_GRAIN)
