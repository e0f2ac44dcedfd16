"""The report as one HTML page that needs nothing else: no network, no script, light and dark, screen and paper.

Knows the report's JSON and nothing of where it came from. Every text goes through `markup`, which escapes it.
"""

from collections.abc import Mapping, Sequence
from datetime import datetime
from typing import Any

from launcher.costs.metering import Part
from launcher.format import count, duration, money_of_text, percent, plain, rate, size, utc_time
from launcher.reports.html import report_costs
from launcher.reports.html.charts import Bar, Row, curve, hatch, key, parts, timeline
from launcher.reports.html.elements import Markup, document, join, scroll, section, table, tag
from launcher.reports.html.stylesheet import SHEET
from launcher.reports.terminal.report import PART_NAMES, compare, shares, total_dollars
from tasks.protocol.worker_names import machine_and_slot

FAILURES, MACHINES, EVENTS = 100, 50, 200  # rows that a person still reads; beyond, the page says how many
LETTERS = 300  # of a failed row's file, reason or document; a reason may quote a whole row

Json = Mapping[str, Any]
Section = Markup | None  # None: there is nothing to say

MEANING = {
    "useful": "embedding shards that were finished",
    "lost": "work under leases that gave nothing",
    "cold_start": "boot, setup and loading the model",
    "waiting": "no shard to take, store, retries",
    "idle": "after the last shard of the run was done",
    "teardown": "from the order to stop to the end",
}
LAYERS = {  # of the timeline, from the ground up
    "life": "machine up",
    "cold_start": "cold start",
    "lost": "lost work",
    "open": "work in hand",
    "useful": "shard done",
}


def render(report: Json) -> str:
    """The page of a report of schema `embedfleet/report/1`."""
    sections = (
        _cards(report),
        _plan(report),
        report_costs.falls(report),
        _spend(report),
        report_costs.spending(report),
        _speed(report),
        report_costs.fleet(report),
        report_costs.preemptions(report),
        report_costs.places(report),
        report_costs.others(report),
        _timeline(report),
        _machines(report),
        _stages(report),
        _failures(report),
        _events(report),
        _unknown(report),
    )
    title = f"{plain(report['name'])}: embedfleet report"
    main = tag("main", *(s for s in sections if s))
    return document(title, SHEET, hatch(), _header(report), main, _footer(report))


def _header(report: Json) -> Markup:
    state = tag("span", report["state"], class_="pill failed" if _went_wrong(report) else "pill")
    when = f"run {plain(report['run'])}, {utc_time(report['created'])} to {utc_time(report['updated'])}"
    return tag(
        "header",
        tag("div", "embedfleet report", class_="eyebrow"),
        tag("h1", report["name"]),
        tag("div", state, " ", tag("span", when, class_="note")),
        tag("p", _lede(report), class_="lede"),
    )


def _lede(report: Json) -> str:
    """The run in two or three sentences."""
    work, seconds, actual = report["work"], report["spend"]["seconds"], report["actual"]
    said = (
        f"{_many(work['documents'], 'document')} became {_many(work['chunks'], 'vector')} in "
        f"{duration(actual['hours'] * 3600)} on {_many(len({m['name'] for m in report['machines']}), 'machine')}"
    )
    said += f" for {money_of_text(actual['usd'])}." if actual["usd"] else "; what it cost is not known."
    if seconds["total"]:
        said += f" {percent(seconds['useful'], seconds['total'])} of the machine time was useful work."
    if work["shards_done"] < work["shards"]:
        said += f" {count(work['shards_done'])} of {count(work['shards'])} shards are done."
    return said


def _cards(report: Json) -> Markup:
    work, actual = report["work"], report["actual"]
    failed = work["failed_rows"]
    cards = (
        ("Documents", count(work["documents"]), None),
        ("Chunks, one vector each", count(work["chunks"]), None),
        ("Tokens", count(work["tokens"]), None),
        ("Time", duration(actual["hours"] * 3600), None),
        ("Dollars", money_of_text(actual["usd"]), None),
        ("Dollars per 1M tokens", money_of_text(actual["usd_per_million_tokens"]), None),
        ("Speed, start to end", rate(actual["tokens_per_second"]), None),
        ("Failed rows", count(failed), "bad" if failed else None),
    )
    return tag("dl", *(tag("div", tag("dt", k), tag("dd", v, class_=c)) for k, v, c in cards), class_="cards")


