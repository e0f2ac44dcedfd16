"""Prices of hosted embedding APIs per million tokens, and their validation gate.

`snapshot/hosted.csv` holds the accepted prices; `snapshot/hosted_rejected.csv` holds every other row of the source with
its reason. `open_model` names the open weights that an API serves, if its model name identifies them: only such APIs
are comparable with a plan. Does not know rate limits, discounts or the quality of a model.
"""

import csv
import re
from collections import Counter, defaultdict
from collections.abc import Iterable, Sequence
from dataclasses import dataclass, replace
from datetime import date
from decimal import Decimal
from functools import cache
from importlib.resources import files
from io import StringIO
from statistics import median

MILLION = 1_000_000
# An error of units is a factor of 1,000. Real prices of one provider differ by a factor of up to 13 (Voyage 9,
# Perplexity 13).
OUTLIER_FACTOR = 20
# Prices of providers of the same weights differ; beyond this factor they should be checked by a person.
FAR_FACTOR = 3

FLAGS: dict[str, str] = {
    "as_of_unknown": "the source is undated; as_of is the latest day it can be",
    "dimensions_disputed": "providers of this model disagree about its dimensions, and this one is outvoted",
    "domain": "trained for code, law or finance",
    "far_from_others": f"more than {FAR_FACTOR} times away from the median of the other providers of this model",
    "merged": "several names or regions of this provider are listed at this one price",
    "version_unsaid": "named after open weights, without saying which version of them",
}

# Open weights, by their names on the hub.
OPEN_MODELS = (
    "Alibaba-NLP/gte-large-en-v1.5",
    "BAAI/bge-base-en-v1.5",
    "BAAI/bge-en-icl",
    "BAAI/bge-large-en-v1.5",
    "BAAI/bge-m3",
    "BAAI/bge-multilingual-gemma2",
    "Qwen/Qwen3-Embedding-0.6B",
    "Qwen/Qwen3-Embedding-4B",
    "Qwen/Qwen3-Embedding-8B",
    "Snowflake/snowflake-arctic-embed-l-v2.0",
    "Snowflake/snowflake-arctic-embed-m-v2.0",
    "WhereIsAI/UAE-Large-V1",
    "intfloat/e5-mistral-7b-instruct",
    "nomic-ai/nomic-embed-text-v1",
    "nomic-ai/nomic-embed-text-v1.5",
    "thenlper/gte-base",
    "thenlper/gte-large",
)
# Names without a version. Of the models called gte-large only v1.5 accepts 8,192 tokens, as this API does.
UNVERSIONED: dict[str, str | None] = {
    "gtelargeen": "Alibaba-NLP/gte-large-en-v1.5",
    "bgelargeen": None,
    "nomicembedtext": None,
}

_PROVIDERS = {
    "fireworks_ai-embedding-models": "fireworks_ai",
    "vertex_ai-embedding-models": "vertex_ai",
    "vertex_ai-language-models": "vertex_ai",
}
_ALIASES = {
    "ada": "text-embedding-ada-002",
    "codestral-embed-2505": "codestral-embed",
    "mistral-embed-2312": "mistral-embed",
    "text-embedding-ada-002-v2": "text-embedding-ada-002",
}
_PLACES = frozenset({"eu", "us", "global"})
_GOVERNMENT = re.compile(r"(^|/)us-gov")
_NOT_TEXT = re.compile(r"image|multimodal|marengo|flash")
_PREVIEW = re.compile(r"preview|experimental|-exp-")
_SIZE_CLASS = re.compile(r"up-to-|\d+m-to-")  # one price for all models of a size
_DOMAIN = re.compile(r"code|law|finance")
_MAKERS = ("amazon", "cohere", "databricks")


@dataclass(frozen=True, slots=True)
class HostedQuote:
    """One row of a list of API prices as its source states it, not yet validated."""

    provider: str
    model: str
    usd_per_million_tokens: Decimal | None
    batch_usd_per_million_tokens: Decimal | None
    max_input_tokens: int | None
    dimensions: int | None
    source: str
    as_of: date
    flags: tuple[str, ...] = ()


