"""The plan on one terminal screen: what is recommended, what it costs, what else there is, what binds, and warnings.

At most 30 lines of 100 columns, readable at 80. `launcher.reports.terminal.plans.plan` has all else: `plan --all`.
"""

from collections.abc import Iterator, Mapping
from decimal import Decimal

from rich.console import Group, RenderableType
from rich.table import Table
from rich.text import Text

from launcher.format import hours_text, least_money, money, plain, plural
from launcher.planning.saved.saved_alternatives import AlternativeFleet
from launcher.planning.saved.saved_plan import SavedPlan
from launcher.reports.plans.compared import other_models, short_headlines, short_notes
from launcher.reports.plans.cost_items import item_text, missing_items
from launcher.reports.plans.plan_choice import different_alternatives
from launcher.reports.plans.price_notes import old_price_lines
from launcher.reports.plans.steering_lines import EXPECTED, is_steered, steering_lines
from launcher.reports.plans.store_costs import dear_load, dtype_warning, sink_lines
from launcher.reports.terminal.plans.plan import old_book_line, upload_lines
from launcher.reports.terminal.plans.plan_words import (
    fleet_text,
    instead_text,
    machine_text,
    place_text,
    work_lines,
)

ALTERNATIVES = 3
STEERED_ALTERNATIVES = 1  # beside the lines on steering
GROUPS = 3  # lines of machine groups; where there are more, the last counts them
STATIC_GROUPS = 2  # of the machines that a steered run does not rent
ITEMS = 3  # cost items by name, the largest first
STEERING_LETTERS = 160  # of a line on steering: two lines beside its word
SENTENCE = 185  # letters of a sentence: two lines of 100 columns
FLEET_LETTERS = 42  # of an alternative, so that its figures fit beside it at 80 columns
WORK_LINES, WARNINGS = 4, 3
WARNING = "bold yellow"
HEADLINES, HEADLINE_LETTERS = 2, 230


def plan_screen(plan: SavedPlan) -> RenderableType:
    """The plan in at most 30 lines of 100 columns."""
    lines: list[RenderableType] = [*_headline(plan)]
    work = work_lines(plan)
    lines += [Text(_cut(line.plain), style=line.style) for line in work[:WORK_LINES]]
    lines += [Text(), _choice(plan)]
    if plan.alternatives:
        most = ALTERNATIVES if plan.steering is None else STEERED_ALTERNATIVES
        lines += [Text(), _alternatives(plan, most)]
    lines += [Text(), *(Text(_cut(f"binds: {plain(why)}")) for why in plan.binding[:1])]
    warnings = [Text(line, style=WARNING) for line in _warnings(plan)][:WARNINGS]
    notes = [] if len(warnings) == WARNINGS else [Text(_cut(line), style="dim") for line in _notes(plan)]
    lines += [*warnings, *notes[:1]]
    lines.append(Text("more: --all prints the whole plan, --html FILE makes a page of it", style="dim"))
    return Group(*lines)


def _headline(plan: SavedPlan) -> Iterator[Text]:
    """The same model elsewhere, first of all: hosted, on this machine or rented. What is better stands out."""
    for one in short_headlines(plan)[:HEADLINES]:
        yield Text(_cut(plain(one.text), HEADLINE_LETTERS), style=WARNING if one.better else "")


def _choice(plan: SavedPlan) -> RenderableType:
    """The recommended machines, their time and their cost, each under its word.

    Of a steered run: what it is expected to cost and to take first, and the planned machines last.
    """
    grid = Table.grid(padding=(0, 1))
    grid.add_column(no_wrap=True)
    grid.add_column()
    steered = list(_steering(plan))
    if is_steered(plan):
        rows = [*steered, *_machines(plan, "", "", most=STATIC_GROUPS)]
    else:
        rows = [*_machines(plan, "recommended", "bold", most=GROUPS), *_cost(plan), *steered]
    rows += [("" if number else "loaded", _cut(line), "") for number, line in enumerate(sink_lines(plan))]
    for word, text, style in rows:
        grid.add_row(word, text, style=style)
    return grid


def _steering(plan: SavedPlan) -> Iterator[tuple[str, str, str]]:
    for word, text in steering_lines(plan):
        yield word, _cut(text, STEERING_LETTERS), "bold" if word == EXPECTED else ""


