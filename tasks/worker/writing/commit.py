"""Commit a shard: upload its files under a name of this attempt, then create its receipt, or write a part.

Work may be done more than once (at least once), and counts exactly once: the receipt can be created once, and the worker
that creates it has done the shard. Committing is idempotent. Any part is a correct beginning of the shard; the next
worker continues from the one that reaches furthest.
"""

from collections.abc import Callable
from dataclasses import dataclass, field
from datetime import UTC, datetime

from tasks.clock import utc
from tasks.formats.vectors.vector_file import sha256_of
from tasks.protocol import documents, receipt
from tasks.protocol.keys import part_key, parts_prefix, quarantine_key, receipt_key, vectors_key
from tasks.protocol.lease import Lease
from tasks.protocol.receipt import PartReceipt, Receipt, ReceiptFile
from tasks.protocol.shard import Shard
from tasks.protocol.start_stages import StartSeconds
from tasks.stores.base import Store, create_once, list_all, read
from tasks.worker.monitoring.start_timer import StartTimer
from tasks.worker.writing.output_files import OutputFiles
from tasks.worker.writing.shard_task import ShardTask


@dataclass(slots=True)
class Committer:
    """Commits for one worker, in one thread.

    Attributes:
        start: of this worker; its first receipt tells it.
        key_of: the key of a file of vectors by the name of its attempt.
    """

    store: Store
    run: str
    worker: str
    start: StartTimer = field(default_factory=StartTimer)
    key_of: Callable[[str], str] = vectors_key
    _start_told: bool = False

    def last_part(self, shard: Shard, lease: Lease) -> PartReceipt | None:
        """The part of earlier workers that reaches furthest; the first generation of a lease has none."""
        if lease.generation == 1:
            return None
        entries = list(list_all(self.store, parts_prefix(self.run, shard.slab, shard.id, lease.retry)))
        for entry in reversed(entries):  # a key begins with how many rows its part covers
            if part := self._usable_part(entry.key, shard):
                return part
        return None

    def _usable_part(self, key: str, shard: Shard) -> PartReceipt | None:
        """The part under this key; None where it is damaged, of another shard, or names files that are not there."""
        try:
            part = receipt.load_part(read(self.store, key) or b"")
        except documents.BadDocument:
            return None
        if (part.run, part.shard) != (self.run, shard.id) or sum(
            one.rows for one in part.files
        ) != part.chunks:
            return None
        sizes = {entry.key: entry.size for file in part.files for entry in self.store.list(file.key)}
        return part if all(sizes.get(file.key) == file.bytes for file in part.files) else None

    def commit_part(self, task: ShardTask, output: OutputFiles) -> None:
        """Upload what is written of a shard and write a part, so that the next worker continues there."""
        run, shard, tally = self.run, task.shard, task.counts
        task.earlier = (*task.earlier, self._file(task, output))
        body = PartReceipt(
            run=run,
            shard=shard.id,
            generation=task.lease.generation,
            done=tally.done,
            documents=tally.documents,
            chunks=tally.chunks,
            tokens=tally.tokens,
            tokens_cut=tally.tokens_cut,
            tokens_repeated=tally.tokens_repeated,
            failed_rows=tally.failed,
            files=task.earlier,
            cut_short=tally.cut_short,
        )
        key = part_key(run, shard.slab, shard.id, tally.done, _attempt(task), task.lease.retry)
        with tally.stages.time("store"):
            self.store.put(key, receipt.dump_part(body))

    def commit_shard(self, task: ShardTask, output: OutputFiles | None) -> bool:
        """Upload the rest of a shard and create its receipt; False where another worker's receipt was first."""
        shard, tally, good = task.shard, task.counts, task.fault is None
        earlier = task.earlier if good else ()
        file = self._file(task, output) if output and good else None
        finished = utc()
        body = Receipt(
            run=self.run,
            shard=shard.id,
            position=shard.position,
            worker=self.worker,
            generation=task.lease.generation,
            nonce=task.lease.nonce,
            key=file and file.key,
            digest=file and file.digest,
            output_bytes=sum(one.bytes for one in (*earlier, *([file] if file else []))),
            input_bytes=shard.bytes,
            documents=tally.documents if good else 0,
            chunks=tally.chunks if good else 0,
            tokens=tally.tokens if good else 0,
            tokens_cut=tally.tokens_cut if good else 0,
            failed_rows=tally.failed if good else 0,
            quarantine=file and file.quarantine,
            started=task.begun or _claimed(task),
            finished=finished,
            stages=dict(tally.stages.seconds),
            fault=task.fault,
            earlier=earlier,
            tokens_repeated=tally.tokens_repeated if good else 0,
            cut_short=tally.cut_short if good else 0,
            retry=task.lease.retry,
            cold_start=self._cold_start(),
        )
        key = receipt_key(self.run, shard.slab, shard.id, task.lease.retry)
        with tally.stages.time("store"):
            ours = create_once(self.store, key, receipt.dump(body))
        self._start_told |= ours and body.cold_start is not None
        return ours

    def _cold_start(self) -> StartSeconds | None:
        """The stages of this worker's start, for its first receipt after its first batch; None for all others."""
        seconds = self.start.seconds()
        return seconds if "first_batch" in seconds and not self._start_told else None

    def _file(self, task: ShardTask, output: OutputFiles) -> ReceiptFile:
        """Upload the files of an attempt. Its second file gets a name of its own."""
        shard, stages = task.shard, task.counts.stages
        name = f"{shard.id}-{_attempt(task)}{f'-{len(task.earlier)}' if task.earlier else ''}"
        quarantine = quarantine_key(self.run, shard.slab, name) if output.failed else None
        with stages.time("write"):
            fingerprint, size = sha256_of(output.vectors), output.vectors.stat().st_size
        with stages.time("store"):
            self.store.put(self.key_of(name), output.vectors)
            if quarantine:
                self.store.put(quarantine, output.failures)
        return ReceiptFile(
            key=self.key_of(name),
            digest=fingerprint,
            bytes=size,
            rows=output.rows,
            tokens=output.tokens,
            quarantine=quarantine,
            worker=self.worker,
            started=task.begun or _claimed(task),
            finished=utc(),
        )


def _attempt(task: ShardTask) -> str:
    return task.lease.nonce[:12]


def _claimed(task: ShardTask) -> datetime:
    return task.lease.claimed.astimezone(UTC)
