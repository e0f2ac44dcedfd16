"""What is different between two plans, on one terminal screen.

Reads the JSON of `diff`; knows no plan. Rows beyond what a screen holds are counted, and stand in --json.
"""

from collections.abc import Iterable, Mapping, Sequence
from decimal import Decimal
from typing import Any, cast

from rich.console import Group, RenderableType
from rich.table import Table
from rich.text import Text

from launcher.format import count, duration, money, money_of_text, plain, rate, utc_time

ROWS = 6  # of a table
FEW = 3  # cheapest places, speeds, sentences
WIDE = 36  # characters of a value of the job
LONG = 18  # of a region, and of where a speed comes from
FIRST = ("documents", "chunks", "tokens", "model")  # of the work: what most of the dollars hang on
HOURS = ("limits.deadline_hours",)
DOLLARS = ("limits.budget", "local.usd_per_hour")
LISTINGS = ("lengths", "corpus.lengths", "quota")  # too long for a cell

Json = Mapping[str, Any]


def diff_text(body: Json) -> RenderableType:
    """The verdict, figures side by side, then what is behind them."""
    lines: list[RenderableType] = [Text(said, "bold") for said in _verdict(body)]
    lines += [
        Text(f"{letter}  {_head(body[side])}", "dim") for letter, side in (("A", "one"), ("B", "other"))
    ]
    if body["equal"]:
        return Group(*lines)
    lines += [Text(), _figures(body), *(Text(said) for said in (*_unknown(body["items"]), *_because(body)))]
    for title, rows in (
        ("work", _facts(body["work"])),
        ("limits", _facts(body["limits"])),
        ("machines", _lots(body["lots"])),
        ("$/h, same place", _prices(body["prices"])),
        ("cheapest place", _cheapest(body["cheapest"])),
        ("tok/s of one GPU", _speeds(body["speeds"])),
    ):
        if rows:
            lines += [Text(), _table(title, rows)]
    notes = [*_notes(body)]
    return Group(*lines, *([Text()] if notes else []), *(Text(said) for said in notes))


def _verdict(body: Json) -> list[str]:
    """The plain sentence, and whether a way without a fleet came or went."""
    usd, hours = body["totals"]["usd"]["p50"], body["totals"]["hours"]["p50"]
    if body["equal"]:
        return ["The plans are equal: the same work, machines, dollars and hours."]
    said = [_dearer(usd), _longer(hours)]
    if usd["difference"] is not None and not _moved(usd) and not _moved(hours):
        said = [f"B costs {money_of_text(usd['other'])} and takes {_hours(hours['other'])}, as A does"]
    found = [_cheaper(body[side]["cheaper"]) for side in ("one", "other")]
    more = [] if found[0] == found[1] else [f"Cheaper than the fleet: for A {found[0]}, for B {found[1]}"]
    return [f"{'; '.join(said)}.", *more]


def _dearer(usd: Json) -> str:
    if usd["difference"] is None:
        return f"Which plan costs more is not known (A {money_of_text(usd['one'])}, B {money_of_text(usd['other'])})"
    if not _moved(usd):
        return f"B costs {money_of_text(usd['other'])}, as A does"
    difference = Decimal(usd["difference"])
    return f"B costs {money(abs(difference))} {'more' if difference > 0 else 'less'}{_in(usd['percent'])}"


def _longer(hours: Json) -> str:
    if not _moved(hours):
        return f"it takes {_hours(hours['other'])}, as A does"
    difference = hours["difference"]
    return (
        f"it takes {_hours(abs(difference))} {'longer' if difference > 0 else 'less'}{_in(hours['percent'])}"
    )


def _cheaper(found: Json | None) -> str:
    if found is None:
        return "nothing"
    other = "" if found["comparable"] else ", another model"
    return f"{plain(found['name'])} ({money_of_text(found['usd'])}{other})"


