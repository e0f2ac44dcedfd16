"""What stands beside the chosen fleet on the plan's page: the frontier, alternatives, hosted APIs, each machine alone.

Knows the plan's JSON and makes sections of it; None where the plan has nothing of the sort.
"""

from collections.abc import Mapping
from typing import Any

from launcher.format import count, money_of_text, rate
from launcher.reports.html.elements import Markup, section, table
from launcher.reports.html.frontier_chart import NARROW, WIDE, Point, frontier
from launcher.reports.html.plan_text import (
    between,
    deadline_of,
    first,
    fleet,
    hours_text,
    machine,
    more,
    over,
    purchase,
    short,
    spaced,
)

APIS = 15  # shown: those that could be meant
KINDS = 200  # rows that a person still reads; beyond, the page says how many

Json = Mapping[str, Any]
Section = Markup | None


def sooner(plan: Json) -> Section:
    """The frontier, drawn for a screen and for a phone, and as a table for everybody."""
    fleets = _points(plan)
    if len(fleets) < 2:
        return None
    deadline, limits = deadline_of(plan), plan["work"]["job"]["limits"]
    seconds = deadline * 3600 if deadline else None
    budget = float(limits["budget"]) if limits["budget"] is not None else None
    points: list[Point] = []
    rows: list[tuple[object, ...]] = []
    for number, (one, chosen) in enumerate(fleets, 1):
        usd, hours, machines = one["usd"], one["hours"], fleet(one["lots"])
        time, dollars = hours_text(hours["p50"]), money_of_text(usd["p50"])
        late = bool(deadline and hours["p90"] > deadline)
        dear = budget is not None and float(usd["p90"]) > budget
        title = f"{dollars} in {time}, {machines}"
        points.append(Point(_three(hours, 3600), _three(usd, 1), str(number), title, chosen, late or dear))
        said = ["chosen"] * chosen + ["late"] * late + ["too dear"] * dear
        rows.append(
            (
                ", ".join([str(number), *said]),
                over(time, between(hours, hours_text)),
                over(dollars, between(usd, money_of_text)),
                count(one["machines"]),
                machines,
            )
        )
    columns = ("", "Time", "Dollars", "Machines", "Fleet")
    charts = (frontier(points, width, seconds, budget) for width in (WIDE, NARROW))
    return section(
        "Sooner or cheaper",
        "Each point is the cheapest fleet for its time. Lines through it and the band behind are P10 to P90; the filled "
        "point is the one chosen; a dashed circle misses the deadline or the budget at P90.",
        *charts,
        table("Points of the frontier", columns, rows, wide={4}),
        kind="long",
    )


def _points(plan: Json) -> list[tuple[Json, bool]]:
    """The fleets of the frontier from the soonest on, with the chosen one, which may lie between them."""
    totals = plan["totals"]
    chosen = {name: totals[name] for name in ("hours", "usd", "machines")} | {"lots": plan["lots"]}
    found = [f for f in plan["frontier"] if f["usd"]["p50"] is not None]
    if found and totals["usd"]["p50"] is not None:
        found = [f for f in found if any(f[name] != chosen[name] for name in ("hours", "usd", "machines"))]
        found.append(chosen)
    return [(f, f is chosen) for f in sorted(found, key=lambda f: f["hours"]["p50"])]


def alternatives(plan: Json) -> Section:
    rows = [
        (
            short(one["name"]),
            more(one["usd_more"]),
            over(money_of_text(one["usd"]["p50"]), between(one["usd"], money_of_text)),
            over(hours_text(one["hours"]["p50"]), between(one["hours"], hours_text)),
            count(one["machines"]),
            fleet(one["lots"]),
        )
        for one in plan["alternatives"]
    ]
    columns = ("Instead", "More", "Dollars", "Time", "Machines", "Fleet")
    note = (
        "The cheapest fleet of each sort under the same limits, and what it costs more than the chosen one."
    )
    made = table("Alternatives", columns, rows, wide={5})
    return section("Instead", note, made, kind="long") if rows else None


def hosted(plan: Json) -> Section:
    apis = plan["hosted"]
    rows = [
        (
            short(api["provider"]),
            short(api["model"]),
            "yes" if api["comparable"] else "no",
            money_of_text(api["usd_per_million_tokens"]),
            money_of_text(api["usd"]),
            "" if api["batch_usd"] is None else money_of_text(api["batch_usd"]),
            "?" if api["dimensions"] is None else count(api["dimensions"]),
            ", ".join(spaced(flag) for flag in api["flags"]),
        )
        for api in apis[:APIS]
    ]
    if not rows:
        return None
    columns = (
        "Provider",
        "Model",
        "Same weights",
        *("$ per 1M tokens", "Dollars", "In batches", "Dimensions", "Note"),
    )
    note = "What these tokens cost there: the same weights first, then the cheapest. Other weights give other vectors."
    if len(apis) > len(rows):
        note += f" {count(len(apis) - len(rows))} more are in the plan's JSON."
    note += f" Oldest look: {short(min(api['as_of'] for api in apis))}."
    return section(
        "Hosted APIs", note, table("Hosted APIs", columns, rows, wide={1, 7}, left={2}), kind="long"
    )


def kinds(plan: Json) -> Section:
    """Every GPU, size, cloud and purchase alone."""
    found = plan["kinds"]
    rows = [
        (
            over(machine(kind), purchase(kind)),
            short(kind["region"]),
            count(kind["machines"]),
            money_of_text(kind["usd_per_hour"]),
            rate(kind["tokens_per_second"]),
            hours_text(kind["hours"]["p50"]),
            over(money_of_text(kind["usd"]["p50"]), between(kind["usd"], money_of_text)),
            money_of_text(kind["usd_per_million_tokens"]),
        )
        for kind in found[:KINDS]
    ]
    columns = (
        *("Machine", "Cheapest place", "Machines", "$ per hour", "Speed"),
        *("Time", "Dollars", "$ per 1M tokens"),
    )
    note = "Each kind of machine doing all the work, as many as the deadline needs, with no limit on their number. "
    note += first(len(rows), len(found), "kinds")
    made = table("Machines alone", columns, rows, left={1})
    return section("Every machine alone", note, made, kind="long") if rows else None


def _three(spread: Json, unit: float) -> tuple[float, float, float]:
    low, middle, high = (float(spread[p]) * unit for p in ("p10", "p50", "p90"))
    return low, middle, high
