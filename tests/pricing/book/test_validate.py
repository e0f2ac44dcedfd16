from dataclasses import replace
from datetime import date
from decimal import Decimal

from hypothesis import given
from hypothesis import strategies as st

from pricing.book.validate import EXPECTED, Rejected, missing_gpus, split_by_offerings, validate_quotes
from pricing.gpu import canonical
from pricing.offer import Offer, Quote, as_quote

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
    offers, rejected = validate_quotes(quotes, canonical)
    return list(offers), list(rejected)


def refusals(*quotes: Quote) -> list[tuple[str | None, str]]:
    return [(r.purchase, r.reason) for r in judge(*quotes)[1]]


def both(reason: str) -> list[tuple[str, str]]:
    return [("on-demand", reason), ("spot", reason)]


def test_row_with_two_prices_becomes_two_offers() -> None:
    offers, rejected = judge(QUOTE)
    assert [(o.spot, o.usd_per_hour) for o in offers] == [
        (False, Decimal("0.8536")),
        (True, Decimal("0.3414")),
    ]
    assert rejected == []


def test_offer_carries_the_canonical_name_of_its_gpu() -> None:
    offers, _ = judge(replace(QUOTE, gpu="A100"))
    assert {o.gpu for o in offers} == {"A100-40GB"}


def test_unknown_price_makes_no_offer_and_no_rejection() -> None:
    offers, rejected = judge(replace(QUOTE, spot=None))
    assert [o.purchase for o in offers] == ["on-demand"]
    assert rejected == []


def test_row_without_price_is_rejected() -> None:
    assert refusals(replace(QUOTE, on_demand=None, spot=None)) == [(None, "no price")]


def test_zero_price_is_rejected() -> None:
    assert refusals(replace(QUOTE, spot=Decimal("0.00"))) == [("spot", "the price 0.00 is not above 0")]


def test_negative_price_is_rejected() -> None:
    assert refusals(replace(QUOTE, on_demand=Decimal(-1)))[0] == ("on-demand", "the price -1 is not above 0")


def test_price_that_is_no_number_is_rejected() -> None:
    assert refusals(replace(QUOTE, spot=Decimal("NaN"))) == [("spot", "the price NaN is not above 0")]


def test_row_without_accelerator_is_rejected() -> None:
    assert refusals(replace(QUOTE, gpu="")) == both("no accelerator named")


def test_row_without_cloud_is_rejected() -> None:
    assert refusals(replace(QUOTE, cloud="")) == both("no cloud, region or instance type")


def test_gpu_without_facts_is_rejected_by_name() -> None:
    assert refusals(replace(QUOTE, gpu="MI25")) == both("no facts about GPU 'MI25'")


def test_zero_gpus_are_rejected() -> None:
    assert refusals(replace(QUOTE, gpus=0.0)) == both("0 GPUs")


def test_spot_price_above_on_demand_is_rejected() -> None:
    assert refusals(replace(QUOTE, spot=Decimal("0.9"))) == [("spot", "spot 0.9 is above on-demand 0.8536")]


def test_spot_price_equal_to_on_demand_is_rejected() -> None:
    [(purchase, reason)] = refusals(replace(QUOTE, spot=QUOTE.on_demand))
    assert purchase == "spot"
    assert "equals on-demand" in reason


def test_azure_placeholder_is_rejected() -> None:
    [(purchase, reason)] = refusals(replace(AZURE, on_demand=Decimal("8.468"), spot=Decimal("1.56489")))
    assert purchase == "spot"
    assert "placeholder" in reason


def test_price_near_the_azure_placeholder_is_accepted() -> None:
    assert refusals(replace(AZURE, on_demand=Decimal("8.468"), spot=Decimal("1.5776"))) == []  # 18.63 %


def test_same_share_on_another_cloud_is_accepted() -> None:
    assert refusals(replace(QUOTE, on_demand=Decimal(10), spot=Decimal("1.848"))) == []


def test_rejected_spot_price_leaves_the_on_demand_offer() -> None:
    offers, _ = judge(replace(QUOTE, spot=QUOTE.on_demand))
    assert [o.key for o in offers] == ["gcp/us-central1/g2-standard-8/on-demand"]


def test_duplicate_row_counts_once() -> None:
    offers, rejected = judge(QUOTE, QUOTE)
    assert len(offers) == 2
    assert {r.reason for r in rejected} == {"duplicate of a row of 2026-07-30"}


def test_newer_of_two_contradicting_rows_is_kept() -> None:
    old = replace(QUOTE, spot=None, on_demand=Decimal("0.70"), as_of=date(2026, 5, 20))
    offers, rejected = judge(old, replace(QUOTE, spot=None))
    assert [o.usd_per_hour for o in offers] == [Decimal("0.8536")]
    assert [r.reason for r in rejected] == ["contradicts 0.8536 of 2026-07-30"]


