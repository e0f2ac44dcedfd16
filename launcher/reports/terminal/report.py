"""The report of a run on one terminal screen. Knows the report as JSON, not how it was made."""

from collections.abc import Callable, Mapping
from dataclasses import dataclass
from decimal import Decimal
from typing import Any

from rich.console import Group, RenderableType
from rich.table import Table
from rich.text import Text

from launcher.costs.metering import PARTS, Part
from launcher.format import (
    count,
    duration,
    hours_text,
    money,
    money_of_text,
    percent,
    plain,
    plural,
    rate,
    relative_change,
    signed_money,
    size,
    to_decimal,
    utc_time,
)

CAUSES = 5  # of the difference that are named on a screen; the page has all
UNKNOWNS = 12  # sentences that still leave the rest of a screen in sight

PART_NAMES: dict[Part, str] = {
    "useful": "useful work",
    "lost": "lost work",
    "cold_start": "cold start",
    "waiting": "waiting",
    "idle": "idle",
    "teardown": "teardown",
}


@dataclass(frozen=True, slots=True)
class Comparison:
    """A figure of the plan beside the same figure of the run, ready to be read."""

    label: str
    planned: str
    between: str  # the plan's P10 and P90, where it has them
    actual: str
    difference: str


@dataclass(frozen=True, slots=True)
class Share:
    """One part of the run's time, ready to be read."""

    part: Part
    label: str
    seconds: float
    time: str
    share: str
    dollars: str


def compare(report: Mapping[str, Any]) -> list[Comparison]:
    """The plan beside the run, figure by figure."""
    plan, actual, work = report["plan"], report["actual"], report["work"]
    rows = [
        Comparison(label, count(plan[key]), "", count(work[key]), relative_change(plan[key], work[key]))
        for label, key in (("Documents", "documents"), ("Chunks", "chunks"), ("Tokens", "tokens"))
    ]
    usd = {p: to_decimal(amount) for p, amount in plan["usd"].items()}
    rows += [
        _within("Time", plan["hours"], actual["hours"], hours_text),
        _within("Dollars", usd, to_decimal(actual["usd"]), money),
    ]
    speed, million = "tokens_per_second", "usd_per_million_tokens"
    rows.append(
        Comparison(
            "Speed", rate(plan[speed]), "", rate(actual[speed]), relative_change(plan[speed], actual[speed])
        )
    )
    each = (to_decimal(plan[million]), to_decimal(actual[million]))
    rows.append(
        Comparison("Dollars per 1M tokens", money(each[0]), "", money(each[1]), relative_change(*each))
    )
    return rows


def shares(report: Mapping[str, Any]) -> list[Share]:
    """Where the time and the dollars went, part by part."""
    spend = report["spend"]
    seconds = spend["seconds"]
    return [
        Share(
            part,
            PART_NAMES[part],
            seconds[part],
            duration(seconds[part]),
            percent(seconds[part], seconds["total"]),
            money(to_decimal(spend[part])),
        )
        for part in PARTS
    ]


def total_dollars(report: Mapping[str, Any]) -> str:
    """What the run cost. A total that is only known in part says so."""
    spend = report["spend"]
    known = to_decimal(spend["known"]["total"])
    return f"? (known: {money(known)})" if spend["total"] is None and known else money_of_text(spend["total"])


def report_text(report: Mapping[str, Any]) -> RenderableType:
    """The report on one terminal screen."""
    head = Text.assemble(
        (plain(report["name"]), "bold"), f"  {plain(report['run'])}  ", (plain(report["state"]), "cyan")
    )
    when = Text(f"{utc_time(report['created'])} to {utc_time(report['updated'])}", "dim")
    unknowns = [Text(f"? {plain(sentence)}", "yellow") for sentence in report["unknown"][:UNKNOWNS]]
    if (more := len(report["unknown"]) - UNKNOWNS) > 0:
        unknowns.append(Text(f"? and {more} more in --json", "yellow"))
    parts = [head, when, Text(), _plan_table(report), Text(), _spend_table(report)]
    parts += [*_fall(report), *_instead(report), Text(), _work(report)]
    return Group(*parts, *([Text(), Text("Unknown", "bold"), *unknowns] if unknowns else []))


