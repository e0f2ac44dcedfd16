"""A plan, and the difference of two plans, in Markdown: what a pull request that changes a job should show.

Foreign text can only ever become text. What is long is folded away.
"""

from collections.abc import Callable, Sequence
from typing import Any

from launcher.format import compact, count, hours_text, least_money, money, percent, plain, rate, utc_time
from launcher.planning.saved.plan_diff_document import (
    DiffDocument,
    GroupChange,
    GroupSide,
    NumberChange,
    PlanHead,
    UsdChange,
)
from launcher.planning.saved.saved_plan import MachineGroup, ReducedPrecision, SavedPlan
from launcher.reports.markdown import cell, code, table
from launcher.reports.plans.compared import another_model, like_with_like
from launcher.reports.plans.cost_items import item_text
from launcher.reports.plans.place_names import place_names
from launcher.reports.plans.plan_choice import different_alternatives
from launcher.reports.plans.price_notes import old_price_lines
from launcher.reports.plans.steering_lines import is_steered, steering_lines
from launcher.reports.plans.store_costs import sink_lines

SHOWN_GROUPS, SHOWN_ALTERNATIVES, SHOWN_CHANGES = 12, 6, 30
VALUE_LETTERS = 80


def plan_md(plan: SavedPlan) -> str:
    """What a plan costs, on which machines, what else there is, and what it warns of."""
    totals, name = plan.totals, plain(plan.work.job.get("name"))
    usd, hours = plan.expected_usd, plan.expected_hours
    head = f"{hours_text(hours.p50)} ({hours_text(hours.p10)} to {hours_text(hours.p90)})"
    dollars = "the cost is not known"
    if usd.p50 is not None:
        least = least_money(usd.p50, plan.expected_unpriced)
        dollars = f"**{cell(least)}** ({money(usd.p10)} to {money(usd.p90)})"
    profile = plan.profile
    parts = [
        f"### embedfleet plan: {cell(name)}",
        f"{dollars}, {head}; P50, and P10 to P90 in brackets. {_work(plan)}",
        *(cell(one.text) for one in like_with_like(plan)),
        cell("; ".join(sink_lines(plan))),
        _warnings(plan),
        *_steering(plan),
        table(
            (
                "Static fleet" if is_steered(plan) else "Machine",
                "Where",
                "Machines",
                "$ per hour",
                "Speed",
                "Work",
            ),
            [
                (
                    _machine(group),
                    "here"
                    if group.cloud == "local"
                    else f"{group.cloud} {next(iter(place_names(group)), '')}".strip(),
                    count(group.machines),
                    money(group.usd_per_hour),
                    rate(group.tokens_per_second),
                    percent(group.tokens, profile.tokens),
                )
                for group in plan.lots[:SHOWN_GROUPS]
            ],
        ),
        *_items(plan),
        *_reduced(totals.reduced, money(totals.usd.p50)),
        *_alternatives(plan),
        *(f"Note: {cell(one.text)}" for one in another_model(plan)),
        _footer(plan),
    ]
    return "\n\n".join(part for part in parts if part) + "\n"


def _steering(plan: SavedPlan) -> list[str]:
    """How the fleet is steered; nothing where it is not."""
    lines = steering_lines(plan)
    return [table(("Steering", ""), lines)] if lines else []


def _work(plan: SavedPlan) -> str:
    found = plan.profile
    counts = (
        f"{count(found.documents)} documents, {count(found.chunks)} chunks, {compact(found.tokens)} tokens"
    )
    return f"{counts}, model {cell(plan.work.model)}."


def diff_md(document: DiffDocument) -> str:
    """What differs between two plans: the verdict, the figures, then their causes."""
    totals = document.totals
    if document.equal:
        return "### embedfleet plan: nothing changes\n\nThe same work, machines, dollars and hours.\n"
    usd, hours = totals.usd, totals.hours
    figures = [
        ("dollars, P50", *_change(usd.p50, money)),
        ("dollars, P90", *_change(usd.p90, money)),
        ("time, P50", *_change(hours.p50, hours_text)),
        ("time, P90", *_change(hours.p90, hours_text)),
        ("dollars per 1M tokens", *_change(totals.usd_per_million_tokens, money)),
        ("machines", *_change(totals.machines, count)),
    ]
    changes = [
        (fact.name, _value(fact.one), _value(fact.other)) for fact in (*document.work, *document.limits)
    ]
    groups = [
        (_machine(group), _side(group.one), _side(group.other))
        for group in document.lots
        if group.change != "same"
    ]
    parts = [
        f"### embedfleet plan: {_verdict(usd.p50, hours.p50)}",
        table(("", "Before", "After", "Difference", ""), figures),
        _folded("What the job and the corpus changed", ("", "Before", "After"), changes),
        _folded("Machines", ("", "Before", "After"), groups),
        f"Before: {_head(document.one)}. After: {_head(document.other)}.",
    ]
    return "\n\n".join(part for part in parts if part) + "\n"