def test_zones_share_on_demand_and_keep_their_spot_prices() -> None:
    a = replace(QUOTE, zone="us-central1-a")
    b = replace(QUOTE, zone="us-central1-b", spot=Decimal("0.3377"))
    offers, rejected = judge(a, b)
    assert [o.key for o in offers] == [
        "gcp/us-central1/g2-standard-8/on-demand",
        "gcp/us-central1-a/g2-standard-8/spot",
        "gcp/us-central1-b/g2-standard-8/spot",
    ]
    assert rejected == []


def test_spot_price_without_on_demand_is_flagged() -> None:
    offers, _ = judge(replace(QUOTE, on_demand=None))
    assert offers[0].flags == ("on_demand_unknown",)


def test_on_demand_offer_has_no_zone_and_no_flag_about_it() -> None:
    offers, _ = judge(replace(QUOTE, zone="apne1-az1", flags=("as_of_estimated", "zone_id")))
    assert [(o.zone, o.flags) for o in offers] == [
        (None, ("as_of_estimated",)),
        ("apne1-az1", ("as_of_estimated", "zone_id")),
    ]


def test_spot_price_is_compared_with_on_demand_of_another_row() -> None:
    listed, spot = replace(QUOTE, spot=None), replace(QUOTE, zone="us-central1-a", on_demand=None)
    assert judge(spot, listed)[0][1].flags == ()
    assert refusals(replace(spot, spot=Decimal("0.9")), listed) == [
        ("spot", "spot 0.9 is above on-demand 0.8536")
    ]


def test_spot_price_is_not_compared_with_another_machine() -> None:
    other = replace(QUOTE, instance_type="g2-standard-4", spot=None, on_demand=Decimal("0.30"))
    assert refusals(replace(QUOTE, on_demand=None), other) == []


def test_spot_price_is_not_compared_with_another_spot_price() -> None:
    a = replace(QUOTE, zone="us-central1-a", on_demand=None)
    b = replace(a, zone="us-central1-b", spot=Decimal("0.60"))
    assert refusals(a, b) == []


def test_price_in_other_units_is_rejected() -> None:
    [(purchase, reason)] = refusals(replace(QUOTE, on_demand=Decimal(8536), spot=None))
    assert (purchase, reason.split(":")[0]) == ("on-demand", "the price 8536 is above 1000 per GPU-hour")


def test_more_gpus_than_any_machine_has_are_rejected() -> None:
    assert refusals(replace(QUOTE, gpus=float("inf"))) == both("inf GPUs")


def test_host_without_memory_is_rejected() -> None:
    assert refusals(replace(QUOTE, memory_gb=0.0)) == both("a host of 8 vCPUs and 0.0 GB")


def test_row_from_the_future_is_rejected() -> None:
    ahead = replace(QUOTE, as_of=date(2026, 11, 25))
    _, rejected = validate_quotes([ahead], canonical, today=date(2026, 11, 23))
    assert {r.reason for r in rejected} == {"dated 2026-11-25, after today"}


def test_row_dated_tomorrow_is_accepted() -> None:
    ahead = replace(QUOTE, as_of=date(2026, 11, 24))
    assert validate_quotes([ahead], canonical, today=date(2026, 11, 23))[1] == ()


OFFERED = frozenset({("g2-standard-8", "us-central1"), ("a2-ultragpu-1g", "us-central1")})


def test_region_where_the_type_does_not_exist_is_rejected() -> None:
    elsewhere = replace(QUOTE, region="us-west9")
    offers, rejected = validate_quotes([QUOTE, elsewhere], canonical, offerings=OFFERED)
    assert {o.region for o in offers} == {"us-central1"}
    assert {r.reason for r in rejected} == {"g2-standard-8 is priced, but not offered, in us-west9"}
    assert len(rejected) == 2


def test_confirmed_region_loses_its_flag() -> None:
    [kept], _ = split_by_offerings([replace(QUOTE, flags=("region_unverified",))], OFFERED)
    assert kept.flags == ()


def test_offerings_do_not_affect_other_types() -> None:
    other = replace(QUOTE, instance_type="g2-standard-16", flags=("region_unverified",))
    assert split_by_offerings([other], OFFERED) == ([other], [])


def test_spot_price_that_rises_by_half_is_a_jump() -> None:
    before = {o.key: o for o in judge(QUOTE)[0]}
    up = replace(QUOTE, spot=Decimal("0.52"))
    flags = {o.purchase: o.flags for o in validate_quotes([up], canonical, previous=before)[0]}
    assert flags == {"on-demand": (), "spot": ("jump",)}


