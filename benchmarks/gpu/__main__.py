"""Engines on this machine's GPU, on the shapes of known models with random weights, printed as one JSON object.

    python -m benchmarks.gpu [--seconds N] [--models NAME,...] [--engines NAME,...] [--means N,...] [--results FILE]
                             [--dry-run]

First packed and vLLM on every model, then torch, then fp8; models in the order of their worth. Texts of 100, 256, 32 and
512 tokens in the mean. Each engine has a process of its own; what that has measured is printed to stderr at once, and
what fails or takes too long ends that process alone. Of the GPU nothing is held between them.

No process begins when `--seconds` are up, and the last has until then. Stopping it, or the machine's end, loses what was
not printed yet: with `--results` all of it stands in that file, and the same command again goes on where it was; what had
failed comes last then. A process takes 1 to 2 minutes with a model of some hundred million parameters (estimated).

Beside tokens per second stand the share of the matrix products that were measured in the same process, the seconds until
the engine was ready, with no compiled code of an earlier process, peak memory, and the least cosine of its vectors with
those of the engines before it.

`worker`, of WORKER_MODELS: a whole worker on a folder of texts, with reading, tokenising, writing and leases, beside the
bare engine on the same texts, in the same process with the model loaded once. `vllm-fp8`, of FP8_MODELS: vLLM with
`precision: fp8`; `loss` is what its vectors lose against vLLM's in bfloat16, which of random weights says that the path
works and not what a trained model loses.

`--dry-run` takes two small layers of each shape on the processor, and fp8 emulated in torch: it tries every path but the
kernels.
"""

import argparse
import importlib.util
import json
import os
import shutil
import signal
import subprocess
import sys
import tempfile
from collections.abc import Iterator, Sequence
from dataclasses import asdict
from pathlib import Path
from threading import Timer
from time import perf_counter
from typing import Any

import numpy as np

from benchmarks.gpu import records
from benchmarks.gpu.plan import ENGINES, FP8, MEANS, Cell, cells
from benchmarks.gpu.records import Record
from benchmarks.gpu.shapes import SHAPES

SCHEMA = "embedfleet/bench-gpu/2"
CELL_SECONDS = 240.0  # of one engine on one model, from its start
LEAST_SECONDS = 20.0  # that must be left for a process to begin
# Where an engine keeps compiled code: each process has none of another's, so that its start is a cold one.
CACHES = ("TORCHINDUCTOR_CACHE_DIR", "TRITON_CACHE_DIR", "VLLM_CACHE_ROOT")


def main() -> None:
    parser = argparse.ArgumentParser(prog="python -m benchmarks.gpu")
    parser.add_argument("--seconds", type=float, default=480.0, help="of all together")
    parser.add_argument("--models", default=",".join(SHAPES))
    parser.add_argument("--engines", default=",".join(ENGINES))
    parser.add_argument("--means", default=",".join(map(str, MEANS)), help="tokens of a text")
    parser.add_argument("--results", type=Path, help="file of what is had, to go on from")
    parser.add_argument("--dry-run", action="store_true")
    given = parser.parse_args()
    models, engines = given.models.split(","), given.engines.split(",")
    if unknown := [*({*models} - SHAPES.keys()), *({*engines} - {*ENGINES})]:
        parser.error(f"no such model or engine: {', '.join(unknown)}")
    wanted = list(cells(models, engines, [int(mean) for mean in given.means.split(",")], dry=given.dry_run))
    print(json.dumps(measure_all(wanted, given.seconds, given.results, dry=given.dry_run), indent=1))