def _plan_table(report: Mapping[str, Any]) -> Table:
    table = _table("Plan and run", "planned", "actual", "difference", "P10 to P90")
    for row in compare(report):
        table.add_row(row.label, row.planned, row.actual, row.difference, row.between)
    return table


def _spend_table(report: Mapping[str, Any]) -> Table:
    table = _table("Machine time", "time", "share", "dollars")
    table.add_column()
    whole = report["spend"]["seconds"]["total"]
    for row in shares(report):
        bar = "\N{BLACK SQUARE}" * round(24 * row.seconds / whole) if whole else ""
        table.add_row(row.label, row.time, row.share, row.dollars, Text(bar, "dim"))
    if report["spend"]["others"]:
        table.add_row("other charges", "", "", money_of_text(report["spend"]["other"]), "")
    table.add_row("total", duration(whole), "", total_dollars(report), "", style="bold")
    return table


def _fall(report: Mapping[str, Any]) -> "list[RenderableType]":
    """Why the dollars are not the plan's, the largest causes first, in one paragraph; and what that taught."""
    found = report["waterfall"]
    if not found or not found["steps"]:
        return []
    ranked = sorted(found["steps"], key=lambda step: -abs(Decimal(step["usd"])))
    said = [f"{signed_money(step['usd'])} {step['cause'].replace('_', ' ')}" for step in ranked[:CAUSES]]
    rest = sum((Decimal(step["usd"]) for step in ranked[CAUSES:]), Decimal(0))
    said += [f"{signed_money(str(rest))} the rest"] if rest else []
    head = f"plan {money_of_text(found['planned'])}, run {money_of_text(found['actual'])}: "
    lines: list[RenderableType] = [Text(), Text.assemble(("Why  ", "bold"), head, ", ".join(said))]
    if plan := report["lessons"]["plan"]:
        off, again = abs(plan["off"]), abs(plan["off_again"])
        lines.append(
            Text(f"The plan was {off:.1%} off; with the speeds measured here it would be {again:.1%}", "dim")
        )
    return lines


def _instead(report: Mapping[str, Any]) -> "list[RenderableType]":
    """The cheapest other way of each kind."""
    best: dict[str, Mapping[str, Any]] = {}
    for one in report["instead"]:
        best.setdefault(one["group"], one)
    if not best:
        return []
    said = [f"{plain(one['name'])} {money_of_text(one['usd'])}" for one in best.values()]
    return [Text(), Text.assemble(("Instead  ", "bold"), "; ".join(said))]


def _work(report: Mapping[str, Any]) -> RenderableType:
    work = report["work"]
    said = [
        f"{count(work['shards_done'])} of {plural(work['shards'], 'shard')}",
        plural(len({m["name"] for m in report["machines"]}), "machine"),
        *([f"{count(len(report['preemptions']))} taken away"] if report["preemptions"] else []),
        f"{plural(len(report['lost']), 'lease')} lost",
        f"{plural(work['tokens_cut'], 'token')} cut",
        f"{size(report['output_bytes'])} written",
    ]
    if work["tokens_repeated"]:
        share = work["tokens_repeated"] / work["tokens"]
        said.append(f"{share:.0%} of the tokens in texts embedded once already")
    failed = (plural(work["failed_rows"], "failed row"), "bold red" if work["failed_rows"] else "")
    return Text.assemble(("Work  ", "bold"), ", ".join(said), ", ", failed)


def _table(title: str, *columns: str) -> Table:
    table = Table(box=None, pad_edge=False, padding=(0, 3, 0, 0), header_style="dim")
    table.add_column(title, header_style="bold", min_width=22)
    for column in columns:
        table.add_column(column, justify="right", no_wrap=True)
    return table


def _within(label: str, spread: Mapping[str, Any], actual: Any, text: Callable[[Any], str]) -> Comparison:
    """A figure whose plan has a P10 and a P90, and on which side of them the run came out."""
    low, middle, high = (spread[p] for p in ("p10", "p50", "p90"))
    between = "" if low is None or high is None else f"{text(low)} to {text(high)}"
    difference = relative_change(middle, actual)
    if actual is not None and high is not None and actual > high:
        difference += ", above P90"
    elif actual is not None and low is not None and actual < low:
        difference += ", below P10"
    return Comparison(label, text(middle), between, text(actual), difference.removeprefix(", "))
