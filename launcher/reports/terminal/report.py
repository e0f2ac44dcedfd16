"""Figures in the words and digits that people read, and the report on one terminal screen.

Money is rounded here and nowhere else. Knows the report as JSON, not how it was made; rich is imported when
something is shown, for `--help` must not wait for it.
"""

from collections.abc import Callable, Mapping
from dataclasses import dataclass
from datetime import datetime
from decimal import ROUND_HALF_EVEN, Decimal
from math import floor, log10
from typing import TYPE_CHECKING, Any

from launcher.costs.metering import PARTS, Part

if TYPE_CHECKING:
    from rich.console import RenderableType
    from rich.table import Table

CENT, SMALL = Decimal("0.01"), Decimal("0.0001")
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


def money(amount: Decimal | None) -> str:
    """`?` when unknown, cents from a dollar on, four decimals below, and never zero for something."""
    if amount is None:
        return "?"
    sign, size = "-" if amount < 0 else "", abs(amount)
    if size >= 1 or not size:
        return f"{sign}${size.quantize(CENT, ROUND_HALF_EVEN):,f}"
    if size < SMALL:
        return f"{sign}${size.quantize(Decimal((0, (1,), size.adjusted() - 1)), ROUND_HALF_EVEN):f}"
    digits = f"{size.quantize(SMALL, ROUND_HALF_EVEN):f}"
    return f"{sign}${digits.removesuffix('00')}"


def count(n: float | None) -> str:
    """A whole number with its thousands apart."""
    return "?" if n is None else f"{round(n):,}"


def several(n: int, word: str) -> str:
    """A number of things: `1 machine`, `12 machines`."""
    return f"{count(n)} {word}{'s' * (n != 1)}"


def brief(n: float) -> str:
    """A number in little room: `950`, `12k`, `3.2M`."""
    for power, letter in ((1e9, "B"), (1e6, "M"), (1e3, "k")):
        if abs(n) >= 0.9995 * power:
            return f"{n / power:.{0 if abs(n) >= 99.95 * power else 1}f}{letter}".replace(".0", "")
    return f"{n:,.{0 if abs(n) >= 9.95 else 1}f}".removesuffix(".0")


def level(usd: float) -> str:
    """Dollars in the room of a tick, to three digits: `$1.5k`, `$20`, `$0.625`, `$0.0015`."""
    return f"${brief(usd)}" if usd >= 1000 else f"${Decimal(f'{usd:.3g}'):f}"


def rate(tokens_per_second: float | None) -> str:
    """Tokens per second, in whole tokens from ten on."""
    if tokens_per_second is None:
        return "?"
    return f"{tokens_per_second:,.{0 if tokens_per_second >= 10 else 1}f} tok/s"


def duration(seconds: float | None) -> str:
    """The two largest units that say something: `2 h 14 min`, `3 min 5 s`, `0.4 s`."""
    if seconds is None:
        return "?"
    if seconds < 0:
        return f"-{duration(-seconds)}"
    if seconds < 9.95:
        return f"{seconds:.{1 if seconds >= 0.095 else 2}f} s" if seconds else "0 s"
    if round(seconds) < 3600:
        minutes, rest = divmod(round(seconds), 60)
        return _two(minutes, "min", rest, "s")
    minutes = round(seconds / 60)
    if minutes < 2880:
        return _two(*_hours(minutes))
    return _two(round(minutes / 60) // 24, "d", round(minutes / 60) % 24, "h")


def size(amount: float | None) -> str:
    """Bytes in decimal units, as clouds charge for them."""
    if amount is None:
        return "?"
    if amount < 1000:
        return f"{amount:.0f} B"
    power = min(5, floor(log10(amount) / 3))
    if round(amount / 1000**power, 1) >= 1000 and power < 5:
        power += 1
    return f"{amount / 1000**power:.1f} {'kMGTP'[power - 1]}B"


def clock(moment: str) -> str:
    """A moment of the JSON, to the second and in UTC."""
    return f"{datetime.fromisoformat(moment):%Y-%m-%d %H:%M:%S} UTC"


def plain(text: object) -> str:
    """Text from a corpus or a cloud, without what could move a cursor, turn a line or break an encoding."""
    return "".join(c if c.isprintable() else "\N{REPLACEMENT CHARACTER}" for c in str(text))


def compare(report: Mapping[str, Any]) -> list[Comparison]:
    """The plan beside the run, figure by figure."""
    plan, actual, work = report["plan"], report["actual"], report["work"]
    rows = [
        Comparison(label, count(plan[key]), "", count(work[key]), change(plan[key], work[key]))
        for label, key in (("Documents", "documents"), ("Chunks", "chunks"), ("Tokens", "tokens"))
    ]
    usd = {p: _decimal(amount) for p, amount in plan["usd"].items()}
    rows += [
        _within("Time", plan["hours"], actual["hours"], _hours_text),
        _within("Dollars", usd, _decimal(actual["usd"]), money),
    ]
    speed, million = "tokens_per_second", "usd_per_million_tokens"
    rows.append(
        Comparison("Speed", rate(plan[speed]), "", rate(actual[speed]), change(plan[speed], actual[speed]))
    )
    each = (_decimal(plan[million]), _decimal(actual[million]))
    rows.append(Comparison("Dollars per 1M tokens", money(each[0]), "", money(each[1]), change(*each)))
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
            money(_decimal(spend[part])),
        )
        for part in PARTS
    ]


