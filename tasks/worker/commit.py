"""What is done is put in the store and signed for: vectors under a name of this attempt, then a receipt or a part.

Whoever creates the receipt has done the shard. A part is nobody's claim: any of them is a right beginning, and who
goes on takes the one that reaches furthest.
"""

from dataclasses import dataclass
from datetime import UTC, datetime

from tasks.clock import utc
from tasks.formats.vector_file import digest
from tasks.protocol import receipt
from tasks.protocol.keys import part_key, parts_prefix, quarantine_key, receipt_key, vectors_key
from tasks.protocol.lease import Lease
from tasks.protocol.receipt import File, Part, Receipt
from tasks.protocol.shard import Shard
from tasks.stores.base import Store, create_once, every, read
from tasks.worker.output_files import OutputFiles
from tasks.worker.shard_task import ShardTask


@dataclass(slots=True)
class Committer:
    """Signs in the name of one worker."""

    store: Store
    run: str
    worker: str

    def beginning(self, shard: Shard, lease: Lease) -> Part | None:
        """What workers before us have done of it. A first claim asks nothing."""
        if lease.generation == 1:
            return None
        entries = list(every(self.store, parts_prefix(self.run, shard.slab, shard.id)))
        body = read(self.store, entries[-1].key) if entries else None  # keys begin with how far they reach
        return receipt.load_part(body) if body else None

    def part(self, task: ShardTask, output: OutputFiles) -> None:
        """What is written of a shard lies in the store, and the next worker begins where it ends."""
        run, shard, tally = self.run, task.shard, task.tally
        task.earlier = (*task.earlier, self._file(task, output))
        body = Part(
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
        )
        key = part_key(run, shard.slab, shard.id, tally.done, _attempt(task))
        with tally.stages.time("store"):
            self.store.put(key, receipt.dump_part(body))

    def whole(self, task: ShardTask, output: OutputFiles | None) -> bool:
        """Whether the shard is done, and by us."""
        shard, tally, good = task.shard, task.tally, task.fault is None
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
        )
        key = receipt_key(self.run, shard.slab, shard.id)
        with tally.stages.time("store"):
            return create_once(self.store, key, receipt.dump(body))

    def _file(self, task: ShardTask, output: OutputFiles) -> File:
        """The files of an attempt are in the store. Its second file has a name of its own."""
        shard, stages = task.shard, task.tally.stages
        name = f"{shard.id}-{_attempt(task)}{f'-{len(task.earlier)}' if task.earlier else ''}"
        quarantine = quarantine_key(self.run, shard.slab, name) if output.failed else None
        with stages.time("write"):
            fingerprint, size = digest(output.vectors), output.vectors.stat().st_size
        with stages.time("store"):
            self.store.put(vectors_key(name), output.vectors)
            if quarantine:
                self.store.put(quarantine, output.failures)
        return File(
            key=vectors_key(name),
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
