"""The plan as one HTML page that needs nothing else: no network, no script, light and dark, screen and paper.

Knows a saved plan, and nothing of how it was made. `elements` escapes every text, and `launcher.format` rounds every
figure.
"""

from collections.abc import Sequence
from decimal import Decimal

from launcher.format import (
    compact,
    count,
    hours_text,
    least_money,
    money,
    percent,
    plain,
    plural,
    rate,
    utc_time,
)
from launcher.jobs.job import Job, JobLimits, load
from launcher.planning.estimates.past_runs import past_runs_text
from launcher.planning.saved.saved_plan import SavedPlan
from launcher.reports.html import stylesheet
from launcher.reports.html.elements import Markup, Section, document, join, section, shown_of, table, tag
from launcher.reports.html.plan_page.plan_alternatives import (
    alternatives_section,
    frontier_section,
    hosted_section,
    types_section,
)
from launcher.reports.html.plan_page.plan_job import (
    lengths_section,
    precision_section,
    price_age,
    prices_section,
    quota_section,
    work_section,
)
from launcher.reports.html.plan_page.plan_steering import steering_section
from launcher.reports.html.plan_text import (
    interval,
    is_local,
    machine,
    place,
    purchase,
    short,
    with_detail,
)
from launcher.reports.html.svg.charts import key, parts_bar, pattern_defs
from launcher.reports.plans import store_costs
from launcher.reports.plans.compared import Sentence, another_model, like_with_like
from launcher.reports.plans.cost_items import item_text, missing_items
from launcher.reports.plans.missed_limits import deadline_hours
from launcher.reports.plans.price_notes import discount_lines, place_price_age, place_price_note
from launcher.reports.plans.steering_lines import is_steered

HOUR_PRICE = (
    "Set local.usd_per_hour in the job file to what an hour of this machine costs you: it is not known."
)
LONG_VERDICT = 100  # letters, from which it is set smaller
SHOWN_PLACES = 100  # rows that a person still reads; beyond, the page says how many

MEANING = {
    "compute": "machines at work",
    "cold_start": "boot, setup, the model's download and the engine's start",
    "preemption": "work and starts lost when spot machines are taken away",
    "idle_tail": "machines waiting for the others' last shards",
    "teardown": "until the machines are gone, and minimum billing",
    "disk": "the machines' disks",
    "storage": "the vectors' first month",
    "egress": "texts to the machines and vectors from them",
    "controller": "the machine that watches over the fleet, with its start and ten idle minutes",
}


def plan_page(plan: SavedPlan, css: str | None = None) -> str:
    """The page of a plan; `css` replaces the style sheet of the package."""
    job = load(plan.work.job)
    sections = (
        work_section(plan, job),
        _cards(plan, job.limits),
        steering_section(plan),
        _fleet(plan),
        _items(plan),
        precision_section(plan),
        frontier_section(plan, job.limits),
        alternatives_section(plan),
        hosted_section(plan),
        _list("What binds", "Limits that shape this plan.", plan.binding),
        quota_section(plan),
        _list("Your discounts", "They are in the prices.", discount_lines(plan)),
        _list("What is not priced", "None of this is in the dollars.", plan.not_priced),
        _stores(plan),
        types_section(plan, job.limits),
        lengths_section(plan),
        prices_section(plan),
    )
    main = tag("main", *(s for s in sections if s))
    sheet = stylesheet.plan_css() if css is None else css
    title = f"{short(job.name)}: embedfleet plan"
    return document(title, sheet, pattern_defs(), _header(plan, job), main, _footer(plan))


def _header(plan: SavedPlan, job: Job) -> Markup:
    """The verdict. The same model elsewhere comes first, if it is better; another model is only a note."""
    verdict, *rest = [*_compared(plan, better=True), *_chosen(plan), *_compared(plan, better=False)]
    when = f"run {short(plan.run)}, planned {utc_time(plan.created)}"
    return tag(
        "header",
        tag("div", f"embedfleet plan of {short(job.name)}", class_="eyebrow"),
        tag("h1", verdict, class_="long" if len(verdict) > LONG_VERDICT else None),
        *(tag("p", sentence, class_="lede") for sentence in rest),
        *(tag("p", sentence, class_="note") for sentence in _notes(plan)),
        tag("p", when, class_="note"),
    )


