"""What a run did, beside what its plan said, and where every second and dollar went.

Knows values alone: no clock, no ledger, no store, and not how it will be shown. Money leaves as strings of
Decimal, all else as plain numbers. A figure that nobody knows leaves as null, with its reason in `unknown`.
"""

from collections import Counter
from collections.abc import Mapping, Sequence
from dataclasses import asdict, dataclass
from datetime import datetime, timedelta
from decimal import Decimal
from math import ceil
from typing import Any

from launcher.planned import missing, planned
from launcher.spend import (
    GRAIN,
    PARTS,
    Fruitless,
    LeaseTime,
    MachineTime,
    Metered,
    Part,
    Spend,
    dollars,
    judge,
    written,
)
from tasks.receipt import Receipt

SCHEMA = "embedfleet/report/1"
BINS = 120  # points of the series: one for every few pixels of a chart
NAMED = 5  # machines named in one sentence
FAULTS = 20  # shards that failed, told one by one

Json = dict[str, Any]


@dataclass(frozen=True, slots=True)
class Failure:
    """A row that was set aside."""

    file: str
    position: int
    reason: str
    document: str | None


@dataclass(frozen=True, slots=True)
class Event:
    """Something worth a line: a machine asked for, a machine lost, the budget at 90 %."""

    at: datetime
    kind: str
    text: str


@dataclass(frozen=True, slots=True)
class Report:
    """A run at one moment. Rows are in their natural order, whatever order they came in."""

    run: str
    name: str
    state: str
    created: datetime
    updated: datetime
    plan: Mapping[str, Any]  # plan.json as it was parsed
    shards: int
    shards_done: int
    receipts: tuple[Receipt, ...]
    machines: tuple[MachineTime, ...]
    fruitless: Fruitless
    spend: Spend
    failures: tuple[Failure, ...]  # the first of them
    failed_rows: int
    events: tuple[Event, ...]

    @property
    def tokens(self) -> int:
        return sum(r.tokens for r in self.receipts)

    @property
    def span(self) -> timedelta:
        """From the run's creation to its last receipt, or to now while shards are open."""
        end = self.updated
        if self.shards_done >= self.shards and self.receipts:
            end = min(end, max(r.finished for r in self.receipts))
        return max(timedelta(0), end - self.created)


def build(
    *,
    run: str,
    name: str,
    state: str,
    created: datetime,
    now: datetime,
    plan: Mapping[str, Any],
    shards: int,
    shards_done: int,
    receipts: Sequence[Receipt],
    machines: Sequence[MachineTime],
    leases: Sequence[LeaseTime],
    spend: Spend,
    failures: Sequence[Failure] = (),
    failed_rows: int = 0,
    events: Sequence[Event] = (),
) -> Report:
    """The report of a run as it stands `now`; `spend` is what `meter` made of the same rows."""
    return Report(
        run=run,
        name=name,
        state=state,
        created=created,
        updated=now,
        plan=plan,
        shards=shards,
        shards_done=shards_done,
        receipts=tuple(sorted(receipts, key=lambda r: (r.position, r.shard))),
        machines=tuple(sorted(machines, key=lambda m: (m.started, m.name))),
        fruitless=judge(machines, receipts, leases, now),
        spend=spend,
        failures=tuple(failures),
        failed_rows=failed_rows,
        events=tuple(sorted(events, key=lambda e: (e.at, e.kind, e.text))),
    )


def to_json(report: Report) -> Json:
    """The report as tools and the page read it: schema `embedfleet/report/1`."""
    work = {
        count: sum(getattr(r, count) for r in report.receipts)
        for count in ("documents", "chunks", "tokens", "tokens_cut", "tokens_repeated")
    }
    stages = Counter[str]()
    for receipt in report.receipts:
        stages.update(receipt.stages)
    return {
        "schema": SCHEMA,
        "run": report.run,
        "name": report.name,
        "state": report.state,
        "created": report.created.isoformat(),
        "updated": report.updated.isoformat(),
        "spend": _parts(report.spend.total),
        "work": work
        | {
            "failed_rows": report.failed_rows,
            "shards": report.shards,
            "shards_done": report.shards_done,
            "failed_shards": sum(r.fault is not None for r in report.receipts),
        },
        "plan": planned(report.plan),
        "actual": _actual(report),
        "output_bytes": sum(r.output_bytes for r in report.receipts),
        "stages": {stage: round(seconds, 4) for stage, seconds in stages.most_common()},
        "places": [{"place": p} | _parts(metered) for p, metered in report.spend.places.items()],
        "machines": [_machine(m, report) for m in report.machines],
        "shards": [_shard(r) for r in report.receipts],
        "series": series(report),
        "lost": [_lease(e) for e in report.fruitless.lost],
        "open": [_lease(e) for e in report.fruitless.open],
        "failures": [asdict(f) for f in report.failures],
        "events": [{"at": e.at.isoformat(), "kind": e.kind, "text": e.text} for e in report.events],
        "unknown": unknown(report),
    }


