import csv
from decimal import Decimal
from itertools import pairwise

import pytest
from hypothesis import given
from hypothesis import strategies as st

from pricing.egress import (
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


def test_ten_terabytes_out_of_aws_cost_921_dollars_and_60_cents() -> None:
    assert usd("aws", "us-east-1", 10_240) == Decimal("921.6")


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
def test_each_gigabyte_out_of_aws_costs_what_its_own_tier_says(gb: str, price: str) -> None:
    assert usd("aws", "us-east-1", Decimal(gb)) == Decimal(price)


def test_gcp_is_priced_at_the_network_a_machine_uses_unless_told_otherwise() -> None:
    assert network("gcp", "us-central1") == "premium tier"
    assert usd("gcp", "us-central1", 10_240) == 1024 * Decimal("0.12") + 9216 * Decimal("0.11")


def test_azure_is_priced_at_the_network_a_machine_uses_unless_told_otherwise() -> None:
    assert network("azure", "eastus") == "microsoft global network"
    assert usd("azure", "eastus", 1_000) == Decimal(87)


def test_where_only_the_cheaper_network_has_a_price_it_is_named() -> None:
    assert network("gcp", "me-central2") == "standard tier"
    assert network("azure", "brazilsouth") == "routing preference internet"


def test_the_network_used_unless_told_otherwise_is_never_the_cheaper_one() -> None:
    rows = published("egress_internet.csv")
    for cloud, region in sorted({(r["cloud"], r["region"]) for r in rows if r["cloud"] != "aws"}):
        if network(cloud, region) != CHEAP[cloud]:
            first = max(
                Decimal(r["usd_per_gb"]) for r in rows if (r["cloud"], r["region"]) == (cloud, region)
            )
            assert usd(cloud, region, 1) > first


def test_aws_costs_what_the_published_list_says_in_every_region() -> None:
    rows = [r for r in published("egress_internet.csv") if r["cloud"] == "aws"]
    said = sorted((r["region"], Decimal(r["from_gb"]), Decimal(r["usd_per_gb"])) for r in rows)
    ours = [
        (r, t.from_gb, t.usd_per_gb) for r in sorted({r["region"] for r in rows}) for t in tiers("aws", r)
    ]
    assert ours == said


def test_azures_two_free_allowances_are_not_two_price_lists() -> None:
    # The published list holds the tiers twice: after the 5 GB that were free once, and the 100 GB that are free now.
    assert [str(t.from_gb) for t in tiers("azure", "brazilsouth")] == ["0", "10000", "50000", "150000"]


def test_gcps_free_gigabytes_are_not_a_tier() -> None:
    assert [str(t.from_gb) for t in tiers("gcp", "me-west1")] == ["0", "10240", "153600"]


def test_nothing_is_charged_for_what_leaves_r2_lambda_and_runpod() -> None:
    assert [internet_usd(cloud, "anywhere", Decimal(10**6)) for cloud in sorted(FREE_CLOUDS)] == [0, 0, 0]


@pytest.mark.parametrize(("cloud", "region"), [("nebius", "eu-north1"), ("vast", "US"), ("aws", "nowhere-1")])
def test_a_place_without_a_price_list_is_unknown_and_not_free(cloud: str, region: str) -> None:
    assert internet_usd(cloud, region, Decimal(1)) is None
    assert network(cloud, region) is None


def test_less_than_nothing_cannot_be_moved() -> None:
    with pytest.raises(ValueError, match="-1 GB"):
        internet_usd("aws", "us-east-1", Decimal(-1))


def test_every_price_list_is_believable_dated_and_sourced() -> None:
    for cloud, region in {(r["cloud"], r["region"]) for r in published("egress_internet.csv")}:
        steps = tiers(cloud, region)
        assert steps
        assert list(tier_errors(steps)) == []
        assert all(s.as_of.year == 2026 and s.source for s in steps)


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
def test_a_price_list_that_cannot_be_believed_says_why(steps: list[EgressTier], mistake: str) -> None:
    assert list(tier_errors(steps)) == [mistake]


@given(where=place, gb=amount, more=amount)
def test_more_gigabytes_never_cost_less(where: tuple[str, str], gb: Decimal, more: Decimal) -> None:
    assert usd(*where, gb + more) >= usd(*where, gb)


@given(where=place, gb=amount, more=amount)
def test_two_transfers_never_cost_less_than_both_at_once(
    where: tuple[str, str], gb: Decimal, more: Decimal
) -> None:
    assert usd(*where, gb + more) <= usd(*where, gb) + usd(*where, more)


@given(where=place, gb=amount)
def test_no_gigabyte_costs_more_than_the_first_or_less_than_the_last(
    where: tuple[str, str], gb: Decimal
) -> None:
    steps = tiers(*where)
    first, last = (steps[0].usd_per_gb, steps[-1].usd_per_gb) if steps else (Decimal(0), Decimal(0))
    assert last * gb <= usd(*where, gb) <= first * gb


@given(where=place, fraction=st.decimals("0.001", "1", places=3))
def test_prices_do_not_jump_at_the_edge_of_a_tier(where: tuple[str, str], fraction: Decimal) -> None:
    for low, high in pairwise(tiers(*where)):
        below, at, above = (usd(*where, high.from_gb + d) for d in (-fraction, Decimal(0), fraction))
        assert at - below == fraction * low.usd_per_gb
        assert above - at == fraction * high.usd_per_gb


@given(gb=amount, price=st.decimals("0.001", "1", places=3))
def test_a_list_of_one_tier_is_a_price_by_the_gigabyte(gb: Decimal, price: Decimal) -> None:
    assert tiered_usd([tier(0, str(price))], gb) == price * gb


def test_a_region_reads_its_own_object_store_for_nothing() -> None:
    assert transfer_usd("aws", "us-east-1", "aws", "us-east-1", Decimal(10**6)) == 0
    assert transfer_usd("nebius", "eu-north1", "nebius", "eu-north1", Decimal(1)) == 0


def test_region_to_region_inside_aws_costs_what_the_published_list_says() -> None:
    rows = published("egress_aws_interregion.csv")
    assert len(rows) == 1122
    for row in rows:
        price = transfer_usd("aws", row["from_region"], "aws", row["to_region"], Decimal(1))
        assert price == Decimal(row["price_usd_per_gb"])


def test_the_neighbouring_regions_of_aws_are_the_cheapest_pair() -> None:
    assert transfer_usd("aws", "us-east-1", "aws", "us-east-2", Decimal(100)) == Decimal(1)
    assert transfer_usd("aws", "us-east-1", "aws", "us-west-2", Decimal(100)) == Decimal(2)


@pytest.mark.parametrize(
    ("here", "there", "price"),
    [
        ("us-central1", "us-east4", "0.02"),
        ("us-central1", "northamerica-northeast1", "0.02"),
        ("us-central1", "europe-west4", "0.05"),
        ("europe-west4", "us-central1", "0.05"),
        ("us-central1", "asia-east1", "0.08"),
        ("asia-east1", "asia-northeast1", "0.08"),
    ],
)
def test_region_to_region_inside_gcp_is_priced_by_continent(here: str, there: str, price: str) -> None:
    assert transfer_usd("gcp", here, "gcp", there, Decimal(1)) == Decimal(price)


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
def test_a_pair_of_regions_without_a_price_is_unknown(cloud: str, here: str, there: str) -> None:
    assert transfer_usd(cloud, here, cloud, there, Decimal(1)) is None


def test_another_cloud_is_reached_over_the_internet() -> None:
    assert transfer_usd("aws", "us-east-1", "gcp", "us-central1", Decimal(10_240)) == Decimal("921.6")


def test_what_leaves_r2_is_free_wherever_it_goes() -> None:
    assert transfer_usd("r2", "auto", "aws", "us-east-1", Decimal(10**6)) == 0


def test_a_gigabyte_is_binary_where_the_cloud_says_so_and_decimal_where_it_does_not() -> None:
    assert gigabytes("aws", 2**40) == 1024
    assert gigabytes("gcp", 2**30) == 1
    assert gigabytes("azure", 10**9) == 1


def test_every_network_that_is_priced_is_one_the_cloud_has() -> None:
    assert all(network(cloud, region) in (*NETWORKS.get(cloud, ()), None) for cloud, region in PLACES)
