"""Two runs side by side on a terminal screen."""

from collections.abc import Callable
from typing import Any

from rich.console import Group, RenderableType
from rich.text import Text

from launcher.documents.drift import DriftDocument
from launcher.format import count, hours_text, money, plain, plural, rate, relative_change, signed_money
from launcher.reports.lists.run_comparison import CompareDocument
from launcher.reports.terminal.tables import figures_table

FIGURE_TEXTS: dict[str, Callable[[Any], str]] = {
    "hours": hours_text,
    "tokens_per_second": rate,
    "usd": money,
    "usd_per_million_tokens": money,
}


def compare_text(document: CompareDocument) -> RenderableType:
    """The figures of two runs, and the difference of their dollars part by part."""
    one, other = plain(document.one), plain(document.other)
    table = figures_table("", one, other, "difference")
    for row in document.figures:
        text = FIGURE_TEXTS.get(row.figure, count)
        cells = (text(row.one), text(row.other), relative_change(row.one, row.other))
        table.add_row(_words(row.figure), *cells)
    parts = figures_table("Dollars by part", one, other, "more or less")
    usd = next(row for row in document.figures if row.figure == "usd")
    # Of a run whose dollars are not all known, a part of which none are known is no part that cost nothing.
    known_one, known_other = (total is not None for total in (usd.one, usd.other))
    for row in document.parts:
        difference = signed_money(row.difference) if row.difference and known_one and known_other else ""
        cells = (
            money(row.one if row.one or known_one else None),
            money(row.other if row.other or known_other else None),
        )
        parts.add_row(_words(row.part), *cells, difference)
    note = Text("of one of them not all dollars are known: what is known is shown", "yellow")
    vectors = [] if document.vectors is None else [Text(), *_vectors(document.vectors)]
    return Group(table, Text(), parts, *([] if document.known else [note]), *vectors)


VERDICTS = {
    "same": ("the same vectors", "green"),
    "rounding": ("the same vectors but for rounding", "green"),
    "different": ("other vectors: do not search them together", "bold red"),
    "other texts": (
        "of none of them the model read the same text: this says nothing of the vectors",
        "yellow",
    ),
    "other dimensions": ("vectors of other dimensions: do not search them together", "bold red"),
}


def _vectors(drift: DriftDocument) -> list[Text]:
    text, style = VERDICTS[drift.verdict]
    lines = [Text(f"Vectors, by {plural(drift.anchors, 'row')} of both: {text}", style)]
    if drift.least_cosine is not None and drift.below is not None:
        lines.append(
            Text(
                f"cosine at least {drift.least_cosine:.5f}, median {drift.median_cosine:.5f}, "
                f"{100 * drift.below:.1f} % below 0.999; centroid moved by {drift.centroid_shift:.5f}"
            )
        )
    lines.append(Text(f"of the 10 nearest rows of each, {100 * drift.rank_overlap:.1f} % are the same"))
    if drift.other_tokens and drift.verdict != "other texts":
        rows = plural(drift.other_tokens, "row")
        lines.append(
            Text(f"of {rows} of both the model read other tokens: another text, cut, prompt or tokenizer")
        )
    if drift.same_model is False:
        lines.append(Text("the fingerprints of their models differ", "yellow"))
    return lines


def _words(name: str) -> str:
    return name.replace("_", " ")
