"""The report in Markdown, for an issue or a wiki. Knows the report's JSON; text of others can only ever be text."""

import re
from collections.abc import Mapping, Sequence
from decimal import Decimal
from typing import Any

from launcher.format import count, duration, money, money_of_text, plain
from launcher.reports.terminal.report import compare, shares, total_dollars

Json = Mapping[str, Any]
PLACES, OTHERS = 12, 8


def report_md(report: Json) -> str:
    """What matters of a report: plan beside actual, where the money went, why it differs, what else there was."""
    work = report["work"]
    parts = [
        f"# {cell(report['name'])}",
        (
            f"Run `{code(report['run'])}`, {cell(report['state'].lower())}: {count(work['documents'])} documents, "
            f"{count(work['tokens'])} tokens in {duration(report['actual']['hours'] * 3600)} for "
            f"**{total_dollars(report)}** ({money_of_text(report['actual']['usd_per_million_tokens'])} per 1M tokens)."
        ),
        "## Plan and run",
        table(
            ("", "Planned", "Actual", "Difference", "P10 to P90"),
            [(r.label, r.planned, r.actual, r.difference, r.between) for r in compare(report)],
        ),
        "## Where the money went",
        table(
            ("", "Time", "Share", "Dollars"),
            [
                *((s.label, s.time, s.share, s.dollars) for s in shares(report)),
                ("other charges", "", "", money_of_text(report["spend"]["other"])),
                ("**total**", "", "", f"**{total_dollars(report)}**"),
            ],
        ),
    ]
    if fall := report["waterfall"]:
        rows = [("planned", money_of_text(fall["planned"]))]
        rows += [(step["words"], signed(step["usd"])) for step in fall["steps"]]
        parts += [
            "## From the plan to the bill",
            table(("", "Dollars"), [*rows, ("**run**", money_of_text(fall["actual"]))]),
        ]
    if report["instead"]:
        rows = [
            (i["name"], money_of_text(i["usd"]), signed(i["usd_saved"]), i["basis"])
            for i in report["instead"][:OTHERS]
        ]
        parts += ["## Instead", table(("", "Dollars", "Saved", "What it rests on"), rows)]
    if len(report["places"]) > 1:
        rows = [
            (p["place"], duration(p["seconds"]["total"]), money_of_text(p["total"]))
            for p in report["places"][:PLACES]
        ]
        parts += ["## Places", table(("", "Machine time", "Dollars"), rows)]
    if report["unknown"]:
        parts += ["## Not known", "\n".join(f"- {cell(said)}" for said in report["unknown"])]
    return "\n\n".join(parts) + "\n"


def table(columns: Sequence[str], rows: Sequence[Sequence[str]]) -> str:
    """The first column stands left, figures right."""
    lines = [columns, [":--"] + ["--:"] * (len(columns) - 1), *([*map(cell, row)] for row in rows)]
    return "\n".join(f"| {' | '.join(line)} |" for line in lines)


def cell(text: object) -> str:
    """Text that is no markup, neither Markdown's nor HTML's; our own ** stays."""
    said = plain(text)
    bold = said.startswith("**") and said.endswith("**") and len(said) > 4
    inner = said[2:-2] if bold else said
    safe = re.sub(
        r"([\\`*_{}\[\]()#+!|~])",
        r"\\\1",
        inner.replace("&", "&amp;").replace("<", "&lt;").replace(">", "&gt;"),
    )
    return f"**{safe}**" if bold else safe


def code(text: object) -> str:
    return plain(text).replace("`", "'")


def signed(text: str | None) -> str:
    if text is None:
        return "?"
    usd = Decimal(text)
    return "" if not usd else f"{'+' if usd > 0 else ''}{money(usd)}"
