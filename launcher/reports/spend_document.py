"""What a run cost, as report.json holds it: machine time and dollars by part, place and machine group.

A part of `launcher.reports.document`, with its rules. Pure: types alone.
"""

from dataclasses import dataclass
from decimal import Decimal
from typing import Literal

from launcher.costs.usage.spend import Part


@dataclass(frozen=True, slots=True, kw_only=True)
class SecondsByPart:
    """Machine time by part; `total` is their sum."""

    total: float
    useful: float
    lost: float
    cold_start: float
    waiting: float
    idle: float
    teardown: float

    def of(self, part: Part) -> float:
        """The seconds of one part."""
        seconds: float = getattr(self, part)
        return seconds


@dataclass(frozen=True, slots=True, kw_only=True)
class KnownUsd:
    """The known dollars of the machines by part; `total` is their sum."""

    total: Decimal
    useful: Decimal
    lost: Decimal
    cold_start: Decimal
    waiting: Decimal
    idle: Decimal
    teardown: Decimal


@dataclass(frozen=True, slots=True, kw_only=True)
class KnownRunUsd:
    """The known dollars of the run: the parts are of its machines, `other` is of all else, `total` is the sum."""

    total: Decimal
    useful: Decimal
    lost: Decimal
    cold_start: Decimal
    waiting: Decimal
    idle: Decimal
    teardown: Decimal
    other: Decimal

    def of(self, part: Part | Literal["other"]) -> Decimal:
        """The dollars of one part, or of all that is not a machine."""
        usd: Decimal = getattr(self, part)
        return usd


@dataclass(frozen=True, slots=True, kw_only=True)
class ChargeRow:
    """A charge that is not for a machine's hours."""

    kind: str
    place: str | None
    quantity: float | None
    unit: str
    usd: Decimal | None
    reason: str | None  # why the dollars are unknown
    estimated: bool  # counted at list prices, not metered


@dataclass(frozen=True, slots=True, kw_only=True)
class RunSpend:
    """What the run cost. The parts are of its machines; `total` is the parts and `other`."""

    total: Decimal | None
    useful: Decimal | None
    lost: Decimal | None
    cold_start: Decimal | None
    waiting: Decimal | None
    idle: Decimal | None
    teardown: Decimal | None
    known: KnownRunUsd
    seconds: SecondsByPart
    other: Decimal | None
    waived: Decimal  # of machines that were preempted so early that the cloud did not charge them; in no part
    others: tuple[ChargeRow, ...]

    def of(self, part: Part) -> Decimal | None:
        """The dollars of one part."""
        usd: Decimal | None = getattr(self, part)
        return usd


@dataclass(frozen=True, slots=True, kw_only=True)
class PlaceSpend:
    """What the machines in one place cost."""

    place: str
    total: Decimal | None
    useful: Decimal | None
    lost: Decimal | None
    cold_start: Decimal | None
    waiting: Decimal | None
    idle: Decimal | None
    teardown: Decimal | None
    known: KnownUsd
    seconds: SecondsByPart


@dataclass(frozen=True, slots=True, kw_only=True)
class GroupSpend:
    """What one machine group of the plan cost ("lots" in JSON). `lot` None: machines of no group."""

    lot: int | None
    total: Decimal | None
    useful: Decimal | None
    lost: Decimal | None
    cold_start: Decimal | None
    waiting: Decimal | None
    idle: Decimal | None
    teardown: Decimal | None
    known: KnownUsd
    seconds: SecondsByPart