def _head(plan: PlanHead) -> str:
    return f"`{code(plan.run)}`, planned {utc_time(plan.created)}"


def _verdict(usd: UsdChange, hours: NumberChange) -> str:
    if usd.difference is None:
        return f"dollars {money(usd.one)} before, {money(usd.other)} after"
    words = "the same dollars"
    if usd.difference:
        words = (
            f"{money(abs(usd.difference))} {'more' if usd.difference > 0 else 'less'}{_percent(usd.percent)}"
        )
    if hours.difference:
        words += f", {hours_text(abs(hours.difference))} {'longer' if hours.difference > 0 else 'sooner'}"
    return words


def _percent(share: float | None) -> str:
    return "" if share is None else f" ({share:+.1f} %)"


def _change(change: UsdChange | NumberChange, text: Callable[[Any], str]) -> tuple[str, str, str, str]:
    one, other, difference = text(change.one), text(change.other), change.difference
    if difference is None:
        return one, other, "?", ""
    if not difference:
        return one, other, "", ""
    return (
        one,
        other,
        f"{'+' if difference > 0 else ''}{text(difference)}",
        _percent(change.percent).strip(" ()"),
    )


def _value(value: object) -> str:
    text = "-" if value is None else plain(value)
    return text if len(text) <= VALUE_LETTERS else f"{text[: VALUE_LETTERS - 1]}\N{HORIZONTAL ELLIPSIS}"


def _side(side: GroupSide | None) -> str:
    return "-" if side is None else f"{count(side.machines)} at {money(side.usd_per_hour)} an hour"


def _folded(title: str, columns: Sequence[str], rows: Sequence[Sequence[str]]) -> str:
    """A table behind a click; empty if it has no rows."""
    if not rows:
        return ""
    more = len(rows) - SHOWN_CHANGES
    note = f"\n\nand {count(more)} more: see --json" if more > 0 else ""
    made = table(columns, rows[:SHOWN_CHANGES])
    return f"<details><summary>{title}</summary>\n\n{made}{note}\n\n</details>"


def _warnings(plan: SavedPlan) -> str:
    """What a reviewer should not overlook."""
    profile = plan.profile
    lines = list(old_price_lines(plan))
    if profile.tokens_cut:
        lost = percent(profile.tokens_cut, profile.tokens + profile.tokens_cut)
        lines.append(f"truncation loses {lost} of the tokens, in {count(profile.documents_cut)} documents")
    if profile.bad_rows:
        lines.append(f"about {count(profile.bad_rows)} rows cannot be embedded")
    lines += [f"not priced: {text}" for text in plan.not_priced]
    lines += [f"binds: {text}" for text in plan.binding]
    return "\n".join(f"- {cell(line)}" for line in lines)


def _items(plan: SavedPlan) -> list[str]:
    rows = [
        (item_text(name), money(amount))
        for name, amount in plan.totals.items.items()
        if amount is None or amount
    ]
    made = _folded(
        "What the static fleet costs" if is_steered(plan) else "What it costs", ("", "Dollars"), rows
    )
    return [made] if made else []


def _reduced(reduced: ReducedPrecision | None, usd: str) -> list[str]:
    """What a reduced precision costs and loses."""
    if reduced is None:
        return []
    loss = reduced.loss
    words = f"not measured: {reduced.why_not_measured or '?'}"
    if loss is not None:
        recall = "?" if loss.recall_at_10 is None else f"{loss.recall_at_10:.3f}"
        words = (
            f"cosine mean {loss.cosine_mean:.4f}, worst {loss.cosine_worst:.4f}, recall@10 {recall} on "
            f"{count(loss.texts)} texts"
        )
    instead = money(reduced.usd_without)
    return [f"Precision {cell(reduced.precision)}: {usd} instead of {instead}; what it loses: {cell(words)}."]


def _alternatives(plan: SavedPlan) -> list[str]:
    rows = [
        (one.name, least_money(one.usd.p50, one.unpriced), hours_text(one.hours.p50), count(one.machines))
        for one in different_alternatives(plan, SHOWN_ALTERNATIVES)
    ]
    made = _folded(
        "Other fleets",
        ("Instead of the static fleet" if is_steered(plan) else "Instead", "Dollars", "Time", "Machines"),
        rows,
    )
    return [made] if made else []


def _footer(plan: SavedPlan) -> str:
    as_of = f", oldest price of {plan.prices_as_of}" if plan.prices_as_of else ""
    plan_and_run = f"Plan `{code(plan.digest[:16])}` of run `{code(plan.run)}`"
    return f"{plan_and_run}, {utc_time(plan.created)}{as_of}. Nothing was rented."


def _machine(kind: MachineGroup | GroupChange) -> str:
    """A machine type, such as `8 x L4, spot`."""
    if kind.cloud == "local":
        return "this machine"
    return f"{kind.gpus_per_machine:g} x {plain(kind.gpu)}, {'spot' if kind.spot else 'on demand'}"
