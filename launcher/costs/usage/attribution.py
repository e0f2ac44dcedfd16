"""Attribute the time of one worker to parts: every moment belongs to exactly one part.

Pure. Spans of work may overlap, and a worker's clock may differ from ours, so a span counts only within the life of its
machine, and a moment that several spans cover belongs to the first of their parts in PART_PRIORITY:

    useful      within the work of a receipt, or under a lease that may still produce one
    teardown    after the request to stop the machine, and time billed after the machine's end
    lost        under a lease that produced no receipt
    cold_start  before the machine was ready; its whole life if it never was
    idle        after the last work of the whole run was done
    waiting     everything else: no shard to take, store, retry

Times are integer microseconds since EPOCH.
"""

from collections.abc import Iterable, Sequence
from dataclasses import dataclass
from datetime import UTC, datetime, timedelta
from itertools import pairwise

from launcher.costs.usage.machine_time import MachineTime
from launcher.costs.usage.spend import Part

PART_PRIORITY: tuple[Part, ...] = ("useful", "teardown", "lost", "cold_start", "idle", "waiting")
PRIORITY_RANK = {part: rank for rank, part in enumerate(PART_PRIORITY)}
MICROSECOND = timedelta(microseconds=1)
EPOCH = datetime(1970, 1, 1, tzinfo=UTC)
PartSpan = tuple[int, int, Part]  # start, end, part


@dataclass(frozen=True, slots=True)
class LifeSpan:
    """The life of a machine in microseconds since EPOCH; billing may go on after it ended."""

    started: int
    ended: int
    billed_until: int


def attribute(start: int, end: int, spans: Iterable[PartSpan]) -> list[PartSpan]:
    """Divide the time from start to end into spans that do not overlap, by PART_PRIORITY. The rest is "waiting"."""
    edges: list[tuple[int, int, int]] = []  # time, rank of the part, +1 at its start or -1 at its end
    for first, last, part in [*spans, (start, end, "waiting")]:
        opens, closes = max(first, start), min(last, end)
        if opens < closes:
            edges += [(opens, PRIORITY_RANK[part], 1), (closes, PRIORITY_RANK[part], -1)]
    edges.sort()
    attributed: list[PartSpan] = []
    open_spans = [0] * len(PART_PRIORITY)
    for (moment, rank, change), (until, _, _) in pairwise(edges):
        open_spans[rank] += change
        if moment < until:
            part = PART_PRIORITY[next(rank for rank, count in enumerate(open_spans) if count)]
            attributed.append((moment, until, part))
    return attributed


def attribute_worker(
    machine: MachineTime, work: Sequence[PartSpan], idle_from: datetime | None, life: LifeSpan
) -> list[PartSpan]:
    """Attribute the time of one worker from the start of its machine's life to the end of billing.

    `work` is sorted by start. `idle_from` is when the last work of the run was done; None while there is work.
    """
    spans = _clipped(work, life.started, life.ended)
    # In a first life all work counts, also with a wrong clock; a later life must not count the work of an earlier one.
    begun = (since for since, until, _ in work if until >= life.started or not machine.number)
    first = min(begun, default=life.ended)
    # A machine that works is ready.
    ready = to_microseconds(machine.ready) if machine.ready else max(life.started, first)
    spans.append((life.started, ready, "cold_start"))
    if machine.stopping:
        spans.append((to_microseconds(machine.stopping), life.billed_until, "teardown"))
    if idle_from:
        spans.append((to_microseconds(idle_from), life.billed_until, "idle"))
    return [*attribute(life.started, life.ended, spans), (life.ended, life.billed_until, "teardown")]


def to_microseconds(moment: datetime) -> int:
    """Microseconds since EPOCH."""
    since = moment - EPOCH
    return (since.days * 86_400 + since.seconds) * 1_000_000 + since.microseconds


def _clipped(spans: Iterable[PartSpan], start: int, end: int) -> list[PartSpan]:
    """The spans within start and end; adjacent spans of one part are joined, such as many shards in a row."""
    joined: list[PartSpan] = []
    last: dict[Part, int] = {}
    for first, until, part in spans:
        opens, closes = max(first, start), min(until, end)
        if opens >= closes:
            continue
        at = last.get(part)
        if at is not None and joined[at][1] >= opens:
            joined[at] = (joined[at][0], max(joined[at][1], closes), part)
        else:
            last[part] = len(joined)
            joined.append((opens, closes, part))
    return joined
