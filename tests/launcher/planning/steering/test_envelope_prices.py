"""Prices of all that a steered launch may rent beside a price book: what moved is repriced, an untrue P90 refused."""

from dataclasses import replace
from datetime import UTC, datetime, timedelta
from decimal import Decimal
from typing import Any

import pytest

from launcher.planning.offers.price_check import OutdatedPlan, machine_name
from launcher.planning.saved import plan_file
from launcher.planning.saved.saved_plan import SavedPlan
from launcher.planning.steering.envelope_prices import check_envelope, envelope_prices, repriced
from launcher.planning.steering.steering_forecast import p90_at
from pricing.offer import Offer
from tests.support import sample_plan

NOON = datetime(2026, 7, 1, 12, tzinfo=UTC)


def plan(**limits: Any) -> SavedPlan:
    body = sample_plan.steered()
    body["created"] = NOON.isoformat()
    body["work"]["job"]["limits"] |= limits
    return plan_file.read_recorded(body)


def offer(usd: str, *, spot: bool = True, cloud: str = "aws") -> Offer:
    region, kind = ("us-east-1", "g6.xlarge") if cloud == "aws" else ("us-central1", "g2-standard-4")
    return Offer(
        cloud=cloud, region=region, zone=None, instance_type=kind, gpu="L4", gpus=1.0, vcpus=4, memory_gb=16.0,
        spot=spot, usd_per_hour=Decimal(usd), as_of=NOON.date(), source="test",
    )  # fmt: skip


def book(spot: str = "0.3", net: str = "0.8048", gcp: str = "0.3") -> list[Offer]:
    return [offer(spot), offer(gcp, cloud="gcp"), offer(net, spot=False)]


def test_prices_that_stand_still_change_nothing() -> None:
    found = check_envelope(plan(), book(), NOON)
    assert (found.risen, found.too_dear, found.remarks) == ((), (), ())
    assert found.usd == {0: Decimal("0.3"), 1: Decimal("0.3"), 2: Decimal("0.8048")}
    assert found.p90 == plan().usd_p90


def test_a_kind_that_rose_is_named_and_repriced() -> None:
    found = check_envelope(plan(), book(spot="0.45"), NOON)
    (move,) = found.risen
    assert str(move) == "aws/us-east-1 g6.xlarge spot was $0.3 an hour and is $0.45"
    assert found.usd[0] == Decimal("0.45")
    assert found.p90 is not None
    assert plan().usd_p90 < found.p90 <= plan().usd_p90 * Decimal("1.1")  # type: ignore[operator]
    assert "Steering goes by today's prices; with today's the P90 is $" in found.remarks[0]


def test_spot_dearer_a_token_than_on_demand_is_named() -> None:
    found = envelope_prices(plan(), book(spot="0.81"), NOON)
    assert found.too_dear == ("aws/us-east-1 g6.xlarge spot",)
    assert any("too dear now" in line for line in found.remarks)


def test_a_p90_that_is_untrue_is_refused() -> None:
    with pytest.raises(OutdatedPlan, match=r"P90 with the safety net would be \$.*: aws/us-east-1 g6.xlarge"):
        check_envelope(plan(), book(spot="0.9", net="2.5", gcp="0.9"), NOON)
    cheap = check_envelope(plan(), book(spot="0.1", net="0.5", gcp="0.1"), NOON)
    assert cheap.p90 is not None
    assert plan().usd_p90 > cheap.p90  # type: ignore[operator]
    assert any("cheaper than planned" in line for line in cheap.remarks)


def test_a_deadline_that_the_budget_no_longer_holds_is_refused() -> None:
    dearer = book(spot="0.40", net="0.84", gcp="0.32")
    tight = plan(budget="268.01", when_short="deadline")
    found = envelope_prices(tight, dearer, NOON)
    assert found.p90 is not None
    assert Decimal("268.01") < found.p90 < Decimal(268) * Decimal("1.1")
    with pytest.raises(OutdatedPlan, match="when_short is deadline"):
        check_envelope(tight, dearer, NOON)
    check_envelope(plan(budget="268.01"), dearer, NOON)  # there the deadline gives way


def test_what_the_book_does_not_have_keeps_its_price_and_is_said() -> None:
    found = check_envelope(plan(), [offer("0.3")], NOON)
    assert set(found.usd) == {0}
    assert any("prices not checked" in line and "gcp/us-central1" in line for line in found.remarks)


def test_an_old_plan_is_refused() -> None:
    with pytest.raises(OutdatedPlan, match="8 days ago"):
        check_envelope(plan(), book(), NOON + timedelta(days=8))


def test_repricing_keeps_the_order_and_the_dollars_a_token() -> None:
    steering = plan().steering
    assert steering is not None
    found = repriced(steering.envelope, {0: Decimal("0.6")})
    assert [kind.instance_type for kind in found.kinds] == [k.instance_type for k in steering.envelope.kinds]
    assert found.kinds[0].usd_per_million_tokens == Decimal("0.0370")
    assert found.kinds[1:] == steering.envelope.kinds[1:]


def test_an_unknown_p90_stays_unknown() -> None:
    known = plan()
    assert known.steering is not None
    unknown = replace(known.steering, usd=replace(known.steering.usd, p90=None))
    totals = replace(known.totals, usd=replace(known.totals.usd, p90=None))
    assert p90_at(replace(known, steering=unknown, totals=totals), known.steering.envelope, NOON) is None


def test_repricing_leaves_egress_as_it_was() -> None:
    steering = plan().steering
    assert steering is not None
    kind = replace(
        steering.envelope.kinds[0],
        usd_per_million_tokens=Decimal("0.05"),
        egress_usd_per_million_tokens=Decimal("0.03"),
    )
    envelope = replace(steering.envelope, kinds=(kind,))
    assert repriced(envelope, {0: kind.usd_per_hour * 2}).kinds[0].usd_per_million_tokens == Decimal("0.07")


def test_kinds_are_named_by_all_that_tells_them_apart() -> None:
    """A partition of Slurm has one name in all regions and machines no type; the name of a zone may hold its region."""
    assert machine_name("slurm", "east", "spot", "") == "slurm/east/spot"
    assert machine_name("aws", "us-east-1", "us-east-1a", "g6.xlarge") == "aws/us-east-1a g6.xlarge"
    assert machine_name("gcp", "us-central1", None, "g2-standard-4") == "gcp/us-central1 g2-standard-4"
