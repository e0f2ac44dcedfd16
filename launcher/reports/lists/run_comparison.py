"""Two runs side by side, and which part of the cost makes the difference of their dollars."""

from collections.abc import Mapping
from dataclasses import dataclass
from decimal import Decimal
from typing import Literal

from launcher.costs.usage.spend import PARTS, Part
from launcher.documents.drift import DriftDocument
from launcher.reports.document import ReportDocument

SCHEMA = "embedfleet/compare/1"


@dataclass(frozen=True, slots=True, kw_only=True)
class ComparedFigure:
    """A figure of both runs; dollars are Decimal."""

    figure: str
    one: int | float | Decimal | None
    other: int | float | Decimal | None


@dataclass(frozen=True, slots=True, kw_only=True)
class ComparedPart:
    """The known dollars of one part in both runs; `difference` is the other's minus the one's."""

    part: str
    one: Decimal
    other: Decimal
    difference: Decimal


@dataclass(frozen=True, slots=True, kw_only=True)
class CompareDocument:
    """What `compare --json` prints. `known` is whether all dollars of both runs are known."""

    schema: str = SCHEMA
    one: str
    other: str
    figures: tuple[ComparedFigure, ...]
    parts: tuple[ComparedPart, ...]
    known: bool
    vectors: DriftDocument | None = None  # of both runs, where they were compared


def compare_runs(
    one: ReportDocument, other: ReportDocument, vectors: DriftDocument | None = None
) -> CompareDocument:
    """The figures of two reports, and the difference of their dollars part by part."""
    first, second = _figures(one), _figures(other)
    return CompareDocument(
        one=one.run,
        other=other.run,
        figures=tuple(ComparedFigure(figure=name, one=first[name], other=second[name]) for name in first),
        parts=tuple(_part(one, other, part) for part in (*PARTS, "other")),
        known=one.spend.total is not None and other.spend.total is not None,
        vectors=vectors,
    )


def _part(one: ReportDocument, other: ReportDocument, part: Part | Literal["other"]) -> ComparedPart:
    before, after = one.spend.known.of(part), other.spend.known.of(part)
    return ComparedPart(part=part, one=before, other=after, difference=after - before)


def _figures(report: ReportDocument) -> Mapping[str, int | float | Decimal | None]:
    work, actual = report.work, report.actual
    return {
        "tokens": work.tokens,
        "documents": work.documents,
        "hours": actual.hours,
        "tokens_per_second": actual.tokens_per_second,
        "usd": actual.usd,
        "usd_per_million_tokens": actual.usd_per_million_tokens,
        "machines": len(report.machines),
        "preemptions": len(report.preemptions),
        "failed_rows": work.failed_rows,
    }