def _machines(plan: SavedPlan, word: str, style: str, *, most: int) -> Iterator[tuple[str, str, str]]:
    shown = plan.lots if len(plan.lots) <= most else plan.lots[: most - 1]
    for number, group in enumerate(shown):
        what = "this machine" if group.cloud == "local" else f"{group.machines} of {machine_text(group)}"
        where = "" if group.cloud == "local" else f", {place_text(group)}"
        price = "" if group.usd_per_hour is None else f", {money(group.usd_per_hour)} an hour each"
        workers = f", {plural(group.workers, 'worker')}" if group.cloud == "local" else ""
        yield "" if number else word, f"{what}{where}{workers}{price}", style
    if len(plan.lots) > len(shown):
        yield "", f"and {plural(len(plan.lots) - len(shown), 'more group')} of machines", style


def _cost(plan: SavedPlan) -> Iterator[tuple[str, str, str]]:
    totals = plan.totals
    hours, usd = totals.hours, totals.usd
    between = f"{hours_text(hours.p10)} to {hours_text(hours.p90)}: P10 to P90"
    yield "time", f"{hours_text(hours.p50)} ({between})", "bold"
    if usd.p50 is None:
        here = plan.lots[0].cloud == "local"
        yield "cost", "? (local.usd_per_hour: what an hour of it costs you)" if here else "?", "bold"
        return
    least = "at least " if totals.unpriced else ""
    between = f"{money(usd.p10)} to {money(usd.p90)}: P10 to P90"
    each = f"{money(totals.usd_per_million_tokens)} per 1M tokens"
    yield "cost", f"{least}{money(usd.p50)} ({between}); {each}", "bold"
    if items := _items(totals.items):
        yield "", f"= {items}", ""
    yield from _missing(plan)


def _missing(plan: SavedPlan) -> Iterator[tuple[str, str, str]]:
    if missing := missing_items(plan.totals.items, plan.totals.unpriced):
        yield "", _cut(f"without {', '.join(missing)}"), "yellow"


def _items(amounts: Mapping[str, Decimal | None]) -> str:
    """The largest items of the cost, and the sum of the others."""
    known = sorted(((usd, name) for name, usd in amounts.items() if usd), reverse=True)
    shown = [f"{item_text(name)} {money(usd)}" for usd, name in known[:ITEMS]]
    rest = [usd for usd, _ in known[ITEMS:]]
    if len(rest) == 1:
        shown.append(f"{item_text(known[-1][1])} {money(rest[0])}")
    elif rest:
        shown.append(f"{len(rest)} others {money(sum(rest, Decimal(0)))}")
    return " + ".join(shown)


def _alternatives(plan: SavedPlan, most: int) -> RenderableType:
    rows: list[tuple[str, ...]] = []
    for one in different_alternatives(plan, most):
        more = one.usd_more
        above = (
            "?" if more is None else f"+{money(more)}" if more > 0 else money(more) if more else "the same"
        )
        rows.append(
            (_alternative(one), hours_text(one.hours.p50), least_money(one.usd.p50, one.unpriced), above)
        )
    table = Table(box=None, pad_edge=False, header_style="dim")
    head = "instead (rented: after an upload)" if plan.upload else instead_text(plan)
    table.add_column(head, no_wrap=True, overflow="ellipsis", max_width=FLEET_LETTERS)
    for place, name in enumerate(("time", "dollars", "more"), start=1):
        widest = max(len(name), *(len(row[place]) for row in rows)) if rows else len(name)
        table.add_column(name, justify="right", no_wrap=True, min_width=widest)  # a figure is never cut
    for row in rows:
        table.add_row(*row)
    return table


def _alternative(one: AlternativeFleet) -> str:
    """The machines of an alternative, and where they are."""
    first = one.lots[0]
    if first.cloud == "local":
        return "this machine"
    kind = "spot" if first.spot else "on demand"
    others = f" and {len(one.lots) - 1} more" if len(one.lots) > 1 else ""
    return f"{fleet_text(one.lots[:1])} on {first.cloud}, {kind}{others}"


def _warnings(plan: SavedPlan) -> Iterator[str]:
    if alone := dtype_warning(plan):
        yield _cut(alone)
    if plan.upload is not None:
        yield from upload_lines(plan.upload, chosen=plan.lots[0].cloud != "local")
    old = old_price_lines(plan)
    if old:
        yield _cut(
            f"{old[0]}{f' (and {len(old) - 1} more)' if len(old) > 1 else ''}: embedfleet prices refresh"
        )
    elif book := old_book_line(plan):
        yield book


def _notes(plan: SavedPlan) -> Iterator[str]:
    """What loading costs where that is more than embedding, and other models: never more than a note."""
    if dear := dear_load(plan):
        yield f"note: {dear}"
    yield from (f"note: {plain(line)}" for line in short_notes(plan))
    yield from (f"note: {plain(line)}" for line in other_models(plan))


def _cut(words: str, letters: int = SENTENCE) -> str:
    return words if len(words) <= letters else f"{words[: letters - 1]}…"