@dataclass(frozen=True, slots=True)
class HostedPrice:
    """A validated price of an API."""

    provider: str
    model: str  # the provider's name of the model, without a region
    usd_per_million_tokens: Decimal
    batch_usd_per_million_tokens: Decimal | None
    max_input_tokens: int | None
    dimensions: int | None
    source: str
    as_of: date
    open_model: str | None = None  # hub id of the same weights; None if unknown or not open
    flags: tuple[str, ...] = ()


@dataclass(frozen=True, slots=True)
class HostedRejected:
    """A rejected row of a list of API prices, with the reason."""

    quote: HostedQuote
    reason: str


def hosted_prices() -> tuple[HostedPrice, ...]:
    """All API prices of the snapshot, cheapest first."""
    return _snapshot()


def same_weights(open_model: str) -> tuple[HostedPrice, ...]:
    """The APIs that serve exactly these weights, cheapest first."""
    return tuple(h for h in hosted_prices() if h.open_model == open_model)


def cost(api: HostedPrice, tokens: int, *, batch: bool = False) -> Decimal | None:
    """USD for `tokens`; None if `batch` is asked for and the API has no batch price."""
    price = api.batch_usd_per_million_tokens if batch else api.usd_per_million_tokens
    return None if price is None else price * tokens / MILLION


def validate_hosted_quotes(
    quotes: Iterable[HostedQuote],
) -> tuple[tuple[HostedPrice, ...], tuple[HostedRejected, ...]]:
    """Split quotes into accepted prices, cheapest first, and rejections. Every quote ends in one of the two."""
    rejected: list[HostedRejected] = []
    groups: dict[tuple[str, str], list[HostedQuote]] = defaultdict(list)
    for quote in quotes:
        reason = _quote_error(quote)
        if reason is not None:
            rejected.append(HostedRejected(quote, reason))
        else:
            groups[_provider(quote), _model(quote)].append(quote)
    kept: list[tuple[HostedPrice, HostedQuote]] = []
    for (provider, model), same in groups.items():
        one, refused = _merged(provider, model, same)
        kept.extend([(one, same[0])] if one is not None else [])
        rejected.extend(refused)
    accepted: list[HostedPrice] = []
    for one, quote in kept:
        reason = _outlier_error(one, [k for k, _ in kept if k is not one])
        if reason is None:
            accepted.append(one)
        else:
            rejected.append(HostedRejected(quote, reason))
    flagged = [
        _with_flags(one, [other for other in accepted if _normalized(other.model) == _normalized(one.model)])
        for one in accepted
    ]
    return tuple(sorted(flagged, key=_sort_key)), tuple(rejected)


def _sort_key(api: HostedPrice) -> tuple[Decimal, str, str]:
    return api.usd_per_million_tokens, api.provider, api.model


def _quote_error(quote: HostedQuote) -> str | None:
    """Why a quote is rejected by itself, without comparison with others; None if it is not."""
    name = quote.model
    price, batch = quote.usd_per_million_tokens, quote.batch_usd_per_million_tokens
    for pattern, reason in (
        (_NOT_TEXT, "not a model that embeds text alone"),
        (_SIZE_CLASS, "a price for a class of models, not for a model"),
        (_PREVIEW, "a preview, which may end or change its price any day"),
        (_GOVERNMENT, "a price for government regions"),
    ):
        if pattern.search(name):
            return reason
    if price is None:
        return "no price"
    if not price.is_finite() or price <= 0:
        return f"the price {price} is not above 0"
    if batch is not None and not (batch.is_finite() and 0 < batch <= price):
        return f"the batch price {batch} is not between 0 and the list price {price}"
    return None


def _merged(
    provider: str, model: str, same: Sequence[HostedQuote]
) -> tuple[HostedPrice | None, list[HostedRejected]]:
    """Merge the rows of one model to one price; if their prices differ, reject them all."""
    first = same[0]
    price = first.usd_per_million_tokens
    assert price is not None
    batches = {q.batch_usd_per_million_tokens for q in same} - {None}
    if len({q.usd_per_million_tokens for q in same}) > 1 or len(batches) > 1:
        said = ", ".join(sorted({str(q.usd_per_million_tokens) for q in same}))
        return None, [HostedRejected(q, f"contradicts: {provider} lists {model} at {said}") for q in same]
    name = _normalized(model)
    flags = set(first.flags)
    flags |= {"merged"} if len(same) > 1 else set()
    flags |= {"domain"} if _DOMAIN.search(model) else set()
    flags |= {"version_unsaid"} if name in UNVERSIONED and UNVERSIONED[name] is None else set()
    one = HostedPrice(
        provider=provider,
        model=model,
        usd_per_million_tokens=price,
        batch_usd_per_million_tokens=next(iter(batches), None),
        max_input_tokens=next((q.max_input_tokens for q in same if q.max_input_tokens is not None), None),
        dimensions=next((q.dimensions for q in same if q.dimensions is not None), None),
        source=first.source,
        as_of=first.as_of,
        open_model=_open_models().get(name, UNVERSIONED.get(name)),
        flags=tuple(sorted(flags)),
    )
    return one, [HostedRejected(q, f"same price as {first.model}: merged") for q in same[1:]]


