"""The alternatives to the chosen fleet on the plan's page: frontier, other fleets, hosted APIs, each machine type alone.

Knows a saved plan, and makes sections of it; None if the plan has nothing to show there.
"""

from collections.abc import Mapping, Sequence
from dataclasses import dataclass
from decimal import Decimal

from launcher.format import count, hours_text, least_money, money, plural, rate
from launcher.jobs.job import JobLimits
from launcher.money import SECONDS_PER_HOUR
from launcher.planning.estimates.unpriced import bound_usd
from launcher.planning.saved.saved_alternatives import GroupSummary
from launcher.planning.saved.saved_plan import HoursQuantiles, MachineGroup, SavedPlan, UsdQuantiles
from launcher.reports.html.elements import Section, folded, section, shown_of, table
from launcher.reports.html.plan_text import (
    between,
    extra_cost,
    fleet,
    is_local,
    machine,
    purchase,
    short,
    spaced,
    with_detail,
)
from launcher.reports.html.svg.charts import both_widths
from launcher.reports.html.svg.frontier_chart import FleetPoint, draw_frontier
from launcher.reports.plans.cost_items import range_note
from launcher.reports.plans.missed_limits import deadline_hours, missed_limits
from pricing.account import access

SHOWN_APIS = 15  # those that could be meant
OPEN_TYPES = 12  # the others are folded away
SHOWN_TYPES = 200  # rows that a person still reads; beyond, the page says how many


@dataclass(frozen=True, slots=True)
class FrontierRow:
    """A fleet of the frontier, or the chosen one."""

    hours: HoursQuantiles
    usd: UsdQuantiles
    machines: int
    groups: Sequence[MachineGroup | GroupSummary]
    unpriced: Mapping[str, Decimal | None]
    chosen: bool


def frontier_section(plan: SavedPlan, limits: JobLimits) -> Section:
    """The frontier, drawn for a screen and for a phone, and as a table."""
    fleets = _frontier_rows(plan)
    if len(fleets) < 2:
        return None
    deadline = deadline_hours(plan, limits)
    points: list[FleetPoint] = []
    rows: list[tuple[object, ...]] = []
    for number, one in enumerate(fleets, 1):
        machines = fleet(one.groups)
        time, dollars = hours_text(one.hours.p50), least_money(one.usd.p50, one.unpriced)
        late = bool(deadline and one.hours.p90 > deadline)
        most = None if one.usd.p90 is None else one.usd.p90 + bound_usd(one.unpriced)
        expensive = limits.budget is not None and most is not None and most > limits.budget
        title = f"{dollars} in {time}, {machines}"
        points.append(_point(one, str(number), title, over=late or expensive))
        marks = ["chosen"] * one.chosen + ["late"] * late + ["over budget"] * expensive
        rows.append(
            (
                ", ".join([str(number), *marks]),
                with_detail(time, between(one.hours, hours_text)),
                with_detail(dollars, between(one.usd, money)),
                count(one.machines),
                machines,
            )
        )
    seconds = deadline * SECONDS_PER_HOUR if deadline else None
    budget = None if limits.budget is None else float(limits.budget)
    columns = ("", "Time", "Dollars", "Machines", "Fleet")
    return section(
        "Sooner or cheaper",
        "Each point is the cheapest fleet for its time. Lines through it and the band behind are P10 to P90; the filled "
        "point is the one chosen; a dashed circle misses the deadline or the budget at P90."
        + range_note([one.unpriced for one in fleets]),
        both_widths(lambda width: draw_frontier(points, width, seconds, budget)),
        table("Points of the frontier", columns, rows, wide={4}),
        kind="long",
    )


def alternatives_section(plan: SavedPlan) -> Section:
    """Other fleets for the same work, such as "only on demand"."""
    rows = [
        (
            short(one.name),
            extra_cost(one.usd_more),
            with_detail(least_money(one.usd.p50, one.unpriced), between(one.usd, money)),
            with_detail(hours_text(one.hours.p50), between(one.hours, hours_text)),
            count(one.machines),
            fleet(one.lots),
        )
        for one in plan.alternatives
    ]
    if not rows:
        return None
    columns = ("Instead", "More", "Dollars", "Time", "Machines", "Fleet")
    note = (
        "The cheapest fleet of each kind under the same limits, and what it costs more than the chosen one."
    ) + range_note([one.unpriced for one in plan.alternatives])
    return section("Instead", note, table("Alternatives", columns, rows, wide={5}), kind="long")


