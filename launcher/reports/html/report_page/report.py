"""The report as one HTML page that needs nothing else: no network, no script, light and dark, screen and paper.

Knows the document of a report, and nothing of where it came from. `elements` escapes every text.
"""

from collections.abc import Callable, Collection, Iterable

from launcher.costs.usage.spend import Part
from launcher.documents.truncation import truncation_text
from launcher.format import (
    at_least,
    count,
    duration,
    hours_text,
    money,
    percent,
    plain,
    plural,
    rate,
    size,
    utc_time,
)
from launcher.reports.document import ReportDocument
from launcher.reports.html import stylesheet
from launcher.reports.html.elements import (
    Markup,
    Section,
    document,
    join,
    section,
    shown_of,
    table,
    tag,
)
from launcher.reports.html.report_page import report_costs, report_machines, report_steering, report_texts
from launcher.reports.html.svg.charts import both_widths, key, line_chart, parts_bar, pattern_defs
from launcher.reports.sections.run_facts import fact_rows
from launcher.reports.summary import (
    any_dollars,
    compare_figures,
    is_going,
    machines_text,
    part_shares,
    total_dollars,
)

SHOWN_EVENTS = 200  # rows that a person still reads; beyond, the page says how many

MEANING: dict[Part, str] = {
    "useful": "embedding shards that were finished",
    "lost": "work under leases that gave no receipt",
    "cold_start": "boot, setup and loading the model",
    "waiting": "no shard to take, store, retries",
    "idle": "after the last shard of the run was done",
    "teardown": "from the order to stop to the end",
}


def report_page(report: ReportDocument, css: str | None = None) -> str:
    """The page of a report; `css` replaces the style sheet of the package."""
    title = f"{plain(report.name)}: embedfleet report"
    main = tag("main", *report_sections(report))
    sheet = stylesheet.report_css() if css is None else css
    return document(title, sheet, pattern_defs(), _header(report), main, _footer(report))


def report_sections(report: ReportDocument, without: Collection[str] = ()) -> list[Markup]:
    """The sections of a report that have something to show, but those named in `without`."""
    made = (make(report) for name, make in SECTIONS.items() if name not in without)
    return [one for one in made if one]


def _header(report: ReportDocument) -> Markup:
    failed = bool(report.work.failed_rows) or report.state in {"failed", "lost"}
    truncation = report.work.truncation
    state = tag("span", report.state, class_="pill failed" if failed else "pill")
    when = f"run {plain(report.run)}, {utc_time(report.created)} to {utc_time(report.updated)}"
    return tag(
        "header",
        tag("div", "embedfleet report", class_="eyebrow"),
        tag("h1", report.name),
        tag("div", state, " ", tag("span", when, class_="note")),
        tag("p", _lede(report), class_="lede"),
        tag("p", plain(truncation_text(truncation)), class_="bad") if truncation else "",
    )


def _lede(report: ReportDocument) -> str:
    """The run in two or three sentences."""
    work, seconds, actual = report.work, report.spend.seconds, report.actual
    sentences = (
        f"{plural(work.documents, 'document')} became {plural(work.chunks, 'vector')} in "
        f"{hours_text(actual.hours)} on {machines_text(report)}"
    )
    sentences += "; the cost is not known." if actual.usd is None else f" for {money(actual.usd)}."
    if seconds.total:
        sentences += f" {percent(seconds.useful, seconds.total)} of the machine time was useful work."
    if work.shards_done < work.shards:
        sentences += f" {count(work.shards_done)} of {plural(work.shards, 'shard')} are done."
    return sentences


def _cards(report: ReportDocument) -> Markup:
    work, actual = report.work, report.actual
    cards = (
        ("Documents", count(work.documents), None),
        ("Chunks, one vector each", count(work.chunks), None),
        ("Tokens", count(work.tokens), None),
        ("Time", hours_text(actual.hours), None),
        ("Dollars", money(actual.usd), None),
        ("Dollars per 1M tokens", money(actual.usd_per_million_tokens), None),
        ("Speed", rate(actual.tokens_per_second), None),
        (
            "Failed rows",
            at_least(work.cut_short) + count(work.failed_rows),
            "bad" if work.failed_rows else None,
        ),
    )
    return tag("dl", *(tag("div", tag("dt", k), tag("dd", v, class_=c)) for k, v, c in cards), class_="cards")


def configuration_section(report: ReportDocument) -> Section:
    """What was embedded, how, where the vectors are and how to read them."""
    rows = [(row.label, tag("code", row.text) if row.code else row.text) for row in fact_rows(report)]
    if not rows:
        return None
    return section(
        "Configuration", "", table("Configuration", ("", ""), rows, left={1}, wide={1}), kind="facts"
    )


def _plan(report: ReportDocument) -> Markup:
    rows = [(r.label, r.planned, r.actual, r.difference, r.between) for r in compare_figures(report)]
    as_of = report.plan.prices_as_of
    note = "Planned is the middle (P50) of the estimate; nine runs in ten should stay below its P90."
    note += f" Prices as of {as_of}." if as_of else ""
    columns = ("", "Planned", "Actual", "Difference", "Planned P10 to P90")
    return section("Plan and run", note, table("Plan and run", columns, rows))


