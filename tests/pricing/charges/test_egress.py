import csv
from datetime import date
from decimal import Decimal
from itertools import pairwise

import pytest
from hypothesis import given
from hypothesis import strategies as st

from pricing.charges.egress import (
    FREE_CLOUDS,
    NETWORKS,
    EgressTier,
    gigabytes,
    internet_usd,
    network,
    tier_errors,
    tiered_usd,
    tiers,
    transfer_usd,
)
from tests.support.paths import SHARED

FACTS = SHARED / "facts"
CHEAP = {"aws": "internet", "azure": "routing preference internet", "gcp": "standard tier"}
PLACES = [
    ("aws", "us-east-1"),
    ("aws", "sa-east-1"),
    ("azure", "eastus"),
    ("azure", "brazilsouth"),
    ("do", "nyc3"),
    ("gcp", "us-central1"),
    ("gcp", "me-central2"),
    ("r2", "auto"),
]
place = st.sampled_from(PLACES)
amount = st.decimals("0", "1000000", places=3)


def published(name: str) -> list[dict[str, str]]:
    path = FACTS / name
    if not path.exists():
        pytest.skip("the price lists that the snapshot was made from are not here")
    with path.open(encoding="utf-8", newline="") as file:
        return list(csv.DictReader(file))


def usd(cloud: str, region: str, gb: Decimal | int) -> Decimal:
    price = internet_usd(cloud, region, Decimal(gb))
    assert price is not None
    return price


def tier(from_gb: int, price: str) -> EgressTier:
    [known] = tiers("do", "nyc3")
    return EgressTier(Decimal(from_gb), Decimal(price), known.as_of, known.source)


TIERS = (
    tier(0, "0.09"),
    tier(10_240, "0.085"),
    tier(51_200, "0.07"),
    tier(153_600, "0.05"),
)  # as AWS had them


@pytest.mark.parametrize(
    ("gb", "price"),
    [
        ("0", "0"),
        ("1", "0.09"),
        ("10239", "921.51"),
        ("10240", "921.6"),
        ("10241", "921.685"),  # one GB of the second tier, not all of them
        ("51200", "4403.2"),
        ("51201", "4403.27"),
        ("153600", "11571.2"),
        ("153601", "11571.25"),
    ],
)
def test_each_gb_costs_the_price_of_its_tier(gb: str, price: str) -> None:
    assert tiered_usd(TIERS, Decimal(gb)) == Decimal(price)


@pytest.mark.parametrize(
    ("cloud", "region", "name"),
    [("gcp", "us-central1", "premium tier"), ("azure", "eastus", "microsoft global network")],
)
def test_default_network_is_priced(cloud: str, region: str, name: str) -> None:
    assert network(cloud, region) == name


def test_cheaper_network_is_named_if_only_it_has_a_price() -> None:
    assert network("gcp", "me-central2") == "standard tier"
    assert network("azure", "brazilsouth") == "routing preference internet"


def test_default_network_is_never_the_cheaper_one() -> None:
    rows = published("egress_internet.csv")
    for cloud, region in sorted({(r["cloud"], r["region"]) for r in rows if r["cloud"] != "aws"}):
        if network(cloud, region) != CHEAP[cloud]:
            first = max(
                Decimal(r["usd_per_gb"]) for r in rows if (r["cloud"], r["region"]) == (cloud, region)
            )
            assert usd(cloud, region, 1) > first


def test_tiers_of_aws_are_those_of_the_published_list() -> None:
    rows = [r for r in published("egress_internet.csv") if r["cloud"] == "aws"]
    said = sorted((r["region"], Decimal(r["from_gb"]), Decimal(r["usd_per_gb"])) for r in rows)
    ours = [
        (r, t.from_gb, t.usd_per_gb) for r in sorted({r["region"] for r in rows}) for t in tiers("aws", r)
    ]
    assert ours == said


def test_free_allowances_of_azure_are_not_two_price_lists() -> None:
    # The published list holds the tiers twice: after the 5 GB that were free once, and the 100 GB that are free now.
    assert [str(t.from_gb) for t in tiers("azure", "brazilsouth")] == ["0", "10000", "50000", "150000"]


def test_free_gb_of_gcp_are_not_a_tier() -> None:
    assert [str(t.from_gb) for t in tiers("gcp", "me-west1")] == ["0", "10240", "153600"]


def test_egress_of_r2_lambda_and_runpod_is_free() -> None:
    assert [internet_usd(cloud, "anywhere", Decimal(10**6)) for cloud in sorted(FREE_CLOUDS)] == [0, 0, 0]


@pytest.mark.parametrize(("cloud", "region"), [("nebius", "eu-north1"), ("vast", "US"), ("aws", "nowhere-1")])
def test_region_without_price_list_is_unknown_and_not_free(cloud: str, region: str) -> None:
    assert internet_usd(cloud, region, Decimal(1)) is None
    assert network(cloud, region) is None


def test_negative_size_is_an_error() -> None:
    with pytest.raises(ValueError, match="-1 GB"):
        internet_usd("aws", "us-east-1", Decimal(-1))


def test_every_price_list_is_plausible_dated_and_sourced() -> None:
    for cloud, region in {(r["cloud"], r["region"]) for r in published("egress_internet.csv")}:
        steps = tiers(cloud, region)
        assert steps
        assert list(tier_errors(steps)) == []
        assert all(s.as_of > date(2026, 1, 1) and s.source for s in steps)


