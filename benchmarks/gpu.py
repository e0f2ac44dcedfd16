"""Engines on this machine's GPU, on the shapes of known models with random weights, printed as one JSON object.

    python -m benchmarks.gpu [--seconds N] [--models NAME,...] [--dry-run]

Each engine runs in a process of its own: packed, vLLM and torch on texts of 32, 100, 256 and 512 tokens in the mean.
Beside tokens per second stand the share of the matrix products that were measured in the same process, the seconds until
the engine was ready, peak memory, and the least cosine of its vectors with those of torch.

`worker`, of WORKER_MODELS: a whole worker on a folder of texts, with reading, tokenising, writing and leases, beside the
bare engine on the same texts, in the same process with the model loaded once. `vllm-fp8`, of FP8_MODELS: vLLM with
`precision: fp8`; `loss` is what its vectors lose against vLLM's in bfloat16, which of random weights says that the path
works and not what a trained model loses.

With `--seconds` all stop beginning new measurements when the time is up, and the JSON names what is missing. `--dry-run`
takes two layers of each shape on the processor, and fp8 emulated in torch: it tries every path but the kernels.
"""
# transformers and torch are typed in part
# pyright: reportUnknownMemberType=false, reportUnknownArgumentType=false, reportUnknownVariableType=false

import argparse
import importlib.util
import json
import subprocess
import sys
import tempfile
from collections.abc import Sequence
from dataclasses import asdict, dataclass
from pathlib import Path
from time import perf_counter
from typing import Any

import numpy as np

from benchmarks.gpu_shapes import SHAPES, build

SCHEMA = "embedfleet/bench-gpu/1"
FP8 = "vllm-fp8"
ENGINES = ("packed", "vllm", FP8, "torch")
FP8_MODELS = ("gte-Qwen2-7B", "bge-large")
WORKER_MODELS = ("bge-large", "MiniLM-L6")
WORKER_ENGINES = ("packed", "vllm")
MEANS = (32, 100, 256, 512)  # tokens of a text
PROBES = 64  # texts whose vectors are compared between engines
MATMUL_SECONDS = 1.5
MEASURE_SECONDS = 6.0  # of one engine at one length
WORKER_SECONDS = 8.0  # of a whole worker, and of the bare engine beside it
WORKER_TOKENS = 100  # of each of its texts
DRY_SECONDS = 0.5  # of matrix products, or of a worker
FIRST_TEXTS = 256  # of the call that warms up
DRY_TEXTS = 8
GRACE_SECONDS = 240.0  # of one engine on one model, from its start


def main() -> None:
    parser = argparse.ArgumentParser(prog="python -m benchmarks.gpu")
    parser.add_argument("--seconds", type=float, default=480.0, help="of all together")
    parser.add_argument("--models", default=",".join(SHAPES))
    parser.add_argument("--engines", default=",".join(ENGINES))
    parser.add_argument("--dry-run", action="store_true")
    parser.add_argument(
        "--one", nargs=4, metavar=("MODEL", "ENGINE", "FOLDER", "VECTORS"), help=argparse.SUPPRESS
    )
    given = parser.parse_args()
    if given.one:
        model, engine, folder, vectors = given.one
        print(json.dumps(measure(model, engine, Path(folder), Path(vectors), dry=given.dry_run)))
        return
    names = [name for name in given.models.split(",") if name in SHAPES]
    print(
        json.dumps(measure_all(names, given.engines.split(","), given.seconds, dry=given.dry_run), indent=1)
    )


def measure_all(
    models: Sequence[str], engines: Sequence[str], seconds: float, *, dry: bool
) -> dict[str, Any]:
    """Every engine on every model, while there is time."""
    begun = perf_counter()
    found: list[dict[str, Any]] = []
    missing: list[str] = []
    for name in models:
        with tempfile.TemporaryDirectory(prefix="embedfleet-gpu-") as folder:
            place = Path(folder)
            built = False
            for engine in engines:
                left = seconds - (perf_counter() - begun)
                if _library(engine, dry=dry) is None:
                    missing.append(f"{name} on {engine}: not installed here")
                elif engine == FP8 and not dry and name not in FP8_MODELS:
                    continue
                elif left <= 0:
                    missing.append(f"{name} on {engine}: the time was up")
                else:
                    if not built:
                        build(SHAPES[name], place / "model", dry=dry)
                        built = True
                    found.append(_in_process(name, engine, place, min(left + 30, GRACE_SECONDS), dry=dry))
                    print(json.dumps(found[-1]), file=sys.stderr, flush=True)
            _compare([one for one in found if one["model"] == name], place)
    return {"schema": SCHEMA, "dry_run": dry, "seconds": round(perf_counter() - begun, 1), "each": found,
            "missing": missing}  # fmt: skip


