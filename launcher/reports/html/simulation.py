"""The page of a simulation: what each policy costs and how often it is late, and how its first run went.

Knows the document of `simulate --json` alone. No network, no script, light and dark, screen and paper.
"""

from launcher.documents.simulation import (
    PolicyOutcome,
    SimulatedCurve,
    SimulatedMarket,
    SimulationDocument,
    StandIn,
)
from launcher.format import compact, hours_text, money, plain, plural, share_text
from launcher.reports.html import stylesheet
from launcher.reports.html.elements import Markup, document, folded, join, section, table, tag
from launcher.reports.html.svg.charts import both_widths, key
from launcher.reports.html.svg.cost_charts import Level, spent_chart, stacked_chart
from launcher.reports.html.svg.simulation_charts import Line, lines_chart

BINS = 96  # of the chart of machines
SHOWN_KINDS = 60
NAMES = ("spot", "on demand")


def simulation_page(found: SimulationDocument, css: str | None = None) -> str:
    """The page of a simulation; `css` replaces the style sheet of the package."""
    sections = [part for market in found.markets for part in _market(found, market)]
    main = tag("main", *sections, _assumptions(found))
    sheet = stylesheet.simulation_css() if css is None else css
    return document(f"{plain(found.job)}: embedfleet simulation", sheet, _header(found), main)


def _header(found: SimulationDocument) -> Markup:
    market = found.markets[0]
    first = market.policies[0]
    late = f"late in {first.late} of {plural(first.runs, 'run')}"
    if len(found.markets) > 1:  # the other markets have sections of their own
        late += f" with {hours_text(market.deadline_hours)} on {plain(market.traces)}"
    return tag(
        "header",
        tag("div", f"embedfleet simulation of {plain(found.job)}", class_="eyebrow"),
        tag("h1", f"{first.policy}: {money(first.usd.p50)} (P90 {money(first.usd.p90)}), {late}"),
        tag("p", f"{compact(found.tokens)} tokens; seed {found.seed}. Nothing was rented.", class_="note"),
    )


def _market(found: SimulationDocument, market: SimulatedMarket) -> list[Markup]:
    title = f"{plain(market.traces)}, deadline {hours_text(market.deadline_hours)}"
    note = f"{plural(found.runs, 'run')} of each policy, at most {plural(market.machines, 'machine')}. "
    note += "Of hindsight: dollars beside the least that could have been paid, had the market been known."
    if market.budget is not None:
        note += f" Budget {money(market.budget)}."
    parts = [section(title, note, _policies(market), _compared(market))]
    parts += [_first_run(market, one) for one in market.policies if _took_time(one)]
    return [*parts, _kinds(market)]


def _took_time(one: PolicyOutcome) -> bool:
    """Whether its first run has a curve that can be drawn: one whose budget pays for no machine ends at once."""
    return bool(one.curve.hours) and one.curve.hours[-1] > 0


def _policies(market: SimulatedMarket) -> Markup:
    columns = [
        "Policy",
        "$ P50",
        "$ P90",
        "of hindsight",
        "late",
        "95 % interval",
        "hours P50",
        "on demand",
        "starts",
    ]
    if market.budget is not None:
        columns.append("over budget")
    return table("Policies", columns, [_row(one) for one in market.policies])


def _row(one: PolicyOutcome) -> list[object]:
    return [
        one.policy,
        money(one.usd.p50),
        money(one.usd.p90),
        "-" if one.over_hindsight is None else f"{one.over_hindsight.mean:.2f}x",
        tag("span", share_text(one.late_share), class_="bad" if one.late else None),
        f"{share_text(one.late_low)} to {share_text(one.late_high)}",
        "?" if one.hours is None else f"{one.hours.p50:.1f}",
        share_text(one.on_demand_share),
        f"{one.starts:.0f}",
        *(
            []
            if one.over_budget is None
            else [tag("span", str(one.over_budget), class_="bad" if one.over_budget else None)]
        ),
    ]


