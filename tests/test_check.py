from dataclasses import replace
from datetime import date
from decimal import Decimal

from hypothesis import given
from hypothesis import strategies as st

from pricing.check import Rejected, gate
from pricing.gpu import canonical
from pricing.offer import Offer, Quote

QUOTE = Quote(
    cloud="gcp",
    region="us-central1",
    zone=None,
    instance_type="g2-standard-8",
    gpu="L4",
    gpus=1.0,
    vcpus=8,
    memory_gb=32.0,
    on_demand=Decimal("0.8536"),
    spot=Decimal("0.3414"),
    as_of=date(2026, 7, 30),
    source="a test",
)
AZURE = replace(
    QUOTE, cloud="azure", region="australiaeast", instance_type="Standard_NC12s_v3", gpu="V100", gpus=2.0
)


def judge(*quotes: Quote) -> tuple[list[Offer], list[Rejected]]:
    offers, rejected = gate(quotes, canonical)
    return list(offers), list(rejected)


def refusals(*quotes: Quote) -> list[tuple[str, str]]:
    return [(r.purchase, r.reason) for r in judge(*quotes)[1]]


def test_a_row_with_two_prices_becomes_two_offers() -> None:
    offers, rejected = judge(QUOTE)
    assert [(o.spot, o.usd_per_hour) for o in offers] == [
        (False, Decimal("0.8536")),
        (True, Decimal("0.3414")),
    ]
    assert rejected == []


def test_an_offer_carries_the_canonical_name_of_its_gpu() -> None:
    offers, _ = judge(replace(QUOTE, gpu="A100"))
    assert {o.gpu for o in offers} == {"A100-40GB"}


def test_an_unknown_price_makes_no_offer_and_no_refusal() -> None:
    offers, rejected = judge(replace(QUOTE, spot=None))
    assert [o.purchase for o in offers] == ["on-demand"]
    assert rejected == []


def test_a_row_without_any_price_is_refused() -> None:
    assert refusals(replace(QUOTE, on_demand=None, spot=None)) == [("both", "no price")]


def test_a_price_of_nothing_is_refused() -> None:
    assert refusals(replace(QUOTE, spot=Decimal("0.00"))) == [("spot", "the price 0.00 is not above 0")]


def test_a_negative_price_is_refused() -> None:
    assert refusals(replace(QUOTE, on_demand=Decimal(-1)))[0] == ("on-demand", "the price -1 is not above 0")


def test_a_price_that_is_no_number_is_refused() -> None:
    assert refusals(replace(QUOTE, spot=Decimal("NaN"))) == [("spot", "the price NaN is not above 0")]


def test_a_row_without_an_accelerator_is_refused() -> None:
    assert refusals(replace(QUOTE, gpu="")) == [("both", "no accelerator named")]


def test_a_row_without_a_cloud_is_refused() -> None:
    assert refusals(replace(QUOTE, cloud="")) == [("both", "no cloud, region or instance type")]


def test_a_gpu_without_facts_is_refused_by_name() -> None:
    assert refusals(replace(QUOTE, gpu="MI25")) == [("both", "no facts about GPU 'MI25'")]


def test_no_gpus_are_no_offer() -> None:
    assert refusals(replace(QUOTE, gpus=0.0)) == [("both", "0 GPUs")]


def test_a_spot_price_above_on_demand_is_refused() -> None:
    assert refusals(replace(QUOTE, spot=Decimal("0.9"))) == [("spot", "spot 0.9 is above on-demand 0.8536")]


def test_a_spot_price_equal_to_on_demand_is_no_offer() -> None:
    [(purchase, reason)] = refusals(replace(QUOTE, spot=QUOTE.on_demand))
    assert purchase == "spot"
    assert "equals on-demand" in reason


def test_azures_placeholder_is_no_market_price() -> None:
    [(purchase, reason)] = refusals(replace(AZURE, on_demand=Decimal("8.468"), spot=Decimal("1.56489")))
    assert purchase == "spot"
    assert "placeholder" in reason


def test_a_price_beside_azures_placeholder_is_a_market_price() -> None:
    assert refusals(replace(AZURE, on_demand=Decimal("8.468"), spot=Decimal("1.5776"))) == []  # 18.63 %


def test_the_same_share_on_another_cloud_is_a_market_price() -> None:
    assert refusals(replace(QUOTE, on_demand=Decimal(10), spot=Decimal("1.848"))) == []


def test_a_refused_spot_price_leaves_the_on_demand_offer() -> None:
    offers, _ = judge(replace(QUOTE, spot=QUOTE.on_demand))
    assert [o.key for o in offers] == ["gcp/us-central1/g2-standard-8/on-demand"]


def test_a_row_told_twice_counts_once() -> None:
    offers, rejected = judge(QUOTE, QUOTE)
    assert len(offers) == 2
    assert {r.reason for r in rejected} == {"duplicate of a row of 2026-07-30"}


def test_of_two_rows_that_disagree_the_younger_is_kept() -> None:
    old = replace(QUOTE, spot=None, on_demand=Decimal("0.70"), as_of=date(2026, 5, 20))
    offers, rejected = judge(old, replace(QUOTE, spot=None))
    assert [o.usd_per_hour for o in offers] == [Decimal("0.8536")]
    assert [r.reason for r in rejected] == ["contradicts 0.8536 of 2026-07-30"]


def test_zones_that_agree_on_demand_make_one_offer_and_keep_their_spot_prices() -> None:
    a = replace(QUOTE, zone="us-central1-a")
    b = replace(QUOTE, zone="us-central1-b", spot=Decimal("0.3377"))
    offers, rejected = judge(a, b)
    assert [o.key for o in offers] == [
        "gcp/us-central1/g2-standard-8/on-demand",
        "gcp/us-central1-a/g2-standard-8/spot",
        "gcp/us-central1-b/g2-standard-8/spot",
    ]
    assert rejected == []


def test_a_spot_price_with_nothing_to_compare_it_with_is_flagged() -> None:
    offers, _ = judge(replace(QUOTE, on_demand=None))
    assert offers[0].flags == ("on_demand_unknown",)


def test_an_on_demand_offer_has_no_zone_and_no_flag_about_it() -> None:
    offers, _ = judge(replace(QUOTE, zone="apne1-az1", flags=("as_of_estimated", "zone_id")))
    assert [(o.zone, o.flags) for o in offers] == [
        (None, ("as_of_estimated",)),
        ("apne1-az1", ("as_of_estimated", "zone_id")),
    ]


prices = st.one_of(st.none(), st.decimals(min_value="-1", max_value="3", places=2))
several = st.lists(
    st.builds(
        replace,
        st.just(QUOTE),
        gpu=st.sampled_from(["L4", "T4", "M60", ""]),
        region=st.sampled_from(["us-central1", "us-east4"]),
        on_demand=prices,
        spot=prices,
    ),
    max_size=8,
)


@given(several)
def test_every_price_is_an_offer_or_a_refusal(quotes: list[Quote]) -> None:
    offers, rejected = gate(quotes, canonical)
    refused = sum(
        max(1, (r.quote.on_demand is not None) + (r.quote.spot is not None)) if r.purchase == "both" else 1
        for r in rejected
    )
    told = sum(max(1, (q.on_demand is not None) + (q.spot is not None)) for q in quotes)
    assert len(offers) + refused == told


@given(several)
def test_what_passes_is_positive_and_named_once(quotes: list[Quote]) -> None:
    offers, _ = gate(quotes, canonical)
    assert all(o.usd_per_hour > 0 for o in offers)
    assert len({o.key for o in offers}) == len(offers)
