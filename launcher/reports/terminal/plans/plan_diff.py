"""The differences between two plans on one terminal screen.

Knows the document of `diff`, and no plan. Rows that do not fit are counted; --json has them.
"""

from collections.abc import Callable, Iterator, Mapping, Sequence
from decimal import Decimal
from typing import Any, cast

from rich.console import Group, RenderableType
from rich.table import Table
from rich.text import Text

from launcher.format import count, duration, hours_text, money, plain, rate, signed_money, utc_time
from launcher.money import SECONDS_PER_HOUR
from launcher.planning.saved.plan_diff_document import (
    CheapestChange,
    DiffDocument,
    GroupChange,
    GroupSide,
    NumberChange,
    PlanHead,
    PriceChange,
    Reasons,
    SpeedChange,
    UsdChange,
    ValueChange,
)
from launcher.planning.saved.saved_alternatives import CheaperOption

SHOWN_ROWS = 6  # of a table
SHOWN_FEW = 3  # cheapest places, speeds, sentences
VALUE_LETTERS = 36  # of a value of the job
SHORT_LETTERS = 18  # of a region, and of the source of a speed
FIRST_FACTS = ("documents", "chunks", "tokens", "model")  # of the work: what most of the dollars depend on
HOURS_FACTS = ("limits.deadline_hours",)
DOLLAR_FACTS = ("limits.budget", "local.usd_per_hour")
LONG_FACTS = ("lengths", "corpus.lengths", "quota")  # too long for a cell

Change = UsdChange | NumberChange
Cells = tuple[str, ...]


def diff_text(document: DiffDocument) -> RenderableType:
    """The verdict, the figures side by side, then what causes the differences."""
    lines: list[RenderableType] = [Text(sentence, "bold") for sentence in _verdict(document)]
    lines += [Text(f"A  {_head(document.one)}", "dim"), Text(f"B  {_head(document.other)}", "dim")]
    if document.equal:
        return Group(*lines)
    sentences = [*_unknown(document.items), *_reasons(document.because)]
    lines += [Text(), _figures(document), *map(Text, sentences)]
    for title, rows in (
        ("work", _facts(document.work)),
        ("limits", _facts(document.limits)),
        ("machines", _groups(document.lots)),
        ("$/h, same place", _prices(document.prices)),
        ("cheapest place", _cheapest(document.cheapest)),
        ("tok/s of one GPU", _speeds(document.speeds)),
    ):
        if rows:
            lines += [Text(), _table(title, rows)]
    notes = [*_notes(document)]
    return Group(*lines, *([Text()] if notes else []), *map(Text, notes))


def _verdict(document: DiffDocument) -> list[str]:
    """Which plan costs more and takes longer, and whether an option cheaper than the fleet came or went."""
    usd, hours = document.totals.usd.p50, document.totals.hours.p50
    if document.equal:
        return ["The plans are equal: the same work, machines, dollars and hours."]
    sentence = f"{_cost(usd)}; {_time(hours)}."
    if usd.difference is not None and not _changed(usd) and not _changed(hours):
        sentence = f"B costs {money(usd.other)} and takes {hours_text(hours.other)}, as A does."
    before, after = _cheaper(document.one.cheaper), _cheaper(document.other.cheaper)
    more = [] if before == after else [f"Cheaper than the fleet: for A {before}, for B {after}"]
    return [sentence, *more]


def _cost(usd: UsdChange) -> str:
    if usd.difference is None:
        return f"Which plan costs more is not known (A {money(usd.one)}, B {money(usd.other)})"
    if not _changed(usd):
        return f"B costs {money(usd.other)}, as A does"
    more = "more" if usd.difference > 0 else "less"
    return f"B costs {money(abs(usd.difference))} {more}{_in_brackets(usd.percent)}"


def _time(hours: NumberChange) -> str:
    if not _changed(hours):
        return f"it takes {hours_text(hours.other)}, as A does"
    more = "longer" if hours.difference > 0 else "less"
    return f"it takes {hours_text(abs(hours.difference))} {more}{_in_brackets(hours.percent)}"


