"""The plan, the status and the verdict on a terminal screen. Reads their JSON, so what is shown is what is kept."""

from collections.abc import Mapping, Sequence
from decimal import Decimal
from typing import Any

from rich.console import Group, RenderableType
from rich.table import Table
from rich.text import Text

from launcher.format import compact, count, duration, money, money_of_text, plain, rate, size

LONG = 18  # characters of a region shown
WIDE = 40  # characters of a model's name
OTHERS = 6  # alternatives, points of the frontier, kinds and APIs shown; --json and --html have all
APIS = 4
ITEMS = {
    "compute": "compute",
    "cold_start": "cold start",
    "preemption": "preemption",
    "idle_tail": "idle tail",
    "disk": "disk",
    "storage": "storage",
    "egress": "egress",
    "controller": "controller",
}


def plan_text(plan: Mapping[str, Any]) -> RenderableType:
    """One screen: what there is to do, what was chosen, what else there is, what is not known."""
    lines: list[RenderableType] = [*_cheaper(plan), *_work(plan), _lots(plan), *_totals(plan)]
    if plan["alternatives"]:
        lines += [Text(), _alternatives(plan)]
    if len(plan["frontier"]) > 1:
        lines += [Text(), _frontier(plan)]
    if plan["kinds"]:
        lines += [Text(), _kinds(plan)]
    if plan["hosted"]:
        lines += [Text(), _hosted(plan)]
    lines += [Text(), *_footnotes(plan)]
    return Group(*lines)


def _cheaper(plan: Mapping[str, Any]) -> list[RenderableType]:
    """First of all: what would cost less than any fleet."""
    found = plan["cheaper"]
    if not found:
        return []
    other = "" if found["comparable"] else " (another model: other vectors, other quality)"
    even = found["break_even_tokens_per_month"]
    if found["name"] == "this machine":
        tail = ""
    elif even is None:
        tail = "; no number of tokens makes this fleet cheaper"
    else:
        tail = f"; from {compact(even)} tokens a month this fleet is cheaper"
    usd = money_of_text(found["fleet_usd_without_storage"])
    apart = ", storage apart" if Decimal(plan["totals"]["items"]["storage"] or 0) else ""
    asked = f"{plain(found['name'])} does it for {money_of_text(found['usd'])}"
    text = f"CHEAPER: {asked}, this fleet for {usd}{apart}{other}{tail}"
    return [Text(text, style="bold yellow")]


def _work(plan: Mapping[str, Any]) -> list[RenderableType]:
    profile = plan["profile"]
    exact = profile["interval"]["tokens"][0] == profile["interval"]["tokens"][1]
    work = Text(
        f"{plan['run']}: {count(profile['documents'])} documents, {count(profile['chunks'])} chunks, "
        f"{compact(profile['tokens'])} tokens"
    )
    if not exact:
        low, high = profile["interval"]["tokens"]
        work.append(f" ({compact(low)} to {compact(high)})")
    if profile["files"]:
        work.append(f", {size(profile['bytes'])} of text in {count(profile['files'])} files")
    lines: list[RenderableType] = [work]
    if profile["documents_cut"]:
        share = profile["tokens_cut"] / max(1, profile["tokens"] + profile["tokens_cut"])
        lost = f"loses {share:.0%} of the tokens" if profile["tokens_cut"] else "loses some of their tokens"
        lines.append(Text(f"truncation cuts {count(profile['documents_cut'])} documents and {lost}"))
    if profile.get("tokens_repeated"):
        share = profile["tokens_repeated"] / max(1, profile["tokens"])
        lines.append(
            Text(
                f"about {share:.0%} of the tokens are in texts that come again close by: those are embedded once"
            )
        )
    if profile["bad_rows"]:
        lines.append(Text(f"about {count(profile['bad_rows'])} rows cannot be embedded"))
    return lines


def _lots(plan: Mapping[str, Any]) -> RenderableType:
    table = _columns("chosen", "places", "machines", "tok/s each", "$/h each", "$ / 1M tokens", words=2)
    for lot in plan["lots"]:
        each = lot["usd_per_million_tokens"]
        table.add_row(
            _machine(lot),
            _places(lot),
            count(lot["machines"]),
            rate(lot["tokens_per_second"]).removesuffix(" tok/s"),
            money_of_text(lot["usd_per_hour"]),
            money(None if each is None else Decimal(each)),
            style="bold",
        )
    return table


def _totals(plan: Mapping[str, Any]) -> list[RenderableType]:
    totals = plan["totals"]
    hours, usd = totals["hours"], totals["usd"]
    each = totals["usd_per_million_tokens"]
    items = [
        f"{ITEMS[name]} {money_of_text(amount)}"
        for name, amount in totals["items"].items()
        if amount is not None and Decimal(amount)
    ]
    time = f"{duration(hours['p50'] * 3600)}"
    between = f"{duration(hours['p10'] * 3600)} to {duration(hours['p90'] * 3600)}"
    if usd["p50"] is None:
        head = f"{time} ({between}: P10 to P90), dollars: ?"
    else:
        head = (
            f"{time} and {money_of_text(usd['p50'])} "
            f"({between}, {money_of_text(usd['p10'])} to {money_of_text(usd['p90'])}: P10 to P90); "
            f"{money(None if each is None else Decimal(each))} per 1M tokens"
        )
    lines = [Text(head, style="bold")]
    if items:
        lines.append(Text(f"= {' + '.join(items)}"))
    unpriced = [ITEMS[name] for name, amount in totals["items"].items() if amount is None]
    if unpriced and usd["p50"] is not None:
        lines.append(Text(f"not in the dollars: {', '.join(unpriced)}", style="yellow"))
    lines += [Text(f"speed: {plain(source)}", style="dim") for source in _sources(plan)]
    return list(lines)


