"""Quotes of hosted APIs: which are validated, merged or rejected, and what a batch costs."""

import csv
from datetime import date
from decimal import Decimal
from importlib.resources import files

import pytest
from hypothesis import given
from hypothesis import strategies as st

from pricing.hosted.hosted_apis import (
    HostedPrice,
    cost,
    hosted_prices,
    unknown_prices,
)
from pricing.hosted.hosted_quotes import (
    BatchDiscount,
    HostedQuote,
    published_quotes,
    validate_hosted_quotes,
    with_discount,
)
from tests.support.paths import SHARED

FACTS = SHARED / "facts" / "embedding_api_prices.csv"
SEEN = date(2026, 11, 29)
# Prices that litellm changed between 1.109.1, which the list of facts was made from, and 1.110.2.
CHANGED = {"bedrock/us-gov-east-1/amazon.titan-embed-text-v2:0"}


def rows(name: str) -> list[dict[str, str]]:
    text = files("pricing").joinpath("snapshot", name).read_text(encoding="utf-8")
    return list(csv.DictReader(text.splitlines()))


def quote(
    provider: str,
    model: str,
    price: str | None,
    *,
    batch: str | None = None,
    longest: int | None = None,
    dimensions: int | None = None,
) -> HostedQuote:
    return HostedQuote(
        provider=provider,
        model=model,
        usd_per_million_tokens=None if price is None else Decimal(price),
        batch_usd_per_million_tokens=None if batch is None else Decimal(batch),
        max_input_tokens=longest,
        dimensions=dimensions,
        source="a test",
        as_of=SEEN,
    )


def one(provider: str, model: str) -> HostedPrice:
    [found] = [h for h in hosted_prices() if (h.provider, h.model) == (provider, model)]
    return found


def test_snapshot_is_the_validated_published_list() -> None:
    believed, _ = validate_hosted_quotes(published_quotes())
    assert believed == hosted_prices()


def test_rejected_snapshot_is_what_validation_rejects() -> None:
    _, rejected = validate_hosted_quotes(published_quotes())
    kept = [
        (r["provider"], r["model"], r["usd_per_million_tokens"], r["reason"])
        for r in rows("hosted_rejected.csv")
    ]
    assert kept == [
        (r.quote.provider, r.quote.model, str(r.quote.usd_per_million_tokens or ""), r.reason)
        for r in rejected
    ]


def test_every_published_row_is_accepted_or_rejected() -> None:
    everything = published_quotes()
    believed, rejected = validate_hosted_quotes(everything)
    assert len(believed) + len(rejected) == len(everything) == 176


def test_quotes_are_those_of_the_list_of_facts() -> None:
    if not FACTS.exists():
        pytest.skip("the list of API prices that the first snapshot was made from is not here")
    quotes = {q.model: q for q in published_quotes()}
    with FACTS.open(encoding="utf-8", newline="") as file:
        facts = [row for row in csv.DictReader(file) if row["model"] not in CHANGED]
    assert len(facts) == 152
    for row in facts:
        price = Decimal(row["usd_per_million_tokens"]) if row["usd_per_million_tokens"] else None
        assert quotes[row["model"]].usd_per_million_tokens == price, row["model"]


def test_validation_is_idempotent() -> None:
    again = [
        HostedQuote(
            h.provider,
            h.model,
            h.usd_per_million_tokens,
            h.batch_usd_per_million_tokens,
            h.max_input_tokens,
            h.dimensions,
            h.source,
            h.as_of,
            h.flags,
            h.tokens_per_minute,
            h.batch_as_of,
            h.batch_source,
        )
        for h in hosted_prices()
    ]
    assert validate_hosted_quotes(again) == (hosted_prices(), ())


def test_price_a_thousand_times_too_high_is_rejected() -> None:
    [row] = [r for r in rows("hosted_rejected.csv") if r["model"] == "embed-multilingual-light-v3.0"]
    assert row["reason"] == "100 is 1,000 times the median of this provider and model, 0.1"


def test_wrong_price_of_another_provider_rejects_no_right_one() -> None:
    assert one("oci", "cohere.embed-english-v3.0").usd_per_million_tokens == Decimal("0.1")
    assert [h for h in hosted_prices() if h.model == "cohere.embed-multilingual-light-v3.0"]


def test_price_a_thousand_times_too_low_is_rejected() -> None:
    quotes = [
        quote("openai", "large", "0.13"),
        quote("openai", "small", "0.02"),
        quote("openai", "odd", "0.00002"),
    ]
    believed, [refusal] = validate_hosted_quotes(quotes)
    assert [h.model for h in believed] == ["small", "large"]
    assert refusal.quote.model == "odd"
    assert "1/3,750 of the median" in refusal.reason


def test_prices_that_differ_by_less_than_an_error_of_units_are_accepted() -> None:
    believed, rejected = validate_hosted_quotes(
        [quote("voyage", "lite", "0.02"), quote("voyage", "large", "0.18")]
    )
    assert (len(believed), rejected) == (2, ())


@pytest.mark.parametrize(
    ("bad", "reason"),
    [
        (quote("x", "m", None), "no price"),
        (quote("x", "m", "0"), "the price 0 is not above 0"),
        (quote("x", "m", "-0.1"), "the price -0.1 is not above 0"),
        (quote("x", "m", "NaN"), "the price NaN is not above 0"),
        (quote("x", "m", "0.1", batch="0.2"), "the batch price 0.2 is not between 0 and the list price 0.1"),
        (quote("x", "m", "0.1", batch="0"), "the batch price 0 is not between 0 and the list price 0.1"),
        (quote("x", "titan-embed-image-v1", "0.8"), "not a model that embeds text alone"),
        (quote("x", "voyage-multimodal-3", "0.12"), "not a model that embeds text alone"),
        (quote("x", "embed-2-preview", "0.2"), "a preview, which may end or change its price any day"),
        (quote("x", "embedding-up-to-150m", "0.008"), "a price for a class of models, not for a model"),
        (quote("azure", "azure/us-gov/m", "0.16"), "a price for government regions"),
    ],
)
def test_implausible_quote_is_rejected_with_a_reason(bad: HostedQuote, reason: str) -> None:
    believed, [refusal] = validate_hosted_quotes([bad])
    assert believed == ()
    assert refusal.reason == reason