def _cheaper(found: CheaperOption | None) -> str:
    if found is None:
        return "nothing"
    other = "" if found.comparable else ", another model"
    return f"{plain(found.name)} ({money(found.usd)}{other})"


def _head(plan: PlanHead) -> str:
    as_of = f", oldest price of {plan.prices_as_of}" if plan.prices_as_of else ""
    return f"{plain(plan.run)}, planned {utc_time(plan.created)}{as_of}"


def _figures(document: DiffDocument) -> Table:
    """The totals, and the items that either plan has."""
    totals, table = document.totals, _columns("", "A", "B", "B less A", "")
    usd, hours = totals.usd, totals.hours
    table.add_row("dollars, P50", *_change(usd.p50, money), style="bold")
    table.add_row("dollars, P90", *_change(usd.p90, money))
    table.add_row("time, P50", *_change(hours.p50, hours_text), style="bold")
    table.add_row("time, P90", *_change(hours.p90, hours_text))
    table.add_row("dollars per 1M tokens", *_change(totals.usd_per_million_tokens, money))
    table.add_row("machines", *_change(totals.machines, count))
    for name, change in document.items.items():
        known = [usd for usd in (change.one, change.other) if usd is not None]
        if len(known) == 1 or any(known):
            table.add_row(f"  {_words(name)}", *_change(change, money))
    return table


def _unknown(items: Mapping[str, UsdChange]) -> list[str]:
    """The items that neither plan has a price for, in one line instead of a row each."""
    names = [_words(name) for name, usd in items.items() if usd.one is None and usd.other is None]
    return [f"  not known of either: {', '.join(names)}"] if names else []


def _change(change: Change, text: Callable[[Any], str]) -> tuple[str, str, str, str]:
    one, other, difference = text(change.one), text(change.other), change.difference
    if difference is None:
        return one, other, "?", ""
    if not _changed(change):
        return one, other, "", ""
    return one, other, f"{'+' if difference > 0 else ''}{text(difference)}", _percent(change.percent)


def _reasons(reasons: Reasons) -> list[str]:
    """The two parts of the difference; nothing if the number of tokens is the same, for then it is all the second."""
    tokens, each = reasons.from_tokens, reasons.from_usd_per_token
    if not tokens or each is None:
        return []
    more = "more" if tokens > 0 else "fewer"
    price = "more expensive" if each > 0 else "cheaper"
    sentence = f"of the difference {signed_money(tokens)} is for {more} tokens"
    return [sentence + (f", {signed_money(each)} for {price} ones" if each else "")]


def _facts(facts: Sequence[ValueChange]) -> list[Cells]:
    ordered = sorted(facts, key=lambda fact: fact.name not in FIRST_FACTS)
    rows = [(plain(f.name), _value(f.name, f.one), _value(f.name, f.other)) for f in ordered]
    return _first(rows)


def _value(name: str, value: Any) -> str:
    """A value of the job in few words; `-` if it was not given."""
    text = plain(value)
    if value is None or value == []:
        text = "-"
    elif name in LONG_FACTS:
        text = _listing(cast("Sequence[Any]", value))
    elif name in HOURS_FACTS:
        text = duration(value * SECONDS_PER_HOUR)
    elif name in DOLLAR_FACTS:
        text = money(Decimal(value))
    elif isinstance(value, list):
        text = plain(", ".join(map(str, cast("list[Any]", value))))
    elif isinstance(value, int) and not isinstance(value, bool):
        text = count(value)
    return text if len(text) <= VALUE_LETTERS else f"{text[: VALUE_LETTERS - 1]}\N{HORIZONTAL ELLIPSIS}"


def _listing(value: Sequence[Any]) -> str:
    if len(value) == 1 and isinstance(value[0], list):  # every text has this length
        return f"{value[0][-1]:g} tokens each"
    return f"{len(value)} in --json"


def _groups(groups: Sequence[GroupChange]) -> list[Cells]:
    changed = [group for group in groups if group.change != "same"]
    kept = len(groups) - len(changed)
    rows = [(_machine(group), _side(group.one), _side(group.other)) for group in changed]
    return _first(rows) + ([(f"and {kept} that stay",)] if kept and rows else [])


