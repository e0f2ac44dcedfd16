"""The sections of the report's page about money: spent when and where, why it differs, what else it could have been.

Knows the document of a report, and nothing of where it came from. `elements` escapes every text.
"""

from collections import defaultdict
from collections.abc import Sequence
from decimal import Decimal

from launcher.format import count, duration, money, percent, plain, plural, rate, signed_money
from launcher.reports.document import CounterfactualRow, Lessons, ReportDocument
from launcher.reports.html.elements import Markup, Section, folded, join, section, table, tag
from launcher.reports.html.svg.charts import both_widths, key
from launcher.reports.html.svg.cost_charts import (
    ComparisonBar,
    Level,
    WaterfallBar,
    comparison_chart,
    preemption_chart,
    spent_chart,
    stacked_chart,
    waterfall_chart,
)
from launcher.reports.summary import HOSTED, hosted_words, known_in_part, plan_error_text

SHOWN_PLACES, SHOWN_COUNTERFACTUALS, SHOWN_LANES = 40, 16, 16  # rows that a person still reads
GROUPS = {
    "on-demand": "on demand",
    "region": "in one region",
    "gpu": "one GPU type",
    "plan": "another plan",
    "api": "the same weights hosted",
    "api of class": "hosted, same size class",
    "other api": "hosted, another model",
}


def spent_section(report: ReportDocument) -> Section:
    """Dollars over time, with the plan's dollars and the budget."""
    points = [(p.seconds, p.usd) for p in report.spent]
    if len(points) < 2 or not points[-1][1]:
        return None
    levels: list[Level] = []
    planned, budget = report.plan.usd.p50, report.budget
    if planned is not None:
        levels.append(Level(f"plan {money(planned)}", float(planned), "plan"))
    if budget is not None and float(budget) < 4 * max(points[-1][1], float(planned or 0)):
        levels.append(Level(f"budget {money(budget)}", float(budget), "limit"))
    chart = both_widths(lambda width: spent_chart(points, points[-1][0], levels, width))
    other = report.spend.known.other
    note = "Machines as they were metered, at the prices of each second."
    if other:
        note += f" Other charges of {money(other)} are not drawn, because their time is not known."
    return section("Dollars spent over time", note, chart)


def fleet_section(report: ReportDocument) -> Section:
    """Machines by place over time; None for a run on this machine alone."""
    found = report.fleet
    if not found.points or found.places == ("local",):
        return None
    chart = both_widths(lambda width: stacked_chart(found.places, found.points, found.seconds, width))
    names = (tag("li", key(f"p{i}"), name) for i, name in enumerate(found.places))
    legend = tag("ul", *names, class_="legend")
    return section("Machines by place", "How many ran at once.", chart, legend)


def preemptions_section(report: ReportDocument) -> Section:
    """When and where machines were taken away."""
    span = report.fleet.seconds
    if not report.preemptions or not span:
        return None
    lanes: dict[str, list[tuple[float, str]]] = defaultdict(list)
    for one in report.preemptions:
        words = f"{plain(one.machine)} after {duration(one.lived_seconds)}"
        lanes[one.place].append(((one.at - report.created).total_seconds(), words))
    ranked = sorted(lanes.items(), key=lambda lane: (-len(lane[1]), lane[0]))
    waived = report.spend.waived
    note = f"{plural(len(report.preemptions), 'machine')} taken away"
    note += f"; {money(waived)} of them the clouds did not charge" if waived else ""
    more = len(ranked) - SHOWN_LANES
    note += f"; {count(more)} more places are not drawn" if more > 0 else ""
    chart = both_widths(lambda width: preemption_chart(ranked[:SHOWN_LANES], span, width))
    return section("Machines taken away", f"{note}.", chart)


