"""Clouds whose spot prices are a fixed share of on-demand."""

from collections.abc import Sequence
from dataclasses import replace
from decimal import Decimal

from pricing.book import price_book
from pricing.book.fixed_share import fixed_spot_shares
from pricing.offer import Offer
from tests.support.offers import L4


def market(shares: Sequence[str]) -> list[Offer]:
    """GPU types of one cloud, each with a spot price of this share of on-demand."""
    out: list[Offer] = []
    for gpu, share in zip(("L4", "H100", "A100-80GB", "B200"), shares, strict=False):
        full = replace(L4, gpu=gpu, instance_type=gpu, usd_per_hour=Decimal("1.7"))
        out += [full, replace(full, spot=True, usd_per_hour=Decimal("1.7") * Decimal(share))]
    return out


def test_same_share_for_every_type_is_a_list() -> None:
    assert fixed_spot_shares(market(["0.35", "0.3501", "0.35"])) == {"aws": (Decimal("0.35"), 3)}


def test_shares_that_differ_and_few_types_are_not() -> None:
    assert fixed_spot_shares(market(["0.35", "0.35", "0.36"])) == {}
    assert fixed_spot_shares(market(["0.35", "0.35"])) == {}


def test_verda_has_a_list_of_spot_prices() -> None:
    share, types = fixed_spot_shares(price_book.load())["verda"]
    assert round(share, 2) == Decimal("0.35")
    assert types == 6
