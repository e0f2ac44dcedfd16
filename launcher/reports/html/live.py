"""The pages that `embedfleet ui` serves: the list of runs, and one run with its report.

Knows documents, and neither server nor ledger. Unlike the page of a report they load their style sheet and one small
script, which asks for the page again every few seconds; both come from the same server.
"""

from collections.abc import Sequence
from dataclasses import dataclass
from datetime import datetime
from decimal import Decimal

from launcher.documents.status import HeartbeatSummary, StatusReport
from launcher.format import compact, count, duration, money, percent, plain, rate, size, utc_time
from launcher.reports.document import ReportDocument, ReportEvent
from launcher.reports.html import stylesheet
from launcher.reports.html.elements import (
    Markup,
    Section,
    html_page,
    join,
    section,
    shown_of,
    table,
    tag,
)
from launcher.reports.html.report_page.report import configuration_section, report_sections
from launcher.reports.html.svg.charts import parts_bar, pattern_defs
from launcher.reports.lists.run_list import RunListDocument
from launcher.reports.sections.course_text import deadline_text, pilot_text, unattended_text
from launcher.reports.summary import known_in_part

POLICY = "default-src 'none'; script-src 'self'; style-src 'self'; connect-src 'self'; img-src 'self'"
SHOWN_WORKERS, SHOWN_DECISIONS, SHOWN_RUNS = 100, 40, 200  # rows that a person still reads
OVER = ("DONE", "STOPPED", "FAILED")


@dataclass(frozen=True, slots=True, kw_only=True)
class LiveRun:
    """A run at one moment, with what the live page shows beside its report."""

    status: StatusReport
    report: ReportDocument
    deadline: datetime | None  # None: the job has none, or its plan cannot be read


def live_page(run: LiveRun) -> str:
    """The page of one run, which renews itself. Its address is two folders below that of the list of runs."""
    title = f"{plain(run.report.name)}: embedfleet"
    main = tag(
        "main",
        *(s for s in (configuration_section(run.report), _progress(run)) if s),
        *(s for s in (_workers(run.status), _decisions(run.report.events)) if s),
        *report_sections(run.report, without=("facts", "cards", "events")),
    )
    return _page(title, "../../", _header(run), main)


def runs_page(document: RunListDocument) -> str:
    """The list of runs, each a link to its page."""
    shown = document.runs[:SHOWN_RUNS]
    rows = [
        (
            _link(run.run),
            run.state.lower(),
            utc_time(run.created),
            run.model or "?",
            f"{count(run.shards_done)} of {count(run.shards)}",
            compact(run.tokens),
            known_in_part(run.usd, run.known_usd),
            duration(run.seconds),
        )
        for run in shown
    ]
    columns = ("Run", "State", "Began", "Model", "Shards", "Tokens", "Dollars", "Time")
    note = shown_of(len(rows), len(document.runs), "runs")
    made = (
        table("Runs", columns, rows, left={1, 2}, wide={3})
        if rows
        else tag("p", "There is no run yet.", class_="note")
    )
    header = tag(
        "header",
        tag("div", "embedfleet", class_="eyebrow"),
        tag("h1", "Runs"),
        tag("div", tag("span", f"as of {utc_time(document.at)}", class_="note"), _banner()),
    )
    return _page("Runs: embedfleet", "", header, tag("main", section("", note, made)))


def redirect_page(address: str) -> str:
    """A page that leads to the address at once."""
    refresh = tag("meta", http_equiv="refresh", content=f"0; url={address}")
    return html_page("embedfleet", "default-src 'none'", (refresh,), (tag("a", "embedfleet", href=address),))


def _page(title: str, root: str, header: Markup, main: Markup) -> str:
    """`root` leads from the page to the first one."""
    head = (
        tag("link", rel="icon", href=f"{root}icon.svg"),
        tag("link", rel="stylesheet", href=f"{root}page.css"),
        tag("script", src=f"{root}live.js", defer=""),
        tag("noscript", tag("meta", http_equiv="refresh", content="10")),
    )
    return html_page(title, POLICY, head, (pattern_defs(), header, main))


