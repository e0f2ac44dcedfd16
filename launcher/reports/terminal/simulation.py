"""What `simulate` prints: a table of policies for each set of traces and deadline, and what stands in for what."""

from itertools import groupby

from rich.console import Group, RenderableType
from rich.padding import Padding
from rich.table import Table
from rich.text import Text

from launcher.documents.replay import ReplayDocument, ReplayedDecision
from launcher.documents.simulation import SimulatedMarket, SimulationDocument, StandIn
from launcher.format import compact, hours_text, money, plain, plural, share_text, utc_time
from launcher.reports.terminal.tables import figures_table

SHOWN_KINDS = 8  # kinds whose traces are listed; --json lists all
LATE_STYLE = 0.05  # share of late runs from which it is shown in red


def simulation_text(document: SimulationDocument) -> RenderableType:
    """A table for each market, then what was simulated."""
    lines: list[RenderableType] = []
    for market in document.markets:
        lines += [_title(document, market), _table(market), Text("")]
    for _, same in groupby(document.markets, key=lambda market: market.traces):
        lines += _kinds(next(same))
    lines += [Text(line, style="dim") for line in _world(document)]
    return Group(*lines)


def replay_text(document: ReplayDocument) -> RenderableType:
    """How many looks were replayed, and each that came out otherwise."""
    count = f"{plural(document.looks, 'look')} of run {plain(document.run)} decided again"
    verdict = (
        "the same decisions" if not document.different else f"{len(document.different):,} came out otherwise"
    )
    lines = [Text(f"{count}: {verdict}", style="" if not document.different else "red")]
    if document.without_situation:
        lines.append(
            Text(
                f"{plural(document.without_situation, 'look')} without what they were decided from",
                style="dim",
            )
        )
    for one in document.different:
        lines.append(Text(utc_time(one.at), style="bold"))
        lines += [Text(f"  recorded {_decision(each)}") for each in one.recorded]
        lines += [Text(f"  replayed {_decision(each)}") for each in one.replayed]
    return Group(*lines)


def _decision(one: ReplayedDecision) -> str:
    where = "" if one.place is None else f" in {plain(one.place)}"
    return f"{plain(one.what)} {one.count}{where}: {plain(one.reason)}"


def _title(document: SimulationDocument, market: SimulatedMarket) -> Text:
    about = (
        f"{plain(market.about)}: stands in for your places" if market.about else "stands in for your places"
    )
    if market.each is not None:
        about += f", {plural(market.each, 'machine')} each while up"
    limits = f"deadline {hours_text(market.deadline_hours)}"
    if market.budget is not None:
        limits += f", budget {money(market.budget)}"
    return Text(
        f"{plural(document.runs, 'run')} on {plain(market.traces)} ({about}), {limits}, "
        f"at most {plural(market.machines, 'machine')}",
        style="bold",
    )


def _table(market: SimulatedMarket) -> Table:
    names = ["of\nhindsight", "late", "hours\nP50", "on\ndemand", "starts"]
    if market.budget is not None:
        names.append("over\nbudget")
    table = figures_table("policy", "$ P50", "$ P90", *names)
    table.padding = (0, 2, 0, 0)  # nine columns: so they are whole in a terminal of 80
    for one in market.policies:
        style = "red" if one.late_share > LATE_STYLE else None
        table.add_row(
            one.policy,
            f"{one.usd.p50:,.2f}",
            f"{one.usd.p90:,.2f}",
            "-" if one.over_hindsight is None else f"{one.over_hindsight.mean:.2f}x",
            Text(share_text(one.late_share), style=style or ""),
            "?" if one.hours is None else f"{one.hours.p50:.1f}",
            share_text(one.on_demand_share),
            f"{one.starts:.0f}",
            *([] if one.over_budget is None else [str(one.over_budget)]),
        )
    return table


def _kinds(market: SimulatedMarket) -> list[RenderableType]:
    """Which trace stands in for which kind of machine."""
    spot = [kind for kind in market.kinds if kind.trace is not None]
    rest = [kind for kind in market.kinds if kind.trace is None]
    lines = [f"{_kind(kind)}: {plain(kind.trace or '')}{_drawn(kind)}" for kind in spot[:SHOWN_KINDS]]
    if len(spot) > SHOWN_KINDS:
        lines.append(f"and {len(spot) - SHOWN_KINDS} more (--json lists all)")
    if any(kind.drawn for kind in spot):
        lines.append("drawn: that region has no trace of its own, so the seed chose one")
    if rest:
        lines.append(f"on demand: {'; '.join(_kind(kind) for kind in rest[:3])}")
    if market.left_out:
        lines.append(f"left out: {plural(market.left_out, 'dearer kind')}")
    title = Text(f"{plain(market.traces)} stands in for", style="dim")
    return [title, *(Padding(Text(line, style="dim"), (0, 0, 0, 2), expand=False) for line in lines)]


def _drawn(kind: StandIn) -> str:
    return " (drawn)" if kind.drawn else ""


def _kind(kind: StandIn) -> str:
    return f"{kind.gpus_per_machine:g} x {plain(kind.gpu)} in {plain(kind.place)}, {money(kind.usd_per_hour)} an hour"


def _world(document: SimulationDocument) -> list[str]:
    """What was simulated, in words."""
    changed = (
        [f"{share_text(document.no_on_demand)} of the time nothing on demand"]
        if document.no_on_demand
        else []
    )
    changed += [f"{document.slower:g} of the planned speed"] if document.slower != 1 else []
    changed += [f"without {plain(one)}" for one in document.without]
    lines = [
        f"{compact(document.tokens)} tokens of {plain(document.job)}; seed {document.seed}; nothing was rented"
    ]
    if changed:
        lines.append("changed: " + "; ".join(changed))
    lines.append(
        "of hindsight: dollars beside the least that could have been paid, had the market been known"
    )
    lines += [f"assumes that {one}" for one in document.assumes]
    return lines