def percent(part: float, whole: float) -> str:
    return f"{100 * part / whole:.1f} %" if whole else ""


def dollars_of(text: str | None) -> str:
    """An amount of the JSON, as people read it."""
    return money(_decimal(text))


def total_dollars(report: Mapping[str, Any]) -> str:
    """What the run cost. A total that is only known in part says so."""
    spend = report["spend"]
    known = _decimal(spend["known"]["total"])
    return f"? (known: {money(known)})" if spend["total"] is None and known else dollars_of(spend["total"])


def report_text(report: Mapping[str, Any]) -> "RenderableType":
    """The report on one terminal screen."""
    from rich.console import Group  # noqa: PLC0415 - see above
    from rich.text import Text  # noqa: PLC0415

    head = Text.assemble(
        (plain(report["name"]), "bold"), f"  {plain(report['run'])}  ", (plain(report["state"]), "cyan")
    )
    when = Text(f"{clock(report['created'])} to {clock(report['updated'])}", "dim")
    unknowns = [Text(f"? {plain(sentence)}", "yellow") for sentence in report["unknown"][:UNKNOWNS]]
    if (more := len(report["unknown"]) - UNKNOWNS) > 0:
        unknowns.append(Text(f"? and {more} more in --json", "yellow"))
    parts = [head, when, Text(), _plan_table(report), Text(), _spend_table(report)]
    parts += [*_fall(report), *_instead(report), Text(), _work(report)]
    return Group(*parts, *([Text(), Text("Unknown", "bold"), *unknowns] if unknowns else []))


def _plan_table(report: Mapping[str, Any]) -> "Table":
    table = _table("Plan and run", "planned", "actual", "difference", "P10 to P90")
    for row in compare(report):
        table.add_row(row.label, row.planned, row.actual, row.difference, row.between)
    return table


def _spend_table(report: Mapping[str, Any]) -> "Table":
    from rich.text import Text  # noqa: PLC0415

    table = _table("Machine time", "time", "share", "dollars")
    table.add_column()
    whole = report["spend"]["seconds"]["total"]
    for row in shares(report):
        bar = "\N{BLACK SQUARE}" * round(24 * row.seconds / whole) if whole else ""
        table.add_row(row.label, row.time, row.share, row.dollars, Text(bar, "dim"))
    if report["spend"]["others"]:
        table.add_row("other charges", "", "", dollars_of(report["spend"]["other"]), "")
    table.add_row("total", duration(whole), "", total_dollars(report), "", style="bold")
    return table


