"""Hosted APIs for a job: what they ask, how their models are related, and what does not fit."""

from datetime import date
from decimal import Decimal
from typing import Any

import pytest
from hypothesis import given
from hypothesis import strategies as st

from launcher.planning.estimates.hosted_apis import (
    HostedApi,
    HostedWork,
    missing_prices,
    open_model_of,
    price_apis,
)
from pricing.hosted.hosted_apis import HostedPrice, hosted_prices, unknown_prices

MODEL, SIZE = "BAAI/bge-m3", 568_000_000


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


def priced(*offered: HostedPrice, **changes: Any) -> tuple[HostedApi, ...]:
    fields: dict[str, Any] = {"model": MODEL, "parameters": SIZE, "tokens": 1e9}
    return price_apis(HostedWork(**fields | changes), offered)


# --- what an API asks


def test_100_million_tokens_at_2_cents_a_million_are_2_dollars() -> None:
    (found,) = priced(api("one", "0.02"), tokens=100e6)
    assert found.usd == Decimal("2.00")


def test_3_billion_tokens_in_batches_are_half_where_batches_are() -> None:
    (found,) = priced(api("one", "0.02", "0.01"), tokens=3.009e9)
    assert (found.usd, found.batch_usd, found.least) == (
        Decimal("60.18"),
        Decimal("30.09"),
        Decimal("30.09"),
    )
    assert found.name == "one m in batches"


def test_api_without_batches_has_no_batch_price() -> None:
    (found,) = priced(api("one", "0.02"), tokens=1e6)
    assert (found.batch_usd, found.least, found.name) == (None, Decimal("0.02"), "one m")


@pytest.mark.parametrize(("hours", "usd"), [(None, "10"), (24.0, "10"), (23.0, "20")])
def test_batches_that_may_come_after_the_deadline_are_not_counted_on(hours: float | None, usd: str) -> None:
    (found,) = priced(api("one", "0.02", "0.01"), deadline_hours=hours)
    assert found.least == Decimal(usd)


def test_same_weights_come_first_then_the_same_class_and_then_the_cheapest() -> None:
    offered = [
        api("cheap", "0.01"),
        api("same", "0.05", open_model=MODEL),
        api("near", "0.06", open_model="Qwen/Qwen3-Embedding-0.6B"),
        api("dear", "0.10"),
    ]
    assert [(a.hosted.provider, a.relation) for a in priced(*offered)] == [
        ("same", "same weights"),
        ("near", "same class"),
        ("cheap", "unknown"),
        ("dear", "unknown"),
    ]


def test_batch_price_ranks_an_api() -> None:
    found = priced(api("list", "0.03"), api("batch", "0.05", "0.02"))
    assert [a.hosted.provider for a in found] == ["batch", "list"]


def test_every_api_of_the_snapshot_has_a_price_for_a_job() -> None:
    found = priced(*hosted_prices())
    assert len(found) == len(hosted_prices())
    assert all(a.usd > 0 for a in found)
    assert any(a.comparable for a in found)  # bge-m3 is sold


# --- whose weights a job has


@pytest.mark.parametrize(
    "model",
    ["BAAI/bge-m3", "baai/BGE-M3", "/models/bge-m3", "~/hub/models--BAAI--bge-m3/snapshots/5617a9f"],
)
def test_weights_are_known_by_their_name(model: str) -> None:
    assert open_model_of(model, SIZE) == MODEL


def test_folder_of_another_size_is_not_the_weights_that_it_is_called_after() -> None:
    assert open_model_of("/models/bge-m3", SIZE // 2) is None
    assert open_model_of("/models/bge-m3", None) is None
    assert open_model_of("/models/ours", SIZE) is None
    assert open_model_of("hash", None) is None


def test_apis_whose_price_is_not_known_are_named() -> None:
    work = HostedWork(model="Qwen/Qwen3-Embedding-8B", parameters=7_567_295_488, tokens=1e9)
    assert missing_prices(work, unknown_prices()) == (
        "these weights hosted by siliconflow, deepinfra: the price is not known",
    )
    assert missing_prices(HostedWork(model="ours", parameters=None, tokens=1e9), unknown_prices()) == ()


# --- what does not fit


def notes(offered: HostedPrice, **changes: Any) -> str:
    (found,) = priced(offered, **changes)
    return "; ".join(found.notes)


SAME = api("one", "0.02", open_model=MODEL, dimensions=768, max_input_tokens=512)


def test_fewer_dimensions_than_the_job_keeps_are_a_note() -> None:
    assert notes(SAME, dimensions=1_024) == "it gives 768 dimensions, the job keeps 1,024"
    assert notes(SAME, dimensions=512) == ""  # shorter ones are cut from the same vectors
    assert "it gives 768 dimensions, the job keeps 512" in notes(
        api("one", "1", dimensions=768), dimensions=512
    )


def test_longer_texts_than_an_api_takes_are_a_note() -> None:
    assert notes(SAME, longest=600.0) == "it takes texts of at most 512 tokens, and some have 600"
    assert notes(SAME, longest=512.0) == ""


def test_rate_limit_that_the_deadline_exceeds_is_a_note() -> None:
    limited = api("one", "0.02", open_model=MODEL, tokens_per_minute=10_000_000)
    assert notes(limited, tokens=25.6e9, deadline_hours=24.0) == (
        "the deadline needs 17.8M tokens a minute, and its rate limit is 10M"
    )
    assert notes(limited, tokens=1e9, deadline_hours=24.0) == ""
    assert notes(SAME, tokens=25.6e9, deadline_hours=24.0).endswith("and its rate limit is not known")
    assert notes(SAME, tokens=25.6e9) == ""


def test_tokens_of_another_tokenizer_are_not_ours() -> None:
    assert "its own tokenizer may count more or fewer" in notes(api("one", "0.02"))
    assert "tokenizer" not in notes(SAME)


def test_price_that_was_not_read_at_the_provider_says_so() -> None:
    told = api("one", "0.02", "0.01", open_model=MODEL, flags=("batch_second_hand", "second_hand"))
    assert (
        notes(told)
        == "its price of batches was not read at the provider; its price was not read at the provider"
    )
    assert "batches" not in notes(told, deadline_hours=5.0)


prices = st.decimals("0.001", "1", places=3).map(str)


@given(st.lists(st.tuples(prices, st.none() | prices, st.booleans()), max_size=6))
def test_no_api_goes_before_a_cheaper_one_of_its_kind(found: list[tuple[str, str | None, bool]]) -> None:
    offered = [
        api(f"p{n}", price, batch, open_model=MODEL if same else None)
        for n, (price, batch, same) in enumerate(found)
    ]
    listed = priced(*offered)
    for kind in (True, False):
        asked = [a.least for a in listed if a.comparable == kind]
        assert asked == sorted(asked)
