"""Which places an account can launch in, and by which names its zones are requested."""

import pytest

from pricing.account import access
from pricing.book.price_book import load
from pricing.snapshot_files import rows


@pytest.mark.parametrize(
    ("cloud", "region", "zone", "name"),
    [
        ("aws", "us-west-2", None, "us-west-2"),
        ("aws", "us-west-2", "us-west-2b", "us-west-2"),
        ("aws", "us-west-2", "usw2-az3", "us-west-2"),
        ("aws", "us-west-2", "usw2-lax1-az1", "us-west-2-lax-1a"),
        ("aws", "us-east-1", "use1-wl1-bos-wlz1", "use1-wl1-bos-wlz1"),
        ("gcp", "us-central1", "us-central1-a", "us-central1"),
    ],
)
def test_place_in_another_city_than_its_region_has_its_own_name(
    cloud: str, region: str, zone: str | None, name: str
) -> None:
    assert access.place_name(cloud, region, zone) == name


@pytest.mark.parametrize(
    ("region", "zone", "name", "kind"),
    [
        ("us-west-2", "usw2-lax1-az1", "us-west-2-lax-1", "local-zone"),
        ("us-west-2", "us-west-2-lax-1a", "us-west-2-lax-1", "local-zone"),
        ("us-east-1", "use1-atl2-az1", "us-east-1-atl-2", "local-zone"),
        ("us-east-1", "use1-wl1-bos-wlz1", "use1-wl1-bos-wlz1", "wavelength-zone"),
        ("us-east-1", "us-east-1-wl1-bos-wlz-1", "us-east-1-wl1-bos-wlz-1", "wavelength-zone"),
        ("eu-south-2", None, "eu-south-2", "opt-in"),
        ("ap-southeast-9", "apse9-az1", "ap-southeast-9", "opt-in"),  # a region that is newer than the list
    ],
)
def test_place_outside_the_default_regions_of_aws_is_gated(
    region: str, zone: str | None, name: str, kind: str
) -> None:
    found = access.gated_place("aws", region, zone)
    assert found is not None
    assert (found.name, found.access) == (name, kind)
    assert found.source


@pytest.mark.parametrize(
    ("cloud", "region", "zone"),
    [
        ("aws", "us-west-2", "usw2-az1"),
        ("aws", "us-west-2", "us-west-2a"),
        ("aws", "us-east-1", None),
        ("gcp", "us-central1", "us-central1-a"),
        ("azure", "eastus", None),
        ("vast", "France, FR, EU", None),
    ],
)
def test_ordinary_place_is_open_to_every_account(cloud: str, region: str, zone: str | None) -> None:
    assert access.gated_place(cloud, region, zone) is None


def test_restricted_region_of_azure_is_gated() -> None:
    found = access.gated_place("azure", "australiacentral2", None)
    assert found is not None
    assert found.access == "restricted"
    assert "limits.opt_in" in found.reason


@pytest.mark.parametrize(
    ("region", "zone", "name"),
    [
        ("us-east-1", "use1-az1", None),  # another zone in another account
        ("us-east-1", "us-east-1a", "us-east-1a"),
        ("us-west-2", "usw2-lax1-az1", "us-west-2-lax-1a"),
        ("us-west-2", "usw2-lax1-az2", "us-west-2-lax-1b"),
        ("us-east-1", "use1-wl1-bos-wlz1", None),
        ("us-east-1", "us-east-1-wl1-bos-wlz-1", "us-east-1-wl1-bos-wlz-1"),
        ("us-central1", "us-central1-a", "us-central1-a"),
        ("us-east-1", None, None),
    ],
)
def test_only_names_of_zones_can_be_requested(region: str, zone: str | None, name: str | None) -> None:
    assert access.zone_name(region, zone) == name


def test_pattern_names_a_gated_place() -> None:
    found = access.gated_place("aws", "us-west-2", "usw2-lax1-az1")
    assert found is not None
    assert access.is_allowed(found, ["us-west-2-lax-*"])
    assert access.is_allowed(found, ["*"])
    assert not access.is_allowed(found, ["us-west-2"])


def test_every_cloud_of_the_snapshot_is_known_to_be_launchable_or_not() -> None:
    listed = {row["cloud"] for row in rows("clouds.csv")}
    assert {o.cloud for o in load()} <= listed
    assert access.unlaunchable("hyperstack") is not None
    assert access.unlaunchable("runpod") is None


def test_flags_follow_from_where_an_offer_is() -> None:
    flags = {(o.cloud, f) for o in load() for f in access.derived_flags(o)}
    assert {
        ("hyperstack", "not_launchable"),
        ("aws", "opt_in"),
        ("azure", "opt_in"),
        ("vast", "single_host"),
    } <= flags
    assert not {f for cloud, f in flags if cloud == "gcp"}
