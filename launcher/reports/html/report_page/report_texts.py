"""The sections of the report's page on texts and vectors: lengths, failed rows, and what the vectors look like."""

from collections import Counter
from collections.abc import Sequence

from launcher.format import at_least, compact, count, percent, plain, plural
from launcher.reports.document import LengthFigures, ReportDocument, RowFailure, VectorHealth
from launcher.reports.html.elements import Markup, Section, folded, section, shown_of, table, tag
from launcher.reports.html.plan_text import with_detail
from launcher.reports.html.svg.charts import both_widths
from launcher.reports.html.svg.quality_charts import Dot, length_chart, map_chart

SHOWN_FAILURES, OPEN_FAILURES = 100, 8  # rows that a person still reads; more than the second are folded away
SHOWN_REASONS = 20
SHOWN_LETTERS = 300  # of a failed row's file, reason or document; a reason may quote a whole row
LENGTH_TOLERANCE = 0.02  # of a vector's length from 1
ALIKE = 0.9  # mean cosine from which vectors hardly tell texts apart
FEW_CONSTANT = 0.05  # share of dimensions


def lengths_section(report: ReportDocument) -> Section:
    """How long the texts are, with the cut."""
    if report.lengths is None:
        return None
    work = report.work
    whole = work.tokens + work.tokens_cut
    lost = (
        f"{percent(work.tokens_cut, whole)} of the tokens were lost to the cut. " if work.tokens_cut else ""
    )
    return length_figures_section(report.lengths, lost)


def length_figures_section(lengths: LengthFigures, lost: str) -> Section:
    """The histogram of a plan's sample; `lost` is a sentence on what is cut off, or empty."""
    mix, things = (lengths.documents, "documents") if lengths.documents else (lengths.chunks, "chunks")
    if not mix:
        return None
    note = lost + "As sampled for the plan, special tokens included. "
    if lengths.longest is not None and things == "documents":
        chunked = "becomes several chunks" if lengths.chunked else "is cut off"
        note += f"What is beyond {count(lengths.longest)} tokens {chunked}. "
    return section(
        "Length of the texts",
        note.strip(),
        both_widths(
            lambda width: length_chart(mix, things, lengths.longest, lost=not lengths.chunked, width=width)
        ),
    )


def failures_section(report: ReportDocument) -> Section:
    """Rows that could not be embedded: how many for which reason, then each."""
    failed, shown = report.work.failed_rows, report.failures[:SHOWN_FAILURES]
    if not failed and not shown:
        return None
    rows = [(short(f.file), count(f.position), short(f.reason), short(f.document or "")) for f in shown]
    rows_failed = at_least(report.work.cut_short) + plural(failed, "row")
    note = f"{rows_failed} could not be embedded and {'was' if failed == 1 else 'were'} set aside. "
    note += "embedfleet resume --retry-failed tries those again that the engine or a disk failed on."
    each = table("Failed rows", ("File", "Position", "Reason", "Document"), rows, wide={0, 2, 3})
    limit = shown_of(len(rows), failed, "rows")
    content: list[Markup] = [_reasons(report.failures)] if report.failures else []
    if len(rows) > OPEN_FAILURES:
        content.append(folded(limit or f"All {count(len(rows))} rows", each))
    elif rows:
        content += [tag("h3", "Each row"), *([tag("p", limit, class_="note")] if limit else []), each]
    return section("Failed rows", note, *content)


def vectors_section(report: ReportDocument) -> Section:
    """What a sample of the stored vectors looks like, and its map."""
    found = report.vectors
    if found is None:
        return None
    note = f"A sample of {count(found.sampled)} of {compact(found.total)} stored vectors. embedfleet verify checks all."
    content = [table("Vectors", ("", "Found"), _health(found), wide={0})]
    if found.map:
        explained = (
            "" if found.explained is None else f" They hold {percent(found.explained, 1)} of its variance."
        )
        texts = " Hover over a dot to see its document." if any(point.text for point in found.map) else ""
        dots = [Dot(p.x, p.y, _title(p.id, p.chunk, p.text)) for p in found.map]
        content += [
            tag("h3", "Map"),
            tag(
                "p",
                f"{count(len(dots))} vectors in the two directions in which the sample differs most (principal "
                f"components).{explained}{texts}",
                class_="note",
            ),
            both_widths(lambda width: map_chart(dots, width)),
        ]
    return section("The vectors", note, *content)


def short(text: str) -> str:
    """Foreign text, cut to a readable length."""
    return text if len(text) <= SHOWN_LETTERS else f"{text[:SHOWN_LETTERS]}\N{HORIZONTAL ELLIPSIS}"


def _reasons(failures: Sequence[RowFailure]) -> Markup:
    """Rows by reason; a reason's details, behind its first colon, may quote the row."""
    counts: Counter[str] = Counter()
    examples: dict[str, RowFailure] = {}
    for failure in failures:
        kind = failure.reason.partition(":")[0]
        counts[kind] += failure.rows
        examples.setdefault(kind, failure)
    total = counts.total()
    rows = [
        (short(kind), count(n), percent(n, total), _example(examples[kind]))
        for kind, n in counts.most_common(SHOWN_REASONS)
    ]
    return table("Failed rows by reason", ("Reason", "Rows", "Share", "For example"), rows, wide={0, 3})


def _example(failure: RowFailure) -> str:
    document = f" ({plain(failure.document)})" if failure.document else ""
    return short(f"{plain(failure.file)}, position {count(failure.position)}{document}")


def _health(found: VectorHealth) -> list[tuple[object, ...]]:
    lengths = f"{found.length_least:.4g} to {found.length_most:.4g}"
    off = max(abs(found.length_least - 1), abs(found.length_most - 1)) > LENGTH_TOLERANCE
    constant = found.constant_dimensions / found.dimensions if found.dimensions else 0.0
    cosine = found.mean_cosine
    rows = [
        ("Length", lengths, f"1 for all but binary vectors; median {found.length_median:.4g}", off),
        ("NaN or infinite", _of(found.not_finite, found.sampled), "none in a good run", found.not_finite > 0),
        ("Zero vectors", _of(found.zero, found.sampled), "none in a good run", found.zero > 0),
        (
            "Near-constant dimensions",
            _of(found.constant_dimensions, found.dimensions),
            "they vary less than 1 % of the median dimension, and say next to nothing",
            constant > FEW_CONSTANT,
        ),
        (
            "Duplicates",
            _of(found.duplicates, found.sampled),
            "equal to another vector of the sample: equal texts, or texts that are cut to equal ones",
            False,
        ),
        (
            "Mean cosine of two",
            "?" if cosine is None else f"{cosine:.3f}",
            "near 0: texts are told apart; near 1: all vectors are alike",
            cosine is not None and cosine > ALIKE,
        ),
    ]
    return [
        (with_detail(name, words), tag("span", value, class_="bad") if bad else value)
        for name, value, words, bad in rows
    ]


def _of(part: int, whole: int) -> str:
    return f"{count(part)} of {count(whole)}"


def _title(name: str, chunk: int, text: str | None) -> str:
    words = f"{plain(name)}, chunk {chunk}" if chunk else plain(name)
    return words if text is None else f"{words}: {plain(text)}"