def _compared(market: SimulatedMarket) -> Markup:
    """Work done and dollars of the first run of every policy."""
    drawn = [one for one in market.policies if _took_time(one)]
    hours = max((one.curve.hours[-1] for one in drawn), default=0.0)
    if not drawn:
        return join("")
    done = [Line(one.policy, list(zip(one.curve.hours, one.curve.done, strict=True))) for one in drawn]
    usd = [Line(one.policy, list(zip(one.curve.hours, one.curve.usd, strict=True))) for one in drawn]
    legend = tag("ul", *(tag("li", key(f"p{n}"), one.policy) for n, one in enumerate(drawn)), class_="legend")
    return join(
        legend,
        tag("p", "Share of the work that is done, in the first run", class_="barname"),
        both_widths(
            lambda width: lines_chart(
                done, hours, "work done", width, deadline=market.deadline_hours, whole=True
            )
        ),
        tag("p", "Dollars, in the first run", class_="barname"),
        both_widths(lambda width: lines_chart(usd, hours, "dollars", width, deadline=market.deadline_hours)),
    )


def _first_run(market: SimulatedMarket, one: PolicyOutcome) -> Markup:
    span = one.curve.hours[-1] * 3600
    legend = tag("ul", *(tag("li", key(f"p{n}"), name) for n, name in enumerate(NAMES)), class_="legend")
    levels = [] if market.budget is None else [Level("budget", float(market.budget), "limit")]
    points = [(hours * 3600, usd) for hours, usd in zip(one.curve.hours, one.curve.usd, strict=True)]
    title = (
        f"{one.policy}: its first run, {plain(market.traces)}, deadline {hours_text(market.deadline_hours)}"
    )
    return section(
        title,
        f"Machines that were there, and dollars; {one.curve.done[-1]:.0%} of the work was done.",
        legend,
        both_widths(lambda width: stacked_chart(NAMES, _bins(one.curve), span, width)),
        both_widths(lambda width: spent_chart(points, span, levels, width)),
    )


def _bins(curve: SimulatedCurve) -> list[tuple[float, float]]:
    """Spot machines and machines on demand over equal parts of the run."""
    end, found, at = curve.hours[-1], list[tuple[float, float]](), 0
    for number in range(BINS):
        middle = end * (number + 0.5) / BINS
        while at + 1 < len(curve.hours) and curve.hours[at + 1] <= middle:
            at += 1
        found.append((float(curve.spot[at]), float(curve.on_demand[at])))
    return found


def _kinds(market: SimulatedMarket) -> Markup:
    rows = [_kind(kind) for kind in market.kinds[:SHOWN_KINDS]]
    columns = ("Place", "Machine", "Purchase", "machines", "$ an hour", "Trace")
    content = table("Places", columns, rows, left=(1, 2, 5))
    left_out = f" {plural(market.left_out, 'dearer kind')} left out." if market.left_out else ""
    note = f"{plain(market.about) or plain(market.traces)}.{left_out}"
    return section("What stands in for what", note, folded(plural(len(market.kinds), "kind"), content))


def _kind(kind: StandIn) -> list[object]:
    trace = "always to be had" if kind.trace is None else plain(kind.trace)
    drawn = " (drawn: no trace of that region)" if kind.drawn else ""
    return [
        plain(kind.place),
        f"{kind.gpus_per_machine:g} x {plain(kind.gpu)}",
        kind.purchase,
        f"{kind.machines:,}",
        money(kind.usd_per_hour),
        f"{trace}{drawn}",
    ]


def _assumptions(found: SimulationDocument) -> Markup:
    changed = (
        [f"{share_text(found.no_on_demand)} of the time nothing can be had on demand"]
        if found.no_on_demand
        else []
    )
    changed += [f"machines work at {found.slower:g} of the planned speed"] if found.slower != 1 else []
    changed += [f"without {plain(one)}" for one in found.without]
    lines = [tag("li", line) for line in (*changed, *found.assumes)]
    return section(
        "What the simulation assumes", "The world that the runs were simulated in.", tag("ul", *lines)
    )
