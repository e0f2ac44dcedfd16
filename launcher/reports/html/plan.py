"""The plan as one HTML page that needs nothing else: no network, no script, light and dark, screen and paper.

Knows the plan's JSON (`embedfleet/plan/2`) and nothing of how it was made. Every text goes through `markup`, which
escapes it, and every figure through `show`.
"""

from collections.abc import Mapping, Sequence
from datetime import date, datetime
from decimal import Decimal
from typing import Any

from launcher.format import compact, count, money, money_of_text, percent, plain, rate, size, utc_time
from launcher.reports.html.charts import hatch, key, parts
from launcher.reports.html.elements import Markup, document, join, section, table, tag
from launcher.reports.html.plan_alternatives import alternatives, hosted, kinds, sooner
from launcher.reports.html.plan_text import (
    aside,
    deadline_of,
    first,
    hours_text,
    interval,
    is_local,
    machine,
    many,
    over,
    place,
    purchase,
    short,
    spaced,
)
from launcher.reports.html.stylesheet import PLAN_SHEET

PLACES, QUOTAS = 100, 100  # rows that a person still reads; beyond, the page says how many

Json = Mapping[str, Any]
Section = Markup | None  # None: there is nothing to say

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


def plan_page(plan: Json) -> str:
    """The page of a plan."""
    sections = (
        _cards(plan),
        _fleet(plan),
        _items(plan),
        sooner(plan),
        alternatives(plan),
        hosted(plan),
        _list("What binds", "Limits that shape this plan.", plan["binding"]),
        _quota(plan),
        _list("What is not priced", "None of this is in the dollars.", plan["not_priced"]),
        kinds(plan),
        _work(plan),
        _prices(plan),
    )
    name = plan["work"]["job"]["name"]
    main = tag("main", *(s for s in sections if s))
    return document(
        f"{short(name)}: embedfleet plan", PLAN_SHEET, hatch(), _header(plan), main, _footer(plan)
    )


def _header(plan: Json) -> Markup:
    """The verdict: first what is cheaper than any fleet, where something is."""
    verdict, *rest = [*_cheaper(plan), *_chosen(plan)]
    when = f"run {short(plan['run'])}, planned {utc_time(plan['created'])}"
    return tag(
        "header",
        tag("h1", verdict),
        *(tag("p", said, class_="lede") for said in rest),
        tag("p", f"embedfleet plan of {short(plan['work']['job']['name'])}; {when}", class_="note"),
    )


def _cheaper(plan: Json) -> list[str]:
    found, tokens = plan["cheaper"], plan["profile"]["tokens"]
    if not found:
        return []
    usd = money_of_text(found["fleet_usd_without_storage"])
    if Decimal(plan["totals"]["items"]["storage"] or 0):
        usd += ", storage of the vectors apart"
    name, here = short(found["name"]), found["name"] == "this machine"
    other = "" if found["comparable"] else " with another model"
    said = f"It is {'the same model' if here else 'the same weights'}."
    if not found["comparable"]:
        said = "Another model gives other vectors, of another quality."
    even = found["break_even_tokens_per_month"]
    if even is not None:
        said += f" From {compact(even)} tokens a month on, this fleet is the cheaper; here it is {compact(tokens)}."
    elif not here:
        said += " No number of tokens a month makes this fleet the cheaper."
    return [f"Cheaper{other}: {name} does it for {money_of_text(found['usd'])}, this fleet for {usd}", said]


def _chosen(plan: Json) -> list[str]:
    totals, lots = plan["totals"], plan["lots"]
    usd, hours = totals["usd"], totals["hours"]
    fleet = many(totals["machines"], "machine")
    where = "this machine" if is_local(lots[0]) else f"{fleet} of {machine(lots[0])}, {place(lots[0])}"
    if len(lots) > 1:
        where = f"{fleet} in {len(lots)} lots"
    said = f"{money_of_text(usd['p50'])} and {hours_text(hours['p50'])} on {where}"
    if usd["p50"] is None:
        said = f"{hours_text(hours['p50'])} on {where}; what it costs is not known"
    lead = "The fleet chosen: " if plan["cheaper"] else ""
    times = f"{hours_text(hours['p10'])} to {hours_text(hours['p90'])}"
    money_too = (
        "" if usd["p50"] is None else f"{money_of_text(usd['p10'])} to {money_of_text(usd['p90'])} and "
    )
    return [
        lead + said + ("." if lead else ""),
        f"That is the middle of what may come (P50); eight runs in ten fall between P10 and P90: {money_too}{times}.",
    ]


