"""The output of metering: time and USD by part, of a life, a machine, a place and a whole run. Pure."""

from collections.abc import Mapping
from dataclasses import dataclass, field
from datetime import datetime, timedelta
from decimal import Decimal
from typing import Literal

from launcher.money import ZERO

Part = Literal["useful", "lost", "cold_start", "waiting", "idle", "teardown"]
PARTS: tuple[Part, ...] = ("useful", "lost", "cold_start", "waiting", "idle", "teardown")  # in display order


@dataclass(frozen=True, slots=True)
class OtherCharge:
    """A charge other than for machine hours. `usd` is None if unknown, and `reason` says why."""

    kind: str
    quantity: float | None
    unit: str
    usd: Decimal | None
    reason: str | None = None
    estimated: bool = False  # computed from list prices, not metered
    at: datetime | None = None
    place: str | None = None


@dataclass(frozen=True, slots=True)
class Metered:
    """Time and USD by part. `usd` is None if some of the time has no price; `known_usd` is the priced part of it.

    `waived` is what the cloud did not charge because it preempted the machine soon after its start; it is in no part.
    """

    time: Mapping[Part, timedelta]
    usd: Mapping[Part, Decimal] | None
    known_usd: Mapping[Part, Decimal]
    waived: Decimal = ZERO
    disk: Decimal = ZERO

    @property
    def total_time(self) -> timedelta:
        return sum(self.time.values(), timedelta(0))

    @property
    def total_usd(self) -> Decimal | None:
        return None if self.usd is None else sum(self.usd.values(), ZERO)

    @property
    def total_known_usd(self) -> Decimal:
        return sum(self.known_usd.values(), ZERO)


@dataclass(frozen=True, slots=True)
class Spend:
    """A run's time and USD by machine name, by place, by machine group of the plan, and in total.

    `total` is of machines alone. `lives` has one element per life, in the order of the metered machines.
    """

    machines: Mapping[str, Metered]
    places: Mapping[str, Metered]
    total: Metered
    unknown: tuple[str, ...]  # machines without a price for some of their time
    groups: Mapping[int | None, Metered] = field(default_factory=dict[int | None, Metered])
    lives: tuple[Metered, ...] = field(default=(), compare=False)
    others: tuple[OtherCharge, ...] = ()

    @property
    def other_known_usd(self) -> Decimal:
        return sum((other.usd for other in self.others if other.usd is not None), ZERO)

    @property
    def known_usd(self) -> Decimal:
        """Known USD of machines and other charges together."""
        return self.total.total_known_usd + self.other_known_usd

    @property
    def usd(self) -> Decimal | None:
        """USD of machines and other charges together; None if any of it is unknown."""
        whole = self.total.total_usd is not None and all(other.usd is not None for other in self.others)
        return self.known_usd if whole else None
