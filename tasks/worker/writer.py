"""The writer thread: vectors into files, files into the store, and a receipt for each shard.

When the worker is told to end, it commits a part of each unfinished shard, so that only the rest is done again.
"""

from collections.abc import Callable
from dataclasses import dataclass, field
from datetime import timedelta
from queue import SimpleQueue
from threading import Semaphore
from time import monotonic

import numpy as np

from tasks.clock import utc
from tasks.worker.context import WorkerContext
from tasks.worker.reading.windows import output_dimensions
from tasks.worker.writing.output_files import OutputFiles
from tasks.worker.writing.scratch import writing_in
from tasks.worker.writing.shard_task import ShardTask, WindowTask

# Shards are cut so that the slowest machine takes a minute. One that takes longer is a file that cannot be cut: it is
# committed in parts, so that a kill costs no more than this. A compressed file is then unpacked again up to the place.
PART_SECONDS = 120.0


@dataclass(slots=True)
class Writer:
    """Takes windows in the order of each shard.

    Attributes:
        on_commit: called with each shard that has its receipt, and whether the receipt is this worker's.
        commit_seconds: how long uploading and committing a shard took recently.
        ended: shards that are no longer in hand.
    """

    context: WorkerContext
    on_commit: Callable[[ShardTask, bool], None]
    commit_seconds: float = 0.0
    ended: int = 0
    _queue: "SimpleQueue[list[WindowTask] | None]" = field(
        default_factory=SimpleQueue[list[WindowTask] | None]
    )
    _room: Semaphore = field(default_factory=lambda: Semaphore(1))  # lists with rows that may wait

    def put(self, items: list[WindowTask], seconds: float) -> bool:
        """Take windows, in order; False where earlier rows waited for longer than so many seconds.

        Ends of shards hold no rows, so they always have room: a receipt waits for the writer alone.
        """
        if _take_memory(items) and not self._room.acquire(timeout=seconds):
            return False
        self._queue.put(items)
        return True

    def end(self) -> None:
        """End the thread after what was put before."""
        self._queue.put(None)

    def run(self) -> None:
        """Write until `end`; then commit a part of each unfinished shard."""
        tasks: dict[str, ShardTask] = {}
        try:
            while (items := self._queue.get()) is not None:
                if _take_memory(items):
                    self._room.release()
                for item in items:
                    tasks[item.task.lease.nonce] = item.task
                    self._take(item)
                    if item.last:
                        del tasks[item.task.lease.nonce]
                        self.ended += 1
            for task in tasks.values():
                self._commit_part(task)
        finally:
            for task in tasks.values():
                _discard(task)

    def _take(self, item: WindowTask) -> None:
        """Write one window; commit its shard with the last of them."""
        task = item.task
        if not self.context.leases.holds(task.lease):
            if item.last:
                self._drop(task)
            return
        needs_file = item.last and task.put_down is None and self._needs_file(task)
        if task.fault is None and (item.window.rows or needs_file):
            with task.counts.stages.time("write"):
                self._write(item)
        if item.last and task.put_down is not None:
            self._put_down(task, task.put_down)
        elif item.last:
            begun = monotonic()
            try:
                self.on_commit(task, self.context.committer.commit_shard(task, task.output))
            finally:
                _discard(task)
            self.commit_seconds = 0.5 * self.commit_seconds + 0.5 * (monotonic() - begun)
        elif task.suspect or _long(task):
            self._commit_part(task)

    def _needs_file(self, task: ShardTask) -> bool:
        """Whether a shard needs a file even if it is empty: a receipt without any file looks like a fault."""
        return task.output is not None or not task.earlier

    def _write(self, item: WindowTask) -> None:
        task = item.task
        with writing_in(self.context.scratch, "the vectors of a shard"):
            output = task.output or self._open(task)
            vectors = item.vectors
            if vectors is None:
                width = output_dimensions(self.context.header, self.context.encoder)
                vectors = np.empty((0, width), np.float32)
            output.add(item.window, vectors, item.faults, item.repeated)
            if item.last:
                output.close()

    def _open(self, task: ShardTask) -> OutputFiles:
        attempt = task.lease.nonce[:12]
        task.output = OutputFiles(
            header=self.context.header,
            encoder=self.context.encoder,
            vectors=self.context.scratch / f"{attempt}.parquet",
            failures=self.context.scratch / f"{attempt}.jsonl",
            counts=task.counts,
        )
        return task.output

    def _commit_part(self, task: ShardTask) -> None:
        """Commit the beginning of a shard whose lease is still held."""
        if task.output and task.fault is None and self.context.leases.holds(task.lease):
            with task.counts.stages.time("write"), writing_in(self.context.scratch, "the vectors of a shard"):
                task.output.close()
            self.context.committer.commit_part(task, task.output)
            _discard(task)
            task.begun = None

    def _put_down(self, task: ShardTask, why: str) -> None:
        """Commit what is done of a shard whose input cannot be read further now, and give it back."""
        self._commit_part(task)
        self.context.leases.give_back(task.lease, unreadable=True)
        print(f"shard {task.shard.id} is put down after {task.counts.done:,} rows: {why}", flush=True)  # noqa: T201

    def _drop(self, task: ShardTask) -> None:
        """Forget a shard that another worker took over, or whose lease was given back before work on it began."""
        _discard(task)
        leases = self.context.leases
        if any(held.nonce == task.lease.nonce for held in leases.leases):
            leases.drop_unfinished(task.lease)
            print(f"shard {task.shard.id}: another worker took it over", flush=True)  # noqa: T201 - the worker's log


def _take_memory(items: list[WindowTask]) -> bool:
    return any(item.window.rows for item in items)


def _long(task: ShardTask) -> bool:
    """Whether the engine has worked on the present output file for as long as no shard that can be cut takes."""
    return task.begun is not None and utc() - task.begun > timedelta(seconds=PART_SECONDS)


def _discard(task: ShardTask) -> None:
    if task.output:
        task.output.discard()
        task.output = None
