"""Quotes of hosted embedding APIs as their sources state them, and the gate that makes believed prices of them.

`snapshot/hosted_quotes.csv` holds every quote with source and date; `snapshot/hosted_batches.csv` the batch discounts
that providers state for many models at once, `snapshot/hosted_retired.csv` what a list still names and is not served.
`python -m scripts.hosted_prices` validates them into `hosted.csv` and
`hosted_rejected.csv`.
"""

import re
from collections import Counter, defaultdict
from collections.abc import Iterable, Sequence
from dataclasses import dataclass, replace
from datetime import date
from decimal import Decimal
from functools import cache
from statistics import median

from pricing.hosted.hosted_apis import HostedPrice
from pricing.snapshot_files import optional_integer, optional_money
from pricing.snapshot_files import rows as snapshot_rows

# An error of units is a factor of 1,000. Real prices of one provider differ by a factor of up to 13 (Voyage 9,
# Perplexity 13).
OUTLIER_FACTOR = 20
# Prices of providers of the same weights differ; beyond this factor they should be checked by a person.
FAR_FACTOR = 3
SUB_CENT = Decimal("0.000001")  # USD per million tokens: to what a discounted price is rounded

FLAGS: dict[str, str] = {
    "as_of_unknown": "the source is undated; as_of is the latest day it can be",
    "batch_by_provider": "the provider states the discount on batches for all its models, not for this one",
    "batch_second_hand": "the price of batches was not read at the provider, but at someone who quotes it",
    "credit_fee": "buying credit there costs a fee on top",
    "dimensions_disputed": "providers of this model disagree about its dimensions, and this one is outvoted",
    "domain": "trained for code, law or finance",
    "far_from_others": f"more than {FAR_FACTOR} times away from the median of the other providers of this model",
    "free_allowance": "a few tokens a day are free, which is not counted here",
    "merged": "several names or regions of this provider are listed at this one price",
    "second_hand": "the price was not read at the provider, but at someone who quotes it",
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
    "BAAI/bge-small-en-v1.5",
    "Qwen/Qwen3-Embedding-0.6B",
    "Qwen/Qwen3-Embedding-4B",
    "Qwen/Qwen3-Embedding-8B",
    "Snowflake/snowflake-arctic-embed-l-v2.0",
    "Snowflake/snowflake-arctic-embed-m-v2.0",
    "WhereIsAI/UAE-Large-V1",
    "intfloat/e5-mistral-7b-instruct",
    "intfloat/multilingual-e5-large",
    "nomic-ai/nomic-embed-text-v1",
    "nomic-ai/nomic-embed-text-v1.5",
    "perplexity-ai/pplx-embed-v1-0.6b",
    "perplexity-ai/pplx-embed-v1-4b",
    "thenlper/gte-base",
    "thenlper/gte-large",
)
# Other names of the same weights, normalized.
_OTHER_NAMES = {"textembeddingbgem3": "BAAI/bge-m3", "textembeddingqwen38b": "Qwen/Qwen3-Embedding-8B"}
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
_NOT_TEXT = re.compile(r"image|multimodal|marengo|flash|vision")
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
    tokens_per_minute: int | None = None
    batch_as_of: date | None = None
    batch_source: str | None = None


@dataclass(frozen=True, slots=True)
class BatchDiscount:
    """What batches cost as a share of the list price: of one model, or of all of a provider ("*")."""

    provider: str
    model: str
    share: Decimal
    as_of: date
    source: str
    flags: tuple[str, ...]


@dataclass(frozen=True, slots=True)
class HostedRejected:
    """A rejected row of a list of API prices, with the reason."""

    quote: HostedQuote
    reason: str


def published_quotes() -> tuple[HostedQuote, ...]:
    """Every quote of the snapshot, with the batch prices that follow from stated discounts."""
    discounts = [
        BatchDiscount(
            provider=row["provider"],
            model=row["model"],
            share=Decimal(row["share_of_price"]),
            as_of=date.fromisoformat(row["as_of"]),
            source=row["source"],
            flags=tuple(row["flags"].split()),
        )
        for row in snapshot_rows("hosted_batches.csv")
    ]
    quotes = (
        HostedQuote(
            provider=row["provider"],
            model=row["model"],
            usd_per_million_tokens=optional_money(row["usd_per_million_tokens"]),
            batch_usd_per_million_tokens=optional_money(row["batch_usd_per_million_tokens"]),
            max_input_tokens=optional_integer(row["max_input_tokens"]),
            dimensions=optional_integer(row["dimensions"]),
            source=row["source"],
            as_of=date.fromisoformat(row["as_of"]),
            flags=tuple(row["flags"].split()),
            tokens_per_minute=optional_integer(row["tokens_per_minute"]),
        )
        for row in snapshot_rows("hosted_quotes.csv")
    )
    return tuple(with_discount(quote, discounts) for quote in quotes)


def with_discount(quote: HostedQuote, discounts: Iterable[BatchDiscount]) -> HostedQuote:
    """The quote with a price of batches, where its provider states a discount and the quote states none itself."""
    price = quote.usd_per_million_tokens
    if price is None or quote.batch_usd_per_million_tokens is not None:
        return quote
    for one in discounts:
        if one.provider == _provider(quote) and one.model in ("*", quote.model):
            batch = (price * one.share).quantize(SUB_CENT).normalize()
            return replace(
                quote,
                batch_usd_per_million_tokens=batch,
                batch_as_of=one.as_of,
                batch_source=one.source,
                flags=tuple(sorted({*quote.flags, *one.flags})),
            )
    return quote


def validate_hosted_quotes(
    quotes: Iterable[HostedQuote],
) -> tuple[tuple[HostedPrice, ...], tuple[HostedRejected, ...]]:
    """Split quotes into accepted prices, cheapest first, and rejections. Every quote ends in one of the two."""
    rejected: list[HostedRejected] = []
    groups: dict[tuple[str, str], list[HostedQuote]] = defaultdict(list)
    for quote in quotes:
        reason = _quote_error(quote) or _retired().get((_provider(quote), _model(quote)))
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
        _with_flags(one, [other for other in accepted if _weights(other) == _weights(one)])
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
    batched = next((q for q in same if q.batch_usd_per_million_tokens is not None), first)
    flags = set(first.flags) | set(batched.flags)
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
        tokens_per_minute=next((q.tokens_per_minute for q in same if q.tokens_per_minute), None),
        batch_as_of=batched.batch_as_of,
        batch_source=batched.batch_source,
    )
    return one, [HostedRejected(q, f"same price as {first.model}: merged") for q in same[1:]]


def _outlier_error(one: HostedPrice, others: Sequence[HostedPrice]) -> str | None:
    """Why a price seems to be in another unit than prices of the same provider or model; None if it does not."""
    price = one.usd_per_million_tokens
    near = [o for o in others if o.provider == one.provider or _weights(o) == _weights(one)]
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


def _weights(api: HostedPrice) -> str:
    """What tells whose weights are served: the open model, else the name."""
    return _normalized(api.open_model or api.model)


@cache
def _open_models() -> dict[str, str]:
    return {_normalized(name): name for name in OPEN_MODELS} | _OTHER_NAMES


@cache
def _retired() -> dict[tuple[str, str], str]:
    """Why a price of a list is not that of something that is sold, by provider and model."""
    return {
        (row["provider"], row["model"]): f"no longer served: {row['why']}"
        for row in snapshot_rows("hosted_retired.csv")
    }
