"""Which offers a job may use: what cannot be launched is never chosen, and every offer left out has its reason."""

from dataclasses import replace
from datetime import UTC, datetime
from decimal import Decimal

import pytest

from launcher.jobs import parse
from launcher.jobs.job import Job
from launcher.planning.offers.usable_offers import usable_offers
from pricing.book.price_book import load
from pricing.offer import Offer
from tests.support.offers import L4_SPOT

NOW = datetime(2026, 11, 28, tzinfo=UTC)
OFFER = replace(
    L4_SPOT, region="us-west-2", instance_type="g4dn.xlarge", gpu="T4", usd_per_hour=Decimal("0.0669")
)


def job(more: str = "") -> Job:
    return parse.parse(
        f"name: a\ncorpus: {{documents: 10, tokens_per_document: 102}}\nmodel: BAAI/bge-small-en-v1.5\n{more}\n"
    )


def reasons(offer: Offer, more: str = "") -> list[str]:
    return list(usable_offers([offer], job(more), NOW)[1])


@pytest.mark.parametrize(
    ("changes", "says"),
    [
        ({"zone": "usw2-lax1-az1"}, "a local zone"),
        ({"zone": "us-west-2-lax-1a"}, "a local zone"),
        ({"zone": "usw2-wl1-las-wlz1"}, "a wavelength zone"),
        ({"region": "eu-south-2"}, "a region that accounts must enable first"),
        ({"cloud": "azure", "region": "australiacentral2"}, "a region that needs the provider's approval"),
        ({"cloud": "hyperstack", "region": "CANADA-1", "spot": False}, "SkyPilot launches nothing there"),
        ({"flags": ("floor",)}, "at the floor"),
        ({"flags": ("unmoved",)}, "unchanged for months"),
    ],
)
def test_what_cannot_be_had_is_left_out_with_its_reason(changes: dict[str, object], says: str) -> None:
    (reason,) = reasons(replace(OFFER, **changes))  # pyright: ignore[reportArgumentType]
    assert says in reason


@pytest.mark.parametrize("allowed", ["true", "[us-west-2-lax-1]", "us-west-2-lax-*"])
def test_local_zone_is_planned_where_the_job_allows_it(allowed: str) -> None:
    assert reasons(replace(OFFER, zone="usw2-lax1-az1"), f"limits: {{opt_in: {allowed}}}") == []


def test_wavelength_zone_by_its_id_is_never_planned_as_only_the_account_knows_its_name() -> None:
    (reason,) = reasons(replace(OFFER, zone="usw2-wl1-las-wlz1"), "limits: {opt_in: true}")
    assert "only the account knows" in reason


def test_allowing_one_place_allows_no_other() -> None:
    assert reasons(replace(OFFER, region="eu-south-2"), "limits: {opt_in: [eu-south-1]}") != []


def test_host_of_a_market_is_one_machine() -> None:
    vast = replace(OFFER, cloud="vast", region="France, FR, EU", spot=False)
    ((found,), _) = usable_offers([vast], job(), NOW)
    assert found.at_most == 1
    ((other,), _) = usable_offers([OFFER], job(), NOW)
    assert other.at_most is None


def test_discount_is_taken_off_and_named() -> None:
    listed = replace(OFFER, spot=False, usd_per_hour=Decimal("0.526"))
    ((found,), _) = usable_offers([listed], job("discounts: [{cloud: aws, off: 20%}]"), NOW)
    assert (found.usd_per_hour, found.discount) == (Decimal("0.4208"), "20 % on aws on-demand")


def test_every_offer_of_the_snapshot_is_used_or_has_a_reason() -> None:
    found, left_out = usable_offers(load(), job(), NOW)
    assert len(found) + sum(left_out.values()) == len(load())
    assert not {o.offer.cloud for o in found} & {"hyperstack"}
    assert not [o for o in found if "floor" in o.offer.flags or "lax" in (o.offer.zone or "")]


def test_spot_on_a_cloud_where_skypilot_rents_none_is_left_out() -> None:
    seeweb = replace(OFFER, cloud="seeweb", region="it-fr2", flags=())
    assert reasons(seeweb) == ["seeweb: SkyPilot rents no spot machines there"]
    assert reasons(replace(seeweb, spot=False)) == []


def test_clouds_for_comparison_are_never_usable() -> None:
    assert reasons(replace(OFFER, cloud="coreweave", region="any", spot=False)) == [
        "coreweave: SkyPilot launches nothing there, so its prices are for comparison only"
    ]
