"""Spot prices while machines live: read from AWS's history, written down once, and charged from when they changed."""

from collections.abc import Iterator, Sequence
from dataclasses import dataclass, field
from datetime import UTC, datetime, timedelta
from decimal import Decimal
from pathlib import Path

import pytest

from launcher.costs.run_costs import machine_times, spent_so_far
from launcher.fleet.monitoring.spot_prices import POLL_INTERVAL, SpotPriceRecorder, prices_of_life
from launcher.ledger.ledger import Ledger
from launcher.ledger.records import LifeEnd, ObservedPrice, Site
from launcher.reports.assemble import report_of
from launcher.reports.unknowns import unknown
from pricing.account.discounts import Discount
from pricing.sources.aws import SpotPrice
from pricing.sources.result import SourceUnavailable

NOON = datetime(2026, 11, 23, 12, tzinfo=UTC)
KIND = "g6.xlarge"


def later(minutes: float) -> datetime:
    return NOON + timedelta(minutes=minutes)


def site(
    cloud: str = "aws", region: str = "us-east-1", zone: str = "us-east-1a", purchase: str = "spot"
) -> Site:
    return Site(cloud, region, zone, purchase, KIND, 1, None)


def price(minutes: float, usd: str, zone: str = "us-east-1a") -> SpotPrice:
    return SpotPrice(KIND, zone, False, later(minutes), Decimal(usd))  # noqa: FBT003


@dataclass
class Answers:
    """AWS's history as it is, and what was asked. `silent`: regions that refuse."""

    prices: list[SpotPrice]
    silent: set[str] = field(default_factory=set[str])
    asked: list[tuple[str, datetime, datetime]] = field(default_factory=list[tuple[str, datetime, datetime]])

    def __call__(
        self, instance_types: Sequence[str], *, region: str, since: datetime, until: datetime
    ) -> tuple[SpotPrice, ...]:
        assert instance_types == [KIND]
        self.asked.append((region, since, until))
        if region in self.silent:
            raise SourceUnavailable("AWS refused (us-east-1): UnauthorizedOperation", "give credentials")
        return tuple(p for p in self.prices if p.zone.startswith(region) and p.at <= until)


@pytest.fixture
def ledger(tmp_path: Path) -> Iterator[Ledger]:
    """A machine that came up at noon, at $0.30 by the catalog."""
    with Ledger.open(tmp_path / "ledger.db") as ledger:
        ledger.runs.create("r1", "reviews", "{}", "d", "out", NOON)
        born(ledger, "m", site())
        yield ledger


def born(ledger: Ledger, name: str, where: Site, minutes: float = 0, number: int = 0) -> None:
    if number == 0:
        ledger.machines.intend("r1", name, 0, Decimal("0.30"), NOON, gpu="L4", lot=0, site=where)
    ledger.machines.begin_life(name, number, later(minutes), where, Decimal("0.30"))


def follow(ledger: Ledger, answers: Answers) -> tuple[SpotPriceRecorder, list[str]]:
    lines: list[str] = []
    return SpotPriceRecorder(ledger, "r1", lines.append, answers), lines


def rates(ledger: Ledger) -> list[tuple[datetime, Decimal]]:
    """Of the first life: what it cost when it came up, and each change."""
    time = machine_times(ledger, "r1")[0]
    assert time.usd_per_hour is not None
    return [(time.started, time.usd_per_hour), *time.rates]


def test_each_second_is_charged_at_its_price(ledger: Ledger) -> None:
    """15 minutes at $0.28, 30 at $0.40, 15 at $0.20: $0.32 in all, counted by hand."""
    answers = Answers([price(-600, "0.28"), price(15, "0.40"), price(45, "0.20"), price(90, "9.00")])
    history, lines = follow(ledger, answers)
    ledger.machines.end_life("m", 0, later(60), LifeEnd.STOPPED)
    history.record(later(120))
    assert rates(ledger) == [
        (NOON, Decimal("0.28")), (later(15), Decimal("0.40")), (later(45), Decimal("0.20")),
    ]  # fmt: skip
    assert spent_so_far(ledger, "r1", later(120)) == Decimal("0.32")
    assert not lines
    assert machine_times(ledger, "r1")[0].price_followed


def test_unchanged_price_is_recorded_once(ledger: Ledger) -> None:
    history, _ = follow(ledger, Answers([price(-60, "0.30"), price(20, "0.30")]))
    history.record(later(30))
    assert rates(ledger) == [(NOON, Decimal("0.30"))]


def test_history_is_asked_at_intervals_until_the_machine_has_ended(
    ledger: Ledger,
) -> None:
    answers = Answers([price(-60, "0.30")])
    history, _ = follow(ledger, answers)
    for minutes in (1, 2, 3, 12):
        history.record(later(minutes))
    assert [until for _, _, until in answers.asked] == [later(1), later(12)]
    ledger.machines.end_life("m", 0, later(14), LifeEnd.STOPPED)
    answers.prices.append(price(13, "0.50"))
    for minutes in (25, 40, 60):
        history.record(later(minutes))
    assert len(answers.asked) == 3
    assert rates(ledger)[1:] == [(later(13), Decimal("0.50"))]
    other, _ = follow(ledger, answers)  # of another launcher, or of `report`
    other.record(later(70))
    assert len(answers.asked) == 3


