"""Three threads and one engine that never waits: read ahead, embed, write behind.

The reader claims the next shard while the engine still has work, reads and tokenises it; the engine runs in the main
thread, on all windows that are ready; the writer writes, uploads and signs for the last shard meanwhile. Each hands
over through a bounded queue, so memory is that of a few windows whatever the corpus.
"""

import queue
import random
import threading
from collections.abc import Callable
from dataclasses import dataclass, field
from datetime import UTC, datetime, timedelta
from pathlib import Path
from time import monotonic
from typing import Protocol

import numpy as np

from tasks.backlog import Backlog
from tasks.embed import Encoder, Vectors, shorten
from tasks.keeper import Keeper
from tasks.lease import Lease
from tasks.manifest import Header
from tasks.parquet import Bookmark
from tasks.progress import Progress, Stages
from tasks.shard import Shard
from tasks.signals import Signals
from tasks.store import Changed, Store
from tasks.work import VECTORS, WINDOW, Output, Tally, Window, Windows, size_of

LEAD = 5.0  # seconds of work that the engine has left when the next shard is claimed, at least
LEADS = 3.0  # times what the last shard took from its claim to its first window
AHEAD = 8  # shards in hand at once, at most
LOOK = 0.2  # seconds between looks at what we were told
PAUSE = 1.0  # seconds between looks while all shards are in other hands; grows with jitter to
LONGEST_PAUSE = 4.0
LAST = 60.0  # seconds for the writer to finish what was embedded when we are told to end


class Source(Protocol):
    """Where shards come from: `tasks.claims`."""

    def next(self) -> tuple[Shard, Lease] | tuple[()] | None: ...


@dataclass(slots=True)
class Task:
    """A shard in hand. `begun`: the engine has had some of it; `fault`: why nothing of it can be embedded."""

    shard: Shard
    lease: Lease
    tally: Tally
    begun: datetime | None = None
    fault: str | None = None
    output: Output | None = None


@dataclass(slots=True)
class Item:
    """A window of a shard; `last`: nothing of the shard comes after it."""

    task: Task
    window: Window
    last: bool
    vectors: Vectors | None = None

    @property
    def tokens(self) -> int:
        return self.window.tokens

    @property
    def pieces(self) -> int:
        return len(self.window.pieces)


Sign = Callable[[Task, Output | None], None]


