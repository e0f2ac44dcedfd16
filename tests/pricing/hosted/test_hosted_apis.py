"""Prices of hosted APIs: what they cost, whose weights they serve, and how their models are related to others."""

from datetime import date
from decimal import Decimal

from hypothesis import given
from hypothesis import strategies as st

from launcher.throughput.model_shapes import known
from pricing.hosted.hosted_apis import (
    CLASS_FACTOR,
    HostedPrice,
    cost,
    hosted_parameters,
    hosted_prices,
    relation,
)
from pricing.hosted.hosted_quotes import (
    FLAGS,
    OPEN_MODELS,
)

SEEN = date(2026, 11, 29)  # the newest source of the snapshot


def one(provider: str, model: str) -> HostedPrice:
    [found] = [h for h in hosted_prices() if (h.provider, h.model) == (provider, model)]
    return found


def apis_of(open_model: str) -> list[HostedPrice]:
    return [h for h in hosted_prices() if h.open_model == open_model]


def test_cost_is_tokens_times_price_per_million() -> None:
    assert cost(one("openai", "text-embedding-3-small"), 100_000_000) == Decimal(2)


def test_batch_costs_half() -> None:
    assert cost(one("openai", "text-embedding-3-small"), 100_000_000, batch=True) == Decimal(1)


def test_missing_batch_price_is_unknown() -> None:
    assert cost(one("nebius", "Qwen/Qwen3-Embedding-8B"), 1_000_000, batch=True) is None


@given(tokens=st.integers(0, 10**13), more=st.integers(0, 10**13))
def test_cost_is_additive(tokens: int, more: int) -> None:
    api = one("openai", "text-embedding-3-large")
    parts = cost(api, tokens), cost(api, more)
    assert None not in parts
    assert cost(api, tokens + more) == sum(p for p in parts if p is not None)


def test_disputed_dimensions_are_unknown() -> None:
    api = one("azure_ai", "embed-v-4-0")
    assert api.dimensions is None
    assert "dimensions_disputed" in api.flags
    assert one("cohere", "embed-v4.0").dimensions == 1536


def test_price_far_from_others_of_its_model_is_flagged() -> None:
    assert "far_from_others" in one("fireworks_ai", "qwen3-embedding-8b").flags
    assert "far_from_others" not in one("nebius", "Qwen/Qwen3-Embedding-8B").flags


def test_cheapest_api_of_open_weights_comes_first() -> None:
    apis = apis_of("Qwen/Qwen3-Embedding-8B")
    assert len({api.provider for api in apis}) > 1
    assert [api.usd_per_million_tokens for api in apis] == sorted(api.usd_per_million_tokens for api in apis)


def test_weights_without_api_have_none() -> None:
    assert apis_of("Alibaba-NLP/gte-Qwen2-7B-instruct") == []


def test_name_without_version_is_not_an_open_model() -> None:
    api = one("llamagate", "nomic-embed-text")
    assert api.open_model is None
    assert "version_unsaid" in api.flags


def test_name_without_version_is_known_if_only_one_version_fits() -> None:
    api = one("databricks", "databricks-gte-large-en")
    assert (api.open_model, api.max_input_tokens) == ("Alibaba-NLP/gte-large-en-v1.5", 8192)


def test_open_models_are_spelled_as_in_the_model_table() -> None:
    spelt = {m.name.casefold(): m.name for m in known()}
    assert all(spelt.get(name.casefold(), name) == name for name in OPEN_MODELS)
    assert len([name for name in OPEN_MODELS if name in spelt.values()]) >= 10


def test_every_open_model_accepts_the_length_of_its_hub_id() -> None:
    lengths = {m.name: m.max_tokens for m in known()}
    short = [
        (h.provider, h.model)
        for h in hosted_prices()
        if h.open_model in lengths and h.max_input_tokens and h.max_input_tokens < lengths[h.open_model]
    ]
    assert short == []


def test_prices_are_listed_cheapest_first() -> None:
    prices = [h.usd_per_million_tokens for h in hosted_prices()]
    assert prices == sorted(prices)


def test_every_price_is_dated_sourced_and_below_a_dollar() -> None:
    assert all(h.as_of <= SEEN and h.source for h in hosted_prices())
    assert all(h.as_of.year == 2026 for h in hosted_prices() if "as_of_unknown" not in h.flags)
    assert all(0 < h.usd_per_million_tokens < 1 for h in hosted_prices())


def test_every_flag_is_explained() -> None:
    assert {f for h in hosted_prices() for f in h.flags} <= FLAGS.keys()


# --- models of the same class


def test_same_weights_are_found_whatever_a_provider_calls_them() -> None:
    providers = {h.provider for h in apis_of("Qwen/Qwen3-Embedding-8B")}
    assert {"nebius", "openrouter", "venice", "vercel_ai_gateway", "novita", "fireworks_ai"} <= providers


def test_class_is_told_by_parameters() -> None:
    model, size = "Qwen/Qwen3-Embedding-8B", 7_567_295_488
    assert relation(one("nebius", model), model, size) == "same weights"
    assert relation(one("scaleway", "BAAI/bge-multilingual-gemma2"), model, size) == "same class"
    assert relation(one("perplexity", "pplx-embed-v1-0.6b"), model, size) == "smaller"
    assert relation(one("perplexity", "pplx-embed-v1-4b"), model, size) == "smaller"  # 4.0 to 7.6 billion
    assert relation(one("nebius", model), "BAAI/bge-m3", 568_000_000) == "larger"
    assert relation(one("openai", "text-embedding-3-large"), model, size) == "unknown"
    assert relation(one("perplexity", "pplx-embed-v1-0.6b"), model, None) == "unknown"


@given(st.integers(10**6, 10**11))
def test_classes_are_symmetric(size: int) -> None:
    api = one("scaleway", "BAAI/bge-multilingual-gemma2")
    other = hosted_parameters()["BAAI/bge-multilingual-gemma2"]
    near = max(size, other) <= min(size, other) * CLASS_FACTOR
    assert (relation(api, "a/model", size) == "same class") == near


def test_every_open_model_has_its_size_and_it_is_that_of_the_model_table() -> None:
    assert set(hosted_parameters()) == set(OPEN_MODELS)
    table = {m.name: m.params_total for m in known()}
    for name, size in hosted_parameters().items():
        assert name not in table or abs(size / table[name] - 1) < 0.02, name