def test_machine_that_came_up_since_has_its_price_at_once(ledger: Ledger) -> None:
    answers = Answers([price(-60, "0.30"), price(-60, "0.20", "us-west-2b")])
    history, _ = follow(ledger, answers)
    history.record(later(1))
    born(ledger, "n", site(region="us-west-2", zone="us-west-2b"), minutes=2)
    for minutes in (2, 3, 4):
        history.record(later(minutes))
    assert [until for region, _, until in answers.asked if region == "us-west-2"] == [later(2)]
    (came,) = [time for time in machine_times(ledger, "r1") if time.name == "n"]
    assert came.usd_per_hour == Decimal("0.20")


def test_interval_of_zero_asks_at_once(ledger: Ledger) -> None:
    answers = Answers([price(-60, "0.30")])
    history, _ = follow(ledger, answers)
    history.record(later(1))
    history.record(later(2), interval=timedelta(0))
    assert len(answers.asked) == 2
    assert timedelta(minutes=1) < POLL_INTERVAL


def test_each_life_has_the_prices_of_its_zone(ledger: Ledger) -> None:
    """The second life begins at the moment at which the first is seen to have ended."""
    born(ledger, "m", site(region="us-west-2", zone="us-west-2b"), minutes=10, number=1)
    there = [price(-60, "0.10", "us-west-2b"), price(-60, "0.01", "us-west-2c")]
    answers = Answers([price(-60, "0.30"), price(5, "0.31"), *there])
    history, _ = follow(ledger, answers)
    history.record(later(20))
    first, second = machine_times(ledger, "r1")
    assert (first.usd_per_hour, first.rates) == (Decimal("0.30"), ((later(5), Decimal("0.31")),))
    assert (second.usd_per_hour, second.rates) == (Decimal("0.10"), ())
    assert sorted(region for region, _, _ in answers.asked) == ["us-east-1", "us-west-2"]
    history.record(later(40))
    assert [region for region, _, _ in answers.asked[2:]] == ["us-west-2"], "the first life is closed"


@pytest.mark.parametrize("where", [site(purchase="on-demand"), site(cloud="gcp"), Site("local")])
def test_only_spot_lives_of_aws_are_asked_for(tmp_path: Path, where: Site) -> None:
    with Ledger.open(tmp_path / "other.db") as ledger:
        ledger.runs.create("r1", "reviews", "{}", "d", "out", NOON)
        born(ledger, "m", where)
        answers = Answers([])
        follow(ledger, answers)[0].record(later(30))
        assert not answers.asked


def test_refusing_region_is_reported_once_and_keeps_the_launch_price(ledger: Ledger) -> None:
    answers = Answers([], {"us-east-1"})
    history, lines = follow(ledger, answers)
    history.record(later(1))
    history.record(later(30))
    assert lines == [
        "spot prices of aws us-east-1 stay as at launch: AWS refused (us-east-1): UnauthorizedOperation"
    ]
    assert len(answers.asked) == 2
    assert rates(ledger) == [(NOON, Decimal("0.30"))]
    assert not machine_times(ledger, "r1")[0].price_followed


def test_report_names_machines_with_only_a_launch_price(ledger: Ledger) -> None:
    born(ledger, "g", site(cloud="gcp", region="us-central1", zone="us-central1-a"))
    found = unknown(report_of(ledger, None, "r1", later(30)))
    assert (
        "spot prices of m after launch: AWS's price history was not read, so the price at launch is used"
        in found
    )
    assert (
        "spot prices of g after launch: gcp publishes no price history, so the price at launch is used"
        in found
    )
    follow(ledger, Answers([price(-60, "0.30")]))[0].record(later(30))
    found = unknown(report_of(ledger, None, "r1", later(30)))
    assert not any(line.startswith("spot prices of m ") for line in found)


def test_life_is_followed_only_when_read_to_its_end(ledger: Ledger) -> None:
    answers = Answers([price(-60, "0.30")])
    history, _ = follow(ledger, answers)
    history.record(later(5))
    assert machine_times(ledger, "r1")[0].price_followed
    ledger.machines.end_life("m", 0, later(50), LifeEnd.STOPPED)
    assert not machine_times(ledger, "r1")[0].price_followed
    history.record(later(60))
    assert machine_times(ledger, "r1")[0].price_followed


def test_launch_price_holds_until_the_history_begins(
    ledger: Ledger,
) -> None:
    follow(ledger, Answers([price(7, "0.50")]))[0].record(later(30))
    assert rates(ledger) == [(NOON, Decimal("0.30")), (later(7), Decimal("0.50"))]


def test_price_of_an_unknown_machine_is_refused(ledger: Ledger) -> None:
    known = ObservedPrice("m", later(1), "spot history", Decimal(1), 0)
    with pytest.raises(ValueError, match="was never intended"):
        ledger.costs.record_prices([known, ObservedPrice("x", later(1), "spot history", Decimal(1), 0)])
    assert known not in ledger.costs.prices("r1")


def test_discount_that_covers_spot_is_taken_off_the_live_price(ledger: Ledger) -> None:
    (life,) = ledger.machines.lives("r1")
    history = [price(0, "0.40")]
    for discount, paid in (
        (Discount("aws", off=Decimal("0.1"), covers="spot", gpu="L4"), "0.36"),
        (Discount("aws", off=Decimal("0.1"), covers="on-demand"), "0.40"),
        (Discount("aws", off=Decimal("0.1"), covers="all", gpu="H100"), "0.40"),
    ):
        assert [p.usd_per_hour for p in prices_of_life(life, history, [discount])] == [Decimal(paid)]
