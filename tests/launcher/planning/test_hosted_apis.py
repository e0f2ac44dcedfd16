"""Hosted APIs compared with a fleet: their prices, which one is named as cheaper, and the break-even."""

from datetime import date
from decimal import Decimal
from typing import Any

import pytest
from hypothesis import given
from hypothesis import strategies as st

from launcher.planning.estimate import ITEMS, Allocation, Estimate, UsdSpread, per_million
from launcher.planning.hosted_apis import CheaperWay, HostedApi, cheapest_way, price_apis
from launcher.throughput.spread import Spread
from pricing.hosted_apis import HostedPrice, hosted_prices
from tests.support.candidates import candidate

MODEL = "BAAI/bge-m3"


def api(name: str, usd: str, batch: str | None = None, **changes: Any) -> HostedPrice:
    fields: dict[str, Any] = {
        "provider": name,
        "model": "m",
        "usd_per_million_tokens": Decimal(usd),
        "batch_usd_per_million_tokens": None if batch is None else Decimal(batch),
        "max_input_tokens": 8_192,
        "dimensions": 1_024,
        "source": "a test",
        "as_of": date(2026, 11, 1),
    }
    return HostedPrice(**fields | changes)


def fleet(tokens: float = 1e9, **items: str | None) -> Estimate:
    """A fleet that costs these items; what is not named costs nothing."""
    amounts = {name: Decimal(0) if (usd := items.get(name, "0")) is None else Decimal(usd) for name in ITEMS}
    total = sum(amounts.values())
    known = {name: None if items.get(name, "0") is None else usd for name, usd in amounts.items()}
    usd = Decimal(total)
    allocation = Allocation(candidate(), 1, tokens)
    return Estimate((allocation,), Spread(1, 1, 1), UsdSpread(usd, usd, usd), known, per_million(usd, tokens))


def beside(made: Estimate, *offered: HostedPrice, tokens: float = 1e9) -> CheaperWay | None:
    return cheapest_way(made, tokens, price_apis(MODEL, tokens, offered), None)


# --- what an API asks


def test_100_million_tokens_at_2_cents_a_million_are_2_dollars() -> None:
    (found,) = price_apis(MODEL, 100e6, [api("one", "0.02")])
    assert found.usd == Decimal("2.00")


def test_3_billion_tokens_in_batches_are_half_where_batches_are() -> None:
    (found,) = price_apis(MODEL, 3.009e9, [api("one", "0.02", "0.01")])
    assert (found.usd, found.batch_usd, found.least) == (
        Decimal("60.18"),
        Decimal("30.09"),
        Decimal("30.09"),
    )


def test_api_without_batches_has_no_batch_price() -> None:
    (found,) = price_apis(MODEL, 1e6, [api("one", "0.02")])
    assert (found.batch_usd, found.least) == (None, Decimal("0.02"))


def test_same_weights_come_first_and_then_the_cheapest() -> None:
    offered = [api("cheap", "0.01"), api("same", "0.05", open_model=MODEL), api("dear", "0.10")]
    found = price_apis(MODEL, 1e9, offered)
    assert [(a.hosted.provider, a.comparable) for a in found] == [
        ("same", True),
        ("cheap", False),
        ("dear", False),
    ]


def test_batch_price_ranks_an_api() -> None:
    found = price_apis(MODEL, 1e9, [api("list", "0.03"), api("batch", "0.05", "0.02")])
    assert [a.hosted.provider for a in found] == ["batch", "list"]


def test_every_api_of_the_snapshot_has_a_price_for_a_job() -> None:
    found = price_apis(MODEL, 1e9, hosted_prices())
    assert len(found) == len(hosted_prices())
    assert all(a.usd > 0 for a in found)
    assert any(a.comparable for a in found)  # bge-m3 is sold


# --- what is cheaper


def test_api_that_costs_more_is_not_named() -> None:
    assert beside(fleet(compute="19"), api("one", "0.02")) is None


def test_api_that_costs_the_same_is_not_named() -> None:
    assert beside(fleet(compute="20"), api("one", "0.02")) is None


def test_api_that_costs_less_is_named_with_its_dollars() -> None:
    found = beside(fleet(compute="21"), api("one", "0.02"))
    assert found == CheaperWay("one m", Decimal(20), Decimal(21), comparable=False, break_even=None)


