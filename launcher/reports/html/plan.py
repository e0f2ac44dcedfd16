"""The plan as one HTML page that needs nothing else: no network, no script, light and dark, screen and paper.

Knows a saved plan, and nothing of how it was made. `elements` escapes every text, and `launcher.format` rounds every
figure.
"""

from collections.abc import Sequence
from decimal import Decimal

from launcher.format import compact, count, hours_text, money, percent, plain, plural, rate, utc_time
from launcher.jobs.job import Job, JobLimits, load
from launcher.planning.saved_plan import MachineGroup, SavedPlan
from launcher.reports.html import stylesheet
from launcher.reports.html.charts import key, parts_bar, pattern_defs
from launcher.reports.html.elements import Markup, Section, document, join, section, shown_of, table, tag
from launcher.reports.html.plan_alternatives import (
    alternatives_section,
    frontier_section,
    hosted_section,
    types_section,
)
from launcher.reports.html.plan_job import price_age, prices_section, quota_section, work_section
from launcher.reports.html.plan_text import (
    deadline_hours,
    interval,
    is_local,
    machine,
    place,
    purchase,
    short,
    spaced,
    with_detail,
)

SHOWN_PLACES = 100  # rows that a person still reads; beyond, the page says how many

MEANING = {
    "compute": "machines at work",
    "cold_start": "boot, setup and the model's download",
    "preemption": "work and starts lost when spot machines are taken away",
    "idle_tail": "machines waiting for the others' last shards",
    "disk": "the machines' disks",
    "storage": "the vectors' first month",
    "egress": "texts to the machines and vectors from them",
    "controller": "the machine that watches over the fleet",
}


def plan_page(plan: SavedPlan, css: str | None = None) -> str:
    """The page of a plan; `css` replaces the style sheet of the package."""
    job = load(plan.work.job)
    sections = (
        _cards(plan, job.limits),
        _fleet(plan),
        _items(plan),
        frontier_section(plan, job.limits),
        alternatives_section(plan),
        hosted_section(plan),
        _list("What binds", "Limits that shape this plan.", plan.binding),
        quota_section(plan),
        _list("What is not priced", "None of this is in the dollars.", plan.not_priced),
        types_section(plan),
        work_section(plan, job),
        prices_section(plan),
    )
    main = tag("main", *(s for s in sections if s))
    sheet = stylesheet.plan_css() if css is None else css
    title = f"{short(job.name)}: embedfleet plan"
    return document(title, sheet, pattern_defs(), _header(plan, job), main, _footer(plan))


def _header(plan: SavedPlan, job: Job) -> Markup:
    """The verdict. What is cheaper than any fleet comes first, if something is."""
    verdict, *rest = [*_cheaper(plan), *_chosen(plan)]
    when = f"run {short(plan.run)}, planned {utc_time(plan.created)}"
    return tag(
        "header",
        tag("h1", verdict),
        *(tag("p", sentence, class_="lede") for sentence in rest),
        tag("p", f"embedfleet plan of {short(job.name)}; {when}", class_="note"),
    )


def _cheaper(plan: SavedPlan) -> list[str]:
    found = plan.cheaper
    if not found:
        return []
    usd = money(found.fleet_usd_without_storage)
    if plan.totals.items["storage"]:
        usd += ", storage of the vectors apart"
    here = found.name == "this machine"
    other = "" if found.comparable else " with another model"
    sentences = f"It is {'the same model' if here else 'the same weights'}."
    if not found.comparable:
        sentences = "Another model gives other vectors, of another quality."
    even = found.break_even_tokens_per_month
    if even is not None:
        sentences += (
            f" From {compact(even)} tokens a month on, this fleet is the cheaper; "
            f"here it is {compact(plan.profile.tokens)}."
        )
    elif not here:
        sentences += " No number of tokens a month makes this fleet the cheaper."
    verdict = f"Cheaper{other}: {short(found.name)} does it for {money(found.usd)}, this fleet for {usd}"
    return [verdict, sentences]


