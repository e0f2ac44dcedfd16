"""A small run in a temporary folder, with real workers, leases, files and receipts, to measure what workers wait for.

The caller starts the workers: the processes that measured the engine have the model loaded already. Texts and vectors
are files of this machine: the speed of a bucket is not measured. Nothing is priced or recorded.
"""

import json
import tempfile
from collections import Counter
from collections.abc import Callable, Iterator, Mapping, Sequence
from dataclasses import dataclass
from pathlib import Path

from launcher.corpus.samples.profile import target_shard_tokens
from launcher.errors import Problem
from launcher.throughput.calibration import WorkerTime, worker_times
from launcher.throughput.local_machine import ProbeRequest, WorkerSlots
from tasks.protocol import keys, manifest, receipt
from tasks.protocol.dtypes import Dtype
from tasks.protocol.messages import heartbeat
from tasks.protocol.shard import Shard, Slice, identify
from tasks.stores.base import Store, list_all, read
from tasks.stores.folder import FolderStore, version_of

TRIAL_RUN = "bench"
MIN_SHARDS_PER_WORKER = 3  # a worker with one shard alone has no next one to wait for
MAX_TEXT_BYTES = 2**28  # the disk has to hold the texts and their vectors
PATIENCE_FACTOR = 5.0  # times the expected time; what is not done by then is left out
GRACE_SECONDS = 30.0  # for workers to begin and to end, in addition


@dataclass(frozen=True, slots=True)
class TrialSize:
    """How much to embed, and in which form the vectors are written."""

    seconds: float
    tokens_per_second: float  # of all workers, as measured with their engines alone
    tokens_per_text: float
    dtype: Dtype = "float32"
    dimensions: int | None = None


@dataclass(frozen=True, slots=True)
class TrialResult:
    """What was measured. `stages`: seconds by stage, of all workers together; `seconds`: their working time."""

    tokens_per_second: float  # of all workers
    workers: Mapping[str, WorkerTime]
    stages: Mapping[str, float]
    seconds: float
    shards: int
    tokens: int


def run_trial(
    asked: ProbeRequest,
    use: WorkerSlots,
    size: TrialSize,
    work: Callable[[Sequence[Sequence[str]], float], None],
) -> TrialResult:
    """Embed as much as the engines should manage in `size.seconds`, with a worker in every slot.

    `work` gets the command lines of the workers, one a slot, and how many seconds they have at most; it returns when they
    have ended.

    Raises:
        Problem: no shard was finished in time, or `work` says that a worker died.
    """
    with tempfile.TemporaryDirectory(prefix="embedfleet-bench-") as name:
        folder = Path(name)
        cuts = list(_shards(folder / "in", asked.texts, _sizes(use, size)))
        store = FolderStore(folder / "out")
        manifest.write(store, _header(folder / "in", asked, size, len(cuts)), cuts)
        patience = GRACE_SECONDS + PATIENCE_FACTOR * size.seconds
        work(list(_commands(folder, use, len(cuts))), patience)
        receipts = [
            receipt.load(body)
            for entry in list_all(store, keys.receipts_prefix(TRIAL_RUN))
            if (body := read(store, entry.key)) is not None
        ]
        stages, seconds = _stages(store)
    done = worker_times(receipts)
    if not done:
        raise Problem(
            f"the workers finished nothing in {patience:.0f} s",
            hint="measure for longer with --seconds, or shorter texts",
        )
    return TrialResult(
        tokens_per_second=sum(one.rate for one in done.values()),
        workers=done,
        stages=stages,
        seconds=seconds,
        shards=len(receipts),
        tokens=sum(one.tokens for one in done.values()),
    )


def _sizes(use: WorkerSlots, size: TrialSize) -> tuple[int, int]:
    """How many texts to make in all, and per shard: as a plan would cut them, with enough shards for each worker."""
    tokens = max(1.0, size.seconds * size.tokens_per_second)
    each = min(target_shard_tokens(tokens), tokens / (MIN_SHARDS_PER_WORKER * use.workers))
    texts = max(1, round(each / size.tokens_per_text))
    return max(MIN_SHARDS_PER_WORKER * use.workers * texts, round(tokens / size.tokens_per_text)), texts


def _shards(folder: Path, texts: Sequence[str], sizes: tuple[int, int]) -> Iterator[Shard]:
    """Write files of the texts, repeated as often as needed, and yield a shard for each file."""
    folder.mkdir()
    count, each = sizes
    written = 0
    for position, start in enumerate(range(0, count, each)):
        path = folder / f"{position:06d}.jsonl"
        numbers = range(start, min(count, start + each))
        path.write_text(
            "".join(json.dumps({"id": str(n), "text": texts[n % len(texts)]}) + "\n" for n in numbers),
            encoding="utf-8",
        )
        status = path.stat()
        piece = Slice(path.name, version_of(status), "jsonl")
        yield Shard(identify([piece]), position, (piece,), status.st_size)
        written += status.st_size
        if written > MAX_TEXT_BYTES:
            return


def _header(corpus: Path, asked: ProbeRequest, size: TrialSize, shards: int) -> manifest.Header:
    return manifest.Header(
        run=TRIAL_RUN,
        corpus=str(corpus),
        text="text",
        id="id",
        model=asked.model,
        engine=asked.engine,
        prompt=asked.prompt,
        tokens=asked.tokens,
        overlap=asked.overlap,
        dtype=size.dtype,
        dimensions=size.dimensions,
        ttl=60.0,
        shards=shards,
        remote_code=asked.remote_code,
        precision=asked.precision,
        once=False,  # the texts repeat: with deduplication the engine would soon have nothing to do
    )


def _commands(folder: Path, use: WorkerSlots, shards: int) -> Iterator[list[str]]:
    """The command line of the worker in each slot."""
    for slot in range(use.workers):
        name = f"{folder.name}-{slot}"
        yield [
            "--store", str(folder / "out"), "--run", TRIAL_RUN, "--name", name,
            "--offset", str(shards * slot // use.workers), "--scratch", str(folder / "scratch" / name),
        ]  # fmt: skip


def _stages(store: Store) -> tuple[dict[str, float], float]:
    """Seconds by stage, and seconds of work, summed over the latest heartbeat of each worker."""
    stages: Counter[str] = Counter()
    seconds = 0.0
    for entry in list_all(store, keys.heartbeats_prefix(TRIAL_RUN)):
        body = read(store, entry.key)
        if body is not None:
            pulse = heartbeat.load(body)
            stages.update(pulse.stages)
            seconds += pulse.seconds
    return dict(stages), seconds
