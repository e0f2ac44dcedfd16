"""Runs beside one another, and a run beside its bill: as JSON, on a terminal screen, and as Markdown.

A run that is over costs what it cost; one that is not costs what it did until now.
"""

from collections.abc import Mapping
from datetime import datetime
from decimal import Decimal
from typing import Any

from rich.console import Group, RenderableType
from rich.table import Table
from rich.text import Text

from launcher.costs.metering import PARTS
from launcher.costs.run_costs import spend_so_far
from launcher.format import (
    compact,
    count,
    duration,
    money_of_text,
    percent,
    plain,
    rate,
    relative_change,
    utc_time,
)
from launcher.ledger.ledger import Ledger
from launcher.ledger.records import RunState
from launcher.money import amount_text
from launcher.reports.markdown import signed
from launcher.reports.markdown import table as md_table

ALL, COMPARE = "embedfleet/runs/1", "embedfleet/compare/1"
LINES = 40  # of a reconciliation on a screen; --json has all

Json = Mapping[str, Any]


def listing(ledger: Ledger, since: datetime | None, now: datetime) -> dict[str, Any]:
    """Every run since then, the newest first, and their sums. What is not known of one is not known of the sum."""
    rows: list[dict[str, Any]] = []
    total, known, tokens = Decimal(0), True, 0
    for run in ledger.runs.all():
        if since and run.created < since:
            continue
        progress = ledger.shards.progress(run.id)
        spend = spend_so_far(ledger, run.id, run.changed if run.state == RunState.DONE else now)
        usd = spend.usd
        total += spend.known_usd
        known &= usd is not None
        tokens += progress.tokens
        each = usd * 1_000_000 / progress.tokens if usd is not None and progress.tokens else None
        rows.append(
            {
                "run": run.id,
                "state": run.state.value,
                "created": run.created.isoformat(),
                "shards": progress.shards,
                "shards_done": progress.shards_done,
                "tokens": progress.tokens,
                "usd": None if usd is None else amount_text(usd),
                "known_usd": amount_text(spend.known_usd),
                "usd_per_million_tokens": None
                if each is None
                else amount_text(each.quantize(Decimal("1e-12"))),
            }
        )
    return {
        "schema": ALL,
        "at": now.isoformat(),
        "since": since.isoformat() if since else None,
        "runs": rows,
        "usd": amount_text(total) if known else None,
        "known_usd": amount_text(total),
        "tokens": tokens,
    }


def listing_text(body: Json) -> RenderableType:
    table = _table("Run", "state", "began", "shards", "tokens", "dollars", "$ / 1M tokens")
    for cells in _rows(body):
        table.add_row(*cells)
    table.add_row("together", "", "", "", compact(body["tokens"]), _total(body), "", style="bold")
    note = f"since {utc_time(body['since'])}" if body["since"] else ""
    rest = (
        "Machines and what the ledger has of other charges; egress and storage are in each run's own report."
    )
    return Group(table, Text(f"{note}{'; ' if note else ''}{rest}", "dim"))


def listing_md(body: Json) -> str:
    heads = ("Run", "State", "Began", "Shards", "Tokens", "Dollars", "$ / 1M tokens")
    rows = [*_rows(body), ("**together**", "", "", "", compact(body["tokens"]), _total(body), "")]
    return f"# Runs\n\n{md_table(heads, rows)}\n"


def beside(one: Json, other: Json) -> dict[str, Any]:
    """The figures of two reports, and where the difference of their dollars lies."""
    first, second = _figures(one), _figures(other)
    parts: list[dict[str, str]] = []
    for part in (*PARTS, "other"):
        a, b = one["spend"]["known"][part], other["spend"]["known"][part]
        parts.append({"part": part, "one": a, "other": b, "difference": amount_text(Decimal(b) - Decimal(a))})
    return {
        "schema": COMPARE,
        "one": one["run"],
        "other": other["run"],
        "figures": [{"figure": name, "one": first[name], "other": second[name]} for name in first],
        "parts": parts,
        "known": all(r["spend"]["total"] is not None for r in (one, other)),
    }