def series(report: Report) -> list[Json]:
    """Tokens per second over time in equal bins, each receipt's tokens spread evenly over its work.

    A worker's clock may be wrong, so work is held inside the run's span: the tokens always add up.
    """
    span = report.span.total_seconds()
    if span <= 0:
        return []
    bins = min(BINS, ceil(span))
    width = span / bins
    tokens = [0.0] * bins
    for receipt in report.receipts:
        first, last = (
            min(max((moment - report.created).total_seconds(), 0.0), span) / width
            for moment in (receipt.started, max(receipt.started, receipt.finished))
        )
        for i in range(min(int(first), bins - 1), min(int(last), bins - 1) + 1):
            share = (min(last, i + 1) - max(first, i)) / (last - first) if last > first else 1.0
            tokens[i] += receipt.tokens * share
    return [
        {"seconds": round(i * width, 3), "tokens_per_second": round(tokens[i] / width, 3)}
        for i in range(bins)
    ]


def unknown(report: Report) -> list[str]:
    """Every figure that is unknown, and why."""
    said = missing(planned(report.plan))
    if names := report.spend.unknown:
        said.append(f"dollars spent: no price per hour for {_names(names)}")
    elif any(m.usd_per_hour for m in report.machines):
        said.append("dollars spent beyond machine time: disk, egress and requests are not metered")
    if not report.tokens:
        said.append("dollars per million tokens: no tokens were embedded yet")
    if not report.span:
        said.append("tokens per second: the run has no length yet")
    if report.fruitless.open:
        said.append(
            f"work in hand: leases still out, counted as useful until lost: {len(report.fruitless.open)}"
        )
    alive = tuple(m.name for m in report.machines if m.ended is None)
    if alive and report.shards_done >= report.shards:
        said.append(f"the end of {_names(alive)}: not reported, so metered until this report")
    said += [f"shard {r.position} was not embedded: {r.fault}" for r in report.receipts if r.fault][:FAULTS]
    if (unlisted := report.failed_rows - len(report.failures)) > 0:
        said.append(f"failed rows not listed here: {unlisted} of {report.failed_rows}")
    return said


def _actual(report: Report) -> Json:
    seconds, usd = report.span.total_seconds(), report.spend.total.total_usd
    per_million = None
    if usd is not None and report.tokens:
        per_million = written((usd * 1_000_000 / report.tokens).quantize(GRAIN))
    return {
        "hours": seconds / 3600,
        "usd": None if usd is None else written(usd),
        "tokens": report.tokens,
        "tokens_per_second": report.tokens / seconds if seconds else None,
        "usd_per_million_tokens": per_million,
    }


def _parts(metered: Metered) -> Json:
    """Dollars by part and in all, what is known of them, and the seconds of the same parts."""
    return _usd(metered.usd) | {
        "known": _usd(metered.known_usd),
        "seconds": _seconds(metered),
    }


def _seconds(metered: Metered) -> Json:
    parts = {part: metered.time[part].total_seconds() for part in PARTS}
    return {"total": metered.total_time.total_seconds()} | parts


def _usd(usd: Mapping[Part, Decimal] | None) -> Json:
    if usd is None:
        return dict.fromkeys(("total", *PARTS))
    return {"total": written(sum(usd.values(), Decimal(0)))} | {part: written(usd[part]) for part in PARTS}


def _machine(machine: MachineTime, report: Report) -> Json:
    """A machine's life. One that came back under its name has a row for each life, and `parts` of all."""
    lived = max(timedelta(0), (machine.ended or report.updated) - machine.started)
    price = machine.usd_per_hour
    return {
        "name": machine.name,
        "place": machine.place,
        "gpu": machine.gpu,
        "state": machine.state,
        "started": machine.started.isoformat(),
        "ready": machine.ready.isoformat() if machine.ready else None,
        "stopping": machine.stopping.isoformat() if machine.stopping else None,
        "ended": machine.ended.isoformat() if machine.ended else None,
        "seconds": lived.total_seconds(),
        "parts": _seconds(report.spend.machines[machine.name]),
        "usd_per_hour": None if price is None else written(price),
        "usd": None if price is None else written(dollars(lived, price)),
    }


def _shard(receipt: Receipt) -> Json:
    return {
        "position": receipt.position,
        "id": receipt.shard,
        "worker": receipt.worker,
        "generation": receipt.generation,
        "started": receipt.started.isoformat(),
        "seconds": receipt.seconds,
        "tokens": receipt.tokens,
        "failed": receipt.failed_rows,
    }


def _lease(lease: LeaseTime) -> Json:
    assert lease.ended, "judge gives every lease an end"
    return {
        "shard": lease.shard,
        "generation": lease.generation,
        "worker": lease.worker,
        "claimed": lease.claimed.isoformat(),
        "seconds": (lease.ended - lease.claimed).total_seconds(),
    }


def _names(names: Sequence[str]) -> str:
    rest = len(names) - NAMED
    return ", ".join(names[:NAMED]) + (f" and {rest} more" if rest > 0 else "")
