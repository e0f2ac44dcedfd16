"""Prices of places without machines: from the spot history, with the account's discount, and never too old."""

from collections.abc import Iterator, Sequence
from dataclasses import replace
from datetime import datetime, timedelta
from decimal import Decimal
from pathlib import Path

import pytest

from launcher.fleet.monitoring.quotes import QuoteRecorder
from launcher.fleet.scheduling.fleet_view import FleetGroup
from launcher.ledger.ledger import Ledger
from launcher.steering.situation import Quote
from pricing.account.discounts import Discount
from pricing.sources.aws import SpotPrice
from pricing.sources.result import SourceUnavailable
from tasks.skypilot_task import Place
from tests.support.ledger_values import NOON

REGION = Place("aws", "us-east-1", None, "g6.xlarge", Decimal("0.30"))
ZONE = Place("aws", "us-east-1", "us-east-1b", "g6.xlarge", Decimal("0.30"))
WEST = Place("aws", "us-west-2", None, "g6.xlarge", Decimal("0.30"))
GCP = Place("gcp", "us-central1", None, "g2-standard-4", Decimal("0.25"))


def kind(number: int, place: Place, purchase: str = "spot") -> FleetGroup:
    return FleetGroup(number, 4, f"l{number}m", (place,), (4,), gpu="L4", purchase=purchase)


def price(zone: str, usd: str, minutes: float = 5, instance_type: str = "g6.xlarge") -> SpotPrice:
    return SpotPrice(
        instance_type=instance_type,
        zone=zone,
        zone_id=False,
        at=NOON - timedelta(minutes=minutes),
        usd_per_hour=Decimal(usd),
    )


class History:
    """AWS's answers by region, and what was asked."""

    def __init__(self) -> None:
        self.prices: dict[str, tuple[SpotPrice, ...]] = {}
        self.asked: list[tuple[str, tuple[str, ...]]] = []

    def __call__(
        self, instance_types: Sequence[str], *, region: str, since: datetime, until: datetime
    ) -> tuple[SpotPrice, ...]:
        assert since <= until
        self.asked.append((region, tuple(instance_types)))
        if region not in self.prices:
            raise SourceUnavailable("no credentials", "aws configure")
        return self.prices[region]


@pytest.fixture
def ledger(tmp_path: Path) -> Iterator[Ledger]:
    with Ledger.open(tmp_path / "ledger.db") as found:
        yield found


def test_a_place_has_the_price_of_its_zone_or_the_lowest_of_its_region(ledger: Ledger) -> None:
    history = History()
    history.prices["us-east-1"] = (
        price("us-east-1a", "0.25", 60),
        price("us-east-1a", "0.21"),
        price("us-east-1b", "0.40"),
        price("us-east-1b", "0.01", instance_type="g6.48xlarge"),
    )
    groups = [kind(0, REGION), kind(1, ZONE), kind(2, REGION, "on-demand"), kind(3, GCP)]
    recorder = QuoteRecorder(ledger, groups, lambda _: None, history)
    recorder.record(NOON)
    assert recorder.quotes(NOON) == {0: Quote(Decimal("0.21"), NOON), 1: Quote(Decimal("0.40"), NOON)}
    assert history.asked == [("us-east-1", ("g6.xlarge",))]
    recorder.record(NOON + timedelta(minutes=9))  # too soon
    assert len(history.asked) == 1
    assert recorder.quotes(NOON + timedelta(hours=3)) == {}  # too old: the plan's price counts again


def test_a_region_that_does_not_answer_is_said_once(ledger: Ledger) -> None:
    said: list[str] = []
    recorder = QuoteRecorder(ledger, [kind(0, WEST)], said.append, History())
    recorder.record(NOON)
    recorder.record(NOON + timedelta(hours=1))
    assert said == ["spot prices of aws us-west-2 stay as planned: no credentials"]
    assert recorder.quotes(NOON) == {}


def test_the_discount_of_the_account_is_taken_off(ledger: Ledger) -> None:
    history = History()
    history.prices["us-east-1"] = (price("us-east-1a", "0.20"),)
    discount = Discount(cloud="aws", off=Decimal("0.1"), covers="spot")
    recorder = QuoteRecorder(ledger, [kind(0, REGION)], lambda _: None, history, (discount,))
    recorder.record(NOON)
    assert recorder.quotes(NOON)[0].usd_per_hour == Decimal("0.18")
    assert replace(recorder, discounts=()).quotes(NOON)[0].usd_per_hour == Decimal("0.18")
