"""A run in small: real workers, leases, files and receipts in a folder that is thrown away, to see what they wait for.

The texts lie on this machine as JSON Lines, and so do the vectors: how fast a bucket is read and written, it does not
tell. It prices nothing and keeps nothing.
"""

import contextlib
import json
import tempfile
import time
from collections import Counter
from collections.abc import Generator, Iterator, Mapping, Sequence
from dataclasses import dataclass
from pathlib import Path

from launcher.corpus.profile import shard_tokens
from launcher.errors import Problem
from launcher.fleet.backends.base import LaunchRequest
from launcher.fleet.backends.local import LocalBackend
from launcher.throughput.calibration import Work, work
from launcher.throughput.local_machine import Asked, Slots, devices
from tasks.formats.vector_file import Dtype
from tasks.protocol import heartbeat, keys, manifest, receipt
from tasks.protocol.shard import Shard, Slice, identify
from tasks.stores.base import Store, every, read
from tasks.stores.folder import Folder, version_of

TRIAL_RUN = "bench"
MIN_SHARDS_PER_WORKER = (
    3  # shards for each worker, at least: of one alone there would be no next one to wait for
)
MAX_TEXT_BYTES = 2**28  # of texts, at most: a disk has to hold them, and their vectors
PATIENCE_FACTOR = 5.0  # times as long as expected; what is not done by then is left
LOAD_TIMEOUT_SECONDS = 900.0  # seconds for workers to load their model, beside that
POLL_SECONDS = 0.2  # seconds between looks at the workers


@dataclass(frozen=True, slots=True)
class TrialSize:
    """How much to do, and in what form the vectors are written."""

    seconds: float
    tokens_per_second: float  # of all workers, as their bare engines made
    tokens_per_text: float
    dtype: Dtype = "float32"
    dimensions: int | None = None


@dataclass(frozen=True, slots=True)
class TrialResult:
    """What came of it. `stages` are seconds of all workers together, which worked for `seconds` in all."""

    tokens_per_second: float  # of all workers
    workers: Mapping[str, Work]
    stages: Mapping[str, float]
    seconds: float
    shards: int
    tokens: int


def run_trial(asked: Asked, use: Slots, wanted: TrialSize) -> TrialResult:
    """Embed as much as the engines should do in the time wanted, with a worker in every slot.

    Raises:
        Problem: a worker dies, in its own words.
    """
    with tempfile.TemporaryDirectory(prefix="embedfleet-bench-") as name:
        folder = Path(name)
        cuts = list(_shards(folder / "in", asked.texts, _sizes(use, wanted)))
        store = Folder(folder / "out")
        manifest.write(store, _header(folder / "in", asked, wanted, len(cuts)), cuts)
        _run(folder, use, len(cuts), LOAD_TIMEOUT_SECONDS + PATIENCE_FACTOR * wanted.seconds)
        receipts = [
            receipt.load(body)
            for entry in every(store, keys.receipts_prefix(TRIAL_RUN))
            if (body := read(store, entry.key)) is not None
        ]
        stages, seconds = _stages(store)
    done = work(receipts)
    if not done:
        raise Problem(
            f"the workers finished nothing in {PATIENCE_FACTOR * wanted.seconds:.0f} s",
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


def _sizes(use: Slots, wanted: TrialSize) -> tuple[int, int]:
    """How many texts there are in all, and in a shard: as a plan would cut them, and enough for each worker."""
    tokens = max(1.0, wanted.seconds * wanted.tokens_per_second)
    each = min(shard_tokens(tokens), tokens / (MIN_SHARDS_PER_WORKER * use.workers))
    texts = max(1, round(each / wanted.tokens_per_text))
    return max(MIN_SHARDS_PER_WORKER * use.workers * texts, round(tokens / wanted.tokens_per_text)), texts


def _shards(folder: Path, texts: Sequence[str], sizes: tuple[int, int]) -> Iterator[Shard]:
    """Files of texts, over and over, and a shard for each."""
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


def _header(corpus: Path, asked: Asked, wanted: TrialSize, shards: int) -> manifest.Header:
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
        dtype=wanted.dtype,
        dimensions=wanted.dimensions,
        ttl=60.0,
        shards=shards,
        remote_code=asked.remote_code,
        once=False,  # the texts go round and round: an engine that reads each once would soon have nothing to do
    )


def _run(folder: Path, use: Slots, shards: int, patience: float) -> None:
    """All workers until they end, or until patience does.

    Raises:
        Problem: one of them dies.
    """
    with _workers(folder, use, shards) as (local, handles):
        end = time.monotonic() + patience
        while time.monotonic() < end:
            seen = {name: local.status(handle) for name, handle in handles.items()}
            dead = next((name for name, sight in seen.items() if sight and sight.exit_code), None)
            if dead:
                words = local.log_tail(dead).splitlines()
                said = next((w.removeprefix("Error: ") for w in words if w.startswith("Error: ")), None)
                raise Problem(
                    f"a worker died: {said or (words[-1] if words else 'without a word')}",
                    hint=next((w.removeprefix("Try: ") for w in words if w.startswith("Try: ")), None)
                    or "launch a small job with --on local to see more",
                )
            if not any(sight and sight.alive for sight in seen.values()):
                return
            time.sleep(POLL_SECONDS)


@contextlib.contextmanager
def _workers(
    folder: Path, use: Slots, shards: int
) -> Generator[tuple[LocalBackend, dict[str, str]], None, None]:
    """A worker in every slot; none is left behind."""
    words = ["--store", str(folder / "out"), "--run", TRIAL_RUN]
    words += ["--threads", str(use.threads)] if use.threads else []
    local, handles = LocalBackend(folder, words), dict[str, str]()
    gpus = devices()
    try:
        for slot in range(use.workers):
            name, device = f"{folder.name}-{slot}", gpus[slot % len(gpus)] if gpus else None
            handle = local.start([LaunchRequest(name, shards * slot // use.workers, device)])[name]
            if isinstance(handle, Exception):
                raise handle
            handles[name] = handle
        yield local, handles
    finally:
        local.kill(list(handles.values()))
        for child in local.children.values():
            child.wait()


def _stages(store: Store) -> tuple[dict[str, float], float]:
    """Seconds by stage, and of work, of all workers together: as each said last."""
    stages: Counter[str] = Counter()
    seconds = 0.0
    for entry in every(store, keys.heartbeats_prefix(TRIAL_RUN)):
        body = read(store, entry.key)
        if body is not None:
            pulse = heartbeat.load(body)
            stages.update(pulse.stages)
            seconds += pulse.seconds
    return dict(stages), seconds
