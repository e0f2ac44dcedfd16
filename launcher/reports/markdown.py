"""The report and the list of runs in Markdown, for an issue or a wiki. Foreign text can only ever become text."""

import re
from collections.abc import Sequence
from decimal import Decimal

from launcher.format import compact, duration, hours_text, money, plain, plural, signed_money
from launcher.reports.document import ReportDocument
from launcher.reports.lists.run_list import RunListDocument, run_cells
from launcher.reports.sections.run_facts import fact_rows
from launcher.reports.summary import (
    compare_figures,
    corpus_facts,
    hosted_words,
    known_in_part,
    part_shares,
    total_dollars,
)

SHOWN_PLACES, SHOWN_COUNTERFACTUALS = 12, 8


def report_md(report: ReportDocument) -> str:
    """The plan next to the run, where the money went, why it differs, and what else the work would have cost."""
    work, actual = report.work, report.actual
    parts = [
        f"# {cell(report.name)}",
        (
            f"Run `{code(report.run)}`, {cell(report.state.lower())}: {plural(work.documents, 'document')}, "
            f"{plural(work.tokens, 'token')} in {hours_text(actual.hours)} for "
            f"**{total_dollars(report)}** ({money(actual.usd_per_million_tokens)} per 1M tokens)."
        ),
        *_facts(report),
        "## Plan and run",
        table(
            ("", "Planned", "Actual", "Difference", "P10 to P90"),
            [(r.label, r.planned, r.actual, r.difference, r.between) for r in compare_figures(report)],
        ),
        "## Where the money went",
        table(
            ("", "Time", "Share", "Dollars"),
            [
                *((s.label, s.time, s.share, s.dollars) for s in part_shares(report)),
                ("other charges", "", "", money(report.spend.other)),
                ("**total**", "", "", f"**{total_dollars(report)}**"),
            ],
        ),
    ]
    return (
        "\n\n".join(
            [
                *parts,
                *_waterfall(report),
                *_instead(report),
                *_places(report),
                *_corpus(report),
                *_unknown(report),
            ]
        )
        + "\n"
    )


def run_list_md(document: RunListDocument) -> str:
    """The list of runs as one table."""
    columns = ("Run", "State", "Began", "Shards", "Tokens", "Dollars", "$ / 1M tokens")
    total = known_in_part(document.usd, document.known_usd)
    rows = [*run_cells(document), ("**together**", "", "", "", compact(document.tokens), total, "")]
    return f"# Runs\n\n{table(columns, rows)}\n"


def table(columns: Sequence[str], rows: Sequence[Sequence[str]]) -> str:
    """A table whose first column is aligned left, and the others right."""
    lines = [columns, [":--"] + ["--:"] * (len(columns) - 1), *([*map(cell, row)] for row in rows)]
    return "\n".join(f"| {' | '.join(line)} |" for line in lines)


def cell(text: object) -> str:
    """Text that is no markup, neither Markdown nor HTML. Text between ** stays bold."""
    given = plain(text)
    bold = given.startswith("**") and given.endswith("**") and len(given) > 4
    inner = given[2:-2] if bold else given
    safe = re.sub(
        r"([\\`*_{}\[\]()#+!|~])",
        r"\\\1",
        inner.replace("&", "&amp;").replace("<", "&lt;").replace(">", "&gt;"),
    )
    return f"**{safe}**" if bold else safe


def code(text: object) -> str:
    """Text that can stand between backticks."""
    return plain(text).replace("`", "'")


def _facts(report: ReportDocument) -> list[str]:
    """What was embedded, how, where the vectors are and how to read them."""
    rows = [
        f"- {one.label}: {f'`{code(one.text)}`' if one.code else cell(one.text)}" for one in fact_rows(report)
    ]
    return ["\n".join(rows)] if rows else []


def _waterfall(report: ReportDocument) -> list[str]:
    found = report.waterfall
    if not found:
        return []
    rows = [("planned", money(found.planned))]
    rows += [(step.words, _difference(step.usd)) for step in found.steps]
    return [
        "## From the plan to the bill",
        table(("", "Dollars"), [*rows, ("**run**", money(found.actual))]),
    ]


def _instead(report: ReportDocument) -> list[str]:
    if not report.instead:
        return []
    rows = [
        (one.name, money(one.usd), _difference(one.usd_saved), one.basis)
        for one in report.instead[:SHOWN_COUNTERFACTUALS]
    ]
    words = hosted_words(report)
    said = (
        [] if words is None else [cell(words.first), *([f"Note: {cell(words.note)}"] if words.note else [])]
    )
    return ["## Instead", *said, table(("", "Dollars", "Saved", "What it rests on"), rows)]


def _places(report: ReportDocument) -> list[str]:
    if len(report.places) < 2:
        return []
    rows = [(p.place, duration(p.seconds.total), money(p.total)) for p in report.places[:SHOWN_PLACES]]
    return ["## Places", table(("", "Machine time", "Dollars"), rows)]


def _corpus(report: ReportDocument) -> list[str]:
    facts = corpus_facts(report)
    return ["## Corpus", "\n".join(f"- {cell(fact)}" for fact in facts)] if facts else []


def _unknown(report: ReportDocument) -> list[str]:
    if not report.unknown:
        return []
    return ["## Not known", "\n".join(f"- {cell(sentence)}" for sentence in report.unknown)]


def _difference(usd: Decimal | None) -> str:
    """A difference with its sign; empty if there is none, `?` if it is unknown."""
    if usd is None:
        return "?"
    return signed_money(usd) if usd else ""
