"""The choice beside other ways: who is better, how likely, and by how much."""

from dataclasses import replace
from datetime import date
from decimal import Decimal
from typing import Any

import pytest
from hypothesis import given, settings
from hypothesis import strategies as st

from launcher.planning.estimates.comparison import Comparison, Way, compare
from launcher.planning.estimates.estimate import NO_CHARGES, Allocation, Estimate, RunCharges, UsdSpread
from launcher.planning.estimates.hosted_apis import HostedApi
from launcher.planning.optimizer.search import Requirements, estimate_fleet
from launcher.throughput.spread import Spread
from pricing.hosted.hosted_apis import HostedPrice, Relation
from tests.support.candidates import candidate, free, sure

TOKENS = 3.6e9  # a thousand hours of the plain machine: $1,000
UNSURE = Spread(500, 1_000, 2_000)  # tokens per second: $500 to $2,000
STORAGE = RunCharges(Decimal(50), Decimal(0))


SURE = sure(TOKENS)


def way(tokens: Spread = SURE, charges: RunCharges = NO_CHARGES, **machine: Any) -> Way:
    work = Requirements(tokens, charges, seed=7)
    made = estimate_fleet([Allocation(free(**machine), 10, tokens.mid)], work)
    return Way("the cheapest fleet", "rented", made, charges)


def api(usd: str, relation: Relation = "same weights", batch: str | None = None) -> HostedApi:
    hosted = HostedPrice(
        "one", "m", Decimal(1), None, None, None, "a test", date(2026, 11, 1), open_model="a/model"
    )
    return HostedApi(hosted, relation, Decimal(usd), None if batch is None else Decimal(batch))


def one(chosen: Way, *apis: HostedApi, tokens: Spread = SURE) -> Comparison:
    (found,) = compare(chosen, tokens, 7, apis)
    return found


# --- a steered fleet


def test_steered_fleet_costs_what_the_steered_run_is_expected_to_cost() -> None:
    planned = way(tokens_per_second=UNSURE, charges=STORAGE)
    steered = replace(planned, steered=UsdSpread(Decimal(400), Decimal(550), Decimal(850)))
    found, static = one(steered, api("700")), one(planned, api("700"))
    assert (found.fleet_p50, found.fleet_p90) == (Decimal(500), Decimal(800))  # without $50 of storage
    assert 500 < found.fleet_mean < 800
    assert (found.better, static.better) == (False, True)
    assert 0.5 < found.chance < 0.9
    assert found.break_even is not None


def test_what_a_steered_fleet_leaves_out_is_bounded_by_the_steered_run() -> None:
    """The planned fleet leaves nothing out; the steered one up to $300, with which it is dearer than the API."""
    usd = UsdSpread(Decimal(400), Decimal(550), Decimal(850))
    steered = replace(
        way(tokens_per_second=UNSURE), steered=usd, steered_unpriced={"controller": Decimal(300)}
    )
    found = one(steered, api("700"))
    assert (found.unpriced, found.better) == (("controller",), True)
    assert found.chance_least is not None
    assert found.chance_least < 0.5 < found.chance


def test_steered_fleet_as_dear_as_the_planned_one_is_compared_as_the_planned_one() -> None:
    planned = way(tokens_per_second=UNSURE)
    assert planned.estimate.usd is not None
    assert one(replace(planned, steered=planned.estimate.usd), api("700")) == one(planned, api("700"))


# --- the certain price of an API


def test_certain_fleet_is_cheaper_or_not() -> None:
    dear, cheap = one(way(), api("1200")), one(way(), api("900"))
    assert (dear.better, dear.chance) == (False, 1.0)
    assert (cheap.better, cheap.chance) == (True, 0.0)
    assert cheap.usd == cheap.usd_p90 == Decimal(900)
    assert float(cheap.fleet_p50) == pytest.approx(1_000, rel=0.01)


def test_certain_price_beats_a_fleet_that_is_cheaper_at_p50_and_dearer_on_average() -> None:
    """$1,010 for certain against $1,000 at P50 and $2,000 at P90."""
    found = one(way(tokens_per_second=UNSURE), api("1010"))
    assert found.fleet_p50 < found.usd < found.fleet_mean
    assert found.better
    assert float(found.fleet_p90) == pytest.approx(2_000, rel=0.05)
    assert found.chance == pytest.approx(0.5, abs=0.05)


def test_tokens_that_are_not_known_vary_on_both_sides_together() -> None:
    """A fleet of a certain price per token is 10 % cheaper in every draw, however many tokens there are."""
    tokens = Spread(0.5 * TOKENS, TOKENS, 1.5 * TOKENS)
    found = one(way(tokens), api("1100"), tokens=tokens)
    assert found.chance == 1.0
    assert found.usd < found.usd_p90


def test_storage_of_the_vectors_is_on_neither_side() -> None:
    with_it, without = one(way(charges=STORAGE), api("1200")), one(way(), api("1200"))
    assert (with_it.fleet_p50, with_it.fleet_p90) == (without.fleet_p50, without.fleet_p90)
    assert float(with_it.fleet_mean) == pytest.approx(float(without.fleet_mean))


