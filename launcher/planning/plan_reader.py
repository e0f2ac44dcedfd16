"""The figures of a plan.json that a run can be held against.

Knows the keys that docs/architecture.md#saved-documents promises to tools, and nothing of how a plan is made. What the
plan does not say is None here, and `missing` puts it into words.
"""

from collections.abc import Mapping
from decimal import Decimal, InvalidOperation
from typing import Any, cast

from launcher.money import written

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
    return written(amount) if amount.is_finite() else None
