"""The sections of the report's page that are about money: spent when and where, why it differs, what else there was.

Knows the report's JSON and nothing of where it came from. Every text goes through `markup`, which escapes it.
"""

from collections import defaultdict
from collections.abc import Mapping
from datetime import datetime
from decimal import Decimal
from typing import Any

from launcher.format import count, duration, money, money_of_text, percent, plain, rate
from launcher.reports.html.charts import key
from launcher.reports.html.cost_charts import Compared, Fall, Mark, compared, spent, stacked, taken, waterfall
from launcher.reports.html.elements import Markup, join, scroll, section, table, tag

PLACES, OTHERS, LANES = 40, 16, 16  # rows that a person still reads
GROUPS = {
    "on-demand": "on demand",
    "region": "in one region",
    "gpu": "one kind of GPU",
    "plan": "another plan",
    "api": "hosted API",
}

Json = Mapping[str, Any]
Section = Markup | None


def spending(report: Json) -> Section:
    """Dollars through time, with the plan and the budget."""
    points = [(p["seconds"], p["usd"]) for p in report["spent"]]
    if len(points) < 2 or not points[-1][1]:
        return None
    marks: list[Mark] = []
    planned, budget = report["plan"]["usd"]["p50"], report["budget"]
    if planned is not None:
        marks.append(Mark(f"plan {money_of_text(planned)}", float(planned), "plan"))
    if budget is not None and float(budget) < 4 * max(points[-1][1], float(planned or 0)):
        marks.append(Mark(f"budget {money_of_text(budget)}", float(budget), "limit"))
    chart = spent(points, points[-1][0], marks)
    other = report["spend"]["known"]["other"]
    note = "Machines as they were metered, at the prices of each second."
    if Decimal(other):
        note += f" {money_of_text(other)} of other charges come on top, for they have no second."
    return section("Dollars spent over time", note, scroll("Chart of dollars spent", chart))


def fleet(report: Json) -> Section:
    found = report["fleet"]
    if not found["points"] or (len(found["places"]) == 1 and found["places"][0] == "local"):
        return None
    chart = stacked(found["places"], found["points"], found["seconds"])
    legend = tag(
        "ul", *(tag("li", key(f"p{i}"), name) for i, name in enumerate(found["places"])), class_="legend"
    )
    return section("Machines by place", "How many ran at once.", scroll("Chart of machines", chart), legend)


def preemptions(report: Json) -> Section:
    events = report["preemptions"]
    span = report["fleet"]["seconds"]
    if not events or not span:
        return None
    began = datetime.fromisoformat(report["created"])
    lanes: dict[str, list[tuple[float, str]]] = defaultdict(list)
    for e in events:
        seconds = (datetime.fromisoformat(e["at"]) - began).total_seconds()
        words = f"{plain(e['machine'])} after {duration(e['lived_seconds'])}"
        lanes[e["place"]].append((seconds, words))
    ranked = sorted(lanes.items(), key=lambda lane: (-len(lane[1]), lane[0]))
    spared = Decimal(report["spend"]["waived"])
    said = f"{count(len(events))} machines were taken away"
    said += f"; {money(spared)} of them the clouds did not charge" if spared else ""
    more = len(ranked) - LANES
    said += f"; {count(more)} more places are not drawn" if more > 0 else ""
    chart = taken(ranked[:LANES], span)
    return section("Machines taken away", f"{said}.", scroll("Timeline of preemptions", chart))


def falls(report: Json) -> Section:
    """From the plan's dollars to the run's."""
    found = report["waterfall"]
    if not found:
        return None
    at = Decimal(found["planned"])
    rows = [Fall("planned", 0.0, float(at), money(at), "whole")]
    for step in found["steps"]:
        usd = Decimal(step["usd"])
        after = at + usd
        sign = "+" if usd > 0 else ""
        rows.append(
            Fall(step["words"], float(at), float(after), f"{sign}{money(usd)}", "more" if usd > 0 else "less")
        )
        at = after
    rows.append(Fall("the run", 0.0, float(at), money(at), "whole"))
    note = "Every dollar between the plan's P50 and the run, by its cause; what is not known is in neither."
    legend = tag("ul", tag("li", key("more"), "dearer"), tag("li", key("less"), "cheaper"), class_="legend")
    return section(
        "From the plan to the run", note, scroll("Waterfall chart", waterfall(rows)), legend, lessons(report)
    )


def lessons(report: Json) -> Markup:
    """What was learned, in a table and a sentence; empty where nothing was."""
    found = report["lessons"]
    rows = [
        (
            f"{one['gpu']} on {one['cloud']}",
            rate(one["planned_tokens_per_second"]),
            rate(one["measured_tokens_per_second"]),
            duration(one["measured_start_seconds"]),
        )
        for one in found["lots"]
    ]
    if not rows:
        return Markup("")
    said = ""
    if plan := found["plan"]:
        said = (
            f"The plan was {_off(plan['off'])} the run's dollars. With the speeds that this run measured it would have "
            f"been {_off(plan['off_again'])}; the next plan of the same kind takes them."
        )
    columns = ("Machines", "Planned", "Measured", "Start (median)")
    return join(
        tag("p", said, class_="note lesson") if said else "", table("What was learned", columns, rows)
    )


def others(report: Json) -> Section:
    """The same work in other ways."""
    shown = report["instead"][:OTHERS]
    actual = report["spend"]["known"]["total"]
    if not shown:
        return None
    rows = [Compared("this run", float(actual), money_of_text(actual), "useful")]
    rows += [Compared(i["name"], float(i["usd"]), money_of_text(i["usd"]), "idle") for i in shown]
    cells = [
        (
            i["name"],
            GROUPS.get(i["group"], i["group"]),
            money_of_text(i["usd"]),
            "?" if i["usd_saved"] is None else _saved(i["usd_saved"]),
            i["basis"],
        )
        for i in shown
    ]
    columns = ("Instead", "How", "Dollars", "Saved", "What it rests on")
    note = "What the same tokens would have cost, and what was saved by not doing it so."
    chart = scroll("Comparison chart", compared(rows))
    return section("Instead", note, chart, table("Instead", columns, cells, left={1}, wide={0, 4}))


def places(report: Json) -> Section:
    """Dollars by place, and the charges that are not for machines."""
    shown = sorted(report["places"], key=lambda p: -float(p["known"]["total"]))[:PLACES]
    rows = [
        (
            p["place"],
            duration(p["seconds"]["total"]),
            percent(p["seconds"]["useful"], p["seconds"]["total"]),
            money_of_text(p["total"])
            if p["total"] is not None
            else f"? ({money_of_text(p['known']['total'])})",
        )
        for p in shown
    ]
    charges = [
        (
            o["kind"] + (f", {o['place']}" if o["place"] else ""),
            "counted" if o["estimated"] else "metered",
            money_of_text(o["usd"]),
            o["reason"] or "",
        )
        for o in report["spend"]["others"]
    ]
    if len(rows) < 2 and not charges:
        return None
    tables = [table("Places", ("Place", "Machine time", "Useful", "Dollars"), rows)]
    if charges:
        tables.append(
            table("Other charges", ("Other charges", "How", "Dollars", ""), charges, left={1}, wide={3})
        )
    return section("Dollars by place", "", *tables)


def _off(share: float) -> str:
    return f"{abs(share):.1%} {'above' if share > 0 else 'below'}"


def _saved(text: str) -> str:
    usd = Decimal(text)
    return money(usd) if usd >= 0 else f"{money(usd)} (cheaper)"
