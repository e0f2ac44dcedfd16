"""Three threads, so that the engine never waits: prefetch, embed, write.

The reader claims the next shard while the engine still has work, and reads and tokenises it; the engine runs in the
main thread, on all windows that are ready; the writer writes, uploads and commits the last shard meanwhile. They hand
over through bounded queues, so memory is that of a few windows whatever the size of the corpus. One engine call takes
some seconds and no more, so that little work is lost with a machine.
"""

import threading
from collections import ChainMap
from collections.abc import Callable, Generator, Mapping, Sequence
from contextlib import contextmanager
from dataclasses import dataclass, field
from datetime import UTC, datetime, timedelta
from itertools import takewhile
from time import monotonic
from typing import cast

from tasks.engines.base import Vectors, truncate_dimensions
from tasks.engines.batches.deduplicate import Deduplicator
from tasks.engines.checks.isolate_failures import encode_isolating_failures
from tasks.protocol.lease import Lease
from tasks.worker.context import WorkerContext
from tasks.worker.engine_schedule import USABLE_SHARE, EngineSchedule
from tasks.worker.reader import Reader, ShardSource
from tasks.worker.reading.window_queue import WindowQueue
from tasks.worker.reading.windows import WINDOW_TOKENS, WINDOW_VECTOR_BYTES, output_dimensions, split_window
from tasks.worker.writer import Writer
from tasks.worker.writing.scratch import crash_marked
from tasks.worker.writing.shard_task import ShardTask, WindowTask, may_share_batch

POLL_SECONDS = 0.2  # between looks at signals and at failures of the other threads
WRITER_SECONDS = 60.0  # for the writer to finish what was embedded, when the worker is told to end
RESERVE_SECONDS = 3.0  # kept for writing and committing before the machine goes, at least