def _outlier_error(one: HostedPrice, others: Sequence[HostedPrice]) -> str | None:
    """Why a price seems to be in another unit than prices of the same provider or model; None if it does not."""
    price = one.usd_per_million_tokens
    near = [o for o in others if o.provider == one.provider or _normalized(o.model) == _normalized(one.model)]
    middle = median(o.usd_per_million_tokens for o in near) if near else price
    if price > OUTLIER_FACTOR * middle:
        return f"{price} is {price / middle:,.0f} times the median of this provider and model, {middle}"
    if middle > OUTLIER_FACTOR * price:
        return f"{price} is 1/{middle / price:,.0f} of the median of this provider and model, {middle}"
    return None


def _with_flags(one: HostedPrice, everyone: Sequence[HostedPrice]) -> HostedPrice:
    """Set the flags that depend on the other providers of the model."""
    flags = set(one.flags)
    prices = [o.usd_per_million_tokens for o in everyone if o is not one]
    middle = median(prices) if prices else one.usd_per_million_tokens
    if one.usd_per_million_tokens > FAR_FACTOR * middle or middle > FAR_FACTOR * one.usd_per_million_tokens:
        flags.add("far_from_others")
    votes = Counter(o.dimensions for o in everyone if o.dimensions is not None).most_common()
    dimensions = one.dimensions
    if dimensions is not None and dimensions != votes[0][0] and votes[0][1] > 1:
        dimensions = None
        flags.add("dimensions_disputed")
    return replace(one, dimensions=dimensions, flags=tuple(sorted(flags)))


def _provider(quote: HostedQuote) -> str:
    return _PROVIDERS.get(quote.provider, quote.provider)


def _model(quote: HostedQuote) -> str:
    """The provider's name of a model, without provider and region; aliases become one name."""
    parts = quote.model.removeprefix(f"{_provider(quote)}/").split("/")
    parts = [p for p in parts if p not in _PLACES] or parts
    if parts[:1] == ["accounts"]:
        parts = parts[-1:]
    name = "/".join(parts)
    place, _, rest = name.partition(".")
    if place in _PLACES:
        name = rest
    return _ALIASES.get(name, name)


def _normalized(model: str) -> str:
    """The name without case, punctuation and vendor, which providers write differently."""
    bare = "".join(c for c in model.rpartition("/")[2].casefold() if c.isalnum())
    for maker in _MAKERS:
        bare = bare.removeprefix(maker)
    return bare


@cache
def _open_models() -> dict[str, str]:
    return {_normalized(name): name for name in OPEN_MODELS}


@cache
def _snapshot() -> tuple[HostedPrice, ...]:
    text = files("pricing").joinpath("snapshot", "hosted.csv").read_text(encoding="utf-8")
    return tuple(
        HostedPrice(
            provider=row["provider"],
            model=row["model"],
            usd_per_million_tokens=Decimal(row["usd_per_million_tokens"]),
            batch_usd_per_million_tokens=_money(row["batch_usd_per_million_tokens"]),
            max_input_tokens=_integer(row["max_input_tokens"]),
            dimensions=_integer(row["dimensions"]),
            source=row["source"],
            as_of=date.fromisoformat(row["as_of"]),
            open_model=row["open_model"] or None,
            flags=tuple(row["flags"].split()),
        )
        for row in csv.DictReader(StringIO(text))
    )


def _money(text: str) -> Decimal | None:
    return Decimal(text) if text else None


def _integer(text: str) -> int | None:
    return int(float(text)) if text else None
