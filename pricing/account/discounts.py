"""Discounts of an account: savings plans, committed use, and negotiated prices. Pure.

A discount is a share off the price, or a price of its own for one instance type. The first one of the list that fits an
offer holds; discounts do not add up. Hours that a commitment does not cover cost more than this says: the job file
gives what is meant to be covered.
"""

from collections.abc import Sequence
from dataclasses import dataclass
from decimal import Decimal
from fnmatch import fnmatchcase
from typing import Literal, Protocol

Covers = Literal["on-demand", "spot", "all"]
CENT_PARTS = Decimal("0.00000001")


class Machine(Protocol):
    """What a discount is decided by: an offer, or a machine that runs."""

    @property
    def cloud(self) -> str: ...
    @property
    def region(self) -> str: ...
    @property
    def instance_type(self) -> str: ...
    @property
    def gpu(self) -> str: ...
    @property
    def purchase(self) -> str: ...


@dataclass(frozen=True, slots=True)
class RentedMachine:
    """A machine that runs, by what a discount is decided by."""

    cloud: str
    region: str
    instance_type: str
    gpu: str  # canonical; empty: not known
    purchase: str


@dataclass(frozen=True, slots=True)
class Discount:
    """What an account pays less on offers of one cloud. Either `off` or `usd_per_hour` is given.

    Patterns are such as "g6.*" and "us-*"; `gpu` is a canonical name. None: any.
    """

    cloud: str
    off: Decimal | None = None  # the share of the price that is not paid: above 0, below 1
    usd_per_hour: Decimal | None = None  # of the machine, in place of the price
    covers: Covers = "on-demand"
    gpu: str | None = None
    instance_type: str | None = None
    region: str | None = None

    def fits(self, machine: Machine) -> bool:
        """Whether the discount is for such a machine."""
        return (
            machine.cloud == self.cloud
            and self.covers in ("all", machine.purchase)
            and (self.gpu is None or machine.gpu == self.gpu)
            and (self.instance_type is None or fnmatchcase(machine.instance_type, self.instance_type))
            and (self.region is None or fnmatchcase(machine.region, self.region))
        )

    def price(self, usd_per_hour: Decimal) -> Decimal:
        """What a machine-hour of this price costs after the discount."""
        if self.usd_per_hour is not None:
            return self.usd_per_hour
        return (usd_per_hour * (1 - (self.off or Decimal(0)))).quantize(CENT_PARTS).normalize()

    def __str__(self) -> str:
        """Such as "20 % on aws on-demand L4 in us-*"."""
        what = f"${self.usd_per_hour:f} an hour" if self.usd_per_hour is not None else percent(self.off)
        kind = "" if self.covers == "all" else f" {self.covers}"
        names = "".join(f" {name}" for name in (self.gpu, self.instance_type) if name)
        return f"{what} on {self.cloud}{kind}{names}{f' in {self.region}' if self.region else ''}"


def discount_of(machine: Machine, discounts: Sequence[Discount]) -> Discount | None:
    """The discount that holds for an offer or a machine: the first that fits; None: none does."""
    return next((discount for discount in discounts if discount.fits(machine)), None)


def percent(share: Decimal | None) -> str:
    """A share as per cent, such as "12.5 %"."""
    return f"{((share or Decimal(0)) * 100).normalize():f} %"
