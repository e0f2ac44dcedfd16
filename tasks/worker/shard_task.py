"""A shard in a worker's hands, and a window of it: what reader, engine and writer hand to each other."""

from collections.abc import Mapping
from dataclasses import dataclass, field
from datetime import datetime

from tasks.engines.base import Vectors
from tasks.protocol.lease import MAX_CRASHES, Lease
from tasks.protocol.receipt import File, Part
from tasks.protocol.shard import Shard
from tasks.worker.output_files import OutputFiles
from tasks.worker.stage_timer import StageTimer
from tasks.worker.windows import ShardCounts, Window


@dataclass(slots=True)
class ShardTask:
    """A shard in hand. `fault`: why nothing of it can be embedded."""

    shard: Shard
    lease: Lease
    tally: ShardCounts
    begun: datetime | None = None  # when the engine began with what the file in hand holds
    engaged: bool = False  # the engine has had some of it, or has it now
    fault: str | None = None
    output: OutputFiles | None = None
    earlier: tuple[File, ...] = ()  # what lies in the store already
    whole: bool = False  # all of it is read
    waiting: int = 0  # tokens that are read and wait for the engine

    @property
    def suspect(self) -> bool:
        """Processes died of it: it goes through the engine alone, and every step forward is put in the store."""
        return self.lease.crashes > 0


def shard_task(shard: Shard, lease: Lease, whole: StageTimer, part: Part | None) -> ShardTask:
    """A shard that begins where a part ends, else at its beginning; one that is deadly is not begun at all."""
    tally = ShardCounts(stages=StageTimer(whole))
    task = ShardTask(shard, lease, tally)
    if lease.crashes >= MAX_CRASHES:
        task.fault = f"set aside: {lease.crashes} worker processes died of it"
    elif part:
        task.earlier = part.files
        tally.done, tally.documents, tally.chunks = part.done, part.documents, part.chunks
        tally.tokens, tally.tokens_cut, tally.failed = part.tokens, part.tokens_cut, part.failed_rows
        tally.tokens_repeated = part.tokens_repeated
    return task


@dataclass(slots=True)
class WindowTask:
    """A window of a shard; `last`: nothing of the shard comes after it."""

    task: ShardTask
    window: Window
    last: bool
    vectors: Vectors | None = None
    faults: Mapping[int, str] = field(default_factory=dict[int, str])  # by piece
    repeated: int = 0  # tokens of texts that were embedded once already

    @property
    def tokens(self) -> int:
        return self.window.tokens

    @property
    def pieces(self) -> int:
        return len(self.window.pieces)


def may_share_batch(one: WindowTask, other: WindowTask) -> bool:
    """Whether both may go through the engine at once."""
    return one.task is other.task or not (one.task.suspect or other.task.suspect)