def beside_text(body: Json) -> RenderableType:
    table = _table("", plain(body["one"]), plain(body["other"]), "difference")
    for row in body["figures"]:
        a, b = row["one"], row["other"]
        far = relative_change(_number(a), _number(b))
        said = (_figure(row["figure"], value) for value in (a, b))
        table.add_row(row["figure"].replace("_", " "), *said, far)
    parts = _table("Dollars by part", plain(body["one"]), plain(body["other"]), "more or less")
    for row in body["parts"]:
        cells = (money_of_text(row["one"]), money_of_text(row["other"]), signed(row["difference"]))
        parts.add_row(row["part"].replace("_", " "), *cells)
    note = (
        []
        if body["known"]
        else [Text("of one of them not all dollars are known: what is known is shown", "yellow")]
    )
    return Group(table, Text(), parts, *note)


def reconcile_text(body: Json) -> RenderableType:
    table = _table("Day", "service", "metered", "billed", "difference")
    for row in body["lines"][:LINES]:
        cells = (
            money_of_text(row["metered_usd"]) if row["metered_usd"] else "-",
            money_of_text(row["billed_usd"]) if row["billed_usd"] else "-",
        )
        table.add_row(row["day"], plain(row["service"]), *cells, signed(row["difference_usd"]))
    sums = (
        money_of_text(body["metered_usd"]),
        money_of_text(body["billed_usd"]),
        signed(body["difference_usd"]),
    )
    table.add_row("together", "", *sums, style="bold")
    said = [
        Text(
            f"{plain(f['file'])}: {f['layout']}, {count(f['rows_of_the_run'])} of {count(f['rows'])} rows are of the run",
            "dim",
        )
        for f in body["files"]
    ]
    off = percent(abs(float(body["difference_usd"])), float(body["billed_usd"]))
    said += [Text(f"metered and billed are {off} of the bill apart", "bold")] if off else []
    if not any(f["rows_of_the_run"] for f in body["files"]):
        said.append(
            Text(
                "no row bears the run's label: is embedfleet-run a cost allocation tag of the account?",
                "yellow",
            )
        )
    said += [Text(f"? {plain(line)}", "yellow") for line in body["unknown"][:8]]
    more = len(body["lines"]) - LINES
    rest = [Text(f"and {more} more in --json", "dim")] if more > 0 else []
    return Group(table, *rest, Text(), *said)


def _figures(report: Json) -> dict[str, Any]:
    work, actual = report["work"], report["actual"]
    return {
        "tokens": work["tokens"],
        "documents": work["documents"],
        "hours": actual["hours"],
        "tokens_per_second": actual["tokens_per_second"],
        "usd": actual["usd"],
        "usd_per_million_tokens": actual["usd_per_million_tokens"],
        "machines": len(report["machines"]),
        "preemptions": len(report["preemptions"]),
        "failed_rows": work["failed_rows"],
    }


def _figure(name: str, value: Any) -> str:
    if name == "hours":
        return duration(value * 3600)
    if name == "tokens_per_second":
        return rate(value)
    return money_of_text(value) if name.startswith("usd") else count(value)


def _rows(body: Json) -> list[tuple[str, ...]]:
    return [
        (
            plain(r["run"]),
            r["state"].lower(),
            utc_time(r["created"])[:10],
            f"{count(r['shards_done'])}/{count(r['shards'])}",
            compact(r["tokens"]),
            money_of_text(r["usd"]) if r["usd"] else f"? ({money_of_text(r['known_usd'])})",
            money_of_text(r["usd_per_million_tokens"]),
        )
        for r in body["runs"]
    ]


def _total(body: Json) -> str:
    return money_of_text(body["usd"]) if body["usd"] else f"? (known: {money_of_text(body['known_usd'])})"


def _number(value: Any) -> float | None:
    return None if value is None else float(value)


def _table(*columns: str) -> Table:
    table = Table(box=None, pad_edge=False, padding=(0, 3, 0, 0), header_style="dim")
    for place, column in enumerate(columns):
        words = place == 0 or column in ("service", "state")
        table.add_column(column, justify="left" if words else "right", no_wrap=not place, overflow="ellipsis")
    return table