def hosted_section(plan: SavedPlan) -> Section:
    """What the tokens cost at hosted embedding APIs."""
    rows = [
        (
            short(api.provider),
            short(api.model),
            api.relation or ("same weights" if api.comparable else "unknown"),
            money(api.usd_per_million_tokens),
            money(api.usd),
            "" if api.batch_usd is None else money(api.batch_usd),
            count(api.dimensions),
            "; ".join([", ".join(spaced(flag) for flag in api.flags), *map(short, api.notes)]).removeprefix(
                "; "
            ),
        )
        for api in plan.hosted[:SHOWN_APIS]
    ]
    if not rows:
        return None
    columns = (
        "Provider",
        "Model",
        "Beside this model",
        "$ per 1M tokens",
        "Dollars",
        "In batches",
        "Dimensions",
        "Note",
    )
    note = (
        "What these tokens cost there: the same weights first, then models of the same size class, then the cheapest. "
        "Other weights give other vectors."
    )
    if len(plan.hosted) > len(rows):
        note += f" {count(len(plan.hosted) - len(rows))} more are in the plan's JSON."
    note += f" Oldest price: {min(api.as_of for api in plan.hosted)}."
    made = table("Hosted APIs", columns, rows, wide={1, 7}, left={2})
    if is_local(plan.lots[0]):  # rarely what a reader of a local plan asks for
        made = folded(f"{plural(len(rows), 'hosted API')}", made)
    return section("Hosted APIs", note, made, kind="long")


def types_section(plan: SavedPlan, limits: JobLimits) -> Section:
    """Each GPU, machine size, cloud and purchase kind doing all the work alone."""
    rows = [
        (
            with_detail(machine(kind), purchase(kind)),
            short(access.place_name(kind.cloud, kind.region, kind.zone)),
            count(kind.machines),
            money(kind.usd_per_hour),
            rate(kind.tokens_per_second),
            with_detail(hours_text(kind.hours.p50), missed_limits(plan, limits, kind)),
            with_detail(least_money(kind.usd.p50, kind.unpriced), between(kind.usd, money)),
            money(kind.usd_per_million_tokens),
        )
        for kind in plan.kinds[:SHOWN_TYPES]
    ]
    if not rows:
        return None
    columns = (
        "Machine",
        "Cheapest place",
        "Machines",
        "$ per hour",
        "Speed",
        "Time",
        "Dollars",
        "$ per 1M tokens",
    )
    note = (
        "Each machine type doing all the work: as many as the deadline needs, or as limits and quotas allow. "
    )
    note += shown_of(len(rows), len(plan.kinds), "types") + range_note([kind.unpriced for kind in plan.kinds])
    made = [table("Machines alone", columns, rows[:OPEN_TYPES], left={1})]
    if more := rows[OPEN_TYPES:]:
        made.append(
            folded(f"{plural(len(more), 'type')} more", table("More machines", columns, more, left={1}))
        )
    return section("Every machine alone", note, *made, kind="long")


def _frontier_rows(plan: SavedPlan) -> list[FrontierRow]:
    """The fleets of the frontier from the soonest on, with the chosen one, which may be between them."""
    totals = plan.totals
    chosen = FrontierRow(totals.hours, totals.usd, totals.machines, plan.lots, totals.unpriced, chosen=True)
    found = [
        FrontierRow(f.hours, f.usd, f.machines, f.lots, f.unpriced, chosen=False)
        for f in plan.frontier
        if f.usd.p50 is not None
    ]
    if found and totals.usd.p50 is not None:
        found = [f for f in found if not _same(f, chosen)]
        found.append(chosen)
    return sorted(found, key=lambda row: row.hours.p50)


def _same(row: FrontierRow, other: FrontierRow) -> bool:
    return (row.hours, row.usd, row.machines) == (other.hours, other.usd, other.machines)


def _point(row: FrontierRow, mark: str, title: str, *, over: bool) -> FleetPoint:
    hours, usd, unit = row.hours, row.usd, SECONDS_PER_HOUR
    assert usd.p10 is not None, "a fleet without dollars is not drawn"
    assert usd.p50 is not None
    assert usd.p90 is not None
    return FleetPoint(
        seconds=(hours.p10 * unit, hours.p50 * unit, hours.p90 * unit),
        usd=(float(usd.p10), float(usd.p50), float(usd.p90)),
        mark=mark,
        title=title,
        chosen=row.chosen,
        over=over,
    )
