"""The planned figures that a report compares a run with.

None is a figure that the plan does not give, or any figure when there is no readable plan; `missing_figures` lists
them in words.
"""

from dataclasses import dataclass, field
from datetime import date
from decimal import Decimal

from launcher.money import SECONDS_PER_HOUR
from launcher.planning.saved.saved_plan import SavedPlan, UsdQuantiles

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
    """The figures of a plan, those of the steered run where it is steered; all None without one."""
    if plan is None:
        return PlannedFigures()
    corpus, hours = plan.profile, plan.expected_hours
    return PlannedFigures(
        documents=corpus.documents,
        chunks=corpus.chunks,
        tokens=corpus.tokens,
        bytes=corpus.bytes,
        hours=PlannedHours(hours.p10, hours.p50, hours.p90),
        usd=plan.expected_usd,
        tokens_per_second=corpus.tokens / hours.p50 / SECONDS_PER_HOUR
        if corpus.tokens and hours.p50
        else None,
        usd_per_million_tokens=plan.expected_usd_per_million_tokens,
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