def _fall(report: Mapping[str, Any]) -> "list[RenderableType]":
    """Why the dollars are not the plan's, the largest causes first, in one paragraph; and what that taught."""
    from rich.text import Text  # noqa: PLC0415

    found = report["waterfall"]
    if not found or not found["steps"]:
        return []
    ranked = sorted(found["steps"], key=lambda step: -abs(Decimal(step["usd"])))
    said = [f"{signed(step['usd'])} {step['cause'].replace('_', ' ')}" for step in ranked[:CAUSES]]
    rest = sum((Decimal(step["usd"]) for step in ranked[CAUSES:]), Decimal(0))
    said += [f"{signed(str(rest))} the rest"] if rest else []
    head = f"plan {dollars_of(found['planned'])}, run {dollars_of(found['actual'])}: "
    lines: list[RenderableType] = [Text(), Text.assemble(("Why  ", "bold"), head, ", ".join(said))]
    if plan := report["lessons"]["plan"]:
        off, again = abs(plan["off"]), abs(plan["off_again"])
        lines.append(
            Text(f"The plan was {off:.1%} off; with the speeds measured here it would be {again:.1%}", "dim")
        )
    return lines


def _instead(report: Mapping[str, Any]) -> "list[RenderableType]":
    """The cheapest other way of each kind."""
    from rich.text import Text  # noqa: PLC0415

    best: dict[str, Mapping[str, Any]] = {}
    for one in report["instead"]:
        best.setdefault(one["group"], one)
    if not best:
        return []
    said = [f"{plain(one['name'])} {dollars_of(one['usd'])}" for one in best.values()]
    return [Text(), Text.assemble(("Instead  ", "bold"), "; ".join(said))]


def signed(text: str) -> str:
    """A difference with its sign."""
    usd = Decimal(text)
    return f"{'+' if usd > 0 else ''}{money(usd)}"


def _work(report: Mapping[str, Any]) -> "RenderableType":
    from rich.text import Text  # noqa: PLC0415

    work = report["work"]
    said = [
        f"{count(work['shards_done'])} of {several(work['shards'], 'shard')}",
        several(len({m["name"] for m in report["machines"]}), "machine"),
        *([f"{count(len(report['preemptions']))} taken away"] if report["preemptions"] else []),
        f"{several(len(report['lost']), 'lease')} lost",
        f"{several(work['tokens_cut'], 'token')} cut",
        f"{size(report['output_bytes'])} written",
    ]
    if work["tokens_repeated"]:
        share = work["tokens_repeated"] / work["tokens"]
        said.append(f"{share:.0%} of the tokens in texts embedded once already")
    failed = (several(work["failed_rows"], "failed row"), "bold red" if work["failed_rows"] else "")
    return Text.assemble(("Work  ", "bold"), ", ".join(said), ", ", failed)


def _table(title: str, *columns: str) -> "Table":
    from rich.table import Table  # noqa: PLC0415

    table = Table(box=None, pad_edge=False, padding=(0, 3, 0, 0), header_style="dim")
    table.add_column(title, header_style="bold", min_width=22)
    for column in columns:
        table.add_column(column, justify="right", no_wrap=True)
    return table


def _within(label: str, spread: Mapping[str, Any], actual: Any, text: Callable[[Any], str]) -> Comparison:
    """A figure whose plan has a P10 and a P90, and on which side of them the run came out."""
    low, middle, high = (spread[p] for p in ("p10", "p50", "p90"))
    between = "" if low is None or high is None else f"{text(low)} to {text(high)}"
    difference = change(middle, actual)
    if actual is not None and high is not None and actual > high:
        difference += ", above P90"
    elif actual is not None and low is not None and actual < low:
        difference += ", below P10"
    return Comparison(label, text(middle), between, text(actual), difference.removeprefix(", "))


def change(planned: float | Decimal | None, actual: float | Decimal | None) -> str:
    """How far the run was from its plan: `+4.0 %`, or `12 x` when percents no longer say much."""
    if planned is None or actual is None or not planned:
        return ""
    ratio = float(actual) / float(planned)
    if ratio >= 10:
        return f"{ratio:,.0f} x"
    return f"{(ratio - 1) * 100:+.1f} %"


def _hours_text(hours: float | None) -> str:
    return duration(None if hours is None else hours * 3600)


def _hours(minutes: int) -> tuple[int, str, int, str]:
    return minutes // 60, "h", minutes % 60, "min"


def _two(much: int, unit: str, less: int, smaller: str) -> str:
    return " ".join(f"{n} {u}" for n, u in ((much, unit), (less, smaller)) if n)


def _decimal(text: str | None) -> Decimal | None:
    return None if text is None else Decimal(text)