def _plan(report: Json) -> Markup:
    rows = [(r.label, r.planned, r.actual, r.difference, r.between) for r in compare(report)]
    as_of = report["plan"]["prices_as_of"]
    note = "Planned is the middle (P50) of the estimate; nine runs in ten should stay below its P90."
    note += f" Prices as of {as_of}." if as_of else ""
    return section(
        "Plan beside actual",
        note,
        table("Plan beside actual", ("", "Planned", "Actual", "Difference", "Planned P10 to P90"), rows),
    )


def _spend(report: Json) -> Markup:
    spend, rows = report["spend"], shares(report)
    total = spend["seconds"]["total"]
    bars = [_bar(f"Time, {duration(total)}", [(s.part, s.seconds, s.time) for s in rows])]
    prices = {machine["usd_per_hour"] for machine in report["machines"]}
    if len(prices) > 1 and float(spend["known"]["total"]):  # with one price it is the same bar again
        amounts: list[tuple[Part, float, str]] = [
            (s.part, float(spend["known"][s.part]), money_of_text(spend["known"][s.part])) for s in rows
        ]
        bars.append(_bar(f"Dollars, {total_dollars(report)}", amounts))
    cells: list[tuple[object, ...]] = [
        (join(key(s.part), s.label), s.time, s.share, s.dollars, MEANING[s.part]) for s in rows
    ]
    if spend["others"]:
        what = ", ".join(dict.fromkeys(other["kind"] for other in spend["others"]))
        cells.append(("other charges", "", "", money_of_text(spend["other"]), what))
    cells.append(tuple(tag("b", cell) for cell in ("Total", duration(total), "", total_dollars(report), "")))
    columns = ("", "Time", "Share", "Dollars", "What it is")
    note = "Every second of every machine is exactly one of these."
    return section(
        "Where the time and the money went",
        note,
        *(bars if total else ()),
        table("Parts", columns, cells, wide={4}),
    )


def _bar(name: str, amounts: Sequence[tuple[Part, float, str]]) -> Markup:
    pieces = [(part, amount, f"{PART_NAMES[part]}: {text}") for part, amount, text in amounts]
    return join(tag("div", name, class_="eyebrow barname"), parts(name, pieces))


def _speed(report: Json) -> Section:
    span = report["actual"]["hours"] * 3600
    if not report["series"] or not span:
        return None
    points = [(point["seconds"], point["tokens_per_second"]) for point in report["series"]]
    chart = curve(points, span, report["plan"]["tokens_per_second"])
    return section("Tokens per second over time", "All machines together.", scroll("Speed chart", chart))


def _timeline(report: Json) -> Section:
    shown = report["machines"][:MACHINES]
    lanes = _lanes(report, shown)
    ends = [bar.end for bars in lanes.values() for bar in bars if bar.kind == "life"]
    span = max([report["actual"]["hours"] * 3600, *ends])
    if not shown or span <= 0:
        return None
    order = list(LAYERS)
    rows = [Row(n, sorted(bars, key=lambda b: (order.index(b.kind), b.start))) for n, bars in lanes.items()]
    drawn = {bar.kind for bars in lanes.values() for bar in bars}
    legend = (tag("li", key(kind), words) for kind, words in LAYERS.items() if kind in drawn)
    return section(
        "Machines and shards",
        _first(len(shown), len(report["machines"]), "machines"),
        scroll("Timeline of the machines", timeline(rows, span)),
        tag("ul", *legend, class_="legend"),
    )


def _lanes(report: Json, machines: Sequence[Json]) -> dict[str, list[Bar]]:
    """What these machines did, by name; a machine that came back has one lane."""
    lanes = {machine["name"]: list[Bar]() for machine in machines}

    def draw(worker: str, kind: str, since: str, seconds: float, words: str) -> None:
        machine = machine_and_slot(worker, lanes)[0]
        if machine in lanes:
            start = _since(report, since)
            lanes[machine].append(Bar(kind, start, start + seconds, f"{words}, {duration(seconds)}"))

    for m in machines:
        if not m["seconds"]:
            continue
        draw(m["name"], "life", m["started"], m["seconds"], "machine up")
        cold = m["parts"]["cold_start"]
        if m["ready"]:
            cold = _since(report, m["ready"]) - _since(report, m["started"])
        if cold > 0:
            draw(m["name"], "cold_start", m["started"], cold, "cold start")
    for kind in ("lost", "open"):
        for e in report[kind]:
            words = f"{LAYERS[kind]}: shard {plain(e['shard'])}, generation {e['generation']}"
            draw(e["worker"], kind, e["claimed"], e["seconds"], words)
    for s in report["shards"]:
        words = f"shard {s['position']}, {count(s['tokens'])} tokens"
        draw(s["worker"], "useful", s["started"], s["seconds"], words)
    return lanes


