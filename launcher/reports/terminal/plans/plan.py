"""The whole plan on a terminal: `plan --all`, and what goes to a pipe or a file. See `plan_screen` for the short form."""

from collections.abc import Iterator
from itertools import compress

from rich.console import Group, RenderableType
from rich.table import Table
from rich.text import Text

from launcher.format import count, hours_text, money, plain, size
from launcher.planning.estimates.past_runs import past_runs_text
from launcher.planning.saved.saved_plan import MachineGroup, NeededUpload, PlanTotals, QuotaNeed, SavedPlan
from launcher.reports.plans import store_costs
from launcher.reports.plans.compared import another_model, like_with_like, other_models
from launcher.reports.plans.cost_items import missing_items, range_note, sum_text
from launcher.reports.plans.price_notes import discount_lines, has_undated, old_price_lines, price_age_text
from launcher.reports.plans.steering_lines import EXPECTED, further_assumptions, is_steered, steering_lines
from launcher.reports.terminal.plans.plan_tables import (
    alternatives_table,
    columns_table,
    frontier_table,
    hosted_table,
    speed_text,
    stores_table,
    types_table,
    whole_figures,
)
from launcher.reports.terminal.plans.plan_words import (
    machine_text,
    place_text,
    work_lines,
)
from pricing.staleness import BOOK_DAYS

SHOWN_QUOTAS = 4
LEAD_TIME = "how long a cloud takes to grant one is not known and not in the hours: ask first"
SHOWN_SOURCES = 3  # of speeds
REFRESH = "embedfleet prices refresh reads them again"


def plan_text(plan: SavedPlan) -> RenderableType:
    """The whole plan: the work, how it is steered, the chosen fleet, its alternatives, and what is not known."""
    lines: list[RenderableType] = [*_compared(plan), *work_lines(plan)]
    if plan.steering is not None:
        lines += [Text(), _steering(plan), Text()]
    lines += [_groups(plan), *_totals(plan)]
    if plan.steering is None:
        lines += [Text(f"{word} {text}") for word, text in steering_lines(plan)]
    lines += [
        Text(f"loaded: {line}" if not number else line)
        for number, line in enumerate(store_costs.sink_lines(plan))
    ]
    if plan.alternatives:
        lines += [Text(), alternatives_table(plan)]
    if len(plan.frontier) > 1:
        lines += [Text(), frontier_table(plan)]
    if plan.kinds:
        lines += [Text(), types_table(plan)]
    if note := range_note([one.unpriced for one in (*plan.alternatives, *plan.frontier, *plan.kinds)]):
        lines.append(Text(note.strip(), style="dim"))
    if plan.hosted:
        lines += [Text(), hosted_table(plan)]
    if plan.stores:
        lines += [Text(), stores_table(plan), Text(store_costs.NOTE, style="dim")]
    lines += [Text(), *_footnotes(plan)]
    return Group(*lines)


def _compared(plan: SavedPlan) -> list[RenderableType]:
    """The same model elsewhere, first of all; what is better than the choice stands out."""
    lines: list[RenderableType] = []
    for one in like_with_like(plan):
        lines.append(Text(plain(one.text), style="bold yellow" if one.better else ""))
        if one.notes:
            lines.append(Text(f"  {plain('; '.join(one.notes))}", style="dim"))
    return lines


def _groups(plan: SavedPlan) -> RenderableType:
    """The chosen machines; columns in which nothing is said, as of this machine, are left out."""
    names = (
        "static fleet" if is_steered(plan) else "chosen",
        "places",
        "machines",
        "GPUs a region",
        "tok/s each",
        "$/h each",
        "age",
        "$ / 1M tokens",
    )
    rows = [
        (
            machine_text(group),
            place_text(group),
            count(group.machines),
            _capacity(group),
            speed_text(group.tokens_per_second),
            money(group.usd_per_hour),
            price_age_text(group, plan.created, table=True),
            money(group.usd_per_million_tokens),
        )
        for group in plan.lots
    ]
    said = [any(row[place] for row in rows) for place in range(len(names))]
    table = columns_table(*compress(names, said), words=2)
    for row in rows:
        table.add_row(*compress(row, said), style="bold")
    return whole_figures(table)


def _steering(plan: SavedPlan) -> RenderableType:
    grid = Table.grid(padding=(0, 1))
    grid.add_column(no_wrap=True)
    grid.add_column()
    for word, text in steering_lines(plan):
        grid.add_row(word, text, style="bold" if word == EXPECTED else "")
    for text in further_assumptions(plan):
        grid.add_row("assumes", plain(text), style="dim")
    return grid