def _chosen(plan: SavedPlan) -> list[str]:
    totals, groups = plan.totals, plan.lots
    usd, hours = totals.usd, totals.hours
    machines = plural(totals.machines, "machine")
    where = (
        "this machine" if is_local(groups[0]) else f"{machines} of {machine(groups[0])}, {place(groups[0])}"
    )
    if len(groups) > 1:
        where = f"{machines} in {len(groups)} groups"
    verdict = f"{money(usd.p50)} and {hours_text(hours.p50)} on {where}"
    if usd.p50 is None:
        verdict = f"{hours_text(hours.p50)} on {where}; the cost is not known"
    if plan.cheaper:
        verdict = f"The fleet chosen: {verdict}."
    times = f"{hours_text(hours.p10)} to {hours_text(hours.p90)}"
    dollars = "" if usd.p50 is None else f"{money(usd.p10)} to {money(usd.p90)} and "
    return [
        verdict,
        f"That is the middle of what may come (P50); eight runs in ten fall between P10 and P90: {dollars}{times}.",
    ]


def _cards(plan: SavedPlan, limits: JobLimits) -> Markup:
    totals, profile = plan.totals, plan.profile
    usd, hours = totals.usd, totals.hours
    deadline = deadline_hours(plan, limits)
    dollars = "" if usd.p10 is None else f"{money(usd.p10)} to {money(usd.p90)}"
    dollars += f"; budget {money(limits.budget)}" if limits.budget is not None else ""
    time = f"{hours_text(hours.p10)} to {hours_text(hours.p90)}"
    time += f"; deadline {hours_text(deadline)}" if deadline else ""
    speed = sum(group.tokens_per_second * group.machines for group in plan.lots)
    cards = (
        ("Dollars, P50", money(usd.p50), dollars),
        ("Time, P50", hours_text(hours.p50), time),
        ("Dollars per 1M tokens", money(totals.usd_per_million_tokens), ""),
        ("Machines", count(totals.machines), f"{rate(speed)} together"),
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
    return section(
        "The fleet",
        "Prices and speeds are of one machine, at the middle.",
        table("Machine groups", columns, rows),
        *(() if is_local(groups[0]) else _places(groups)),
        tag("h3", "Where the speeds come from"),
        tag("ul", *(tag("li", source) for source in sources)),
        kind="long",
    )


def _places(groups: Sequence[MachineGroup]) -> Sequence[Markup]:
    places = [(group, one) for group in groups for one in group.places]
    rows = [
        (
            with_detail(
                f"{short(group.cloud)} {short(one.region)}",
                ", ".join(short(name) for name in (one.zone, one.instance_type) if name),
            ),
            with_detail(machine(group), purchase(group, bare=True)),
            count(one.machines),
            money(one.usd_per_hour),
        )
        for group, one in places[:SHOWN_PLACES]
    ]
    columns = ("Place", "Machine", "Machines", "$ per hour")
    shown = shown_of(len(rows), len(places), "places")
    note = [tag("p", shown, class_="note")] if shown else []
    return tag("h3", "Places"), *note, table("Places", columns, rows, left={1})


def _items(plan: SavedPlan) -> Section:
    usd, items = plan.totals.usd.p50, plan.totals.items
    known = {name: amount for name, amount in items.items() if amount is not None}
    total = sum(known.values(), Decimal(0))
    pieces = [(name, float(amount), f"{spaced(name)}: {money(amount)}") for name, amount in known.items()]
    rows: list[tuple[object, ...]] = [
        (
            with_detail(join(key(name) if known.get(name) else "", spaced(name)), MEANING.get(name, "")),
            money(amount),
            percent(float(known[name]), float(total)) if name in known else "not known",
        )
        for name, amount in items.items()
    ]
    dollars = f"? (known: {money(total)})" if usd is None and total else money(usd)
    rows.append(tuple(tag("b", cell) for cell in ("Total at P50", dollars, "")))
    missing = [spaced(name) for name, amount in items.items() if amount is None]
    note = f"Not in the total, for no price is known: {', '.join(missing)}." if missing else ""
    bar = [parts_bar("Dollars by item", pieces)] if total else []
    return section("What it costs", note, *bar, table("Items", ("", "Dollars", "Share"), rows, wide={0}))


def _footer(plan: SavedPlan) -> Markup:
    gap = plan.solver_gap
    facts = [f"plan {short(plan.digest)}"]
    facts += [f"at most {percent(gap, 1)} above the cheapest under these limits"] if gap is not None else []
    return tag("footer", f"{'; '.join(facts)}. Made by embedfleet; nothing has been rented.")


def _list(title: str, note: str, sentences: Sequence[str]) -> Section:
    if not sentences:
        return None
    return section(title, note, tag("ul", *(tag("li", short(sentence)) for sentence in sentences)))