def _machines(report: Json) -> Section:
    shown = report["machines"][:MACHINES]
    rows = [
        (
            m["name"],
            m["place"],
            m["gpu"],
            m["state"],
            duration(m["seconds"]),
            percent(m["parts"]["useful"], m["parts"]["total"]),
            money_of_text(m["usd_per_hour"]),
            money_of_text(m["usd"]),
        )
        for m in shown
    ]
    columns = ("Machine", "Place", "GPU", "State", "Time", "Useful", "Per hour", "Dollars")
    note = _first(len(shown), len(report["machines"]), "machines")
    return (
        section("What each machine cost", note, table("Machines", columns, rows, left={1, 2, 3}))
        if rows
        else None
    )


def _stages(report: Json) -> Section:
    whole = sum(report["stages"].values())
    rows = [(stage, duration(s), percent(s, whole)) for stage, s in report["stages"].items()]
    note = "Seconds inside the shards that were done, added over all workers."
    return (
        section("Stages of the work", note, table("Stages", ("Stage", "Time", "Share"), rows))
        if rows
        else None
    )


def _failures(report: Json) -> Section:
    failed, shown = report["work"]["failed_rows"], report["failures"][:FAILURES]
    if not failed and not shown:
        return None
    rows = [
        (_short(f["file"]), count(f["position"]), _short(f["reason"]), _short(f["document"] or ""))
        for f in shown
    ]
    note = f"{_many(failed, 'row')} could not be embedded and {'was' if failed == 1 else 'were'} set aside. "
    note += _first(len(shown), failed, "rows")
    return section(
        "Failed rows",
        note,
        table("Failed rows", ("File", "Position", "Reason", "Document"), rows, wide={0, 2, 3}),
    )


def _events(report: Json) -> Section:
    shown = report["events"][:EVENTS]
    rows = [(utc_time(e["at"]), e["kind"], e["text"]) for e in shown]
    note = _first(len(shown), len(report["events"]), "events")
    return (
        section("Events", note, table("Events", ("When", "What", ""), rows, left={1}, wide={2}))
        if rows
        else None
    )


def _unknown(report: Json) -> Section:
    if not report["unknown"]:
        return None
    note = "Figures that this report does not have are shown as ?, never as zero."
    return section("What is not known", note, tag("ul", *(tag("li", said) for said in report["unknown"])))


def _footer(report: Json) -> Markup:
    plan, work = report["plan"], report["work"]
    said = [
        f"{size(report['output_bytes'])} of vectors written",
        f"{count(work['tokens_cut'])} tokens cut by truncation",
    ]
    if work["tokens_repeated"]:
        said.append(f"{count(work['tokens_repeated'])} tokens were of texts embedded once already")
    said += [f"plan {plain(plan['digest'])}"] if plan["digest"] else []
    return tag("footer", f"{'; '.join(said)}. Made by embedfleet from the run's own records.")


def _since(report: Json, moment: str) -> float:
    """Seconds from the run's creation."""
    return (datetime.fromisoformat(moment) - datetime.fromisoformat(report["created"])).total_seconds()


def _first(shown: int, all_of_them: int, things: str) -> str:
    return "" if shown >= all_of_them else f"The first {count(shown)} of {count(all_of_them)} {things}."


def _short(text: str) -> str:
    return text if len(text) <= LETTERS else f"{text[:LETTERS]}\N{HORIZONTAL ELLIPSIS}"


def _many(n: int, thing: str) -> str:
    return f"{count(n)} {thing}{'' if n == 1 else 's'}"


def _went_wrong(report: Json) -> bool:
    return bool(report["work"]["failed_rows"]) or report["state"] in {"failed", "lost"}