def _side(group: GroupSide | None) -> str:
    if group is None:
        return "-"
    first, *others = group.regions
    more = f" and {len(others)} more" if others else ""
    return f"{count(group.machines)} at {money(group.usd_per_hour)}/h, {_short(first)}{more}"


def _prices(prices: Sequence[PriceChange]) -> list[Cells]:
    return _first(
        [
            (
                f"{_machine(one)} {_short(one.zone or one.region)}",
                money(one.one),
                money(one.other),
                _percent(one.percent),
            )
            for one in prices
        ]
    )


def _cheapest(changes: Sequence[CheapestChange]) -> list[Cells]:
    rows = [
        (
            _machine(change),
            *(f"{_short(place.region)} {money(place.usd_per_hour)}" for place in (change.one, change.other)),
        )
        for change in changes
    ]
    return _first(rows, SHOWN_FEW)


def _speeds(speeds: Sequence[SpeedChange]) -> list[Cells]:
    rows: list[Cells] = []
    for one in speeds:
        name = plain(one.gpu) + (f", {one.share:g} of it" if 0 < one.share < 1 else "")
        figures = tuple(rate(speed).removesuffix(" tok/s") for speed in (one.one, one.other))
        before, after = _source_words(one.one_source), _source_words(one.other_source)
        why = "" if before == after else f"{before}, then {after}"
        rows.append((name, *figures, _percent(one.percent), why))
    return _first(rows, SHOWN_FEW)


def _source_words(source: str) -> str:
    """The first words of the source of a speed: predicted, measured here, the job file."""
    words = plain(source).replace(",", ":").split(":")[0]
    return words if len(words) <= SHORT_LETTERS else f"{words[: SHORT_LETTERS - 1]}\N{HORIZONTAL ELLIPSIS}"


def _notes(document: DiffDocument) -> Iterator[str]:
    for title, sentences in (("binds", document.binding), ("not priced", document.not_priced)):
        for letter, own in (("A", sentences.one), ("B", sentences.other)):
            more = f"; and {len(own) - SHOWN_FEW} more" if len(own) > SHOWN_FEW else ""
            if own:
                yield f"{title} in {letter} alone: {'; '.join(map(plain, own[:SHOWN_FEW]))}{more}"
    if document.also:
        yield f"different too: {', '.join(map(_words, document.also))}"


def _words(name: str) -> str:
    return plain(name).replace("_", " ")


def _short(name: str) -> str:
    return plain(name)[:SHORT_LETTERS]


def _machine(kind: GroupChange | PriceChange | CheapestChange) -> str:
    if kind.cloud == "local":
        return "this machine"
    bought = "spot" if kind.spot else "on demand"
    return f"{kind.gpus_per_machine:g} x {plain(kind.gpu)} {plain(kind.cloud)} {bought}"


def _first(rows: Sequence[Cells], most: int = SHOWN_ROWS) -> list[Cells]:
    if len(rows) <= most:
        return list(rows)
    return [*rows[:most], (f"and {len(rows) - most} more in --json",)]


def _changed(change: Change) -> bool:
    return bool(change.difference)


def _in_brackets(percent: float | None) -> str:
    return f" ({_percent(percent)})" if percent is not None else ""


def _percent(percent: float | None) -> str:
    """`+4.0 %`, or `12 x` when percents no longer say much."""
    if percent is None:
        return ""
    return f"{percent / 100 + 1:,.0f} x" if percent >= 900 else f"{percent:+.1f} %"


def _table(title: str, rows: Sequence[Sequence[str]]) -> Table:
    table = _columns(title, "A", "B", *[""] * (max(map(len, rows)) - 3))
    for row in rows:
        table.add_row(*row)
    return table


def _columns(*names: str) -> Table:
    table = Table(box=None, pad_edge=False, padding=(0, 2, 0, 0), header_style="dim")
    for place, name in enumerate(names):
        side = "right" if place and names[0] == "" else "left"
        table.add_column(name, justify=side, no_wrap=True, overflow="ellipsis")
    return table
