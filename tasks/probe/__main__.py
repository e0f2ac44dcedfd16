"""Measure the throughput of this machine: the real engine on real texts for a few seconds.

    python -m tasks.probe --model MODEL

The first line of stdin is a JSON object of texts and how they are cut. The probe loads the model, prints `stage NAME` at
every stage of that, and `ready`. Then each line is an order, so that several probes measure at the same time, as the
workers of one machine run, and load their model once for all of it:

    measure SECONDS   prints a JSON object: engine and machine, what was embedded, and the rate of each second or so
    ceiling SECONDS   prints a JSON object: the rate of matrix products
    work WORDS        is a worker with this command line, a JSON array, until its run is done; the last order
"""

import argparse
import json
import os
import platform
import random
import sys
import time
from collections import Counter
from collections.abc import Callable, Iterable, Mapping
from itertools import cycle
from typing import Any

from tasks.engines.base import Encoder
from tasks.engines.load import load_encoder
from tasks.engines.versions import versions
from tasks.errors import Problem
from tasks.models.files import HASH_MODEL
from tasks.models.precision import PRECISIONS
from tasks.models.tokenizing.pieces import ChunkSpec, piece_limit, split_texts
from tasks.printable import log_in_utf8
from tasks.protocol.messages.exit_codes import MUST_ACT
from tasks.worker import process
from tasks.worker.reading.windows import WINDOW_TOKENS

STRETCH_SECONDS = 0.7  # of one measurement, at least
CALL_TOKENS = 4_096  # tokens embedded at once on a CPU, so that stretches are short


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


def ceiling(encoder: Encoder, seconds: float) -> dict[str, Any]:
    """FLOPS of matrix products on the engine's device; null for the engine that multiplies no matrices, and in fp8."""
    if encoder.name == HASH_MODEL or encoder.dtype in PRECISIONS:  # torch's products are not those of fp8
        return {"flops_per_second": None}
    from tasks.probe import matmul as products  # noqa: PLC0415 - loads torch

    found = products.measure(encoder.device, encoder.dtype, seconds)
    return {"flops_per_second": found and found.flops_per_second}


def obey(encoder: Encoder, order: Mapping[str, Any], lines: Iterable[str], say: Callable[[str], None]) -> int:
    """Carry out orders, one a line, until there are no more; the exit status of the process."""
    cut = ChunkSpec(order["limit"], order["overlap"], order["prompt"])
    ids = [piece for found in split_texts(encoder.tokenizer, order["texts"], cut) for piece in found.ids]
    say("ready")
    for line in lines:
        verb, _, rest = line.strip().partition(" ")
        if verb == "measure":
            found = about(encoder) | measure(encoder, ids, float(rest))
            found["tokens_per_text"] = sum(map(len, ids)) / max(1, len(order["texts"]))
            found["given"] = sorted(
                Counter(map(len, ids)).items()
            )  # a short measurement embeds only some of them
            say(json.dumps(found))
        elif verb == "ceiling":
            say(json.dumps(ceiling(encoder, float(rest))))
        elif verb == "work":
            return process.main(json.loads(rest), encoder)
        else:
            raise ValueError(f"no order {line!r}")
    return 0


def main() -> int:
    """Run one probe; the exit status."""
    log_in_utf8()
    parser = argparse.ArgumentParser(prog="python -m tasks.probe")
    parser.add_argument("--model", required=True)
    parser.add_argument("--engine", default="auto")
    parser.add_argument("--threads", type=int)
    parser.add_argument("--remote-code", action="store_true", help="run code from the model's own folder")
    parser.add_argument(
        "--precision", choices=PRECISIONS, help="of weights and activations, where it is reduced"
    )
    arguments = parser.parse_args()
    protocol = os.fdopen(os.dup(1), "w", encoding="utf-8")
    os.dup2(2, 1)  # what libraries print must not mix with the answer

    def say(line: str) -> None:
        print(line, file=protocol, flush=True)

    try:
        order: dict[str, Any] = json.loads(sys.stdin.readline())
        encoder = load_encoder(
            arguments.engine,
            arguments.model,
            arguments.threads,
            remote_code=arguments.remote_code,
            tokens=order["tokens"],
            prompt=order["prompt"],
            precision=arguments.precision,
            on_stage=lambda stage: say(f"stage {stage}"),
        )
        order["limit"] = piece_limit(arguments.model, order["tokens"])
        return obey(encoder, order, sys.stdin, say)
    except Problem as problem:
        print(problem.two_lines(), file=sys.stderr)  # noqa: T201 - its own stderr
        return MUST_ACT


if __name__ == "__main__":
    sys.exit(main())