def _compared(plan: SavedPlan, *, better: bool) -> list[str]:
    """The same model elsewhere, where that is better than the choice or where it is not, each followed by its notes."""
    return [text for one in like_with_like(plan) if one.better == better for text in _sentences(one)]


def _notes(plan: SavedPlan) -> list[str]:
    """Other models that are hosted, each with its notes in the same sentence."""
    return [*(". ".join(_sentences(one)) for one in another_model(plan))]


def _sentences(one: Sentence) -> list[str]:
    """A comparison and its notes, as sentences."""
    notes = "; ".join(one.notes)
    return [one.text, *([f"{notes[:1].upper()}{notes[1:]}."] if notes else [])]


def _chosen(plan: SavedPlan) -> list[str]:
    totals = plan.totals
    usd, hours = plan.expected_usd, plan.expected_hours
    where = _where(plan)
    verdict = f"{'at least ' if plan.expected_unpriced else ''}{money(usd.p50)} and {hours_text(hours.p50)} on {where}"
    if usd.p50 is None:
        verdict = f"{hours_text(hours.p50)} on {where}; the cost is not known"
    if any(one.better for one in like_with_like(plan)):
        verdict = f"{'The steered fleet' if is_steered(plan) else 'The fleet chosen'}: {verdict}."
    times = f"{hours_text(hours.p10)} to {hours_text(hours.p90)}"
    dollars = "" if usd.p50 is None else f"{money(usd.p10)} to {money(usd.p90)} and "
    return [
        verdict,
        f"That is the middle of what may come (P50); eight runs in ten fall between P10 and P90: {dollars}{times}.",
        *([past_runs_text(totals.past_runs)] if totals.past_runs else []),
    ]


def _where(plan: SavedPlan) -> str:
    """The machines whose figures come first, in words."""
    steering = plan.steering
    if steering is not None and steering.expects:
        return f"at most {plural(steering.envelope.machines, 'machine')}, steered"
    first, *others = plan.lots
    machines = plural(plan.totals.machines, "machine")
    if others:
        return f"{machines} in {1 + len(others)} groups"
    return "this machine" if is_local(first) else f"{machines} of {machine(first)}, {place(first)}"


def _cards(plan: SavedPlan, limits: JobLimits) -> Markup:
    totals, profile = plan.totals, plan.profile
    usd, hours = plan.expected_usd, plan.expected_hours
    speed = sum(group.tokens_per_second * group.machines for group in plan.lots)
    machines = ("Machines", count(totals.machines), f"{rate(speed)} together")
    if plan.steering is not None and plan.steering.expects:
        machines = ("Machines, at most", count(plan.steering.envelope.machines), "steered")
    deadline = deadline_hours(plan, limits)
    spread = None if usd.p10 is None else f"{money(usd.p10)} to {money(usd.p90)}"
    budget = None if limits.budget is None else f"budget {money(limits.budget)}"
    dollars = "; ".join(one for one in (spread, budget) if one)
    time = f"{hours_text(hours.p10)} to {hours_text(hours.p90)}"
    time += f"; deadline {hours_text(deadline)}" if deadline else ""
    cards = (
        ("Dollars, P50", least_money(usd.p50, plan.expected_unpriced), dollars),
        ("Time, P50", hours_text(hours.p50), time),
        ("Dollars per 1M tokens", money(plan.expected_usd_per_million_tokens), ""),
        machines,
        ("Documents", count(profile.documents), ""),
        ("Chunks, one vector each", count(profile.chunks), ""),
        ("Tokens", compact(profile.tokens), interval(profile, "tokens")),
        ("Oldest price", plain(plan.prices_as_of or "none"), price_age(plan)),
    )
    return tag(
        "dl",
        *(
            tag("div", tag("dt", name), tag("dd", value), tag("dd", more, class_="between") if more else "")
            for name, value, more in cards
        ),
        class_="cards",
    )