def _head(plan: Json) -> str:
    as_of = f", oldest price of {plain(plan['prices_as_of'])}" if plan["prices_as_of"] else ""
    return f"{plain(plan['run'])}, planned {utc_time(plan['created'])}{as_of}"


def _figures(body: Json) -> Table:
    """Totals, and the items that either plan has."""
    totals, table = body["totals"], _columns("", "A", "B", "B less A", "")
    usd, hours = totals["usd"], totals["hours"]
    for name, pair in (("dollars, P50", usd["p50"]), ("dollars, P90", usd["p90"])):
        table.add_row(name, *_pair(pair, money_of_text), style="bold" if "50" in name else None)
    for name, pair in (("time, P50", hours["p50"]), ("time, P90", hours["p90"])):
        table.add_row(name, *_pair(pair, _hours), style="bold" if "50" in name else None)
    table.add_row("dollars per 1M tokens", *_pair(totals["usd_per_million_tokens"], money_of_text))
    table.add_row("machines", *_pair(totals["machines"], count))
    for name, pair in body["items"].items():
        sides = [side for side in (pair["one"], pair["other"]) if side is not None]
        if len(sides) == 1 or any(map(Decimal, sides)):
            table.add_row(f"  {_words(name)}", *_pair(pair, money_of_text))
    return table


def _unknown(items: Json) -> list[str]:
    """What neither plan has a price for, in one line instead of a row each."""
    names = [_words(name) for name, pair in items.items() if pair["one"] is None and pair["other"] is None]
    return [f"  not known of either: {', '.join(names)}"] if names else []


def _pair(pair: Json, text: Any) -> tuple[str, str, str, str]:
    difference = pair["difference"]
    if difference is None:
        return text(pair["one"]), text(pair["other"]), "?", ""
    if not _moved(pair):
        return text(pair["one"]), text(pair["other"]), "", ""
    sign = "+" if Decimal(difference) > 0 else ""
    return text(pair["one"]), text(pair["other"]), sign + text(difference), _percent(pair["percent"])


def _because(body: Json) -> list[str]:
    """The two parts of the difference; nothing where the work is the same, for then it is all the second."""
    parts = body["because"]
    if parts["from_tokens"] is None or not Decimal(parts["from_tokens"]):
        return []
    tokens, each = (Decimal(parts[name]) for name in ("from_tokens", "from_usd_per_token"))
    more, dearer = "more" if tokens > 0 else "fewer", "dearer" if each > 0 else "cheaper"
    said = f"of the difference {_signed(tokens)} is for {more} tokens"
    return [said + (f", {_signed(each)} for {dearer} ones" if each else "")]


def _facts(facts: Sequence[Json]) -> list[tuple[str, ...]]:
    ordered = sorted(facts, key=lambda fact: fact["name"] not in FIRST)
    rows = [(fact["name"], fact["one"], fact["other"]) for fact in ordered]
    return _first([(plain(name), _value(name, one), _value(name, other)) for name, one, other in rows])


def _value(name: str, value: Any) -> str:
    """A value of the job in few words; `-` for what was not said."""
    text = plain(value)
    if value is None or value == []:
        text = "-"
    elif name in LISTINGS:
        text = _listing(cast("Sequence[Any]", value))
    elif name in HOURS:
        text = duration(value * 3600)
    elif name in DOLLARS:
        text = money_of_text(value)
    elif isinstance(value, list):
        text = plain(", ".join(map(str, cast("list[Any]", value))))
    elif isinstance(value, int) and not isinstance(value, bool):
        text = count(value)
    return text if len(text) <= WIDE else f"{text[: WIDE - 1]}\N{HORIZONTAL ELLIPSIS}"


def _listing(value: Sequence[Any]) -> str:
    if len(value) == 1 and isinstance(value[0], list):  # every text has this length
        return f"{value[0][-1]:g} tokens each"
    return f"{len(value)} in --json"


