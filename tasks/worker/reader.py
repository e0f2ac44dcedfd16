"""The reader thread: claim the next shard while the engine still has work, read it and tokenise it.

It prefetches: a shard is claimed shortly before the engine would run out of windows, and never more than a few shards
are in hand, so that little is given back when the worker ends.
"""

import random
import threading
from collections.abc import Callable, Iterator
from dataclasses import dataclass, field
from time import monotonic
from typing import Protocol

from tasks.errors import Problem
from tasks.formats.parquet.parquet_reader import OpenFile
from tasks.formats.reread import InputUnreadable
from tasks.protocol.lease import MAX_UNREADABLE, Lease
from tasks.protocol.messages import crash_marker
from tasks.protocol.shard import Shard
from tasks.stores.base import ObjectChanged
from tasks.worker.context import WorkerContext
from tasks.worker.engine_schedule import EngineSchedule
from tasks.worker.reading.window_queue import WindowQueue
from tasks.worker.reading.windows import Window, WindowReader, output_dimensions
from tasks.worker.writing.scratch import crash_marked
from tasks.worker.writing.shard_task import ShardTask, WindowTask, shard_task

LEAD_SECONDS = 5.0  # the next shard is claimed when the engine has no more than this left to do, at least
LEAD_FACTOR = 3.0  # times what the last shard took from its claim to its first window
MAX_SHARDS_IN_HAND = 8
POLL_SECONDS = 0.05  # between looks at the engine's backlog
PAUSE_SECONDS = 1.0  # between looks while other workers hold all shards; grows with jitter (backoff) to
LONGEST_PAUSE_SECONDS = 4.0
SUSPECT_DIVISOR = 8  # windows of a shard that processes died of are smaller by this factor


class ShardSource(Protocol):
    """Where shards come from: `tasks.worker.leases.claims`."""

    def next(self) -> tuple[Shard, Lease] | tuple[()] | None: ...

    def put_off(self, shard: Shard) -> None: ...


