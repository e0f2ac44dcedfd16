"""Prices of places where a steered run may rent, whether or not one of its machines is there: from AWS's spot history.

Other clouds publish no history, and list prices do not move within a run: there the plan's prices stand. A region that
does not answer is reported once, and asked again later.
"""

from collections import defaultdict
from collections.abc import Callable, Sequence
from dataclasses import dataclass, field
from datetime import datetime, timedelta

from launcher.fleet.monitoring.spot_prices import CLOUD, POLL_INTERVAL, SOURCE, PriceHistory
from launcher.fleet.scheduling.fleet_view import FleetGroup
from launcher.ledger.ledger import Ledger
from launcher.ledger.steering_records import QuoteRecord
from launcher.steering.situation import Quote
from pricing.account.discounts import Discount, RentedMachine, discount_of
from pricing.sources import aws
from pricing.sources.result import SourceUnavailable
from tasks.skypilot_task import Place

OLDEST = timedelta(hours=2)  # an older quote does not count: the plan's price does
LOOK_BACK = timedelta(minutes=1)  # the price that holds now is the last change before this


@dataclass(slots=True)
class QuoteRecorder:
    """Reads and records the prices of the kinds of one steered run."""

    ledger: Ledger
    groups: Sequence[FleetGroup]
    say: Callable[[str], None]
    ask: PriceHistory = aws.spot_price_history
    discounts: tuple[Discount, ...] = ()
    asked: datetime | None = None
    refused: set[str] = field(default_factory=set[str])  # regions that were reported

    def record(self, now: datetime) -> None:
        """Record the spot prices of all kinds now; at most once in POLL_INTERVAL."""
        if self.asked is not None and now - self.asked < POLL_INTERVAL:
            return
        self.asked = now
        by_region: dict[str, list[FleetGroup]] = defaultdict(list)
        for group in self.groups:
            if group.purchase == "spot" and group.places[0].cloud == CLOUD:
                by_region[group.places[0].region].append(group)
        for region, mine in sorted(by_region.items()):
            types = sorted({place.instance_type for g in mine if (place := g.places[0]).instance_type})
            try:
                found = self.ask(types, region=region, since=now - LOOK_BACK, until=now)
            except SourceUnavailable as unanswered:
                if region not in self.refused:
                    self.refused.add(region)
                    self.say(f"spot prices of {CLOUD} {region} stay as planned: {unanswered.reason}")
                continue
            self.ledger.steering.record_quotes(
                quote for group in mine if (quote := self._quote(group, found, now)) is not None
            )

    def quotes(self, now: datetime) -> dict[int, Quote]:
        """The newest quote of each kind that has one, by its number."""
        places = {group.places[0].infra for group in self.groups}
        known = {
            (quote.place, quote.instance_type, quote.purchase): quote
            for quote in self.ledger.steering.latest_quotes(places, now - OLDEST, source=SOURCE)
        }
        found: dict[int, Quote] = {}
        for group in self.groups:
            place = group.places[0]
            quote = known.get((place.infra, place.instance_type or "", group.purchase or ""))
            if quote is not None:
                found[group.number] = Quote(quote.usd_per_hour, quote.at)
        return found

    def _quote(
        self, group: FleetGroup, history: "Sequence[aws.SpotPrice]", now: datetime
    ) -> QuoteRecord | None:
        """The price of a kind now: in its zone, or the lowest of the region's zones; None: the history has none."""
        place = group.places[0]
        latest = {
            price.zone: price.usd_per_hour
            for price in sorted(history, key=lambda one: one.at)
            if price.instance_type == place.instance_type and _is_in(place, price.zone)
        }
        if not latest:
            return None
        machine = RentedMachine(CLOUD, place.region, place.instance_type or "", group.gpu, "spot")
        discount = discount_of(machine, self.discounts)
        usd = min(latest.values())
        return QuoteRecord(
            place=place.infra,
            instance_type=place.instance_type or "",
            purchase="spot",
            at=now,
            usd_per_hour=usd if discount is None else discount.price(usd),
            source=SOURCE,
        )


def _is_in(place: Place, zone: str) -> bool:
    """Whether a zone of the history, by its name, is one that a request for the place may be given."""
    parts = place.infra.split("/")
    return len(parts) < 3 or parts[2] == zone
