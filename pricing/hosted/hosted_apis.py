"""Prices of hosted embedding APIs per million tokens, the size of their models, and what is known to be missing.

`snapshot/hosted.csv` holds the accepted prices (`hosted_quotes` makes it), `snapshot/hosted_unknown.csv` prices that
exist and could not be read. `open_model` names the open weights that an API serves, if its model name identifies them:
only such APIs give the vectors of a plan. Knows the size of open models, and not the quality of any.
"""

from collections.abc import Mapping
from dataclasses import dataclass
from datetime import date
from decimal import Decimal
from functools import cache
from typing import Literal

from pricing.snapshot_files import optional_date, optional_integer, optional_money
from pricing.snapshot_files import rows as snapshot_rows

MILLION = 1_000_000
# Two models are of one class when their parameters differ by no more than this factor. Nothing better is published for
# most of them: closed models state neither size nor one benchmark that all have run.
CLASS_FACTOR = 1.5

Relation = Literal["same weights", "same class", "smaller", "larger", "unknown"]


@dataclass(frozen=True, slots=True)
class HostedPrice:
    """A validated price of an API. `batch_source` is None where the price of batches comes from `source`, too."""

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
    tokens_per_minute: int | None = None  # the rate limit of a usual account
    batch_as_of: date | None = None
    batch_source: str | None = None


@dataclass(frozen=True, slots=True)
class UnknownPrice:
    """A price that an API has and that could not be read."""

    provider: str
    model: str
    open_model: str | None
    kind: Literal["list", "batch"]
    why: str
    as_of: date


def hosted_prices() -> tuple[HostedPrice, ...]:
    """All API prices of the snapshot, cheapest first."""
    return _snapshot()


def cost(api: HostedPrice, tokens: int, *, batch: bool = False) -> Decimal | None:
    """USD for `tokens`; None if `batch` is asked for and the API has no batch price."""
    price = api.batch_usd_per_million_tokens if batch else api.usd_per_million_tokens
    return None if price is None else price * tokens / MILLION


def relation(api: HostedPrice, model: str, parameters: int | None) -> Relation:
    """How an API's model is related to `model`, a hub id with this number of parameters (None: unknown)."""
    if api.open_model == model:
        return "same weights"
    size = hosted_parameters().get(api.open_model or "")
    if size is None or not parameters:
        return "unknown"
    if size * CLASS_FACTOR < parameters:
        return "smaller"
    return "larger" if size > parameters * CLASS_FACTOR else "same class"


@cache
def hosted_parameters() -> Mapping[str, int]:
    """Parameters of the open models that APIs serve, by hub id."""
    return {row["model"]: int(row["parameters"]) for row in snapshot_rows("hosted_models.csv")}


@cache
def unknown_prices() -> tuple[UnknownPrice, ...]:
    """The prices that are known to be missing, in the order of the file."""
    return tuple(
        UnknownPrice(
            provider=row["provider"],
            model=row["model"],
            open_model=row["open_model"] or None,
            kind="batch" if row["kind"] == "batch" else "list",
            why=row["why"],
            as_of=date.fromisoformat(row["as_of"]),
        )
        for row in snapshot_rows("hosted_unknown.csv")
    )


@cache
def _snapshot() -> tuple[HostedPrice, ...]:
    return tuple(
        HostedPrice(
            provider=row["provider"],
            model=row["model"],
            usd_per_million_tokens=Decimal(row["usd_per_million_tokens"]),
            batch_usd_per_million_tokens=optional_money(row["batch_usd_per_million_tokens"]),
            max_input_tokens=optional_integer(row["max_input_tokens"]),
            dimensions=optional_integer(row["dimensions"]),
            source=row["source"],
            as_of=date.fromisoformat(row["as_of"]),
            open_model=row["open_model"] or None,
            flags=tuple(row["flags"].split()),
            tokens_per_minute=optional_integer(row["tokens_per_minute"]),
            batch_as_of=optional_date(row["batch_as_of"]),
            batch_source=row["batch_source"] or None,
        )
        for row in snapshot_rows("hosted.csv")
    )
