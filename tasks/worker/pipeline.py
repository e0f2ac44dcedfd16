"""Three threads and one engine that never waits: read ahead, embed, write behind.

The reader claims the next shard while the engine still has work, reads and tokenises it; the engine runs in the main
thread, on all windows that are ready; the writer writes, uploads and signs for the last shard meanwhile. Each hands
over through a bounded queue, so memory is that of a few windows whatever the corpus. What goes through the engine at
once takes some seconds and no more: so little is lost with a machine.
"""

import queue
import random
import threading
from collections.abc import Callable, Generator, Iterable, Sequence
from contextlib import contextmanager
from dataclasses import dataclass, field
from datetime import UTC, datetime, timedelta
from pathlib import Path
from time import monotonic
from typing import Protocol

from tasks.engines.base import Encoder, Vectors, shorten
from tasks.engines.deduplicate import Repeats
from tasks.engines.isolate_failures import survive
from tasks.errors import Problem
from tasks.formats.parquet_reader import Bookmark
from tasks.protocol import crash_marker
from tasks.protocol.lease import Lease
from tasks.protocol.manifest import Header
from tasks.protocol.shard import Shard
from tasks.stores.base import Changed, Store
from tasks.worker.commit import Signer
from tasks.worker.lease_renewal import Keeper
from tasks.worker.shard_task import Item, Task, task_of, together
from tasks.worker.signals import Signals
from tasks.worker.stage_timer import Progress
from tasks.worker.window_queue import Backlog
from tasks.worker.windows import VECTORS, WINDOW, Window, Windows, parted, size_of
from tasks.worker.writer import Writer

LEAD = 5.0  # seconds of work that the engine has left when the next shard is claimed, at least
LEADS = 3.0  # times what the last shard took from its claim to its first window
AHEAD = 8  # shards in hand at once, at most
LOOK = 0.2  # seconds between looks at what we were told
PAUSE = 1.0  # seconds between looks while all shards are in other hands; grows with jitter to
LONGEST_PAUSE = 4.0
LAST = 60.0  # seconds for the writer to finish what was embedded when we are told to end

# Seconds of work that go through the engine at once. Half of it is lost with a worker that is told to end: of ten
# shards of a few minutes each, 0.5 %. Many batches fit in, so that what sorting them by length saves is kept.
BITE = 20.0
FIRST = 2**16  # tokens of the first, before the engine's speed is known
LEAST = 2**10  # tokens, however slow it is
CAREFUL = 8  # of a shard that processes died of, so many times less
RESERVE = 3.0  # seconds before a machine goes that are kept for writing and signing, at least
REACH = 0.8  # of the time that is left, so much is planned to be used: the engine's speed is an estimate


class Source(Protocol):
    """Where shards come from: `tasks.worker.claims`."""

    def next(self) -> tuple[Shard, Lease] | tuple[()] | None: ...