def test_item_without_a_price_makes_the_chance_an_upper_bound() -> None:
    found = one(way(egress_usd_per_token=None), api("1200"))
    assert found.unpriced == ("egress",)
    assert one(way(charges=RunCharges(None, Decimal(0))), api("1200")).unpriced == ()  # paid either way


def test_bound_of_what_has_no_price_makes_a_range_of_the_chance() -> None:
    missing: dict[str, Any] = {"egress_usd_per_token": None, "egress_missing": Decimal(200) / Decimal(TOKENS)}
    fleet = float(one(way(), api("1200")).fleet_p50)
    found = [one(way(**missing), api(f"{fleet + more:.2f}")) for more in (300, 100, -100)]
    assert [(f.chance_least, f.chance, f.better) for f in found] == [
        (1, 1, False),
        (0, 1, True),
        (0, 0, True),
    ]
    assert one(way(egress_usd_per_token=None, egress_missing=None), api("1200")).chance_least is None
    assert one(way(), api("1200")).chance_least is None


def test_nothing_is_compared_with_a_fleet_of_unknown_price() -> None:
    assert compare(way(usd_per_hour=None), sure(TOKENS), 7, [api("1")]) == ()


def test_interval_is_that_of_the_estimate_where_past_runs_widened_it() -> None:
    plain = way(tokens_per_second=UNSURE)
    made = plain.estimate
    assert made.usd is not None
    wide = UsdSpread(made.usd.p10 / 2, made.usd.p50, made.usd.p90 * 2)
    wider = Way(
        "the cheapest fleet",
        "rented",
        Estimate(made.allocations, made.hours, wide, made.items, made.usd_per_million_tokens),
        NO_CHARGES,
    )
    before, after = one(plain, api("3000")), one(wider, api("3000"))
    assert after.fleet_p90 == wide.p90
    assert after.fleet_mean > before.fleet_mean
    assert after.chance < before.chance


# --- which ways, and in which order


def test_same_weights_come_before_the_same_class_and_smaller_ones_never() -> None:
    apis = [api("10", "smaller"), api("20", "unknown"), api("900", "same class"), api("2000"), api("1500")]
    found = compare(way(), sure(TOKENS), 7, apis)
    assert [(c.relation, c.usd, c.better) for c in found] == [
        ("same weights", Decimal(1500), False),
        ("same class", Decimal(900), True),
    ]
    assert compare(way(), sure(TOKENS), 7, apis[:2]) == ()


def test_cheaper_batches_are_what_is_compared() -> None:
    found = one(way(), api("2000", batch="900"))
    assert (found.name, found.usd) == ("one m in batches", Decimal(900))


def test_other_machine_is_compared_draw_by_draw() -> None:
    here = way(cloud="local", tokens_per_second=UNSURE, usd_per_hour=Decimal("0.9"))
    other = Way("this machine", "this machine", here.estimate, NO_CHARGES, ("limits.clouds leaves it out",))
    (found,) = compare(way(tokens_per_second=UNSURE), sure(TOKENS), 7, [], other)
    assert found.chance == 0.0  # the same speed in every draw, and nine tenths of its price
    assert found.better
    assert found.usd_p90 > found.usd
    assert found.notes == ("limits.clouds leaves it out",)


# --- the break-even


def test_break_even_by_hand() -> None:
    """$100 for starts; $1,000 of work for 3.6 billion tokens; the API asks $1,080: 3.6B x 100 / 80."""
    machine = candidate(cold_start=sure(36_000), cloud="local")
    made = estimate_fleet([Allocation(machine, 10, TOKENS)], Requirements(sure(TOKENS), NO_CHARGES, seed=7))
    found = one(Way("the cheapest fleet", "rented", made, NO_CHARGES), api("1080"))
    assert found.better
    assert found.break_even is not None
    assert float(found.break_even) == pytest.approx(TOKENS * 100 / 80, rel=1e-6)


def test_break_even_counts_the_end_of_machines_as_paid_once() -> None:
    """A rented machine waits half a minute for the last shard and a minute until it is gone: $0.25 for ten of them."""
    found = one(way(), api("1080"))
    assert float(found.break_even or 0) == pytest.approx(TOKENS * 0.25 / 80, rel=1e-3)


def test_fleet_whose_every_token_costs_more_never_breaks_even() -> None:
    assert one(way(), api("900")).break_even is None


@settings(max_examples=40, deadline=None)
@given(st.integers(100, 4_000), st.integers(1, 3_000))
def test_a_dearer_api_never_makes_the_fleet_less_likely_to_be_cheaper(usd: int, more: int) -> None:
    chosen = way(tokens_per_second=UNSURE)
    low, high = one(chosen, api(str(usd))), one(chosen, api(str(usd + more)))
    assert low.chance <= high.chance
    assert low.better or not high.better