def test_regions_with_one_price_are_merged_and_flagged() -> None:
    quotes = [
        quote("azure", "azure/eu/m", "0.11"),
        quote("azure", "azure/m", "0.11", longest=8191),
        quote("azure", "azure/us/m", "0.11", batch="0.05"),
    ]
    [merged], refused = validate_hosted_quotes(quotes)
    assert (merged.model, merged.max_input_tokens, merged.batch_usd_per_million_tokens) == (
        "m",
        8191,
        Decimal("0.05"),
    )
    assert merged.flags == ("merged",)
    assert [r.reason for r in refused] == ["same price as azure/eu/m: merged"] * 2


def test_regions_with_different_prices_are_rejected() -> None:
    believed, refused = validate_hosted_quotes(
        [quote("azure", "azure/m", "0.11"), quote("azure", "azure/eu/m", "0.12")]
    )
    assert believed == ()
    assert [r.reason for r in refused] == ["contradicts: azure lists m at 0.11, 0.12"] * 2


def test_two_names_of_one_model_are_one_price() -> None:
    api = one("openai", "text-embedding-ada-002")
    assert api.batch_usd_per_million_tokens == Decimal("0.05")
    assert "merged" in api.flags


PRICES = st.decimals("0.001", "1000", places=3)


@given(
    prices=st.lists(st.none() | PRICES, max_size=8),
    batches=st.lists(st.none() | PRICES, min_size=8, max_size=8),
)
def test_every_quote_is_accepted_or_rejected_and_no_batch_costs_more(
    prices: list[Decimal | None], batches: list[Decimal | None]
) -> None:
    quotes = [
        HostedQuote("p", f"m{n % 5}", price, batch, None, None, "a test", SEEN)
        for n, (price, batch) in enumerate(zip(prices, batches, strict=False))
    ]
    believed, rejected = validate_hosted_quotes(quotes)
    assert len(believed) + len(rejected) == len(quotes)
    for api in believed:
        batch = api.batch_usd_per_million_tokens
        assert batch is None or batch <= api.usd_per_million_tokens


# --- batches


def test_voyage_takes_a_third_off_in_batches() -> None:
    api = one("voyage", "voyage-4")
    assert cost(api, 1_000_000, batch=True) == Decimal("0.0402")  # 0.06 less 33 %
    assert (api.batch_source or "").startswith("docs.voyageai.com")
    assert "batch_by_provider" in api.flags


@pytest.mark.parametrize(
    ("provider", "model", "batch"),
    [
        ("mistral", "mistral-embed", "0.05"),
        ("bedrock", "amazon.titan-embed-text-v2:0", "0.01"),
        ("deepinfra", "BAAI/bge-m3", "0.008"),
        ("openai", "text-embedding-3-small", "0.01"),
    ],
)
def test_batches_have_their_price_and_its_source(provider: str, model: str, batch: str) -> None:
    api = one(provider, model)
    assert api.batch_usd_per_million_tokens == Decimal(batch)
    assert api.batch_source if provider != "openai" else api.source


def test_price_of_batches_that_a_quote_states_itself_stands() -> None:
    half = BatchDiscount("p", "*", Decimal("0.5"), SEEN, "a page", ("batch_by_provider",))
    assert with_discount(
        quote("p", "m", "0.10", batch="0.08"), [half]
    ).batch_usd_per_million_tokens == Decimal("0.08")
    assert with_discount(quote("p", "m", "0.10"), [half]).batch_usd_per_million_tokens == Decimal("0.05")
    assert with_discount(quote("q", "m", "0.10"), [half]).batch_usd_per_million_tokens is None
    assert with_discount(quote("p", "m", None), [half]).batch_usd_per_million_tokens is None


def test_price_of_batches_that_nobody_states_is_named_as_unknown() -> None:
    missing = {(u.provider, u.kind) for u in unknown_prices()}
    assert {("cohere", "batch"), ("siliconflow", "list"), ("jina", "list")} <= missing
    known = {(h.provider, h.model) for h in hosted_prices()}
    assert [u for u in unknown_prices() if u.kind == "list" and (u.provider, u.model) in known] == []
    assert all(
        one(u.provider, u.model).batch_usd_per_million_tokens is None
        for u in unknown_prices()
        if u.kind == "batch" and (u.provider, u.model) in known
    )


@pytest.mark.parametrize("provider", ["deepinfra", "openrouter", "cloudflare", "vercel_ai_gateway", "venice"])
def test_provider_beside_the_list_of_litellm_has_a_source(provider: str) -> None:
    found = [h for h in hosted_prices() if h.provider == provider and not h.source.startswith("litellm")]
    assert found


def test_price_of_what_is_not_served_any_more_is_rejected() -> None:
    [row] = [r for r in rows("hosted_rejected.csv") if r["model"] == "nebius/BAAI/bge-en-icl"]
    assert row["reason"].startswith("no longer served: docs.pixeltable.com")
    assert [h.model for h in hosted_prices() if h.provider == "nebius"] == ["Qwen/Qwen3-Embedding-8B"]