@dataclass(slots=True)
class Reader:
    """Fills the window queue until every shard has a receipt, or until the worker is to end.

    Attributes:
        shards_in_hand: how many claimed shards are not written yet.
        on_state: called with "working" or "waiting" when that changes.
        stop: set when nothing more is to be read.
        all_done: every shard of the run has a receipt.
        idle: other workers hold all that is left, so the engine does not wait for this thread.
        tasks: the shards in hand, and some that were until recently.
        crashed_on: the lease whose shard neither reader nor tokenizer survived.
    """

    context: WorkerContext
    source: ShardSource
    windows: WindowQueue[WindowTask]
    schedule: EngineSchedule
    shards_in_hand: Callable[[], int]
    on_state: Callable[[str], None]
    stop: threading.Event
    all_done: bool = False
    idle: bool = False
    claimed: int = 0
    tasks: list[ShardTask] = field(default_factory=list[ShardTask])
    crashed_on: list[Lease] = field(default_factory=list[Lease])

    def run(self) -> None:
        """Claim and read shards, one after the other."""
        pause = PAUSE_SECONDS
        bookmark = OpenFile()
        lead = LEAD_SECONDS
        try:
            while self._wait_for_turn(lead):
                begun = monotonic()
                with self.context.progress.stages.time("store"):
                    found = self.source.next()
                if found is None:
                    self.all_done = True
                    return
                if found:
                    pause = PAUSE_SECONDS
                    self.idle = False
                    self.on_state("working")
                    first_window = self._read(*found, bookmark)
                    lead = max(LEAD_SECONDS, LEAD_FACTOR * (first_window - begun))
                else:
                    self._back_off(pause * random.uniform(0.5, 1.5))  # noqa: S311 - jitter, not a secret
                    pause = min(LONGEST_PAUSE_SECONDS, pause * 1.5, self.context.header.ttl / 2)
        finally:
            bookmark.close()

    def _wait_for_turn(self, lead: float) -> bool:
        """Wait until the engine is about to run dry; False when no further shard is to be claimed."""
        while not self.stop.is_set() and not self.context.signals.leaving:
            queued = self.windows.tokens
            dry = self.schedule.seconds_left(queued) < lead if self.schedule.rate else not queued
            if dry and not self._suspect_in_hand() and self.shards_in_hand() < MAX_SHARDS_IN_HAND:
                return True
            self.stop.wait(POLL_SECONDS)
        return False

    def _suspect_in_hand(self) -> bool:
        """Whether a shard is in hand that processes died of: one that is read beside it would be blamed, too."""
        held = self.context.leases.holds
        return bool(self.shards_in_hand()) and any(task.suspect and held(task.lease) for task in self.tasks)

    def _wait_until_alone(self) -> None:
        """Wait until the shard that was claimed last is the only one in hand."""
        while self.shards_in_hand() > 1 and not self.context.signals.leaving:
            if self.stop.wait(POLL_SECONDS):
                return

    def _back_off(self, seconds: float) -> None:
        """Other workers hold all that is left: wait, but no longer than until our own last shard is written."""
        busy, until = self.shards_in_hand(), monotonic() + seconds
        if not busy:
            self.idle = True
            self.on_state("waiting")
        while monotonic() < until and not self.context.signals.leaving and not self.stop.wait(POLL_SECONDS):
            if busy and not self.shards_in_hand():
                return

    def _read(self, shard: Shard, lease: Lease, bookmark: OpenFile) -> float:
        """Put one shard's windows into the queue; returns when its first window was ready, by the monotonic clock."""
        context = self.context
        with context.progress.stages.time("store"):
            part = context.committer.last_part(shard, lease)
        task = shard_task(shard, lease, context.progress.stages, part)
        self.tasks = [t for t in self.tasks if context.leases.holds(t.lease)] + [task]
        self.claimed += 1
        first = 0.0
        if context.earlier is not None and task.fault is None:
            width = output_dimensions(context.header, context.encoder)
            with context.progress.stages.time("store"), context.watch():
                task.known = context.earlier.of_shard(shard, width)
        if task.suspect:
            self._wait_until_alone()
        try:
            for window in self._marked_windows(task, bookmark):
                first = first or monotonic()
                task.queued_tokens += window.tokens
                if not context.leases.holds(lease) or not self.windows.put(
                    WindowTask(task, window, last=False)
                ):
                    break
        except InputUnreadable as unreadable:
            task.put_down = str(unreadable)
            bookmark.close()
            self.source.put_off(shard)
        except ObjectChanged as changed:
            task.fault = str(changed)
            bookmark.close()
        except Problem:
            raise
        except Exception:  # a row that no reader or tokenizer survives
            self.crashed_on = [lease]
            raise
        task.fully_read = True
        self.windows.put(WindowTask(task, Window(), last=True))
        return first or monotonic()

    def _marked_windows(self, task: ShardTask, bookmark: OpenFile) -> Iterator[Window]:
        """The windows of a shard. While one is read and tokenised, a marker on disk says so."""
        windows = iter(() if task.fault else self._windows(task, bookmark))
        while True:
            with crash_marked(self.context.scratch, [task.lease], crash_marker.READER_NAME):
                window = next(windows, None)
            if window is None:
                return
            yield window

    def _windows(self, task: ShardTask, bookmark: OpenFile) -> WindowReader:
        divisor = SUSPECT_DIVISOR if task.suspect else 1
        return WindowReader(
            header=self.context.header,
            source=self.context.corpus,
            shard=task.shard,
            tokenizer=self.context.encoder.tokenizer,
            dimensions=self.context.encoder.dimensions,
            counts=task.counts,
            bookmark=bookmark,
            skip=task.counts.done,
            last_attempt=task.lease.unreadable + 1 >= MAX_UNREADABLE,
            watch=self.context.watch,
            tokens=lambda: max(1, self.schedule.call_tokens() // divisor),
        )
