"""One engine on one model in this process: prints a JSON object a line as soon as it is had.

python -m benchmarks.gpu.cell MODEL ENGINE FOLDER VECTORS.npy [--means 100,256] [--worker] [--dry-run]
"""
# transformers and torch are typed in part
# pyright: reportUnknownMemberType=false, reportUnknownArgumentType=false, reportUnknownVariableType=false

import argparse
import json
import resource
from array import array
from collections.abc import Sequence
from dataclasses import asdict, dataclass
from pathlib import Path
from time import perf_counter
from typing import Any

import numpy as np

from benchmarks.gpu.plan import FP8

LONGEST = 512  # tokens of a text
PROBES = 64  # texts whose vectors are compared between engines
MATMUL_SECONDS = 1.5
MEASURE_SECONDS = 4.0  # of one mean length
WORKER_SECONDS = 8.0  # of a whole worker, and of the bare engine beside it
WORKER_TOKENS = 100  # of each of its texts
DRY_SECONDS = 0.5  # of matrix products, or of a worker
FIRST_TEXTS = 256  # of the call that warms up
DRY_TEXTS = 8


@dataclass(frozen=True, slots=True)
class Settings:
    """What all rates have in common."""

    spread: float = 0.5  # texts have lengths of a gamma distribution with this coefficient of variation
    batch_texts: int = 4_096  # given to an engine at once


SETTINGS = Settings()


def main() -> None:
    parser = argparse.ArgumentParser(prog="python -m benchmarks.gpu.cell")
    parser.add_argument("model")
    parser.add_argument("engine")
    parser.add_argument("folder", type=Path)
    parser.add_argument("vectors", type=Path)
    parser.add_argument("--means", default="")
    parser.add_argument("--worker", action="store_true")
    parser.add_argument("--dry-run", action="store_true")
    given = parser.parse_args()
    dry: bool = given.dry_run
    begun = perf_counter()
    encoder, start = _load(given.engine, given.folder, dry=dry)
    _say("start", **_start(encoder, given.engine, perf_counter() - begun, start, dry=dry))
    products = "bfloat16" if given.engine == FP8 and not dry else encoder.dtype
    ceiling = _ceiling(encoder.device, products, DRY_SECONDS if dry else MATMUL_SECONDS)
    draw = np.random.default_rng(0)
    np.save(given.vectors, encoder.encode(_pieces(draw, 100, DRY_TEXTS if dry else PROBES)))
    for mean in map(int, filter(None, given.means.split(","))):
        _say("rate", **_rate(encoder, given.folder, draw, mean, ceiling, dry=dry))
    if given.worker:
        _say("worker", **_worker(encoder, given.engine, given.folder, dry=dry))
    _say("end", **_peaks())


def _say(part: str, **body: Any) -> None:
    print(json.dumps({"part": part} | body), flush=True)


def _load(engine: str, folder: Path, *, dry: bool) -> tuple[Any, dict[str, float]]:
    """The engine, warmed up, and the seconds of each stage of that."""
    from tasks.engines.load import load_encoder
    from tasks.worker.monitoring.start_timer import StartTimer

    timer = StartTimer()
    if engine == FP8 and dry:
        from tasks.engines.fp8_emulation import emulate_fp8

        encoder: Any = load_encoder(
            "torch", str(folder), tokens=LONGEST, dtype="float32", on_stage=timer.begin
        )
        emulate_fp8(encoder.model)
    elif engine == FP8:
        encoder = load_encoder("vllm", str(folder), tokens=LONGEST, precision="fp8", on_stage=timer.begin)
    else:
        encoder = load_encoder(engine, str(folder), tokens=LONGEST, on_stage=timer.begin)
        if engine == "packed" and dry:  # as on a GPU, by the compiler for processors
            timer.begin("compile")
            encoder.compile()
    timer.end()
    return encoder, timer.seconds()


def _start(encoder: Any, engine: str, ready: float, stages: dict[str, float], *, dry: bool) -> dict[str, Any]:
    import torch

    from tasks.engines.versions import versions

    return {
        "device": torch.cuda.get_device_name() if encoder.device == "cuda" else "cpu",
        "dtype": encoder.dtype,
        "emulated": engine == FP8 and dry,
        "ready_seconds": round(ready, 2),
        "start_seconds": stages,
        "kernel": getattr(encoder, "kernel", None),
        "not_compiled": getattr(encoder, "not_compiled", None),
        "load_peak_gb": _peaks()["peak_gb"],
        "settings": asdict(SETTINGS),
        "versions": versions(),
    }