@dataclass(slots=True)
class Pipeline:
    """One worker's work. `sign` uploads a finished shard and creates its receipt; `tell` hears what we are doing."""

    header: Header
    corpus: Store
    encoder: Encoder
    claims: Source
    keeper: Keeper
    progress: Progress
    signals: Signals
    scratch: Path  # for files on their way to the store
    sign: Sign
    tell: Callable[[str], None]
    _backlog: Backlog[Item] = field(default_factory=lambda: Backlog[Item](WINDOW))
    _written: "queue.Queue[list[Item] | None]" = field(
        default_factory=lambda: queue.Queue[list[Item] | None](1)
    )
    _stop: threading.Event = field(default_factory=threading.Event)
    _failed: list[BaseException] = field(default_factory=list[BaseException])
    _working_until: float = (
        0.0  # when the engine will be through with what it has now, by the monotonic clock
    )
    _in_hand: int = 0
    _idle: bool = False  # no shard is to be had: the engine does not wait for us

    def run(self) -> None:
        """Work until every shard has a receipt, or until told to drain or to end; leases in hand are given back.

        Raises:
            Stopped: we were told to end.
            Problem: somebody must act.
        """
        size_of(self.header, self.encoder)  # refused before anything is claimed
        reader = threading.Thread(target=self._guard, args=(self._read,), name="reader", daemon=True)
        writer = threading.Thread(target=self._guard, args=(self._write,), name="writer", daemon=True)
        with self.signals.shielded():
            reader.start()
            writer.start()
            try:
                self._engine()
            finally:
                self._wind_up(reader, writer)
            self._check()

    def _wind_up(self, reader: threading.Thread, writer: threading.Thread) -> None:
        """What is embedded is signed for, what is not is given back."""
        self._stop.set()
        self._backlog.close()
        reader.join(LAST)
        while writer.is_alive():
            try:
                self._written.put(None, timeout=LOOK)
                break
            except queue.Full:
                continue
        writer.join(LAST)
        for lease in self.keeper.leases:
            self.keeper.give_back(lease)

    def _guard(self, work: Callable[[], None]) -> None:
        """Where a thread ends: what went wrong is the main thread's to raise."""
        try:
            work()
        except BaseException as error:  # noqa: BLE001
            self._failed.append(error)
        finally:
            if work == self._read:
                self._backlog.end()

    def _check(self) -> None:
        self.signals.check()
        if self._failed:
            raise self._failed[0]
        if self.keeper.broken:
            raise self.keeper.broken

    # --- the reader's thread

    def _read(self) -> None:
        pause = PAUSE
        bookmark = Bookmark()
        lead = LEAD
        try:
            while self._wanted(lead):
                begun = monotonic()
                with self.progress.stages.time("store"):
                    found = self.claims.next()
                if found is None:
                    return
                if found:
                    pause = PAUSE
                    self._idle = False
                    self.tell("working")
                    first = self._shard(*found, bookmark)
                    lead = max(LEAD, LEADS * (first - begun))
                else:
                    self._rest(pause * random.uniform(0.5, 1.5))  # noqa: S311 - jitter, not a secret
                    pause = min(LONGEST_PAUSE, pause * 1.5, self.header.ttl / 2)
        finally:
            bookmark.close()

    def _rest(self, seconds: float) -> None:
        """Others hold what is left: look again in a while, or as soon as we have nothing left ourselves."""
        busy, until = self._in_hand, monotonic() + seconds
        if not busy:
            self._idle = True
            self.tell("waiting")
        while monotonic() < until and not self._stop.wait(LOOK / 4):
            if busy and not self._in_hand:
                return

    def _wanted(self, lead: float) -> bool:
        """Wait until the engine is about to run dry; False when no further shard is to be claimed."""
        while not self._stop.is_set() and not self.signals.drain and not self._failed:
            rate = self.progress.rate
            left = max(0.0, self._working_until - monotonic())
            ready = self._backlog.tokens / rate if rate else 0.0
            if self._in_hand < AHEAD and (left + ready < lead if rate else not self._backlog.tokens):
                return True
            self._stop.wait(LOOK / 4)
        return False

    def _shard(self, shard: Shard, lease: Lease, bookmark: Bookmark) -> float:
        """Read one shard; when its first window was ready."""
        task = Task(shard, lease, Tally(stages=Stages(self.progress.stages)))
        self._in_hand += 1
        first = 0.0
        dimensions = self.encoder.dimensions
        windows = Windows(
            self.header, self.corpus, shard, self.encoder.words, dimensions, task.tally, bookmark
        )
        try:
            for window in windows:
                first = first or monotonic()
                if not self.keeper.holds(lease) or not self._backlog.put(Item(task, window, last=False)):
                    break
        except Changed as changed:
            task.fault = str(changed)
            bookmark.close()
        self._backlog.put(Item(task, Window(), last=True))
        return first or monotonic()

    # --- the main thread

    def _engine(self) -> None:
        most = max(1, VECTORS // (4 * self.encoder.dimensions))
        stages = self.progress.stages
        while True:
            begun = stages.clock()
            items = self._backlog.take(WINDOW, most, LOOK)
            stages.add("idle" if self._idle else "wait", stages.clock() - begun)
            self._check()
            if items is None:
                return
            if items:
                self._embed([item for item in items if self._ours(item)])

    def _ours(self, item: Item) -> bool:
        """Whether to go on with this; where we only finish what we began, the rest is given back."""
        if self.signals.drain and item.task.begun is None and self.keeper.holds(item.task.lease):
            self.keeper.give_back(item.task.lease)
        return item.last or self.keeper.holds(item.task.lease)

    def _embed(self, items: list[Item]) -> None:
        pieces = [piece for item in items for piece in item.window.pieces]
        tokens = sum(item.tokens for item in items)
        start, clock = datetime.now(UTC), self.progress.clock
        begun = clock()
        if self.progress.rate:
            self._working_until = monotonic() + tokens / self.progress.rate
        vectors = None
        if pieces:
            with self.signals.exposed():  # the one thing that takes long
                vectors = shorten(self.encoder.encode(pieces), self.header.dimensions)
        seconds = clock() - begun
        self._working_until = 0.0
        if pieces:
            self.progress.embedded(tokens, seconds)
        row, before = 0, 0
        for item in items:
            share = seconds / tokens * item.tokens if tokens else 0.0
            item.task.begun = item.task.begun or start + timedelta(seconds=seconds * before / max(1, tokens))
            if item.pieces:
                item.task.tally.stages.add("engine", share)
            if vectors is not None:
                item.vectors = vectors[row : row + item.pieces]
            row, before = row + item.pieces, before + item.tokens
        self._hand_over(items)

    def _hand_over(self, items: list[Item]) -> None:
        """To the writer; where it lags, the engine waits for it."""
        begun = self.progress.clock()
        while items:
            try:
                self._written.put(items, timeout=LOOK)
                break
            except queue.Full:
                self._check()
        self.progress.stages.add("wait", self.progress.clock() - begun)

    # --- the writer's thread

    def _write(self) -> None:
        tasks: dict[str, Task] = {}
        try:
            while (items := self._written.get()) is not None:
                for item in items:
                    tasks[item.task.lease.nonce] = item.task
                    self._one(item)
                    if item.last:
                        del tasks[item.task.lease.nonce]
                        self._in_hand -= 1
        finally:
            for task in tasks.values():
                if task.output:
                    task.output.discard()

    def _one(self, item: Item) -> None:
        task = item.task
        if not self.keeper.holds(task.lease):
            if item.last:
                self._drop(task)
            return
        if task.fault is None:
            with task.tally.stages.time("write"):
                output = task.output or self._open(task)
                vectors = item.vectors
                if vectors is None:
                    vectors = np.empty((0, size_of(self.header, self.encoder)), np.float32)
                output.add(item.window, vectors)
                if item.last:
                    output.close()
        if item.last:
            try:
                self.sign(task, task.output if task.fault is None else None)
            finally:
                if task.output:
                    task.output.discard()
                    task.output = None

    def _open(self, task: Task) -> Output:
        attempt = task.lease.nonce[:12]
        files = (self.scratch / f"{attempt}.parquet", self.scratch / f"{attempt}.jsonl")
        task.output = Output(self.header, self.encoder, *files, task.tally)
        return task.output

    def _drop(self, task: Task) -> None:
        """The shard is another's now, or was given back before it was begun."""
        if task.output:
            task.output.discard()
            task.output = None
        if any(held.nonce == task.lease.nonce for held in self.keeper.leases):
            self.keeper.let_go(task.lease)
            print(f"shard {task.shard.id}: another worker took it over", flush=True)  # noqa: T201 - the worker's log
