"""The thread behind the engine: vectors into files, files into the store, and the shard signed for.

Told to end, it signs for what it has of the shards that are not finished, so that only the rest is done again.
"""

import errno
import queue
from collections.abc import Callable
from dataclasses import dataclass, field
from pathlib import Path
from time import monotonic

import numpy as np

from tasks.engines.base import Encoder
from tasks.errors import Problem
from tasks.protocol.manifest import Header
from tasks.worker.commit import Signer
from tasks.worker.lease_renewal import Keeper
from tasks.worker.output_files import Output
from tasks.worker.shard_task import Item, Task
from tasks.worker.windows import size_of


@dataclass(slots=True)
class Writer:
    """Takes items in the order of each shard. `signed` hears of each shard and whether its receipt is ours."""

    header: Header
    encoder: Encoder
    keeper: Keeper
    signer: Signer
    scratch: Path  # for files on their way to the store
    signed: Callable[[Task, bool], None]
    queue: "queue.Queue[list[Item] | None]" = field(default_factory=lambda: queue.Queue[list[Item] | None](1))
    signing: float = 0.0  # seconds that it took lately to upload and sign for a shard
    ended: int = 0  # shards that are out of hand

    def run(self) -> None:
        """Until None comes; then what is unfinished is signed for as a part."""
        tasks: dict[str, Task] = {}
        try:
            while (items := self.queue.get()) is not None:
                for item in items:
                    tasks[item.task.lease.nonce] = item.task
                    self._one(item)
                    if item.last:
                        del tasks[item.task.lease.nonce]
                        self.ended += 1
            for task in tasks.values():
                self._part(task)
        finally:
            for task in tasks.values():
                _discard(task)

    def _one(self, item: Item) -> None:
        task = item.task
        if not self.keeper.holds(task.lease):
            if item.last:
                self._drop(task)
            return
        if task.fault is None and (item.window.rows or (item.last and self._needed(task))):
            with task.tally.stages.time("write"):
                self._write(item)
        if item.last:
            begun = monotonic()
            try:
                self.signed(task, self.signer.whole(task, task.output))
            finally:
                _discard(task)
            self.signing = 0.5 * self.signing + 0.5 * (monotonic() - begun)
        elif task.suspect:
            self._part(task)

    def _needed(self, task: Task) -> bool:
        """Whether a file must be there, and be it empty: a receipt without any looks like a fault."""
        return task.output is not None or not task.earlier

    def _write(self, item: Item) -> None:
        task = item.task
        try:
            output = task.output or self._open(task)
            vectors = item.vectors
            if vectors is None:
                vectors = np.empty((0, size_of(self.header, self.encoder)), np.float32)
            output.add(item.window, vectors, item.faults, item.repeated)
            if item.last:
                output.close()
        except OSError as error:
            if error.errno not in (errno.ENOSPC, errno.EDQUOT):
                raise
            raise Problem(
                f"no space left for the vectors of a shard in {self.scratch}",
                hint="free some space there, or name another folder with --scratch; then resume: nothing is lost",
            ) from error

    def _open(self, task: Task) -> Output:
        attempt = task.lease.nonce[:12]
        files = (self.scratch / f"{attempt}.parquet", self.scratch / f"{attempt}.jsonl")
        task.output = Output(self.header, self.encoder, *files, task.tally)
        return task.output

    def _part(self, task: Task) -> None:
        """The beginning of a shard that is still ours."""
        if task.output and task.fault is None and self.keeper.holds(task.lease):
            with task.tally.stages.time("write"):
                task.output.close()
            self.signer.part(task, task.output)
            _discard(task)
            task.begun = None

    def _drop(self, task: Task) -> None:
        """The shard is another's now, or was given back before it was begun."""
        _discard(task)
        if any(held.nonce == task.lease.nonce for held in self.keeper.leases):
            self.keeper.let_go(task.lease)
            print(f"shard {task.shard.id}: another worker took it over", flush=True)  # noqa: T201 - the worker's log


def _discard(task: Task) -> None:
    if task.output:
        task.output.discard()
        task.output = None