def test_cheaper_batch_is_named_as_one() -> None:
    found = beside(fleet(compute="11"), api("one", "0.02", "0.01"))
    assert found is not None
    assert (found.name, found.usd) == ("one m in batches", Decimal(10))


def test_same_weights_are_named_before_a_cheaper_other_model() -> None:
    found = beside(fleet(compute="30"), api("stranger", "0.01"), api("same", "0.02", open_model=MODEL))
    assert found is not None
    assert (found.name, found.comparable) == ("same m", True)


def test_other_model_is_named_where_the_same_weights_cost_more_than_the_fleet() -> None:
    found = beside(fleet(compute="15"), api("stranger", "0.01"), api("same", "0.02", open_model=MODEL))
    assert found is not None
    assert (found.name, found.comparable) == ("stranger m", False)


def test_this_machine_is_named_where_it_costs_less() -> None:
    found = cheapest_way(fleet(compute="15"), 1e9, [], fleet(compute="14"))
    assert found == CheaperWay("this machine", Decimal(14), Decimal(15), comparable=True, break_even=None)
    assert cheapest_way(fleet(compute="15"), 1e9, [], fleet(compute="16")) is None


def test_machine_whose_hours_have_no_price_is_not_named() -> None:
    unknown = Estimate((Allocation(candidate(cloud="local"), 1, 1e9),), Spread(1, 1, 1), None, {}, None)
    assert cheapest_way(fleet(compute="15"), 1e9, [], unknown) is None


def test_nothing_is_cheaper_than_a_fleet_of_unknown_cost() -> None:
    unknown = Estimate((Allocation(candidate(), 1, 1e9),), Spread(1, 1, 1), None, {}, None)
    assert (
        cheapest_way(unknown, 1e9, price_apis(MODEL, 1e9, [api("one", "0.02")]), fleet(compute="1")) is None
    )


def test_storage_is_left_out_of_the_comparison() -> None:
    assert beside(fleet(compute="19", storage="5"), api("one", "0.02")) is None
    found = beside(fleet(compute="21", storage="5"), api("one", "0.02"))
    assert found is not None
    assert found.fleet_usd == 21


# --- the break-even


def test_break_even_by_hand() -> None:
    """$6 a run for starts, tails and the controller; $10 for a billion tokens; the API asks $15 for them."""
    found = beside(
        fleet(compute="9", preemption="1", cold_start="4", idle_tail="1", controller="1"), api("one", "0.015")
    )
    assert found is not None
    assert found.break_even == pytest.approx(Decimal("1.2e9"))  # 6 / (0.015 - 0.010) million tokens


def test_at_the_break_even_both_cost_the_same() -> None:
    found = beside(fleet(compute="7.5", cold_start="5"), api("one", "0.0105"))
    assert found is not None
    assert found.break_even is not None
    millions = found.break_even / 1_000_000
    assert 5 + Decimal("0.0075") * millions == pytest.approx(Decimal("0.0105") * millions)


def test_fleet_whose_every_token_costs_more_never_breaks_even() -> None:
    found = beside(fleet(compute="20", cold_start="1"), api("one", "0.02"))
    assert found is not None
    assert found.break_even is None


def test_unknown_item_is_not_in_the_break_even() -> None:
    known = beside(fleet(compute="9", cold_start="6"), api("one", "0.012"))
    unknown = beside(fleet(compute="9", cold_start="6", egress=None), api("one", "0.012"))
    assert known == unknown


prices = st.decimals("0.001", "1", places=3).map(str)


@given(st.lists(st.tuples(prices, st.none() | prices, st.booleans()), max_size=6), st.integers(1, 2_000))
def test_what_is_named_costs_less_and_is_never_past_its_break_even(
    found: list[tuple[str, str | None, bool]], cents: int
) -> None:
    offered = [
        api(f"p{n}", price, batch, open_model=MODEL if same else None)
        for n, (price, batch, same) in enumerate(found)
    ]
    made = fleet(compute=f"{cents / 200}", cold_start=f"{cents / 200}")
    assert made.usd is not None
    listed: tuple[HostedApi, ...] = price_apis(MODEL, 1e9, offered)
    named = cheapest_way(made, 1e9, listed, None)
    if named is None:
        assert all(a.least >= made.usd.p50 for a in listed)
    else:
        assert named.usd < made.usd.p50
        assert named.break_even is None or named.break_even > Decimal("1e9")
