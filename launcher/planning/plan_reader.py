"""The planned figures that a report compares a run with.

None is a figure that the plan does not give, or any figure when there is no readable plan; `missing_figures` lists
them in words.
"""

from collections.abc import Mapping
from dataclasses import dataclass, field
from datetime import date
from decimal import Decimal, InvalidOperation
from typing import Any, cast

from launcher.money import amount_text
from launcher.planning.saved_plan import SavedPlan, UsdQuantiles
from launcher.throughput.spread import SECONDS_PER_HOUR

FIGURES = {
    "documents": "documents",
    "chunks": "chunks",
    "tokens": "tokens",
    "bytes": "bytes of input",
    "hours": "hours",
    "usd": "dollars",
    "tokens_per_second": "tokens per second",
    "usd_per_million_tokens": "dollars per million tokens",
}

UNKNOWN_USD = UsdQuantiles(None, None, None)


@dataclass(frozen=True, slots=True)
class PlannedHours:
    """P10, P50 and P90 of wall hours."""

    p10: float | None = None
    p50: float | None = None
    p90: float | None = None


@dataclass(frozen=True, slots=True, kw_only=True)
class PlannedFigures:
    """The figures of a plan under the names that a report gives them."""

    documents: int | None = None
    chunks: int | None = None
    tokens: int | None = None
    bytes: int | None = None
    hours: PlannedHours = field(default_factory=PlannedHours)
    usd: UsdQuantiles = UNKNOWN_USD
    tokens_per_second: float | None = None  # of the whole fleet, over the P50 of hours
    usd_per_million_tokens: Decimal | None = None
    prices_as_of: date | None = None
    digest: str | None = None


def planned_figures(plan: SavedPlan | None) -> PlannedFigures:
    """The figures of a plan; all None without one."""
    if plan is None:
        return PlannedFigures()
    corpus, totals = plan.profile, plan.totals
    hours = totals.hours
    return PlannedFigures(
        documents=corpus.documents,
        chunks=corpus.chunks,
        tokens=corpus.tokens,
        bytes=corpus.bytes,
        hours=PlannedHours(hours.p10, hours.p50, hours.p90),
        usd=totals.usd,
        tokens_per_second=corpus.tokens / hours.p50 / SECONDS_PER_HOUR
        if corpus.tokens and hours.p50
        else None,
        usd_per_million_tokens=totals.usd_per_million_tokens,
        prices_as_of=plan.prices_as_of,
        digest=plan.digest,
    )


def missing_figures(figures: PlannedFigures) -> list[str]:
    """A sentence for each figure that the plan does not give."""
    middles = {"hours": figures.hours.p50, "usd": figures.usd.p50}
    return [
        f"planned {words}: the plan does not say"
        for name, words in FIGURES.items()
        if (middles[name] if name in middles else getattr(figures, name)) is None
    ]


def planned(plan: Mapping[str, Any]) -> dict[str, Any]:
    """The plan's figures by the report's names; money is text, as in the report."""
    figures: dict[str, Any] = {
        count: _number(at(plan, "profile", count)) for count in ("documents", "chunks", "tokens", "bytes")
    }
    hours = {p: _number(at(plan, "totals", "hours", p)) for p in ("p10", "p50", "p90")}
    tokens, middle = figures["tokens"], hours["p50"]
    return figures | {
        "hours": hours,
        "usd": {p: _amount(at(plan, "totals", "usd", p)) for p in ("p10", "p50", "p90")},
        "tokens_per_second": tokens / middle / 3600 if tokens and middle else None,
        "usd_per_million_tokens": _amount(at(plan, "totals", "usd_per_million_tokens")),
        "prices_as_of": at(plan, "prices_as_of"),
        "digest": at(plan, "digest"),
    }


def missing(figures: Mapping[str, Any]) -> list[str]:
    """A sentence for every figure that the plan does not give."""
    middles = {key: figures[key]["p50"] if key in {"hours", "usd"} else figures[key] for key in FIGURES}
    return [
        f"planned {words}: the plan does not say" for key, words in FIGURES.items() if middles[key] is None
    ]


def at(plan: Mapping[str, Any], *keys: str) -> Any:
    """What lies under these keys of a plan; None where it does not say."""
    value: Any = plan
    for key in keys:
        value = cast("Mapping[str, Any]", value).get(key) if isinstance(value, Mapping) else None
    return value


def rows(plan: Mapping[str, Any], *keys: str) -> list[Mapping[str, Any]]:
    """A list of a plan; empty where it has none."""
    return list(at(plan, *keys) or [])


def _number(value: Any) -> float | None:
    return value if isinstance(value, int | float) and not isinstance(value, bool) else None


def _amount(value: Any) -> str | None:
    """Money is text in JSON; a plan from elsewhere may have written a number."""
    try:
        amount = Decimal(str(value))
    except InvalidOperation:
        return None
    return amount_text(amount) if amount.is_finite() else None
