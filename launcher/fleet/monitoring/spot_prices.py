"""Record what spot machines cost while they lived, by their cloud's own price history.

AWS keeps 90 days of history by type and zone, so a change that was missed is filled in by the next look. Other clouds
publish none: there the price at launch stands, and the report says so.
"""

from collections import defaultdict
from collections.abc import Callable, Sequence
from dataclasses import dataclass, field
from datetime import UTC, datetime, timedelta
from decimal import Decimal
from typing import TYPE_CHECKING, Protocol

from launcher.jobs.job import load
from launcher.ledger.ledger import Ledger
from launcher.ledger.records import Life, ObservedPrice, Run
from launcher.planning.saved import plan_file
from pricing.account.discounts import Discount, RentedMachine, discount_of
from pricing.sources import aws
from pricing.sources.instance_types import gpus_by_instance_type
from pricing.sources.result import SourceUnavailable

if TYPE_CHECKING:
    from pricing.sources.aws import SpotPrice

SOURCE = "spot history"
POLL_INTERVAL = timedelta(minutes=10)  # a spot price seldom changes more than a few times a day
CLOUD = "aws"  # the one that publishes a history


class PriceHistory(Protocol):
    """The changes of spot prices in a region, with the last one before `since`: `pricing.sources.aws.history`."""

    def __call__(
        self, instance_types: Sequence[str], *, region: str, since: datetime, until: datetime
    ) -> "tuple[SpotPrice, ...]": ...


@dataclass(slots=True)
class SpotPriceRecorder:
    """Records the spot prices of one run. A region that does not answer is reported once, and asked again later."""

    ledger: Ledger
    run: str
    say: Callable[[str], None]
    ask: PriceHistory = aws.spot_price_history
    discounts: tuple[
        Discount, ...
    ] = ()  # of the account, from the job; spot prices have one only if it covers spot
    asked: datetime | None = None
    lives: set[tuple[str, int]] = field(default_factory=set[tuple[str, int]])  # that were asked about
    refused: set[str] = field(default_factory=set[str])  # regions that were reported

    def record(self, now: datetime, *, interval: timedelta = POLL_INTERVAL) -> None:
        """Record the prices of all lives that are not recorded to their end.

        At most once in each interval, and at the first look at a life: until then it has the price of a catalog.
        """
        lives = self.due()
        known = {(life.machine, life.number) for life in lives}
        waits = self.asked is not None and now - self.asked < interval
        if not lives or (waits and known <= self.lives):
            return
        self.asked = now
        self.lives |= known
        by_region = defaultdict[str, list[Life]](list)
        for life in lives:
            by_region[str(life.region)].append(life)
        for region, mine in sorted(by_region.items()):
            types = sorted({str(life.instance_type) for life in mine})
            since = min(life.up for life in mine)
            try:
                found = self.ask(types, region=region, since=since, until=now)
            except SourceUnavailable as unanswered:
                if region not in self.refused:
                    self.refused.add(region)
                    self.say(f"spot prices of {CLOUD} {region} stay as at launch: {unanswered.reason}")
                continue
            mine.sort(key=lambda life: (life.machine, life.number))
            self.ledger.costs.record_prices(
                seen for life in mine for seen in prices_of_life(life, found, self.discounts)
            )

    def due(self) -> list[Life]:
        """Spot lives in a cloud with a history whose prices are not recorded to their end."""
        # The next life may have begun at the moment at which this one ended: then the price belongs to that one.
        closed = {(p.machine, p.at) for p in self.ledger.costs.prices(self.run) if p.source == SOURCE}
        return [
            life
            for life in self.ledger.machines.lives(self.run)
            if life.cloud == CLOUD
            and life.purchase == "spot"
            and life.zone
            and life.instance_type
            and (life.machine, life.ended) not in closed
        ]


def recorder_of(ledger: Ledger, run: Run, say: Callable[[str], None]) -> SpotPriceRecorder:
    """The recorder of a run, with the discounts of its job."""
    return SpotPriceRecorder(
        ledger, run.id, say, discounts=load(plan_file.read_recorded(run.plan).work.job).discounts
    )


def prices_of_life(
    life: Life, history: "Sequence[SpotPrice]", discounts: Sequence[Discount] = ()
) -> list[ObservedPrice]:
    """A life's hourly price when it came up, at each change, and when it ended, in order of time.

    The account's discount on spot machines is taken off, as it is in the plan's prices.
    """
    kind = life.instance_type or ""
    known = gpus_by_instance_type(life.cloud).get(kind)
    machine = RentedMachine(life.cloud, life.region or "", kind, known.gpu if known else "", "spot")
    discount = discount_of(machine, discounts)
    mine = sorted(
        (p for p in history if p.zone == life.zone and p.instance_type == life.instance_type),
        key=lambda price: price.at,
    )

    def observed(at: datetime, usd: Decimal) -> ObservedPrice:
        return ObservedPrice(life.machine, at, SOURCE, usd, life=life.number)

    def paid(price: "SpotPrice") -> Decimal:
        return price.usd_per_hour if discount is None else discount.price(price.usd_per_hour)

    seen: list[ObservedPrice] = []
    for price in mine:
        if life.ended is not None and price.at >= life.ended:
            break
        if price.at <= life.up:
            seen = [observed(life.up, paid(price))]
        elif not seen or seen[-1].usd_per_hour != paid(price):
            seen.append(observed(price.at.astimezone(UTC), paid(price)))  # boto3 gives local time
    if seen and life.ended is not None:
        seen.append(observed(life.ended, seen[-1].usd_per_hour))
    return seen
