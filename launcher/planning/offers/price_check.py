"""Whether a plan's prices still hold: its age, and each chosen place's price beside that of today's price book. Pure.

For a plan that is not steered: `envelope_prices` checks all that a steered one may rent.
"""

from collections.abc import Iterable, Sequence
from dataclasses import dataclass
from datetime import datetime, timedelta
from decimal import Decimal

from launcher.errors import Problem
from launcher.format import share_text
from launcher.jobs.job import load
from launcher.planning.saved.saved_plan import MachineGroup, MachinePlace, SavedPlan
from pricing.account.discounts import discount_of
from pricing.expected_price import expected_prices
from pricing.offer import Offer
from pricing.staleness import is_stale

LOCAL = "local"
MAX_AGE = timedelta(days=7)  # of a plan that rents: spot prices and capacity are others by then
TOLERANCE = Decimal(
    "0.10"
)  # a price may rise by this share before the plan's dollars are no longer what it costs
SHOWN = 3  # prices that a message names

PLAN_AGAIN = (
    "embedfleet launch --refresh plans again with today's prices; --offline takes the plan's as they are"
)


class OutdatedPlan(Problem):
    """The plan's prices are not those that its machines would cost now."""


@dataclass(frozen=True, slots=True)
class PriceMove:
    """A place of the plan, and what a machine there costs an hour: as planned, and now."""

    place: str
    planned: Decimal
    now: Decimal

    def __str__(self) -> str:
        return f"{self.place} was ${self.planned} an hour and is ${self.now}"


@dataclass(frozen=True, slots=True)
class PriceCheck:
    """What a plan's prices are worth now."""

    risen: tuple[PriceMove, ...] = ()  # by more than TOLERANCE
    fallen: tuple[PriceMove, ...] = ()  # by more than TOLERANCE
    unlisted: tuple[str, ...] = ()  # places that the price book does not have
    stale: tuple[str, ...] = ()  # places whose price in the book is itself old

    @property
    def remarks(self) -> tuple[str, ...]:
        """What a user should know, and what does not keep the plan from being launched."""
        found: list[str] = []
        if self.unlisted:
            found.append(f"prices not checked, for the price book does not have them: {names(self.unlisted)}")
        if self.stale:
            found.append(f"prices checked against old ones (embedfleet prices refresh): {names(self.stale)}")
        if self.fallen:
            found.append(f"cheaper than planned, so another plan may be better: {names(self.fallen)}")
        return tuple(found)


def check_prices(plan: SavedPlan, offers: Sequence[Offer], now: datetime) -> PriceCheck:
    """Compare the plan's prices with those of a book.

    Raises:
        OutdatedPlan: the plan is too old, or a price of it has risen.
    """
    check_age(plan, now)
    found = compare_prices(plan, offers, now)
    if found.risen:
        raise OutdatedPlan(
            f"prices have risen by more than {share_text(float(TOLERANCE))} since the plan was made: "
            f"{names(found.risen)}",
            hint=PLAN_AGAIN,
        )
    return found


def check_age(plan: SavedPlan, now: datetime) -> None:
    """Refuse a plan whose prices are too old to be compared.

    Raises:
        OutdatedPlan: it is older than MAX_AGE.
    """
    if now - plan.created > MAX_AGE:
        days = (now - plan.created) / timedelta(days=1)
        raise OutdatedPlan(
            f"the plan was made {days:.0f} days ago, and one that rents holds for {MAX_AGE.days}",
            hint=PLAN_AGAIN,
        )


def machine_name(cloud: str, region: str, zone: str | None, instance_type: str) -> str:
    """A type of machine in a place, in a message. The region is left out where the zone's name holds it."""
    place = zone if zone and region in zone else "/".join(part for part in (region, zone) if part)
    return f"{cloud}/{place} {instance_type}".rstrip()


def compare_prices(plan: SavedPlan, offers: Sequence[Offer], now: datetime) -> PriceCheck:
    """Each priced place of the plan beside the book's offer there: as likely now, and after the job's discounts.

    Places of a plan from before quotes were written down are compared with the quote of the book.
    """
    discounts = load(plan.work.job).discounts if any(g.cloud != LOCAL for g in plan.lots) else ()
    likely = expected_prices(offers, now)
    risen: list[PriceMove] = []
    fallen: list[PriceMove] = []
    unlisted: list[str] = []
    stale: list[str] = []
    for group in plan.lots:
        if group.cloud == LOCAL:
            continue
        for place in group.places:
            planned = place.usd_per_hour if place.usd_per_hour is not None else group.usd_per_hour
            if planned is None:
                continue
            name = machine_name(group.cloud, place.region, place.zone, place.instance_type)
            offer = _offer_of(group, place, offers)
            if offer is None:
                unlisted.append(name)
                continue
            if is_stale(offer, now):
                stale.append(f"{name} of {offer.as_of}")
            usd = offer.usd_per_hour
            if place.quoted_usd_per_hour is not None:
                discount = discount_of(offer, discounts)
                usd = likely[offer.key].usd_per_hour
                usd = usd if discount is None else discount.price(usd)
            move = PriceMove(name, planned, usd)
            if usd > planned * (1 + TOLERANCE):
                risen.append(move)
            elif usd < planned * (1 - TOLERANCE):
                fallen.append(move)
    return PriceCheck(tuple(risen), tuple(fallen), tuple(unlisted), tuple(stale))


def unpriced_places(plan: SavedPlan) -> tuple[str, ...]:
    """Places to rent in for which neither the place nor its group has a price."""
    return tuple(
        f"{group.cloud}/{place.region} {place.instance_type}"
        for group in plan.lots
        if group.cloud != LOCAL and group.usd_per_hour is None
        for place in group.places
        if place.usd_per_hour is None
    )


def _offer_of(group: MachineGroup, place: MachinePlace, offers: Iterable[Offer]) -> Offer | None:
    """The offer of the place's zone, else the cheapest of its region, as a plan without a zone prices it."""
    here = [
        offer
        for offer in offers
        if (offer.cloud, offer.region, offer.instance_type)
        == (group.cloud, place.region, place.instance_type)
        and (offer.spot, offer.gpu, offer.gpus) == (group.spot, group.gpu, group.gpus_per_machine)
    ]
    exact = [offer for offer in here if offer.zone == place.zone]
    return min(exact or here, key=lambda offer: offer.usd_per_hour, default=None)


def names(things: Sequence[object]) -> str:
    """The first few of them, and how many more there are."""
    more = f" and {len(things) - SHOWN} more" if len(things) > SHOWN else ""
    return ", ".join(map(str, things[:SHOWN])) + more