def _library(engine: str, *, dry: bool) -> Any:
    """The library of an engine as this environment has it; None: it is not installed."""
    return importlib.util.find_spec("vllm" if engine == "vllm" or (engine == FP8 and not dry) else "torch")


def _in_process(model: str, engine: str, place: Path, seconds: float, *, dry: bool) -> dict[str, Any]:
    command = [
        sys.executable, "-m", "benchmarks.gpu", *(["--dry-run"] if dry else []),
        "--one", model, engine, str(place / "model"), str(place / f"{engine}.npy"),
    ]  # fmt: skip
    try:
        done = subprocess.run(command, capture_output=True, text=True, timeout=seconds, check=False)
    except subprocess.TimeoutExpired:
        return {"model": model, "engine": engine, "failed": f"no end within {seconds:.0f} s"}
    if done.returncode:
        return {"model": model, "engine": engine, "failed": done.stderr.strip()[-600:]}
    return {"model": model, "engine": engine} | json.loads(done.stdout.splitlines()[-1])


def _compare(found: Sequence[dict[str, Any]], place: Path) -> None:
    """Put the least cosine with torch's vectors beside each engine's figures, and beside fp8 what it loses."""
    from launcher.planning.precision_loss import compare

    expected = place / "torch.npy"
    for one in found:
        path = place / f"{one['engine']}.npy"
        if expected.is_file() and path.is_file():
            one["min_cosine_with_torch"] = float((np.load(expected) * np.load(path)).sum(1).min())
        usual = next(
            (place / f"{name}.npy" for name in ("vllm", "torch") if (place / f"{name}.npy").is_file()), None
        )
        if one["engine"] == FP8 and path.is_file() and usual is not None:
            one["loss"] = asdict(
                compare(np.load(usual), np.load(path), f"{usual.stem} in the usual precision")
            )


def measure(model: str, engine: str, folder: Path, vectors: Path, *, dry: bool) -> dict[str, Any]:
    """One engine on one model, in this process."""
    import torch

    from launcher.throughput.model_shapes import shape as shape_of
    from launcher.throughput.predict import mean_flops
    from tasks.probe.matmul import measure as measure_matmul

    begun = perf_counter()
    encoder, start = _load(engine, folder, dry=dry)
    ready = perf_counter() - begun
    arithmetic = shape_of(str(folder))
    # torch's matrix products are not those of fp8, whose share is given of the bfloat16 ones
    products = "bfloat16" if engine == FP8 and not dry else encoder.dtype
    ceiling = measure_matmul(encoder.device, products, DRY_SECONDS if dry else MATMUL_SECONDS)
    draw = np.random.default_rng(0)
    np.save(vectors, encoder.encode(_pieces(draw, 100, DRY_TEXTS if dry else PROBES)))
    rates: list[dict[str, Any]] = []
    for mean in MEANS:
        few, long = (DRY_TEXTS, 0.0) if dry else (FIRST_TEXTS, MEASURE_SECONDS)
        lengths, tokens, seconds = _rate(encoder, draw, mean, few, long)
        flops = mean_flops(arithmetic, [(1.0, float(length)) for length in lengths])
        assert flops
        rates.append(
            {
                "mean_tokens": mean,
                "tokens_per_second": round(tokens / seconds),
                "seconds": round(seconds, 2),
                "texts": len(lengths),
                "share_of_matmul": ceiling and round(flops * tokens / seconds / ceiling.flops_per_second, 4),
            }
        )
    return {
        "device": torch.cuda.get_device_name() if encoder.device == "cuda" else "cpu",
        "dtype": encoder.dtype,
        "emulated": engine == FP8 and dry,
        "ready_seconds": round(ready, 2),
        "start_seconds": start,
        "not_compiled": getattr(encoder, "not_compiled", None),
        "matmul_tflops": ceiling and round(ceiling.flops_per_second / 1e12, 3),
        "peak_gb": round(torch.cuda.max_memory_reserved() / 1e9, 2) if torch.cuda.is_available() else None,
        "rates": rates,
        "worker": _worker(encoder, engine, folder, dry=dry)
        if dry or (model in WORKER_MODELS and engine in WORKER_ENGINES)
        else None,
        "settings": asdict(SETTINGS),
    }


