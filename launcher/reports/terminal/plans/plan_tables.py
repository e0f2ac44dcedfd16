"""The tables of `plan --all`: other fleets, the frontier, machine types, hosted APIs and vector stores."""

from rich.cells import cell_len
from rich.console import Group, RenderableType
from rich.table import Table
from rich.text import Text

from launcher.format import count, hours_text, least_money, money, plain, rate, signed_money
from launcher.jobs.job import load
from launcher.planning.saved.saved_alternatives import AlternativeFleet, FrontierPoint, SingleTypeFleet
from launcher.planning.saved.saved_plan import SavedPlan
from launcher.reports.plans import store_costs
from launcher.reports.plans.missed_limits import missed_limits
from launcher.reports.terminal.plans.plan_words import fleet_text, instead_text, machine_text, region_text
from pricing.account import access

MODEL_LETTERS = 40
SHOWN_FLEETS = 6  # alternatives, points of the frontier and machine types; --json and --html have all
SHOWN_APIS = 4


def _dollars(fleet: AlternativeFleet | FrontierPoint | SingleTypeFleet) -> str:
    return least_money(fleet.usd.p50, fleet.unpriced)


def alternatives_table(plan: SavedPlan) -> RenderableType:
    table = columns_table(instead_text(plan), "machines", "n", "time", "dollars", "more", words=2)
    for one in plan.alternatives[:SHOWN_FLEETS]:
        more = one.usd_more
        table.add_row(
            plain(one.name),
            fleet_text(one.lots),
            count(one.machines),
            hours_text(one.hours.p50),
            _dollars(one),
            "?" if more is None else signed_money(more) if more else "the same",
        )
    return _with_rest(table, len(plan.alternatives) - SHOWN_FLEETS)


def frontier_table(plan: SavedPlan) -> RenderableType:
    """Time against dollars, from the soonest on: points spread evenly over the frontier."""
    points = plan.frontier
    step = max(1.0, (len(points) - 1) / (SHOWN_FLEETS - 1))
    shown = [points[round(n * step)] for n in range(min(SHOWN_FLEETS, len(points)))]
    table = columns_table("sooner or cheaper", "machines", "n", "P90", "dollars", words=2)
    for one in shown:
        table.add_row(
            hours_text(one.hours.p50),
            fleet_text(one.lots),
            count(one.machines),
            hours_text(one.hours.p90),
            _dollars(one),
        )
    return _with_rest(table, len(points) - len(shown))


def types_table(plan: SavedPlan) -> RenderableType:
    table = columns_table(
        "alone", "cheapest place", "n", "tok/s each", "time", "dollars", "$ / 1M tokens", words=2
    )
    limits = load(plan.work.job).limits
    for kind in plan.kinds[:SHOWN_FLEETS]:
        time, missed = hours_text(kind.hours.p50), missed_limits(plan, limits, kind)
        where = access.place_name(kind.cloud, kind.region, kind.zone)
        table.add_row(
            machine_text(kind),
            f"{kind.cloud} {region_text(where)} {'spot' if kind.spot else 'on-demand'}",
            count(kind.machines),
            speed_text(kind.tokens_per_second),
            f"{time} ({missed})" if missed else time,
            _dollars(kind),
            money(kind.usd_per_million_tokens),
        )
    return _with_rest(table, len(plan.kinds) - SHOWN_FLEETS)


def hosted_table(plan: SavedPlan) -> RenderableType:
    table = columns_table("hosted API", "model", "$ / 1M tokens", "dollars", "in batches", words=2)
    for api in plan.hosted[:SHOWN_APIS]:
        related = "the same weights" if api.comparable else api.relation
        same = f" ({related})" if related not in ("", "unknown") else ""
        table.add_row(
            plain(api.provider),
            plain(api.model)[:MODEL_LETTERS] + same,
            money(api.usd_per_million_tokens),
            money(api.usd),
            "" if api.batch_usd is None else money(api.batch_usd),
        )
    return _with_rest(table, len(plan.hosted) - SHOWN_APIS)


def stores_table(plan: SavedPlan) -> RenderableType:
    table = columns_table("vector store", "index", "bytes", "to load", "a month", words=2)
    for one in plan.stores:
        table.add_row(*store_costs.store_row(one))
    return whole_figures(table)


def columns_table(*names: str, words: int) -> Table:
    """A table whose first `words` columns are words, which are broken on a narrow screen, the rest figures."""
    table = Table(box=None, pad_edge=False, header_style="dim")
    for place, name in enumerate(names):
        if place < words:
            table.add_column(name, overflow="fold")
        else:
            table.add_column(Text(name, no_wrap=False), justify="right", no_wrap=True)
    return table


def whole_figures(table: Table) -> Table:
    """The table, with columns of figures that are never narrower than their figures, and whose heads may be broken.

    Columns that may not wrap keep the width of their heads, and those of words are left with a few letters.
    """
    for column in table.columns:
        if column.no_wrap:
            heads, *cells = column.cells
            words = str(heads).split()
            column.min_width = max(cell_len(text) for text in (*words, *map(str, cells)))
            column.no_wrap = False
    return table


def _with_rest(table: Table, hidden: int) -> RenderableType:
    whole_figures(table)
    return Group(table, Text(f"and {hidden} more in --json", style="dim")) if hidden > 0 else table


def speed_text(tokens_per_second: float) -> str:
    return rate(tokens_per_second).removesuffix(" tok/s")