def _header(run: LiveRun) -> Markup:
    report, status = run.report, run.status
    failed = status.state in {"FAILED", "LOST"} or (status.state in OVER and status.failed_rows > 0)
    return tag(
        "header",
        tag("div", tag("a", "embedfleet runs", href="../../"), class_="eyebrow"),
        tag("h1", report.name),
        tag(
            "div",
            tag("span", status.state.lower(), class_="pill failed" if failed else "pill"),
            " ",
            tag("span", f"run {plain(report.run)}, as of {utc_time(status.at)}", class_="note"),
            _banner(),
        ),
    )


def _banner() -> Markup:
    """Where the script says that the server does not answer any more."""
    return tag("p", id="trouble", class_="trouble", role="status", hidden="")


def _link(run: str) -> Markup:
    return tag("a", run, href=f"run/{run}/")


def _progress(run: LiveRun) -> Markup:
    status = run.status
    done, expected = status.tokens, status.tokens_expected
    cards = [
        ("Tokens", _tokens(status), "" if expected is None else f"of {count(expected)}", None),
        ("Speed", rate(status.tokens_per_second), "while a worker could work", None),
        ("Time left", _time_left(status), "at this speed" if status.seconds_left else "", None),
        _deadline_card(run),
        ("Dollars so far", _spent(status), _hourly(status), None),
        ("Dollars at the end", _projected(status), _projected_range(status), None),
        _budget_card(status),
        ("Failed rows", count(status.failed_rows), "", "bad" if status.failed_rows else None),
    ]
    bars: list[Markup] = []
    if expected:
        share = min(done / expected, 1.0)
        bars.append(_bar(f"Tokens: {percent(done, expected)}", share, f"{count(done)} of {count(expected)}"))
    if status.budget:
        spent = status.usd_known
        words = f"Budget: {percent(float(spent), float(status.budget))} spent"
        bars.append(
            _bar(words, min(float(spent / status.budget), 1.0), f"{money(spent)} of {money(status.budget)}")
        )
    sentences = [f"{count(status.shards_done)} of {count(status.shards)} shards are done."]
    sentences += [f"{count(status.preemptions)} machines were taken away."] if status.preemptions else []
    sentences += [f"{text[:1].upper()}{text[1:]}." for text in (*_course(status), *status.advice)]
    return join(
        tag(
            "dl",
            *(
                tag("div", tag("dt", name), tag("dd", value, class_=kind), tag("dd", more, class_="between"))
                for name, value, more, kind in cards
            ),
            class_="cards",
        ),
        section("Progress", " ".join(sentences), *bars),
    )


def _course(status: StatusReport) -> list[str]:
    """Who drives it, whether it is in time, as steering expects, and whether it is steered; empty once it is over."""
    course = status.course
    if status.state in OVER:
        return []
    pilot = [] if status.pilot is None else [pilot_text(status.pilot, status.run)]
    if course is None:
        return pilot
    found = pilot if course.deadline is None else [*pilot, deadline_text(course, status.state)]
    unattended = unattended_text(course, status.run, status.state) if status.launcher_known else None
    return found + ([unattended] if unattended else [])


def _tokens(status: StatusReport) -> str:
    return count(status.tokens) if status.tokens < 10_000_000 else compact(status.tokens)


def _time_left(status: StatusReport) -> str:
    if status.state in OVER:
        return "none" if status.state == "DONE" else "?"
    return duration(status.seconds_left)


def _deadline_card(run: LiveRun) -> tuple[str, str, str, str | None]:
    """The time to the deadline; of a run that is over, the deadline."""
    if run.deadline is None:
        return ("Deadline", "none", "", None)
    if run.status.state in OVER:
        return ("Deadline", f"{run.deadline:%d %b %H:%M}", utc_time(run.deadline), None)
    left = (run.deadline - run.status.at).total_seconds()
    late = left < (run.status.seconds_left or 0.0)
    value = f"in {duration(left)}" if left >= 0 else f"{duration(-left)} ago"
    return ("Deadline", value, utc_time(run.deadline), "bad" if late else None)


def _spent(status: StatusReport) -> str:
    if status.usd is None and not status.usd_known:
        return "?"
    return f"{'' if status.usd is not None else '≥ '}{money(status.usd_known)}"


def _hourly(status: StatusReport) -> str:
    return "" if status.usd_per_hour is None else f"{money(status.usd_per_hour)} an hour now"