@dataclass(slots=True)
class Pipeline:
    """One worker's work. `signed` hears of each shard done and whether its receipt is ours; `tell` what we are doing."""

    header: Header
    corpus: Store
    encoder: Encoder
    claims: Source
    keeper: Keeper
    progress: Progress
    signals: Signals
    scratch: Path  # for files on their way to the store
    signer: Signer
    signed: Callable[[Task, bool], None]
    tell: Callable[[str], None]
    repeats: Repeats = field(default_factory=Repeats)
    _backlog: Backlog[Item] = field(default_factory=lambda: Backlog[Item](WINDOW, together))
    _writer: Writer = field(init=False)
    _stop: threading.Event = field(default_factory=threading.Event)
    _failed: list[BaseException] = field(default_factory=list[BaseException])
    _working_until: float = 0.0  # when the engine will be through with what it has, by the monotonic clock
    _tasks: list[Task] = field(default_factory=list[Task])  # in hand, or were until lately
    _claimed: int = 0
    _over: bool = False  # every shard has a receipt
    _idle: bool = False  # no shard is to be had: the engine does not wait for us
    _died_of: list[Lease] = field(default_factory=list[Lease])  # what the engine had when it failed

    def __post_init__(self) -> None:
        parts = (self.header, self.encoder, self.keeper, self.signer, self.scratch, self.signed)
        self._writer = Writer(*parts)

    def run(self) -> bool:
        """Work until every shard has a receipt, or until told to drain or to end, or the machine is about to go.

        What is unfinished then is signed for as far as it is done, and leases in hand are given back. False where the
        machine is about to go: should it stay, there is more to do.

        Raises:
            Stopped: we were told to end.
            Problem: somebody must act.
        """
        size_of(self.header, self.encoder)  # refused before anything is claimed
        reader = threading.Thread(target=self._guard, args=(self._read,), name="reader", daemon=True)
        writer = threading.Thread(target=self._guard, args=(self._writer.run,), name="writer", daemon=True)
        self.signals.patient = self._can_finish
        with self.signals.shielded():
            reader.start()
            writer.start()
            try:
                self._engine()
            finally:
                self._wind_up(reader, writer)
            self._check()
        return self._over or self.signals.deadline is None

    def _wind_up(self, reader: threading.Thread, writer: threading.Thread) -> None:
        """What is embedded is signed for, what is not is given back."""
        self._stop.set()
        self._backlog.close()
        reader.join(RESERVE if self.signals.stop or self.signals.deadline else LAST)
        while writer.is_alive():
            try:
                self._writer.queue.put(None, timeout=LOOK)
                break
            except queue.Full:
                continue
        writer.join(LAST)
        died_of = {lease.nonce for lease in self._died_of}
        for lease in self.keeper.leases:
            self.keeper.give_back(lease, crashed=lease.nonce in died_of)

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
        self._broken()

    def _broken(self) -> None:
        if self._failed:
            raise self._failed[0]
        if self.keeper.broken:
            raise self.keeper.broken

    @property
    def _in_hand(self) -> int:
        return self._claimed - self._writer.ended

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
                    self._over = True
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
        while monotonic() < until and not self.signals.leaving and not self._stop.wait(LOOK / 4):
            if busy and not self._in_hand:
                return

    def _wanted(self, lead: float) -> bool:
        """Wait until the engine is about to run dry; False when no further shard is to be claimed."""
        while not self._stop.is_set() and not self.signals.leaving and not self._failed:
            rate = self.progress.rate
            left = max(0.0, self._working_until - monotonic())
            ready = self._backlog.tokens / rate if rate else 0.0
            if self._in_hand < AHEAD and (left + ready < lead if rate else not self._backlog.tokens):
                return True
            self._stop.wait(LOOK / 4)
        return False

    def _shard(self, shard: Shard, lease: Lease, bookmark: Bookmark) -> float:
        """Read one shard; when its first window was ready."""
        with self.progress.stages.time("store"):
            part = self.signer.beginning(shard, lease)
        task = task_of(shard, lease, self.progress.stages, part)
        self._tasks = [t for t in self._tasks if self.keeper.holds(t.lease)] + [task]
        self._claimed += 1
        first = 0.0
        windows: Iterable[Window] = () if task.fault else self._windows(task, bookmark)
        try:
            for window in windows:
                first = first or monotonic()
                task.waiting += window.tokens
                if not self.keeper.holds(lease) or not self._backlog.put(Item(task, window, last=False)):
                    break
        except Changed as changed:
            task.fault = str(changed)
            bookmark.close()
        except Problem:
            raise
        except Exception:  # a row that no reader or tokenizer survives
            self._died_of = [lease]
            raise
        task.whole = True
        self._backlog.put(Item(task, Window(), last=True))
        return first or monotonic()

    def _windows(self, task: Task, bookmark: Bookmark) -> Windows:
        share = CAREFUL if task.suspect else 1
        return Windows(
            self.header, self.corpus, task.shard, self.encoder.words, self.encoder.dimensions, task.tally, bookmark,
            task.tally.done, lambda: max(1, self._bite() // share),
        )  # fmt: skip

    # --- the main thread

    def _engine(self) -> None:
        most = max(1, VECTORS // (4 * self.encoder.dimensions))
        stages = self.progress.stages
        while True:
            begun = stages.clock()
            items = self._backlog.take(self._bite(), most, LOOK)
            stages.add("idle" if self._idle else "wait", stages.clock() - begun)
            self._check()
            if items is None or (items and not (items := self._in_time(items))):
                return
            if items:
                self._embed([item for item in items if self._ours(item)])

    def _bite(self) -> int:
        """Tokens that go through the engine at once."""
        rate = self.progress.rate
        return min(WINDOW, max(LEAST, int(rate * BITE)) if rate else FIRST)

    def _in_time(self, items: list[Item]) -> list[Item]:
        """As much of it as can be embedded and signed for before the machine goes; the rest is put back."""
        rate, deadline = self.progress.rate, self.signals.deadline
        if deadline is None or not rate:
            return items
        seconds = deadline - monotonic() - max(RESERVE, 2 * self._writer.signing)
        room = int(seconds * REACH * rate)
        fit: list[Item] = []
        for n, item in enumerate(items):
            if item.tokens <= max(0, room):
                fit.append(item)
                room -= item.tokens
                continue
            first, rest = parted(item.window, max(0, room))
            if first.documents:
                fit.append(Item(item.task, first, last=False))
                item.window = rest
            self._backlog.back(items[n:])
            break
        return fit

    def _ours(self, item: Item) -> bool:
        """Whether to go on with this; where we only finish what we began, the rest is given back."""
        task = item.task
        task.waiting -= item.tokens
        if (self.signals.drain or self.signals.stop) and not task.engaged and self.keeper.holds(task.lease):
            self.keeper.give_back(task.lease)
        return item.last or self.keeper.holds(task.lease)

    def _can_finish(self, seconds: float) -> bool:
        """Whether all that the engine has begun can be embedded in so many seconds."""
        rate = self.progress.rate
        begun = [task for task in self._tasks if task.engaged and self.keeper.holds(task.lease)]
        if not rate or not begun or not all(task.whole for task in begun):
            return False
        left = max(0.0, self._working_until - monotonic())
        return left + sum(task.waiting for task in begun) / rate <= seconds * REACH

    def _embed(self, items: list[Item]) -> None:
        pieces = [piece for item in items for piece in item.window.pieces]
        start, clock = datetime.now(UTC), self.progress.clock
        tokens = sum(item.tokens for item in items)
        for item in items:
            item.task.engaged = True
        begun = clock()
        if self.progress.rate:
            self._working_until = monotonic() + tokens / self.progress.rate
        vectors: Vectors | None = None
        faults: dict[int, str] = {}
        spared: set[int] = set()
        if pieces:
            leases = {item.task.lease.nonce: item.task.lease for item in items if item.pieces}
            with self._grip(list(leases.values())), self.signals.exposed():  # the one thing that takes long
                if self.header.once:
                    vectors, faults, spared = self.repeats.encode(pieces, self._encode)
                else:
                    vectors, faults = self._encode(pieces)
        seconds = clock() - begun
        self._working_until = 0.0
        if pieces:
            self.progress.embedded(tokens - sum(len(pieces[n]) for n in spared), seconds)
        row, before = 0, 0
        for item in items:
            share = seconds / tokens * item.tokens if tokens else 0.0
            item.task.begun = item.task.begun or start + timedelta(seconds=seconds * before / max(1, tokens))
            if item.pieces:
                item.task.tally.stages.add("engine", share)
            end = row + item.pieces
            if vectors is not None:
                item.vectors = vectors[row:end]
                item.faults = {n - row: faults[n] for n in faults if row <= n < end}
                item.repeated = sum(len(pieces[n]) for n in spared if row <= n < end)
            row, before = end, before + item.tokens
        self._hand_over(items)

    @contextmanager
    def _grip(self, leases: list[Lease]) -> Generator[None, None, None]:
        """What the engine has, as long as it has it; where it raises an error, what it died of."""
        crash_marker.mark(self.scratch, leases)
        try:
            yield
        except Exception:
            self._died_of = leases
            raise
        finally:
            crash_marker.clear(self.scratch)

    def _encode(self, pieces: Sequence[Sequence[int]]) -> tuple[Vectors, dict[int, str]]:
        vectors, faults = survive(self.encoder, pieces)
        return shorten(vectors, self.header.dimensions), faults

    def _hand_over(self, items: list[Item]) -> None:
        """To the writer; where it lags, the engine waits for it."""
        begun = self.progress.clock()
        while items:
            try:
                self._writer.queue.put(items, timeout=LOOK)
                break
            except queue.Full:
                self._broken()  # but for what we were told: this is embedded
        self.progress.stages.add("wait", self.progress.clock() - begun)
