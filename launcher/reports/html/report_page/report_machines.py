"""The sections of the report's page about machines: what each did over time, and what each cost."""

from collections import Counter, defaultdict
from collections.abc import Sequence
from datetime import datetime

from launcher.format import count, duration, money, percent, plain, plural, rate
from launcher.reports.document import MachineLife, ReportDocument
from launcher.reports.html.elements import Section, section, shown_of, table, tag
from launcher.reports.html.svg.charts import Lane, Stretch, both_widths, key, timeline
from launcher.reports.html.svg.cost_charts import ComparisonBar, comparison_chart
from launcher.reports.summary import start_name
from tasks.protocol.messages.worker_names import machine_and_slot

SHOWN_WORKERS = 32
SHOWN_MACHINES = 50  # rows that a person still reads; beyond, the page says how many
LAYERS = {  # of the timeline, from the ground up
    "life": "machine up",
    "cold_start": "cold start",
    "lost": "lost work",
    "open": "work in progress",
    "useful": "shard done",
}


def timeline_section(report: ReportDocument) -> Section:
    """What each machine did over time; None if there is nothing to draw."""
    shown = report.machines[:SHOWN_MACHINES]
    stretches = _stretches(report, shown)
    ends = [one.end for lane in stretches.values() for one in lane if one.kind == "life"]
    span = max([report.actual.span_seconds, *ends])
    if not shown or span <= 0:
        return None
    order = list(LAYERS)
    lanes = [
        Lane(name, sorted(lane, key=lambda one: (order.index(one.kind), one.start)))
        for name, lane in stretches.items()
    ]
    drawn = {one.kind for lane in stretches.values() for one in lane}
    legend = (tag("li", key(kind), words) for kind, words in LAYERS.items() if kind in drawn)
    return section(
        "Machines and shards",
        shown_of(len(shown), len(report.machines), "machines"),
        both_widths(lambda width: timeline(lanes, span, width)),
        tag("ul", *legend, class_="legend"),
    )


def workers_section(report: ReportDocument) -> Section:
    """How fast each worker was while it worked, the fastest first."""
    tokens, shards = Counter[str](), Counter[str]()
    seconds: dict[str, float] = defaultdict(float)
    for shard in report.shards:
        tokens[shard.worker] += shard.tokens
        seconds[shard.worker] += shard.seconds
        shards[shard.worker] += 1
    speeds = {name: tokens[name] / seconds[name] for name in shards if seconds[name] > 0}
    if not speeds:
        return None
    ranked = sorted(speeds, key=lambda name: (-speeds[name], name))
    shown = (
        ranked
        if len(ranked) <= SHOWN_WORKERS
        else ranked[: SHOWN_WORKERS // 2] + ranked[-SHOWN_WORKERS // 2 :]
    )
    bars = [ComparisonBar(name, speeds[name], rate(speeds[name]), "useful") for name in shown]
    rows = [
        (name, rate(speeds[name]), count(shards[name]), count(tokens[name]), duration(seconds[name]))
        for name in shown
    ]
    note = "Tokens per second inside its shards; waiting between shards is not counted. "
    if len(shown) < len(ranked):
        note += f"The fastest and the slowest {count(SHOWN_WORKERS // 2)} of {count(len(ranked))} workers."
    words = "Tokens per second of each worker"
    columns = ("Worker", "Speed", "Shards", "Tokens", "Time in shards")
    return section(
        "Speed of each worker",
        note,
        both_widths(lambda width: comparison_chart(bars, width, words)),
        table("Workers", columns, rows),
    )


def starts_section(report: ReportDocument) -> Section:
    """How long the workers took to start, stage by stage."""
    if not report.starts:
        return None
    rows = [
        (
            start_name(one.stage),
            duration(one.median_seconds),
            duration(one.longest_seconds),
            count(one.workers),
        )
        for one in report.starts
    ]
    note = "From the boot of a machine to the end of its first batch, as its workers know it. "
    note += "A worker that was started again on a machine had no boot and no setup to wait for."
    columns = ("Stage", "Median", "Longest", "Workers")
    return section("Start of the workers", note, table("Start of the workers", columns, rows))


def machines_section(report: ReportDocument) -> Section:
    """What each life of a machine cost."""
    shown = report.machines[:SHOWN_MACHINES]
    if not shown:
        return None
    purchases = {m.purchase for m in report.machines if m.purchase}
    bought = len(purchases) > 1  # else a column would say the same of each
    rows = [
        (
            m.name,
            m.place,
            *((m.purchase or "",) if bought else ()),
            m.gpu,
            m.state,
            duration(m.seconds),
            percent(m.parts.useful, m.parts.total),
            money(m.usd_per_hour),
            money(m.usd),
        )
        for m in shown
    ]
    purchase = ("Purchase",) if bought else ()
    columns = ("Machine", "Place", *purchase, "GPU", "State", "Time", "Useful", "Per hour", "Dollars")
    note = shown_of(len(shown), len(report.machines), "machines")
    left = set(range(1, 4 + len(purchase)))
    return section("What each machine cost", note, table("Machines", columns, rows, left=left))


def _stretches(report: ReportDocument, machines: Sequence[MachineLife]) -> dict[str, list[Stretch]]:
    """What these machines did, by name; a machine that came back has one lane."""
    lanes = {machine.name: list[Stretch]() for machine in machines}

    def add(worker: str, kind: str, since: datetime, seconds: float, words: str) -> None:
        machine = machine_and_slot(worker, lanes)[0]
        if machine in lanes:
            start = (since - report.created).total_seconds()
            lanes[machine].append(Stretch(kind, start, start + seconds, f"{words}, {duration(seconds)}"))

    for m in machines:
        if not m.seconds:
            continue
        add(m.name, "life", m.started, m.seconds, "machine up")
        cold = (m.ready - m.started).total_seconds() if m.ready else m.parts.cold_start
        if cold > 0:
            add(m.name, "cold_start", m.started, cold, "cold start")
    for kind, leases in (("lost", report.lost), ("open", report.open)):
        for lease in leases:
            words = f"{LAYERS[kind]}: shard {plain(lease.shard)}, generation {lease.generation}"
            add(lease.worker, kind, lease.claimed, lease.seconds, words)
    for shard in report.shards:
        words = f"shard {shard.position}, {plural(shard.tokens, 'token')}"
        add(shard.worker, "useful", shard.started, shard.seconds, words)
    return lanes