def test_largest_recorded_rise_is_not_a_jump() -> None:
    before = {o.key: o for o in judge(QUOTE)[0]}
    up = replace(QUOTE, spot=Decimal("0.3414") * Decimal("1.41"))
    assert all(o.flags == () for o in validate_quotes([up], canonical, previous=before)[0])


def test_list_price_that_falls_by_a_fifth_is_a_jump() -> None:
    before = {o.key: o for o in judge(QUOTE)[0]}
    down = replace(QUOTE, on_demand=Decimal("0.68"), spot=None)
    assert validate_quotes([down], canonical, previous=before)[0][0].flags == ("jump",)


def test_market_prices_may_change_like_spot() -> None:
    listed = replace(QUOTE, cloud="vast", spot=None)
    before = {o.key: o for o in judge(listed)[0]}
    up = replace(listed, on_demand=Decimal("1.10"))
    assert validate_quotes([up], canonical, previous=before)[0][0].flags == ()


def test_price_that_stays_after_a_jump_loses_the_flag() -> None:
    jumped = replace(QUOTE, flags=("jump",))
    before = {o.key: o for o in judge(QUOTE)[0]}
    assert all(o.flags == () for o in validate_quotes([jumped], canonical, previous=before)[0])


def test_missing_expected_gpu_is_found() -> None:
    assert ("gcp", "T4") in missing_gpus(judge(QUOTE)[0], ["gcp"])
    assert ("gcp", "L4") not in missing_gpus(judge(QUOTE)[0], ["gcp"])


def test_expected_gpus_have_canonical_names() -> None:
    assert all(canonical(gpu) == gpu for gpus in EXPECTED.values() for gpu in gpus)


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
def test_every_price_is_an_offer_or_a_rejection(quotes: list[Quote]) -> None:
    offers, rejected = validate_quotes(quotes, canonical)
    told = sum(max(1, (q.on_demand is not None) + (q.spot is not None)) for q in quotes)
    assert len(offers) + len(rejected) == told


@given(several)
def test_accepted_prices_are_positive_and_unique(quotes: list[Quote]) -> None:
    offers, _ = validate_quotes(quotes, canonical)
    assert all(o.usd_per_hour > 0 for o in offers)
    assert len({o.key for o in offers}) == len(offers)


@given(several)
def test_validation_is_idempotent(quotes: list[Quote]) -> None:
    offers, _ = validate_quotes(quotes, canonical)
    again, rejected = validate_quotes(map(as_quote, offers), canonical)
    assert rejected == ()
    assert set(again) == set(offers)


def test_aws_floor_of_a_tenth_is_rejected() -> None:
    floor = replace(QUOTE, cloud="aws", on_demand=Decimal("113.933"), spot=Decimal("11.3933"))
    assert refusals(floor) == [
        (
            "spot",
            "exactly a tenth of on-demand: AWS's floor, which says that nobody bids, not that it can be had",
        )
    ]


def test_price_far_below_other_regions_is_a_reservation_on_gcp_alone() -> None:
    here = replace(
        QUOTE, instance_type="a3-ultragpu-8g", gpu="H200", gpus=8.0, on_demand=Decimal("86.7599"), spot=None
    )
    there = replace(here, region="europe-west4", on_demand=Decimal("49.4819"))
    assert refusals(here, there) == [
        ("on-demand", "57 % of the dearest region's 86.7599: a reservation (DWS), not on-demand")
    ]
    assert refusals(replace(here, cloud="aws"), replace(there, cloud="aws")) == []


def test_spot_price_next_to_a_reservation_is_kept_and_flagged() -> None:
    b200 = replace(
        QUOTE,
        instance_type="a4-highgpu-8g",
        gpu="B200",
        gpus=8.0,
        on_demand=Decimal("64.44"),
        spot=Decimal("40.5"),
    )
    offers, rejected = judge(b200)
    assert [(o.purchase, "on_demand_unknown" in o.flags) for o in offers] == [("spot", True)]
    assert [r.reason for r in rejected] == ["under 12 a GPU-hour: a reservation (DWS), not on-demand"]


def test_spot_at_a_tenth_of_on_demand_is_flagged_as_the_floor() -> None:
    offers, _ = judge(replace(QUOTE, on_demand=Decimal("12.1795"), spot=Decimal("1.27568")))
    assert [("floor" in o.flags) for o in offers] == [False, True]


def test_floor_flag_goes_when_the_price_does() -> None:
    offers, _ = judge(replace(QUOTE, flags=("floor",)))
    assert [o.flags for o in offers if o.spot] == [()]


def test_region_of_a_host_that_does_not_say_where_it_is_is_rejected() -> None:
    assert all("has no name" in why for _, why in refusals(replace(QUOTE, cloud="vast", region=", CN, AS")))