def _spend(report: ReportDocument) -> Markup:
    spend, shares = report.spend, part_shares(report)
    total = spend.seconds.total
    bars = [_bar(f"Time, {duration(total)}", [(s.label, s.part, s.seconds, s.time) for s in shares])]
    prices = {machine.usd_per_hour for machine in report.machines}
    if len(prices) > 1 and spend.known.total:  # with one price the bar of dollars is the same again
        dollars = [(s.label, s.part, float(s.known_usd), money(s.known_usd)) for s in shares]
        bars.append(_bar(f"Dollars, {total_dollars(report)}", dollars))
    cells: list[tuple[object, ...]] = [
        (join(key(s.part), s.label), s.time, s.share, s.dollars, MEANING[s.part]) for s in shares
    ]
    if spend.others:
        kinds = ", ".join(dict.fromkeys(other.kind for other in spend.others))
        cells.append(("other charges", "", "", money(spend.other), kinds))
    cells.append(tuple(tag("b", cell) for cell in ("Total", duration(total), "", total_dollars(report), "")))
    known = any_dollars(report)
    columns = ("", "Time", "Share", *(("Dollars",) if known else ()), "What it is")
    if not known:
        cells = [(*row[:3], *row[4:]) for row in cells]
    return section(
        "Where the time and the money went" if known else "Where the time went",
        "Every second of every machine is exactly one of these."
        + (" Of a shard that is not done yet it may count as waiting." if is_going(report) else ""),
        *(bars if total else ()),
        table("Parts", columns, cells, wide={len(columns) - 1}),
    )


def _bar(name: str, amounts: Iterable[tuple[str, str, float, str]]) -> Markup:
    """A bar in parts; each is given by its label, its class in the style sheet, its amount and the amount in words."""
    pieces = [(kind, amount, f"{label}: {text}") for label, kind, amount, text in amounts]
    return join(tag("div", name, class_="eyebrow barname"), parts_bar(name, pieces))


def _speed(report: ReportDocument) -> Section:
    span = report.actual.span_seconds
    if not report.series or not span:
        return None
    points = [(point.seconds, point.tokens_per_second) for point in report.series]
    plan = report.plan.tokens_per_second
    chart = both_widths(lambda width: line_chart(points, span, plan, width))
    note = "All machines together."
    note += " Shards count once they are done: the last seconds are too low." if is_going(report) else ""
    return section("Tokens per second over time", note, chart)


def _stages(report: ReportDocument) -> Section:
    total = sum(report.stages.values())
    rows = [(stage, duration(s), percent(s, total)) for stage, s in report.stages.items()]
    if not rows:
        return None
    note = "Seconds inside the shards that were done, added over all workers."
    return section("Stages of the work", note, table("Stages", ("Stage", "Time", "Share"), rows))


def _events(report: ReportDocument) -> Section:
    rows = [(utc_time(e.at), e.kind, e.text) for e in report.events[:SHOWN_EVENTS]]
    if not rows:
        return None
    note = shown_of(len(rows), len(report.events), "events")
    return section("Events", note, table("Events", ("When", "What", ""), rows, left={1}, wide={2}))


def _unknown(report: ReportDocument) -> Section:
    if not report.unknown:
        return None
    note = "Figures that this report does not have are shown as ?, never as zero."
    return section(
        "What is not known", note, tag("ul", *(tag("li", sentence) for sentence in report.unknown))
    )


def _footer(report: ReportDocument) -> Markup:
    plan, work = report.plan, report.work
    facts = [
        f"{size(report.output_bytes)} of vectors written",
        f"{plural(work.tokens_cut, 'token')} cut by truncation",
    ]
    if work.tokens_repeated:
        facts.append(f"{plural(work.tokens_repeated, 'token')} of texts embedded once already")
    facts += [f"plan {plain(plan.digest)}"] if plan.digest else []
    return tag("footer", f"{'; '.join(facts)}. Made by embedfleet from the run's own records.")


# The sections of the page in their order: the configuration first, then what became of it.
SECTIONS: dict[str, Callable[[ReportDocument], Section]] = {
    "facts": configuration_section,
    "cards": _cards,
    "plan": _plan,
    "waterfall": report_costs.waterfall_section,
    "spend": _spend,
    "spent": report_costs.spent_section,
    "speed": _speed,
    "fleet": report_costs.fleet_section,
    "preemptions": report_costs.preemptions_section,
    "places": report_costs.places_section,
    "lengths": report_texts.lengths_section,
    "failures": report_texts.failures_section,
    "vectors": report_texts.vectors_section,
    "timeline": report_machines.timeline_section,
    "workers": report_machines.workers_section,
    "machines": report_machines.machines_section,
    "starts": report_machines.starts_section,
    "stages": _stages,
    "steering": report_steering.steering_section,
    "instead": report_costs.counterfactuals_section,
    "events": _events,
    "unknown": _unknown,
}