def _projected(status: StatusReport) -> str:
    return "?" if status.usd_projected is None else money(status.usd_projected.p50)


def _projected_range(status: StatusReport) -> str:
    found = status.usd_projected
    return "" if found is None else f"{money(found.p10)} to {money(found.p90)}"


def _budget_card(status: StatusReport) -> tuple[str, str, str, str | None]:
    budget = status.budget
    if budget is None:
        return ("Budget", "none", "", None)
    held = status.usd_known + status.usd_committed
    more = f"{money(held)} spent or committed" if status.usd_committed else f"{money(status.usd_known)} spent"
    return ("Budget", money(budget), more, "bad" if _over(held, budget) else None)


def _over(held: Decimal, budget: Decimal) -> bool:
    return held > budget


def _bar(name: str, share: float, title: str) -> Markup:
    pieces = [("useful", share, title), ("rest", 1 - share, f"still to come; {title}")]
    return join(tag("div", f"{name}, {title}", class_="eyebrow barname"), parts_bar(name, pieces))


def _workers(status: StatusReport) -> Section:
    """What each worker said last; before the first heartbeat, what the ledger knows of the machines."""
    if not status.signs:
        rows = [(w.name, w.state.lower(), w.reason or "") for w in status.workers[:SHOWN_WORKERS]]
        if not rows:
            return None
        return section(
            "Workers",
            "None has said anything yet.",
            table("Workers", ("Machine", "State", ""), rows, left={1, 2}),
        )
    shown = sorted(status.signs, key=_quietest)[:SHOWN_WORKERS]
    columns = (
        "Worker",
        "State",
        "Last heard",
        "Tokens",
        "Speed",
        "Engine waits",
        "GPU",
        "GPU busy",
        "GPU memory",
        "Process",
        "Memory",
        "CPU load",
        "Error",
    )
    note = "As each worker said last; memory and CPU load are those of its machine. "
    note += shown_of(len(shown), len(status.signs), "workers")
    return section(
        "Workers", note, table("Workers", columns, [_worker(w) for w in shown], left={1, 6}, wide={12})
    )


def _quietest(worker: HeartbeatSummary) -> tuple[bool, str]:
    return (worker.state not in ("starting", "working", "waiting"), worker.worker)


def _worker(worker: HeartbeatSummary) -> Sequence[object]:
    return (
        worker.worker,
        worker.state,
        "?" if worker.age_seconds is None else f"{duration(worker.age_seconds)} ago",
        count(worker.tokens),
        rate(worker.tokens_per_second),
        "?" if worker.waiting_share is None else percent(worker.waiting_share, 1),
        worker.gpu or "?",
        "?" if worker.gpu_percent is None else f"{worker.gpu_percent:.0f} %",
        _of(worker.gpu_memory_used_bytes, worker.gpu_memory_total_bytes),
        size(worker.rss_bytes),
        _of(worker.memory_used_bytes, worker.memory_total_bytes),
        "?" if worker.load is None else f"{worker.load:.1f} on {count(worker.cores)} cores",
        worker.error or "",
    )


def _of(used: float | None, total: float | None) -> str:
    return "?" if used is None else f"{size(used)} of {size(total)}"


def _decisions(events: Sequence[ReportEvent]) -> Section:
    """What the launcher did and decided, the newest first."""
    shown = list(reversed(events))[:SHOWN_DECISIONS]
    if not shown:
        return None
    rows = [(utc_time(e.at), e.kind, e.text) for e in shown]
    note = "The newest first. "
    if len(shown) < len(events):
        note += f"The last {count(len(shown))} of {count(len(events))}."
    return section(
        "Decisions and events", note, table("Events", ("When", "What", ""), rows, left={1}, wide={2})
    )


def live_files() -> dict[str, tuple[bytes, str]]:
    """What the pages load, with its media type, by its path below the first page."""
    return {
        "page.css": (stylesheet.live_css().encode(), "text/css; charset=utf-8"),
        "live.js": (stylesheet.text_of("live.js").encode(), "text/javascript; charset=utf-8"),
        "icon.svg": (stylesheet.text_of("icon.svg").encode(), "image/svg+xml"),
    }