def _cards(plan: Json) -> Markup:
    totals, profile, limits = plan["totals"], plan["profile"], plan["work"]["job"]["limits"]
    usd, hours = totals["usd"], totals["hours"]
    deadline = deadline_of(plan)
    dollars = "" if usd["p10"] is None else f"{money_of_text(usd['p10'])} to {money_of_text(usd['p90'])}"
    dollars += f"; budget {money_of_text(limits['budget'])}" if limits["budget"] is not None else ""
    time = f"{hours_text(hours['p10'])} to {hours_text(hours['p90'])}"
    time += f"; deadline {hours_text(deadline)}" if deadline else ""
    speed = sum(lot["tokens_per_second"] * lot["machines"] for lot in plan["lots"])
    cards = (
        ("Dollars, P50", money_of_text(usd["p50"]), dollars),
        ("Time, P50", hours_text(hours["p50"]), time),
        ("Dollars per 1M tokens", money_of_text(totals["usd_per_million_tokens"]), ""),
        ("Machines", count(totals["machines"]), f"{rate(speed)} together"),
        ("Documents", count(profile["documents"]), ""),
        ("Chunks, one vector each", count(profile["chunks"]), ""),
        ("Tokens", compact(profile["tokens"]), interval(profile, "tokens")),
        ("Oldest price", plain(plan["prices_as_of"] or "none"), _age(plan)),
    )
    return tag(
        "dl",
        *(
            tag("div", tag("dt", name), tag("dd", value), tag("dd", more, class_="between") if more else "")
            for name, value, more in cards
        ),
        class_="cards",
    )


def _fleet(plan: Json) -> Markup:
    lots, whole = plan["lots"], plan["profile"]["tokens"]
    rows = [
        (
            over(machine(lot), purchase(lot)),
            count(lot["machines"]),
            money_of_text(lot["usd_per_hour"]),
            rate(lot["tokens_per_second"]),
            money_of_text(lot["usd_per_million_tokens"]),
            percent(lot["tokens"], whole),
        )
        for lot in lots
    ]
    columns = ("Machine", "Machines", "$ per hour", "Speed", "$ per 1M tokens", "Work")
    sources = dict.fromkeys(f"{machine(lot)}: {short(lot['speed_source'])}" for lot in lots)
    return section(
        "The fleet",
        "Prices and speeds are of one machine, at the middle.",
        table("Lots", columns, rows),
        *(() if is_local(lots[0]) else _places(lots)),
        tag("h3", "Where the speeds come from"),
        tag("ul", *(tag("li", source) for source in sources)),
        kind="long",
    )


def _places(lots: Sequence[Json]) -> Sequence[Markup]:
    seats = [(lot, seat) for lot in lots for seat in lot["places"]]
    rows = [
        (
            over(
                f"{short(lot['cloud'])} {short(seat['region'])}",
                ", ".join(short(said) for said in (seat["zone"], seat["instance_type"]) if said),
            ),
            over(machine(lot), purchase(lot, bare=True)),
            count(seat["machines"]),
            money_of_text(seat["usd_per_hour"]),
        )
        for lot, seat in seats[:PLACES]
    ]
    columns = ("Place", "Machine", "Machines", "$ per hour")
    said = first(len(rows), len(seats), "places")
    note = [tag("p", said, class_="note")] if said else []
    return tag("h3", "Places"), *note, table("Places", columns, rows, left={1})


def _items(plan: Json) -> Section:
    totals = plan["totals"]
    items: dict[str, str | None] = totals["items"]
    known = {name: Decimal(usd) for name, usd in items.items() if usd is not None}
    whole = sum(known.values(), Decimal(0))
    pieces = [(name, float(usd), f"{spaced(name)}: {money(usd)}") for name, usd in known.items()]
    rows: list[tuple[object, ...]] = [
        (
            over(join(key(name) if known.get(name) else "", spaced(name)), MEANING.get(name, "")),
            money_of_text(usd),
            percent(float(known[name]), float(whole)) if name in known else "not known",
        )
        for name, usd in items.items()
    ]
    usd = money_of_text(totals["usd"]["p50"])
    if totals["usd"]["p50"] is None and whole:
        usd = f"? (known: {money(whole)})"
    rows.append(tuple(tag("b", cell) for cell in ("Total at P50", usd, "")))
    missing = [spaced(name) for name, usd in items.items() if usd is None]
    note = f"Not in the total, for no price is known: {', '.join(missing)}." if missing else ""
    bar = [parts("Dollars by item", pieces)] if whole else []
    return section("What it costs", note, *bar, table("Items", ("", "Dollars", "Share"), rows, wide={0}))