@pytest.mark.parametrize(
    ("steps", "mistake"),
    [
        ([tier(5, "0.08")], "the first tier starts at 5 GB"),
        ([tier(0, "0")], "the price 0 is not above 0"),
        ([tier(0, "-0.1")], "the price -0.1 is not above 0"),
        (
            [tier(0, "0.08"), tier(10240, "0.09")],
            "a GB costs more from 10240 GB on: 0.09 instead of 0.08",
        ),
        ([tier(0, "0.08"), tier(0, "0.08")], "the tier from 0 GB follows the tier from 0 GB"),
    ],
)
def test_implausible_price_list_is_explained(steps: list[EgressTier], mistake: str) -> None:
    assert list(tier_errors(steps)) == [mistake]


@given(where=place, gb=amount, more=amount)
def test_more_gb_never_cost_less(where: tuple[str, str], gb: Decimal, more: Decimal) -> None:
    assert usd(*where, gb + more) >= usd(*where, gb)


@given(where=place, gb=amount, more=amount)
def test_two_transfers_never_cost_less_than_one(where: tuple[str, str], gb: Decimal, more: Decimal) -> None:
    assert usd(*where, gb + more) <= usd(*where, gb) + usd(*where, more)


@given(where=place, gb=amount)
def test_every_gb_costs_between_first_and_last_tier(where: tuple[str, str], gb: Decimal) -> None:
    steps = tiers(*where)
    first, last = (steps[0].usd_per_gb, steps[-1].usd_per_gb) if steps else (Decimal(0), Decimal(0))
    assert last * gb <= usd(*where, gb) <= first * gb


@given(where=place, fraction=st.decimals("0.001", "1", places=3))
def test_cost_is_continuous_at_the_edge_of_a_tier(where: tuple[str, str], fraction: Decimal) -> None:
    for low, high in pairwise(tiers(*where)):
        below, at, above = (usd(*where, high.from_gb + d) for d in (-fraction, Decimal(0), fraction))
        assert at - below == fraction * low.usd_per_gb
        assert above - at == fraction * high.usd_per_gb


@given(gb=amount, price=st.decimals("0.001", "1", places=3))
def test_single_tier_is_a_price_per_gb(gb: Decimal, price: Decimal) -> None:
    assert tiered_usd([tier(0, str(price))], gb) == price * gb


def test_transfer_within_a_region_is_free() -> None:
    assert transfer_usd("aws", "us-east-1", "aws", "us-east-1", Decimal(10**6)) == 0
    assert transfer_usd("nebius", "eu-north1", "nebius", "eu-north1", Decimal(1)) == 0


def test_aws_regions_cost_what_the_published_list_says() -> None:
    rows = published("egress_aws_interregion.csv")
    assert len(rows) == 1122
    for row in rows:
        price = transfer_usd("aws", row["from_region"], "aws", row["to_region"], Decimal(1))
        assert price == Decimal(row["price_usd_per_gb"])


def between(cloud: str, here: str, there: str) -> Decimal:
    price = transfer_usd(cloud, here, cloud, there, Decimal(1))
    assert price is not None
    return price


def test_neighbouring_aws_regions_are_cheaper_than_distant_ones() -> None:
    assert 0 < between("aws", "us-east-1", "us-east-2") < between("aws", "us-east-1", "us-west-2")


def test_gcp_regions_of_one_continent_have_one_price() -> None:
    same = between("gcp", "us-central1", "us-east4")
    assert same == between("gcp", "us-central1", "northamerica-northeast1")


def test_gcp_price_rises_with_the_distance_of_continents() -> None:
    same, europe, asia = (
        between("gcp", "us-central1", there) for there in ("us-east4", "europe-west4", "asia-east1")
    )
    assert 0 < same < europe < asia
    assert between("gcp", "europe-west4", "us-central1") == europe


@pytest.mark.parametrize(
    ("cloud", "here", "there"),
    [
        ("gcp", "us-central1", "asia-southeast2"),  # Jakarta is priced apart from Asia
        ("gcp", "us-central1", "australia-southeast1"),
        ("gcp", "us", "us-central1"),  # a multi-region bucket
        ("azure", "eastus", "westeurope"),
        ("nebius", "eu-north1", "eu-west1"),
        ("aws", "us-east-1", "us-gov-west-1"),
    ],
)
def test_pair_of_regions_without_a_price_is_unknown(cloud: str, here: str, there: str) -> None:
    assert transfer_usd(cloud, here, cloud, there, Decimal(1)) is None


def test_transfer_to_another_cloud_costs_internet_egress() -> None:
    assert transfer_usd("aws", "us-east-1", "gcp", "us-central1", Decimal(10)) == usd("aws", "us-east-1", 10)


def test_egress_of_r2_is_free_to_any_cloud() -> None:
    assert transfer_usd("r2", "auto", "aws", "us-east-1", Decimal(10**6)) == 0


def test_gb_is_binary_or_decimal_by_cloud() -> None:
    assert gigabytes("aws", 2**40) == 1024
    assert gigabytes("gcp", 2**30) == 1
    assert gigabytes("azure", 10**9) == 1


def test_every_priced_network_is_known() -> None:
    assert all(network(cloud, region) in (*NETWORKS.get(cloud, ()), None) for cloud, region in PLACES)
