"""Hosted embedding APIs: what they ask per million tokens, and the gate those prices pass.

`snapshot/hosted.csv` is what the gate let through; `snapshot/hosted_rejected.csv` is every other row of the
source, each with its reason. `open_model` names the weights one could run oneself, where the name says which they
are: only those are comparable with a plan of ours. It does not know rate limits, discounts or the quality of a model.
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
# A slip of units is a factor of 1,000. Real prices of one provider differ by up to 13 (Voyage 9, Perplexity 13).
OUTLIER = 20
# Providers of the same weights do differ; by more than this one should look twice.
FAR = 3

FLAGS: dict[str, str] = {
    "as_of_unknown": "the source is undated; as_of is the latest day it can be",
    "dimensions_disputed": "providers of this model disagree about its dimensions, and this one is outvoted",
    "domain": "trained for code, law or finance",
    "far_from_others": f"more than {FAR} times away from the median of the other providers of this model",
    "merged": "several names or regions of this provider are listed at this one price",
    "version_unsaid": "named after open weights, without saying which version of them",
}

# Weights that anyone can run, under their names on the hub.
OPEN = (
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
# Names without a version. Of the models called gte-large only the v1.5 takes 8,192 tokens, as this one does.
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
_PASSING = re.compile(r"preview|experimental|-exp-")
_CLASS = re.compile(r"up-to-|\d+m-to-")  # a price for every model of a size
_DOMAIN = re.compile(r"code|law|finance")
_MAKERS = ("amazon", "cohere", "databricks")


@dataclass(frozen=True, slots=True)
class HostedQuote:
    """One row of a list of API prices, as its source states it: nothing in it has been believed yet."""

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
class Hosted:
    """A price of an API that passed the gate."""

    provider: str
    model: str  # the provider's name for it, without a region
    usd_per_million_tokens: Decimal
    batch_usd_per_million_tokens: Decimal | None
    max_input_tokens: int | None
    dimensions: int | None
    source: str
    as_of: date
    open_model: str | None = None  # the hub id of the same weights
    flags: tuple[str, ...] = ()


@dataclass(frozen=True, slots=True)
class HostedRejected:
    quote: HostedQuote
    reason: str


def hosted() -> tuple[Hosted, ...]:
    """Every API price of the snapshot, cheapest first."""
    return _snapshot()


def same_weights(open_model: str) -> tuple[Hosted, ...]:
    """The APIs that run exactly these weights, cheapest first."""
    return tuple(h for h in hosted() if h.open_model == open_model)


def cost(api: Hosted, tokens: int, *, batch: bool = False) -> Decimal | None:
    """USD for so many tokens; None where there is no batch price to ask for."""
    price = api.batch_usd_per_million_tokens if batch else api.usd_per_million_tokens
    return None if price is None else price * tokens / MILLION


def check_hosted(quotes: Iterable[HostedQuote]) -> tuple[tuple[Hosted, ...], tuple[HostedRejected, ...]]:
    """The prices to trust, cheapest first, and the refusals. Every quote ends in one of the two."""
    rejected: list[HostedRejected] = []
    groups: dict[tuple[str, str], list[HostedQuote]] = defaultdict(list)
    for quote in quotes:
        reason = _alone(quote)
        if reason is not None:
            rejected.append(HostedRejected(quote, reason))
        else:
            groups[_provider(quote), _model(quote)].append(quote)
    kept: list[tuple[Hosted, HostedQuote]] = []
    for (provider, model), same in groups.items():
        one, refused = _merged(provider, model, same)
        kept.extend([(one, same[0])] if one is not None else [])
        rejected.extend(refused)
    believed: list[Hosted] = []
    for one, quote in kept:
        reason = _outlier(one, [k for k, _ in kept if k is not one])
        if reason is None:
            believed.append(one)
        else:
            rejected.append(HostedRejected(quote, reason))
    settled = [_judged(one, [b for b in believed if _bare(b.model) == _bare(one.model)]) for one in believed]
    return tuple(sorted(settled, key=_order)), tuple(rejected)


def _order(api: Hosted) -> tuple[Decimal, str, str]:
    return api.usd_per_million_tokens, api.provider, api.model


def _alone(quote: HostedQuote) -> str | None:
    """What is wrong with a quote, whatever the others say."""
    name = quote.model
    price, batch = quote.usd_per_million_tokens, quote.batch_usd_per_million_tokens
    for pattern, reason in (
        (_NOT_TEXT, "not a model that embeds text alone"),
        (_CLASS, "a price for a class of models, not for a model"),
        (_PASSING, "a preview, which may end or change its price any day"),
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
) -> tuple[Hosted | None, list[HostedRejected]]:
    """One price of the rows of one model, if they agree on it; where they do not, none is believed."""
    first = same[0]
    price = first.usd_per_million_tokens
    assert price is not None
    batches = {q.batch_usd_per_million_tokens for q in same} - {None}
    if len({q.usd_per_million_tokens for q in same}) > 1 or len(batches) > 1:
        said = ", ".join(sorted({str(q.usd_per_million_tokens) for q in same}))
        return None, [HostedRejected(q, f"contradicts: {provider} lists {model} at {said}") for q in same]
    name = _bare(model)
    flags = set(first.flags)
    flags |= {"merged"} if len(same) > 1 else set()
    flags |= {"domain"} if _DOMAIN.search(model) else set()
    flags |= {"version_unsaid"} if name in UNVERSIONED and UNVERSIONED[name] is None else set()
    one = Hosted(
        provider=provider,
        model=model,
        usd_per_million_tokens=price,
        batch_usd_per_million_tokens=next(iter(batches), None),
        max_input_tokens=next((q.max_input_tokens for q in same if q.max_input_tokens is not None), None),
        dimensions=next((q.dimensions for q in same if q.dimensions is not None), None),
        source=first.source,
        as_of=first.as_of,
        open_model=_open().get(name, UNVERSIONED.get(name)),
        flags=tuple(sorted(flags)),
    )
    return one, [HostedRejected(q, f"same price as {first.model}: merged") for q in same[1:]]


def _outlier(one: Hosted, others: Sequence[Hosted]) -> str | None:
    """Why a price cannot be in the unit of its neighbours: the same provider's and the same model's, if it cannot."""
    price = one.usd_per_million_tokens
    near = [o for o in others if o.provider == one.provider or _bare(o.model) == _bare(one.model)]
    middle = median(o.usd_per_million_tokens for o in near) if near else price
    if price > OUTLIER * middle:
        return f"{price} is {price / middle:,.0f} times the median of this provider and model, {middle}"
    if middle > OUTLIER * price:
        return f"{price} is 1/{middle / price:,.0f} of the median of this provider and model, {middle}"
    return None


def _judged(one: Hosted, everyone: Sequence[Hosted]) -> Hosted:
    """The price with flags that follow from what the other providers of the model say."""
    flags = set(one.flags)
    prices = [o.usd_per_million_tokens for o in everyone if o is not one]
    middle = median(prices) if prices else one.usd_per_million_tokens
    if one.usd_per_million_tokens > FAR * middle or middle > FAR * one.usd_per_million_tokens:
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
    """The provider's own name of a model: no provider, no region, one of several aliases."""
    parts = quote.model.removeprefix(f"{_provider(quote)}/").split("/")
    parts = [p for p in parts if p not in _PLACES] or parts
    if parts[:1] == ["accounts"]:
        parts = parts[-1:]
    name = "/".join(parts)
    place, _, rest = name.partition(".")
    if place in _PLACES:
        name = rest
    return _ALIASES.get(name, name)


def _bare(model: str) -> str:
    """The part of a name that providers agree on: no case, no punctuation, no maker."""
    bare = "".join(c for c in model.rpartition("/")[2].casefold() if c.isalnum())
    for maker in _MAKERS:
        bare = bare.removeprefix(maker)
    return bare


@cache
def _open() -> dict[str, str]:
    return {_bare(name): name for name in OPEN}


@cache
def _snapshot() -> tuple[Hosted, ...]:
    text = files("pricing").joinpath("snapshot", "hosted.csv").read_text(encoding="utf-8")
    return tuple(
        Hosted(
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