@dataclass(slots=True)
class Pipeline:
    """One worker's work on shards.

    Attributes:
        on_commit: called with each shard that has its receipt, and whether the receipt is this worker's.
        on_state: called with what the worker is doing: "working" or "waiting".
    """

    context: WorkerContext
    claims: ShardSource
    on_commit: Callable[[ShardTask, bool], None]
    on_state: Callable[[str], None]
    repeats: Deduplicator = field(default_factory=Deduplicator)
    _windows: WindowQueue[WindowTask] = field(
        default_factory=lambda: WindowQueue[WindowTask](WINDOW_TOKENS, may_share_batch)
    )
    _schedule: EngineSchedule = field(init=False)
    _reader: Reader = field(init=False)
    _writer: Writer = field(init=False)
    _stop: threading.Event = field(default_factory=threading.Event)
    _failures: list[BaseException] = field(default_factory=list[BaseException])  # of reader and writer
    _crashed_on: list[Lease] = field(default_factory=list[Lease])  # what the engine had when it failed

    def __post_init__(self) -> None:
        self._schedule = EngineSchedule(self.context.progress)
        self._writer = Writer(self.context, self.on_commit)
        self._reader = Reader(
            context=self.context,
            source=self.claims,
            windows=self._windows,
            schedule=self._schedule,
            shards_in_hand=self._shards_in_hand,
            on_state=self.on_state,
            stop=self._stop,
        )

    def run(self) -> bool:
        """Work until every shard has a receipt, or until told to drain or to end, or the machine is about to go.

        Unfinished shards are then committed as far as they are done, and their leases are given back. Returns False
        where the machine is about to go: should it stay, there is more to do.

        Raises:
            Stopped: the worker was told to end.
            Problem: a person must act.
        """
        output_dimensions(self.context.header, self.context.encoder)  # refused before anything is claimed
        reader = threading.Thread(target=self._read, name="reader", daemon=True)
        writer = threading.Thread(target=self._guard, args=(self._writer.run,), name="writer", daemon=True)
        signals = self.context.signals
        signals.can_finish = self._can_finish
        with signals.shielded():
            reader.start()
            writer.start()
            try:
                self._engine()
            finally:
                self._wind_up(reader, writer)
            self._check()
        return self._reader.all_done or signals.deadline is None

    def _wind_up(self, reader: threading.Thread, writer: threading.Thread) -> None:
        """Commit what is embedded and give back the leases of what is not."""
        signals, leases = self.context.signals, self.context.leases
        self._stop.set()
        self._windows.close()
        reader.join(RESERVE_SECONDS if signals.stop or signals.deadline else WRITER_SECONDS)
        self._writer.end()
        writer.join(WRITER_SECONDS)
        crashed_on = {lease.nonce for lease in (*self._crashed_on, *self._reader.crashed_on)}
        for lease in leases.leases:
            leases.give_back(lease, crashed=lease.nonce in crashed_on)

    def _read(self) -> None:
        """Run the reader; the queue ends after its failure is noted, so that the main thread sees both."""
        self._guard(self._reader.run)
        self._windows.end()

    def _guard(self, work: Callable[[], None]) -> None:
        """Run `work` in a thread; keep its exception for `_check` to raise in the main thread."""
        try:
            work()
        except BaseException as error:  # noqa: BLE001
            self._failures.append(error)
            self._stop.set()  # nothing more is claimed

    def _check(self) -> None:
        self.context.signals.check()
        self._raise_failure()

    def _raise_failure(self) -> None:
        if self._failures:
            raise self._failures[0]
        if self.context.leases.broken:
            raise self.context.leases.broken

    def tokens_open(self) -> dict[str, int]:
        """Tokens that are embedded and written of each shard in hand, by its id."""
        holds = self.context.leases.holds
        return {task.shard.id: task.counts.tokens for task in self._reader.tasks if holds(task.lease)}

    def _shards_in_hand(self) -> int:
        return self._reader.claimed - self._writer.ended

    def _engine(self) -> None:
        """Embed windows as they become ready, until the reader has ended or the machine is about to go."""
        most = max(1, WINDOW_VECTOR_BYTES // (4 * self.context.encoder.dimensions))
        stages = self.context.progress.stages
        while True:
            begun = stages.clock()
            items = self._windows.take(self._schedule.call_tokens(), most, POLL_SECONDS)
            stages.add("idle" if self._reader.idle else "wait", stages.clock() - begun)
            self._check()
            if items is None or (items and not (items := self._before_deadline(items))):
                return
            if items:
                ours = [item for item in items if self._still_ours(item)]
                for part in self._ended_first(ours):
                    self._embed(part)

    def _ended_first(self, items: list[WindowTask]) -> list[list[WindowTask]]:
        """The same windows in order: ends of shards at the front apart, then what the engine is called with.

        An end has no pieces: its receipt must not wait for the call that takes the next shard.
        """
        ended = list(takewhile(lambda item: not item.pieces, items))
        return [part for part in (ended, items[len(ended) :]) if part]

    def _before_deadline(self, items: list[WindowTask]) -> list[WindowTask]:
        """Take what can be embedded and committed before the machine goes; put the rest back."""
        deadline = self.context.signals.deadline
        if deadline is None or not self._schedule.rate:
            return items
        seconds = deadline - monotonic() - max(RESERVE_SECONDS, 2 * self._writer.commit_seconds)
        room = self._schedule.tokens_within(seconds)
        fit: list[WindowTask] = []
        for n, item in enumerate(items):
            if item.tokens <= max(0, room):
                fit.append(item)
                room -= item.tokens
                continue
            first, rest = split_window(item.window, max(0, room))
            if first.documents:
                fit.append(WindowTask(item.task, first, last=False))
                item.window = rest
            self._windows.put_back(items[n:])
            break
        return fit

    def _still_ours(self, item: WindowTask) -> bool:
        """Whether to go on with a window. A worker that drains gives back every shard that it has not begun."""
        task, signals, leases = item.task, self.context.signals, self.context.leases
        task.queued_tokens -= item.tokens
        if (signals.drain or signals.stop) and not task.started_embedding and leases.holds(task.lease):
            leases.give_back(task.lease)
        return item.last or leases.holds(task.lease)

    def _can_finish(self, seconds: float) -> bool:
        """Whether every shard that the engine has begun can be embedded in so many seconds."""
        leases = self.context.leases
        begun = [task for task in self._reader.tasks if task.started_embedding and leases.holds(task.lease)]
        if not self._schedule.rate or not begun or not all(task.fully_read for task in begun):
            return False
        return (
            self._schedule.seconds_left(sum(task.queued_tokens for task in begun)) <= seconds * USABLE_SHARE
        )

    def _embed(self, items: list[WindowTask]) -> None:
        """Put windows through the engine in one call, share its time out among them, and hand them to the writer."""
        progress = self.context.progress
        pieces = [piece for item in items for piece in item.window.pieces]
        tokens = sum(item.tokens for item in items)
        start, begun = datetime.now(UTC), progress.clock()
        for item in items:
            item.task.started_embedding = True
        self._schedule.started(tokens)
        vectors: Vectors | None = None
        faults: dict[int, str] = {}
        duplicates: set[int] = set()
        if pieces:
            leases = {item.task.lease.nonce: item.task.lease for item in items if item.pieces}
            # The one step that takes long: a signal may interrupt it.
            with self._blaming(list(leases.values())), self.context.signals.exposed():
                if self.context.header.once:
                    vectors, faults, duplicates = self.repeats.encode(
                        pieces, self._encode, self._known(items)
                    )
                else:
                    vectors, faults = self._encode(pieces)
        seconds = progress.clock() - begun
        self._schedule.ended()
        if pieces:
            progress.embedded(tokens - sum(len(pieces[n]) for n in duplicates), seconds)
        row, before = 0, 0
        for item in items:
            item.task.begun = item.task.begun or start + timedelta(seconds=seconds * before / max(1, tokens))
            if item.pieces:
                item.task.counts.stages.add("engine", seconds / tokens * item.tokens if tokens else 0.0)
            end = row + item.pieces
            if vectors is not None:
                item.vectors = vectors[row:end]
                item.faults = {n - row: faults[n] for n in faults if row <= n < end}
                item.repeated = sum(len(pieces[n]) for n in duplicates if row <= n < end)
            row, before = end, before + item.tokens
        self._hand_over(items)

    @contextmanager
    def _blaming(self, leases: list[Lease]) -> Generator[None, None, None]:
        """Keep what the engine had where it raises an error, and on disk while it has it."""
        with crash_marked(self.context.scratch, leases):
            try:
                yield
            except Exception:
                self._crashed_on = leases
                raise

    def _encode(self, pieces: Sequence[Sequence[int]]) -> tuple[Vectors, dict[int, str]]:
        vectors, faults = encode_isolating_failures(self.context.encoder, pieces)
        return truncate_dimensions(vectors, self.context.header.dimensions), faults

    def _known(self, items: Sequence[WindowTask]) -> Mapping[bytes, Vectors]:
        """Vectors of texts of these windows, and of others, that need not be embedded."""
        earlier = {id(item.task): item.task.known for item in items if item.task.known}
        if not earlier:
            return self.context.shared
        return ChainMap(*earlier.values(), cast("dict[bytes, Vectors]", self.context.shared))

    def _hand_over(self, items: list[WindowTask]) -> None:
        """Give windows to the writer; where it lags, the engine waits for it (backpressure)."""
        progress = self.context.progress
        begun = progress.clock()
        while items and not self._writer.put(items, POLL_SECONDS):
            self._raise_failure()  # signals are not checked here: these vectors are embedded already
        progress.stages.add("wait", progress.clock() - begun)