def _quota(plan: Json) -> Section:
    asked = plan["quota_needed"]
    rows = [
        (
            short(q["cloud"]),
            short(q["region"]),
            short(q["gpu"]),
            purchase(q, bare=True),
            f"{q['gpus']:g}",
            count(q["vcpus"]),
        )
        for q in asked[:QUOTAS]
    ]
    note = "What the account must be allowed in each region; some clouds count vCPUs, some GPUs."
    note += f" {first(len(rows), len(asked), 'rows')}"
    columns = ("Cloud", "Region", "GPU", "Bought", "GPUs", "vCPUs")
    made = table("Quotas", columns, rows, left={1, 2, 3})
    return section("Quotas to ask for", note, made, kind="long") if rows else None


def _work(plan: Json) -> Markup:
    """What the job asks, in its own words, and what was found."""
    job, profile, work = plan["work"]["job"], plan["profile"], plan["work"]
    chunk, output, limits = job["chunk"], job["output"], job["limits"]
    cut = chunk["truncate"]
    chunks = (
        f"one a document, cut at {count(cut)} tokens" if cut else "one a document, cut where the model ends"
    )
    if chunk["tokens"]:
        chunks = (
            f"{count(chunk['tokens'])} tokens, {count(chunk['overlap'])} of them shared with the one before"
        )
    rows = [
        ("Model", f"{short(job['model'])}, by {short(work['engine'])}"),
        ("Corpus", short(work["corpus"] or "declared: nothing there to read yet")),
        ("Text", f"{size(profile['bytes'])}{aside(interval(profile, 'bytes', size))}"),
        ("Chunks", chunks),
    ]
    if profile["documents_cut"]:
        whole = profile["tokens"] + profile["tokens_cut"]
        lost = f"{percent(profile['tokens_cut'], whole)} of all" if profile["tokens_cut"] else "some"
        rows.append(
            ("Truncation", f"cuts {count(profile['documents_cut'])} documents and loses {lost} tokens")
        )
    if profile["bad_rows"]:
        rows.append(("Bad rows", f"about {count(profile['bad_rows'])} cannot be embedded"))
    if output:
        kept = f", {count(output['dimensions'])} dimensions" if output["dimensions"] else ""
        rows.append(("Output", f"{short(output['path'])}, {short(output['dtype'])}{kept}"))
    deadline = deadline_of(plan)
    said = [
        ("deadline", hours_text(deadline) if deadline else None),
        ("budget", money_of_text(limits["budget"]) if limits["budget"] is not None else None),
        *((name, ", ".join(map(short, limits[name]))) for name in ("gpus", "clouds", "regions")),
        ("spot", limits["spot"]),
        *(
            (name, count(limits[name]) if limits[name] else None)
            for name in ("machines", "machines_per_region")
        ),
        ("quota", f"{len(job['quota'])} given" if job["quota"] else None),
    ]
    rows.append(("Limits", "; ".join(f"{spaced(name)}: {short(value)}" for name, value in said if value)))
    return section("The work", "", table("The work", ("", ""), rows, wide={1}))


def _prices(plan: Json) -> Section:
    left = sorted(plan["left_out"].items(), key=lambda item: -item[1])
    if not plan["prices_as_of"] and not left:
        return None
    note = ""
    if plan["prices_as_of"]:
        age = _age(plan)
        note = f"The oldest price that was looked at is of {plain(plan['prices_as_of'])}{aside(age)}. "
        note += "Spot prices move within days: embedfleet prices refresh asks again."
    rows = [(short(reason), count(offers)) for reason, offers in left]
    made = (
        [table("Offers left out", ("Offers left out, because of", "Offers"), rows, wide={0})] if rows else []
    )
    return section("Prices", note, *made, kind="long")


def _footer(plan: Json) -> Markup:
    gap = plan["solver_gap"]
    said = [f"plan {short(plan['digest'])}"]
    said += [f"at most {percent(gap, 1)} above the cheapest under these limits"] if gap is not None else []
    return tag("footer", f"{'; '.join(said)}. Made by embedfleet; nothing has been rented.")


def _list(title: str, note: str, sentences: Sequence[str]) -> Section:
    return (
        section(title, note, tag("ul", *(tag("li", short(said)) for said in sentences)))
        if sentences
        else None
    )


def _age(plan: Json) -> str:
    """How old the oldest price was when the plan was made."""
    if not plan["prices_as_of"]:
        return ""
    days = (datetime.fromisoformat(plan["created"]).date() - date.fromisoformat(plan["prices_as_of"])).days
    return f"{many(days, 'day')} old" if days > 0 else "of the day of the plan"