def _lots(lots: Sequence[Json]) -> list[tuple[str, ...]]:
    changed = [lot for lot in lots if lot["change"] != "same"]
    kept = len(lots) - len(changed)
    rows = [(_machine(lot), _side(lot["one"]), _side(lot["other"])) for lot in changed]
    return _first(rows) + ([(f"and {kept} that stay",)] if kept and rows else [])


def _side(lot: Json | None) -> str:
    if lot is None:
        return "-"
    first, *others = lot["regions"]
    more = f" and {len(others)} more" if others else ""
    return f"{count(lot['machines'])} at {money_of_text(lot['usd_per_hour'])}/h, {plain(first)[:LONG]}{more}"


def _prices(prices: Sequence[Json]) -> list[tuple[str, ...]]:
    return _first(
        [
            (
                f"{_machine(one)} {plain(one['zone'] or one['region'])[:LONG]}",
                money_of_text(one["one"]),
                money_of_text(one["other"]),
                _percent(one["percent"]),
            )
            for one in prices
        ]
    )


def _cheapest(kinds: Sequence[Json]) -> list[tuple[str, ...]]:
    return _first(
        [
            (
                _machine(kind),
                *(
                    f"{plain(at['region'])[:LONG]} {money_of_text(at['usd_per_hour'])}"
                    for at in (kind["one"], kind["other"])
                ),
            )
            for kind in kinds
        ],
        FEW,
    )


def _speeds(speeds: Sequence[Json]) -> list[tuple[str, ...]]:
    rows: list[tuple[str, ...]] = []
    for one in speeds:
        name = plain(one["gpu"]) + (f", {one['share']:g} of it" if 0 < one["share"] < 1 else "")
        figures = tuple(rate(one[side]).removesuffix(" tok/s") for side in ("one", "other"))
        sources = _kind_of(one["one_source"]), _kind_of(one["other_source"])
        why = "" if sources[0] == sources[1] else f"{sources[0]}, then {sources[1]}"
        rows.append((name, *figures, _percent(one["percent"]), why))
    return _first(rows, FEW)


def _kind_of(source: str) -> str:
    """The first words of where a speed comes from: predicted, measured here, the job file."""
    words = plain(source).replace(",", ":").split(":")[0]
    return words if len(words) <= LONG else f"{words[: LONG - 1]}\N{HORIZONTAL ELLIPSIS}"


def _notes(body: Json) -> Iterable[str]:
    for title, name in (("binds", "binding"), ("not priced", "not_priced")):
        for letter, side in (("A", "one"), ("B", "other")):
            said = body[name][side]
            more = f"; and {len(said) - FEW} more" if len(said) > FEW else ""
            if said:
                yield f"{title} in {letter} alone: {'; '.join(map(plain, said[:FEW]))}{more}"
    if body["also"]:
        yield f"different too: {', '.join(map(_words, body['also']))}"


def _words(name: str) -> str:
    return plain(name).replace("_", " ")


def _machine(kind: Json) -> str:
    if kind["cloud"] == "local":
        return "this machine"
    bought = "spot" if kind["spot"] else "on demand"
    return f"{kind['gpus_per_machine']:g} x {plain(kind['gpu'])} {plain(kind['cloud'])} {bought}"


def _first(rows: list[tuple[str, ...]], most: int = ROWS) -> list[tuple[str, ...]]:
    return rows if len(rows) <= most else [*rows[:most], (f"and {len(rows) - most} more in --json",)]


def _moved(pair: Json) -> bool:
    return bool(pair["difference"]) and bool(Decimal(pair["difference"]))


def _in(percent: float | None) -> str:
    return f" ({_percent(percent)})" if percent is not None else ""


def _percent(percent: float | None) -> str:
    """`+4.0 %`, or `12 x` when percents no longer say much."""
    if percent is None:
        return ""
    return f"{percent / 100 + 1:,.0f} x" if percent >= 900 else f"{percent:+.1f} %"


def _signed(usd: Decimal) -> str:
    return f"{'+' if usd > 0 else ''}{money(usd)}"


def _hours(hours: float | None) -> str:
    return duration(None if hours is None else hours * 3600)


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
