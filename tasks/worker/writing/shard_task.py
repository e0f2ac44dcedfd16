"""A shard that a worker holds, and one window of it: what reader, engine and writer hand to each other."""

from collections.abc import Mapping
from dataclasses import dataclass, field
from datetime import datetime

from tasks.engines.base import Vectors
from tasks.protocol.lease import MAX_CRASHES, Lease
from tasks.protocol.receipt import PartReceipt, ReceiptFile
from tasks.protocol.shard import Shard
from tasks.worker.monitoring.stage_timer import StageTimer
from tasks.worker.reading.windows import ShardCounts, Window
from tasks.worker.writing.output_files import OutputFiles


@dataclass(slots=True)
class ShardTask:
    """A shard that this worker holds a lease of.

    Attributes:
        begun: when the engine began with the contents of the present output file.
        started_embedding: the engine has had some of the shard, or has it now.
        fault: why nothing of it can be embedded.
        earlier: files of the shard that are in the store already.
        fully_read: all of it is read.
        queued_tokens: tokens that are read and wait for the engine.
        known: vectors that earlier runs made, by the hash of what the model reads.
        put_down: why its input cannot be read further now; it is given back with what is done of it.
    """

    shard: Shard
    lease: Lease
    counts: ShardCounts
    begun: datetime | None = None
    started_embedding: bool = False
    fault: str | None = None
    output: OutputFiles | None = None
    earlier: tuple[ReceiptFile, ...] = ()
    fully_read: bool = False
    queued_tokens: int = 0
    put_down: str | None = None
    known: dict[bytes, Vectors] = field(default_factory=dict[bytes, Vectors])

    @property
    def suspect(self) -> bool:
        """Worker processes crashed on it: it goes through the engine alone, and every window is committed at once."""
        return self.lease.crashes > 0


def shard_task(shard: Shard, lease: Lease, whole: StageTimer, part: PartReceipt | None) -> ShardTask:
    """A task that starts where the last part ends; a shard that crashed too many workers is set aside with a fault."""
    tally = ShardCounts(stages=StageTimer(whole))
    task = ShardTask(shard, lease, tally)
    if lease.crashes >= MAX_CRASHES:
        task.fault = f"set aside: {lease.crashes} worker processes died of it"
    elif part:
        task.earlier = part.files
        tally.done, tally.documents, tally.chunks = part.done, part.documents, part.chunks
        tally.tokens, tally.tokens_cut, tally.failed = part.tokens, part.tokens_cut, part.failed_rows
        tally.tokens_repeated, tally.cut_short = part.tokens_repeated, part.cut_short
    return task


@dataclass(slots=True)
class WindowTask:
    """A window of a shard; `last` is an empty window after the others.

    Attributes:
        faults: why the engine gave no vector, by piece.
        repeated: tokens of texts that were embedded before in this run.
    """

    task: ShardTask
    window: Window
    last: bool
    vectors: Vectors | None = None
    faults: Mapping[int, str] = field(default_factory=dict[int, str])
    repeated: int = 0

    @property
    def tokens(self) -> int:
        return self.window.tokens

    @property
    def pieces(self) -> int:
        return len(self.window.pieces)


def may_share_batch(one: WindowTask, other: WindowTask) -> bool:
    """Whether two windows may go through the engine in one call."""
    return one.task is other.task or not (one.task.suspect or other.task.suspect)