def measure_all(wanted: Sequence[Cell], seconds: float, results: Path | None, *, dry: bool) -> dict[str, Any]:
    """Every engine on every model, while there is time."""
    begun = perf_counter()
    had = records.read(results)
    not_installed = [cell for cell in wanted if not _installed(cell.engine, dry=dry)]
    rest = [
        (cell, part) for cell in wanted if cell not in not_installed and (part := records.left(cell, had))
    ]
    rest.sort(key=lambda pair: records.failed(pair[0], had))  # what failed comes last; else the order stays
    with tempfile.TemporaryDirectory(prefix="embedfleet-gpu-") as name:
        for number, (cell, part) in enumerate(rest):
            left = seconds - (perf_counter() - begun)
            if left < LEAST_SECONDS:
                break
            print(f"{number + 1} of {len(rest)}: {part}, {left:.0f} s left", file=sys.stderr, flush=True)
            place = Path(name) / cell.model
            for record in _measure(part, place, min(left, CELL_SECONDS), dry=dry):
                line = json.dumps({"model": cell.model, "engine": cell.engine} | record)
                print(line, file=sys.stderr, flush=True)
                had.append(json.loads(line))
                if results is not None:
                    with results.open("a", encoding="utf-8") as file:
                        file.write(f"{line}\n")
            if all(other.model != cell.model for other, _ in rest[number + 1 :]):
                shutil.rmtree(place, ignore_errors=True)
    each, missing = records.summary([cell for cell in wanted if cell not in not_installed], had)
    missing += [f"{cell.model} on {cell.engine}: not installed here" for cell in not_installed]
    return {"schema": SCHEMA, "dry_run": dry, "seconds": round(perf_counter() - begun, 1), "each": each,
            "missing": missing}  # fmt: skip


def _installed(engine: str, *, dry: bool) -> bool:
    """Whether this environment has the library of an engine."""
    library = "vllm" if engine == "vllm" or (engine == FP8 and not dry) else "torch"
    return importlib.util.find_spec(library) is not None


def _measure(cell: Cell, place: Path, seconds: float, *, dry: bool) -> Iterator[Record]:
    """What processes say of an engine on a model within these seconds."""
    begun = perf_counter()
    dry_run = ["--dry-run"] if dry else []
    if not (place / "model").exists():
        place.mkdir(exist_ok=True)
        shutil.rmtree(place / "being-built", ignore_errors=True)
        words = ["benchmarks.gpu.shapes", cell.model, str(place / "being-built"), *dry_run]
        for record in _in_process(words, place, seconds, {}):
            yield record
            return
        (place / "being-built").rename(place / "model")
    vectors = place / f"{cell.engine}.npy"
    words = [
        "benchmarks.gpu.cell", cell.model, cell.engine, str(place / "model"), str(vectors), *dry_run,
        "--means", ",".join(map(str, cell.means)), *(["--worker"] if cell.worker else []),
    ]  # fmt: skip
    caches = {} if dry else {name: str(place / f"compiled-{cell.engine}" / name) for name in CACHES}
    for record in _in_process(words, place, seconds - (perf_counter() - begun), caches):
        if record["part"] == "end":
            record = record | _compare(cell.engine, place)  # noqa: PLW2901
        yield record


def _in_process(
    words: Sequence[str], place: Path, seconds: float, variables: dict[str, str]
) -> Iterator[Record]:
    """The records of a process, as they come; the last is `failed` where it ended badly or not in time."""
    late = False
    with (place / "log").open("w+", encoding="utf-8", errors="replace") as log:
        process = subprocess.Popen(
            [sys.executable, "-m", *words], stdout=subprocess.PIPE, stderr=log, text=True, errors="replace",
            env=os.environ | variables, start_new_session=True,
        )  # fmt: skip

        def end() -> None:
            nonlocal late
            late = True
            os.killpg(process.pid, signal.SIGKILL)  # with processes that an engine has started

        timer = Timer(max(0.0, seconds), end)
        timer.start()
        try:
            assert process.stdout is not None
            for line in process.stdout:
                if (record := records.record_of(line)) is not None:
                    yield record
            code = process.wait()
        finally:
            timer.cancel()
            if process.poll() is None:
                os.killpg(process.pid, signal.SIGKILL)
                process.wait()
        if code:
            log.seek(0)
            said = log.read().strip()[-600:]
            yield {
                "part": "failed",
                "why": f"no end within {seconds:.0f} s" if late else said or f"exit {code}",
            }


def _compare(engine: str, place: Path) -> Record:
    """The least cosine of an engine's vectors with those of each engine before it, and what fp8 loses."""
    from launcher.planning.precision_loss import compare

    own = np.load(place / f"{engine}.npy")
    others = {
        name: np.load(place / f"{name}.npy")
        for name in ENGINES
        if name not in (engine, FP8) and (place / f"{name}.npy").is_file()
    }
    found: Record = {
        "min_cosine_with": {name: float((own * its).sum(1).min()) for name, its in others.items()}
    }
    usual = next((name for name in ("vllm", "torch") if name in others), None)
    if engine == FP8 and usual is not None:
        found["loss"] = asdict(compare(others[usual], own, f"{usual} in the usual precision"))
    return found


if __name__ == "__main__":
    main()