def waterfall_section(report: ReportDocument) -> Section:
    """The waterfall from the plan's dollars to the run's, and what the run measured for the next plan."""
    found = report.waterfall
    if not found:
        return None
    total = found.planned
    bars = [WaterfallBar(name="planned", start=0.0, end=float(total), amount=money(total), kind="whole")]
    for step in found.steps:
        after = total + step.usd
        kind = "more" if step.usd > 0 else "less"
        bars.append(
            WaterfallBar(
                name=step.words,
                start=float(total),
                end=float(after),
                amount=signed_money(step.usd),
                kind=kind,
            )
        )
        total = after
    bars.append(WaterfallBar(name="the run", start=0.0, end=float(total), amount=money(total), kind="whole"))
    note = "Every dollar between the plan's P50 and the run, by its cause; what is not known is in neither."
    legend = tag(
        "ul", tag("li", key("more"), "more expensive"), tag("li", key("less"), "cheaper"), class_="legend"
    )
    chart = both_widths(lambda width: waterfall_chart(bars, width))
    return section("From the plan to the run", note, chart, legend, _lessons(report.lessons))


def counterfactuals_section(report: ReportDocument) -> Section:
    """What the same work would have cost in other ways; of a run on this machine alone, hosted APIs are folded away."""
    shown = report.instead[:SHOWN_COUNTERFACTUALS]
    if not shown:
        return None
    note = "What the same tokens would have cost, and what the run saved compared with it."
    said = _hosted(report)
    if report.fleet.places != ("local",):
        return section("Instead", note, *said, *_counterfactuals(report, shown))
    hosted = [one for one in shown if one.group in HOSTED]
    others = [one for one in shown if one.group not in HOSTED]
    content = [*_counterfactuals(report, others)] if others else []
    if hosted:
        content.append(
            folded(f"{plural(len(hosted), 'hosted API')}", *said, *_counterfactuals(report, hosted))
        )
    return section("Instead", note, *content)


def _hosted(report: ReportDocument) -> list[Markup]:
    """The run beside hosted APIs in words: like with like, and a note on another model."""
    words = hosted_words(report)
    if words is None:
        return []
    return [tag("p", words.first), *([tag("p", words.note, class_="note")] if words.note else [])]


def _counterfactuals(report: ReportDocument, shown: Sequence[CounterfactualRow]) -> tuple[Markup, Markup]:
    """The chart and the table of other ways."""
    actual = report.spend.known.total
    bars = [ComparisonBar("this run", float(actual), money(actual), "useful")]
    bars += [ComparisonBar(one.name, float(one.usd), money(one.usd), "idle") for one in shown]
    cells = [
        (one.name, GROUPS.get(one.group, one.group), money(one.usd), _saved(one.usd_saved), one.basis)
        for one in shown
    ]
    columns = ("Instead", "How", "Dollars", "Saved", "What it rests on")
    chart = both_widths(lambda width: comparison_chart(bars, width))
    return chart, table("Instead", columns, cells, left={1}, wide={0, 4})


def places_section(report: ReportDocument) -> Section:
    """Dollars by place, and the charges that are not for machines."""
    shown = sorted(report.places, key=lambda p: -p.known.total)[:SHOWN_PLACES]
    rows = [
        (
            p.place,
            duration(p.seconds.total),
            percent(p.seconds.useful, p.seconds.total),
            known_in_part(p.total, p.known.total),
        )
        for p in shown
    ]
    charges = [
        (
            other.kind + (f", {other.place}" if other.place else ""),
            "estimated" if other.estimated else "metered",
            money(other.usd),
            other.reason or "",
        )
        for other in report.spend.others
    ]
    if len(rows) < 2 and not charges:
        return None
    tables = [table("Places", ("Place", "Machine time", "Useful", "Dollars"), rows)]
    if charges:
        columns = ("Other charges", "How", "Dollars", "")
        tables.append(table("Other charges", columns, charges, left={1}, wide={3}))
    return section("Dollars by place", "", *tables)


def _lessons(lessons: Lessons) -> Markup:
    """What was measured, in a table and a sentence; empty if there is nothing."""
    rows = [
        (
            f"{one.gpu} on {one.cloud}",
            rate(one.planned_tokens_per_second),
            rate(one.measured_tokens_per_second),
            duration(one.measured_start_seconds),
        )
        for one in lessons.lots
    ]
    if not rows:
        return Markup("")
    sentence = plan_error_text(lessons.plan)
    columns = ("Machines", "Planned", "Measured", "Start (median)")
    return join(
        tag("p", sentence, class_="note lesson") if sentence else "",
        table("What was measured", columns, rows),
    )


def _saved(usd: Decimal | None) -> str:
    if usd is None:
        return "?"
    return money(usd) if usd >= 0 else f"{money(usd)} (cheaper)"