def _ceiling(device: str, dtype: str, seconds: float) -> float | None:
    """Floating-point operations per second of matrix products. Their memory is not the engine's, and is given back.

    torch's matrix products are not those of fp8, whose share is given of the bfloat16 ones.
    """
    import torch

    from tasks.probe.matmul import measure

    found = measure(device, dtype, seconds)
    if device == "cuda":
        torch.cuda.empty_cache()
        torch.cuda.reset_peak_memory_stats()
    return found and found.flops_per_second


def _peaks() -> dict[str, Any]:
    """Peak memory: of the GPU, as this process has reserved it (vLLM reserves for its cache, too), and of the host."""
    import torch

    gpu = torch.cuda.is_available()
    return {
        "peak_gb": round(torch.cuda.max_memory_reserved() / 1e9, 2) if gpu else None,
        "host_peak_gb": round(resource.getrusage(resource.RUSAGE_SELF).ru_maxrss / 1e6, 2),
    }


def _rate(
    encoder: Any, folder: Path, draw: np.random.Generator, mean: int, ceiling: float | None, *, dry: bool
) -> dict[str, Any]:
    """Whole calls of the engine for some seconds, after one that warms up."""
    from launcher.throughput.model_shapes import shape
    from launcher.throughput.predict import mean_flops

    count, wanted = (DRY_TEXTS, 0.0) if dry else (FIRST_TEXTS, MEASURE_SECONDS)
    encoder.encode(_pieces(draw, mean, count))
    lengths: list[int] = []
    seconds = 0.0
    while not lengths or seconds < wanted:
        pieces = _pieces(draw, mean, count)
        begun = perf_counter()
        encoder.encode(pieces)
        took = perf_counter() - begun
        seconds += took
        lengths += map(len, pieces)
        count = SETTINGS.batch_texts if took < 1 and not dry else count
    tokens = sum(lengths)
    flops = mean_flops(shape(str(folder)), [(1.0, float(length)) for length in lengths])
    assert flops
    return {
        "asked_mean_tokens": mean,
        "mean_tokens": round(tokens / len(lengths), 1),
        "tokens_per_second": round(tokens / seconds),
        "seconds": round(seconds, 2),
        "texts": len(lengths),
        "matmul_tflops": ceiling and round(ceiling / 1e12, 3),
        "share_of_matmul": ceiling and round(flops * tokens / seconds / ceiling, 4),
    }


def _pieces(draw: np.random.Generator, mean: int, count: int) -> list["array[int]"]:
    """Pieces of random tokens as a worker's windows hold them: their lengths vary about a mean, up to LONGEST.

    Where the mean is LONGEST, all have that length. Below it, those that are cut off bring the mean down a little.
    """
    form = 1 / SETTINGS.spread**2
    lengths = np.clip(draw.gamma(form, mean / form, count).round(), 4, LONGEST).astype(int)
    if mean >= LONGEST:
        lengths[:] = LONGEST
    return [array("i", draw.integers(1_000, 30_000, length, np.intc).tobytes()) for length in lengths]


def _worker(encoder: Any, engine: str, folder: Path, *, dry: bool) -> dict[str, Any]:
    """A whole worker on a folder of texts, beside the bare engine on the same texts."""
    from launcher.bench.synthetic_texts import texts
    from launcher.bench.trial_run import TrialSize, run_trial
    from launcher.throughput.local_machine import ProbeRequest, WorkerSlots
    from tasks.models.tokenizing.pieces import ChunkSpec, split_texts
    from tasks.probe.__main__ import measure as measure_bare
    from tasks.worker.process import main as work

    seconds, cut = DRY_SECONDS if dry else WORKER_SECONDS, ChunkSpec(LONGEST)
    made = texts(str(folder), [(1.0, WORKER_TOKENS)], cut)
    made = made[:DRY_TEXTS] if dry else made
    pieces = [piece for found in split_texts(encoder.tokenizer, made, cut) for piece in found.ids]
    bare = measure_bare(encoder, pieces, seconds)
    rate = bare["tokens"] / bare["seconds"]

    def in_this_process(commands: Sequence[Sequence[str]], _patience: float) -> None:
        (words,) = commands
        if code := work(words, encoder):
            raise RuntimeError(f"the worker ended with exit status {code}")

    asked = ProbeRequest(str(folder), "vllm" if engine == FP8 else engine, made, LONGEST, None, "")
    size = TrialSize(seconds, rate, sum(map(len, pieces)) / len(made))
    done = run_trial(asked, WorkerSlots(1, None, 1), size, in_this_process)
    return {
        "texts_of_tokens": WORKER_TOKENS,
        "bare_tokens_per_second": round(rate),
        "tokens_per_second": round(done.tokens_per_second),
        "share_of_engine": round(done.tokens_per_second / rate, 4),
        "shards": done.shards,
        "stages": {stage: round(spent, 3) for stage, spent in done.stages.items()},
    }


if __name__ == "__main__":
    main()