def _totals(plan: SavedPlan) -> list[RenderableType]:
    totals = plan.totals
    hours, usd = totals.hours, totals.usd
    between = f"{hours_text(hours.p10)} to {hours_text(hours.p90)}"
    if usd.p50 is None:
        head = f"{hours_text(hours.p50)} ({between}: P10 to P90), dollars: ?"
    else:
        head = (
            f"{hours_text(hours.p50)} and {'at least ' if totals.unpriced else ''}{money(usd.p50)} "
            f"({between}, {money(usd.p10)} to {money(usd.p90)}: P10 to P90); "
            f"{money(totals.usd_per_million_tokens)} per 1M tokens"
        )
    lines = [Text(f"static: {head}" if is_steered(plan) else head, style="" if is_steered(plan) else "bold")]
    if items := sum_text(totals.items):
        lines.append(Text(f"= {items}"))
    missing = missing_items(totals.items, totals.unpriced)
    if missing and usd.p50 is not None:
        lines.append(Text(f"not in the dollars: {', '.join(missing)}", style="yellow"))
    lines += [Text(line, style="yellow") for line in old_price_lines(plan)]
    lines += [Text(line) for line in discount_lines(plan)]
    sources = list(dict.fromkeys(f"{machine_text(group)}: {group.speed_source}" for group in plan.lots))
    lines += [Text(f"speed: {plain(source)}", style="dim") for source in sources[:SHOWN_SOURCES]]
    if totals.reduced:
        lines.append(Text(reduced_text(totals), style="bold"))
    seen = list(dict.fromkeys(group.capacity.source for group in plan.lots if group.capacity))
    lines += [Text(f"GPUs a region: {plain(source)}", style="dim") for source in seen[:SHOWN_SOURCES]]
    if totals.past_runs:
        lines.append(Text(past_runs_text(totals.past_runs), style="dim"))
    return list(lines)


def reduced_text(totals: PlanTotals) -> str:
    """What a reduced precision costs and loses, such as "fp8: $8.10 instead of $9.90; cosine mean 0.9971, ..."."""
    reduced = totals.reduced
    assert reduced is not None
    usd = f"{plain(reduced.precision)}: {money(totals.usd.p50)} instead of {money(reduced.usd_without)}; "
    loss = reduced.loss
    if loss is None:
        return f"{usd}what it loses is not measured: {plain(reduced.why_not_measured or '?')}"
    recall = "?" if loss.recall_at_10 is None else f"{loss.recall_at_10:.3f}"
    return (
        f"{usd}cosine mean {loss.cosine_mean:.4f}, worst {loss.cosine_worst:.4f}, recall@10 {recall} "
        f"on {count(loss.texts)} of your texts ({plain(loss.how)})"
    )


def _footnotes(plan: SavedPlan) -> Iterator[RenderableType]:
    if plan.upload is not None:
        for line in upload_lines(plan.upload, chosen=plan.lots[0].cloud != "local"):
            yield Text(line, style="bold yellow")
    for line in plan.binding:
        yield Text(f"binds: {plain(line)}")
    yield from _quota(plan)
    others = ["; ".join((one.text, *one.notes)) for one in another_model(plan)]
    for line in (*others, *other_models(plan)):
        yield Text(f"note: {plain(line)}", style="dim")
    for line in store_costs.warnings(plan):
        yield Text(line, style="bold yellow")
    if plan.not_priced:
        yield Text(f"not priced: {'; '.join(map(plain, plan.not_priced))}", style="dim")
    if old := old_book_line(plan):
        yield Text(old, style="bold yellow")
    elif plan.prices_as_of:
        others = "; those of the chosen machines have no date" if has_undated(plan) else ""
        yield Text(f"prices: the oldest of {plan.prices_as_of}{others}; {REFRESH}", style="dim")
    elif has_undated(plan):
        yield Text(f"prices: none has a date, so their age is unknown; {REFRESH}", style="bold yellow")


def _quota(plan: SavedPlan) -> Iterator[Text]:
    """What the account must be granted, if anything."""
    quota = [
        f"{q.gpus:g} x {q.gpu} {q.cloud} {plain(q.region)} {'spot' if q.spot else 'on demand'}{_vcpus(q)}"
        for q in plan.quota_needed
    ]
    if quota:
        more = f" and {len(quota) - SHOWN_QUOTAS} more" if len(quota) > SHOWN_QUOTAS else ""
        yield Text(f"quota to ask for: {'; '.join(quota[:SHOWN_QUOTAS])}{more} ({LEAD_TIME})")


def upload_lines(upload: NeededUpload, *, chosen: bool) -> Iterator[str]:
    """What rented machines need first; `chosen`: the plan rents them, so that it cannot be launched before."""
    what = "this plan can be launched" if chosen else "they could be rented"
    month = f" ({size(upload.bytes)}, {money(upload.usd_per_month)} a month to store)" if upload.bytes else ""
    yield f"rented machines see no folder of this machine: {what} only after an upload{month}"
    command = f"{upload.command}; then " if upload.command else ""
    yield f"  {plain(command)}set {plain(', '.join(upload.settings))}"


def old_book_line(plan: SavedPlan) -> str | None:
    """A warning where the plan uses prices that are older than a price book should be."""
    if plan.prices_as_of is None:
        return None
    age = (plan.created.date() - plan.prices_as_of).days
    if age <= BOOK_DAYS:
        return None
    return f"OLD PRICES: up to {age} days old (of {plan.prices_as_of}), more than {BOOK_DAYS}; {REFRESH}"


def _vcpus(need: QuotaNeed) -> str:
    """The vCPUs, where the cloud counts its quotas by them."""
    return f" = {need.vcpus} vCPUs" if need.cloud == "aws" and need.vcpus is not None else ""


def _capacity(group: MachineGroup) -> str:
    """How many GPUs a region is counted on to give, and whether that was seen."""
    if group.capacity is None:
        return ""
    return f"{group.capacity.gpus} {group.capacity.basis}"