def _fleet(plan: SavedPlan) -> Markup:
    groups, tokens = plan.lots, plan.profile.tokens
    rows = [
        (
            with_detail(machine(group), purchase(group)),
            count(group.machines),
            money(group.usd_per_hour),
            rate(group.tokens_per_second),
            money(group.usd_per_million_tokens),
            percent(group.tokens, tokens),
        )
        for group in groups
    ]
    columns = ("Machine", "Machines", "$ per hour", "Speed", "$ per 1M tokens", "Work")
    sources = dict.fromkeys(f"{machine(group)}: {short(group.speed_source)}" for group in groups)
    static = "What --steer static rents, whatever happens. " if is_steered(plan) else ""
    return section(
        "The static fleet" if is_steered(plan) else "The fleet",
        f"{static}Prices and speeds are of one machine, at the middle.",
        table("Machine groups", columns, rows),
        *(() if is_local(groups[0]) else _places(plan)),
        tag("h3", "Where the speeds come from"),
        tag("ul", *(tag("li", source) for source in sources)),
        kind="long",
    )


def _places(plan: SavedPlan) -> Sequence[Markup]:
    places = [(group, one) for group in plan.lots for one in group.places]
    rows = [
        (
            with_detail(
                f"{short(group.cloud)} {short(one.region)}",
                ", ".join(short(name) for name in (one.zone, one.instance_type) if name),
            ),
            with_detail(machine(group), purchase(group, bare=True)),
            count(one.machines),
            "" if one.tokens is None else percent(one.tokens, plan.profile.tokens),
            with_detail(money(one.usd_per_hour), place_price_note(one)),
            place_price_age(one, plan.created),
        )
        for group, one in places[:SHOWN_PLACES]
    ]
    columns = ("Place", "Machine", "Machines", "Work", "$ per hour", "Price seen")
    shown = shown_of(len(rows), len(places), "places")
    note = [tag("p", shown, class_="note")] if shown else []
    return tag("h3", "Places"), *note, table("Places", columns, rows, left={1})


def _items(plan: SavedPlan) -> Section:
    usd, items = plan.totals.usd.p50, plan.totals.items
    lacks = plan.totals.unpriced
    known = {name: amount for name, amount in items.items() if amount is not None}
    total = sum(known.values(), Decimal(0))
    pieces = [(name, float(amount), f"{item_text(name)}: {money(amount)}") for name, amount in known.items()]
    rows: list[tuple[object, ...]] = [
        (
            with_detail(join(key(name) if known.get(name) else "", item_text(name)), MEANING.get(name, "")),
            least_money(amount, {name: lacks[name]} if name in lacks else {}),
            percent(float(known[name]), float(total)) if name in known else "not known",
        )
        for name, amount in items.items()
    ]
    dollars = f"? (known: {money(total)})" if usd is None and total else least_money(usd, lacks)
    rows.append(tuple(tag("b", cell) for cell in ("Total at P50", dollars, "")))
    missing = missing_items(items, lacks)
    note = f"Not in the total, for no price is known: {', '.join(missing)}." if missing else ""
    bar = [parts_bar("Dollars by item", pieces)] if total else []
    title = "What the static fleet costs" if is_steered(plan) else "What it costs"
    if usd is None and not total:  # a column of question marks
        here = is_local(plan.lots[0])
        return section(title, note, tag("p", HOUR_PRICE) if here else "")
    return section(title, note, *bar, table("Items", ("", "Dollars", "Share"), rows, wide={0}))


def _stores(plan: SavedPlan) -> Section:
    """What the job's own vector store, and the usual ones, cost with these vectors."""
    if not plan.stores and plan.sink is None:
        return None
    rows = [
        (with_detail(store, index), *figures)
        for store, index, *figures in map(store_costs.store_row, plan.stores)
    ]
    said = (*store_costs.sink_lines(plan), *store_costs.warnings(plan))
    note = [tag("p", f"{one[:1].upper()}{one[1:]}.") for one in said]
    columns = ("Store", "Bytes", "To load", "A month")
    usual = [table("Vector stores", columns, rows)] if rows else []
    return section(store_costs.TITLE, store_costs.NOTE if rows else "", *note, *usual)


def _footer(plan: SavedPlan) -> Markup:
    gap = plan.solver_gap
    facts = [f"plan {short(plan.digest)}"]
    facts += [f"at most {percent(gap, 1)} above the cheapest under these limits"] if gap is not None else []
    return tag("footer", f"{'; '.join(facts)}. Made by embedfleet; nothing has been rented.")


def _list(title: str, note: str, sentences: Sequence[str]) -> Section:
    if not sentences:
        return None
    return section(title, note, tag("ul", *(tag("li", short(sentence)) for sentence in sentences)))