def _load(engine: str, folder: Path, *, dry: bool) -> tuple[Any, dict[str, float]]:
    """The engine, warmed up, and the seconds of each stage of that."""
    from tasks.engines.load import load_encoder
    from tasks.worker.monitoring.start_timer import StartTimer

    timer = StartTimer()
    if engine == FP8 and dry:
        from tasks.engines.fp8_emulation import emulate_fp8

        encoder: Any = load_encoder("torch", str(folder), tokens=512, dtype="float32", on_stage=timer.begin)
        emulate_fp8(encoder.model)
    elif engine == FP8:
        encoder = load_encoder("vllm", str(folder), tokens=512, precision="fp8", on_stage=timer.begin)
    else:
        encoder = load_encoder(engine, str(folder), tokens=512, on_stage=timer.begin)
        if engine == "packed" and dry:  # as on a GPU, by the compiler for processors
            timer.begin("compile")
            encoder.compile()
    timer.end()
    return encoder, timer.seconds()


def _worker(encoder: Any, engine: str, folder: Path, *, dry: bool) -> dict[str, Any]:
    """A whole worker on a folder of texts, beside the bare engine on the same texts."""
    from launcher.bench.synthetic_texts import texts
    from launcher.bench.trial_run import TrialSize, run_trial
    from launcher.throughput.local_machine import ProbeRequest, WorkerSlots
    from tasks.models.tokenizing.pieces import ChunkSpec, split_texts
    from tasks.probe.__main__ import measure as measure_bare
    from tasks.worker.process import main as work

    seconds, cut = DRY_SECONDS if dry else WORKER_SECONDS, ChunkSpec(512)
    made = texts(str(folder), [(1.0, WORKER_TOKENS)], cut)
    made = made[:DRY_TEXTS] if dry else made
    pieces = [piece for found in split_texts(encoder.tokenizer, made, cut) for piece in found.ids]
    bare = measure_bare(encoder, pieces, seconds)
    rate = bare["tokens"] / bare["seconds"]

    def in_this_process(commands: Sequence[Sequence[str]], _patience: float) -> None:
        (words,) = commands
        if code := work(words, encoder):
            raise RuntimeError(f"the worker ended with exit status {code}")

    asked = ProbeRequest(str(folder), "vllm" if engine == FP8 else engine, made, 512, None, "")
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


@dataclass(frozen=True, slots=True)
class Settings:
    """What all rates of a run have in common."""

    spread: float = 0.5  # texts have lengths of a gamma distribution with this coefficient of variation
    batch_texts: int = 4_096  # given to an engine at once


SETTINGS = Settings()


def _pieces(draw: np.random.Generator, mean: int, count: int) -> list[list[int]]:
    """Pieces of random tokens whose lengths vary about a mean, at most 512."""
    form = 1 / SETTINGS.spread**2
    lengths = np.clip(draw.gamma(form, mean / form, count).round(), 4, 512).astype(int)
    return [draw.integers(1_000, 30_000, length).tolist() for length in lengths]


def _rate(
    encoder: Any, draw: np.random.Generator, mean: int, count: int, seconds: float
) -> tuple[list[int], int, float]:
    """Lengths, tokens and seconds of whole calls of the engine, for about so many seconds after one that warms up."""
    encoder.encode(_pieces(draw, mean, count))
    lengths: list[int] = []
    spent = 0.0
    while not lengths or spent < seconds:
        pieces = _pieces(draw, mean, count)
        begun = perf_counter()
        encoder.encode(pieces)
        took = perf_counter() - begun
        spent += took
        lengths += map(len, pieces)
        count = SETTINGS.batch_texts if took < 1 else count
    return lengths, sum(lengths), spent


if __name__ == "__main__":
    main()