def _sources(plan: Mapping[str, Any]) -> list[str]:
    found = dict.fromkeys(f"{_machine(lot)}: {lot['speed_source']}" for lot in plan["lots"])
    return list(found)[:3]


def _alternatives(plan: Mapping[str, Any]) -> RenderableType:
    table = _columns("instead", "machines", "n", "time", "dollars", "more", words=2)
    for one in plan["alternatives"][:OTHERS]:
        more = one["usd_more"]
        table.add_row(
            plain(one["name"]),
            _fleet(one["lots"]),
            count(one["machines"]),
            duration(one["hours"]["p50"] * 3600),
            money_of_text(one["usd"]["p50"]),
            "?" if more is None else "the same" if not Decimal(more) else f"+{money_of_text(more)}",
        )
    return _with_rest(table, len(plan["alternatives"]) - OTHERS)


def _frontier(plan: Mapping[str, Any]) -> RenderableType:
    """Time against dollars, from the soonest on: points as far apart as the screen allows."""
    points = plan["frontier"]
    step = max(1.0, (len(points) - 1) / (OTHERS - 1))
    shown = [points[round(n * step)] for n in range(min(OTHERS, len(points)))]
    table = _columns("sooner or cheaper", "machines", "n", "P90", "dollars", words=2)
    for one in shown:
        table.add_row(
            duration(one["hours"]["p50"] * 3600),
            _fleet(one["lots"]),
            count(one["machines"]),
            duration(one["hours"]["p90"] * 3600),
            money_of_text(one["usd"]["p50"]),
        )
    return _with_rest(table, len(points) - len(shown))


def _kinds(plan: Mapping[str, Any]) -> RenderableType:
    table = _columns(
        "alone", "cheapest place", "n", "tok/s each", "time", "dollars", "$ / 1M tokens", words=2
    )
    for kind in plan["kinds"][:OTHERS]:
        each = kind["usd_per_million_tokens"]
        table.add_row(
            _machine(kind),
            f"{kind['cloud']} {plain(kind['region'])[:LONG]} {'spot' if kind['spot'] else 'on-demand'}",
            count(kind["machines"]),
            rate(kind["tokens_per_second"]).removesuffix(" tok/s"),
            duration(kind["hours"]["p50"] * 3600),
            money_of_text(kind["usd"]["p50"]),
            money(None if each is None else Decimal(each)),
        )
    return _with_rest(table, len(plan["kinds"]) - OTHERS)


def _hosted(plan: Mapping[str, Any]) -> RenderableType:
    table = _columns("hosted API", "model", "$ / 1M tokens", "dollars", "in batches", words=2)
    for api in plan["hosted"][:APIS]:
        same = " (the same weights)" if api["comparable"] else ""
        batch = api["batch_usd"]
        table.add_row(
            plain(api["provider"]),
            plain(api["model"])[:WIDE] + same,
            money_of_text(api["usd_per_million_tokens"]),
            money_of_text(api["usd"]),
            "" if batch is None else money_of_text(batch),
        )
    return _with_rest(table, len(plan["hosted"]) - APIS)


def _footnotes(plan: Mapping[str, Any]) -> list[RenderableType]:
    lines = [Text(f"binds: {plain(line)}") for line in plan["binding"]]
    quota = [
        f"{q['gpus']:g} x {q['gpu']} {q['cloud']} {plain(q['region'])} {'spot' if q['spot'] else 'on demand'}"
        for q in plan["quota_needed"]
    ]
    if quota:
        more = f" and {len(quota) - 4} more" if len(quota) > 4 else ""
        lines.append(Text(f"quota to ask for: {'; '.join(quota[:4])}{more}"))
    if plan["not_priced"]:
        lines.append(Text(f"not priced: {'; '.join(map(plain, plan['not_priced']))}", style="dim"))
    if plan["prices_as_of"]:
        lines.append(
            Text(
                f"prices: the oldest of {plan['prices_as_of']}; embedfleet prices refresh asks again",
                style="dim",
            )
        )
    return list(lines)


def _columns(*names: str, words: int) -> Table:
    """A table whose first `words` columns are words, the rest figures."""
    table = Table(box=None, pad_edge=False, header_style="dim")
    for place, name in enumerate(names):
        table.add_column(
            name, justify="left" if place < words else "right", no_wrap=True, overflow="ellipsis"
        )
    return table


def _with_rest(table: Table, hidden: int) -> RenderableType:
    return Group(table, Text(f"and {hidden} more in --json", style="dim")) if hidden > 0 else table


def _machine(kind: Mapping[str, Any]) -> str:
    return "this machine" if kind["cloud"] == "local" else f"{kind['gpus_per_machine']:g} x {kind['gpu']}"


def _places(lot: Mapping[str, Any]) -> str:
    if lot["cloud"] == "local":
        return "here"
    first, *others = lot["regions"]
    more = f" and {len(others)} more" if others else ""
    return f"{lot['cloud']} {plain(first)[:LONG]}{more}, {'spot' if lot['spot'] else 'on demand'}"


def _fleet(lots: Sequence[Mapping[str, Any]]) -> str:
    """Most of a fleet in few words."""
    parts = [f"{lot['machines']} of {_machine(lot)}" for lot in lots[:2]]
    return ", ".join(parts) + (f" and {len(lots) - 2} more" if len(lots) > 2 else "")
