"""Measure how fast this machine embeds: the real engine on real texts for a few seconds.

    python -m tasks.probe --model MODEL < texts.json

Loads the model, prints `ready` and waits for a line, so that several probes measure at the same time as the workers
of one machine would run. Then prints one JSON object: engine, tokens, seconds, and the rate of each second or so.
"""

import argparse
import json
import os
import random
import sys
import time
from itertools import cycle
from typing import Any

from tasks.embed import Encoder, limit, load
from tasks.problem import Problem
from tasks.tokens import Cut, pieces

STRETCH = 0.7  # seconds of one measurement, at least
CALL = 4_096  # tokens embedded at once on a CPU, so that stretches are short


def measure(encoder: Encoder, ids: list[list[int]], seconds: float) -> dict[str, Any]:
    """Rates in tokens per second over stretches of `seconds` in all, on pieces as they come."""
    groups: list[list[list[int]]] = [[]]
    enough = CALL if encoder.device == "cpu" else 32 * CALL
    for piece in sorted(ids, key=len):  # a worker sorts by length, too
        if sum(map(len, groups[-1])) >= enough:
            groups.append([])
        groups[-1].append(piece)
    random.Random(0).shuffle(groups)  # noqa: S311 - so that every stretch sees short and long
    for group in groups[:3]:
        encoder.encode(group)  # first calls compile and allocate
    rates: list[float] = []
    tokens = total = 0
    start = last = time.perf_counter()
    for group in cycle(groups):
        encoder.encode(group)
        tokens += sum(map(len, group))
        now = time.perf_counter()
        if now - last >= STRETCH:
            rates.append(tokens / (now - last))
            total += tokens
            tokens, last = 0, now
            if now - start >= seconds:
                break
    return {"tokens": total, "seconds": last - start, "rates": rates}


def main() -> int:
    """Run one probe; the exit status."""
    parser = argparse.ArgumentParser(prog="python -m tasks.probe")
    parser.add_argument("--model", required=True)
    parser.add_argument("--engine", default="auto")
    parser.add_argument("--threads", type=int)
    parser.add_argument("--seconds", type=float, default=6.0)
    arguments = parser.parse_args()
    protocol = os.fdopen(os.dup(1), "w", encoding="utf-8")
    os.dup2(2, 1)  # what libraries print is no answer
    try:
        order: dict[str, Any] = json.loads(sys.stdin.readline())
        encoder = load(arguments.engine, arguments.model, arguments.threads)
        cut = Cut(limit(arguments.model, order["tokens"]), order["overlap"], order["prompt"])
        ids = [piece for found in pieces(encoder.words, order["texts"], cut) for piece in found.ids]
        print("ready", file=protocol, flush=True)
        sys.stdin.readline()
        found = measure(encoder, ids, arguments.seconds)
    except Problem as problem:
        print(f"Error: {problem}\nTry: {problem.hint}", file=sys.stderr)  # noqa: T201 - its own stderr
        return 3
    about: dict[str, Any] = {"engine": encoder.name, "device": encoder.device, "dtype": encoder.dtype}
    about["dimensions"] = encoder.dimensions
    print(json.dumps(about | found), file=protocol, flush=True)
    return 0


if __name__ == "__main__":
    sys.exit(main())
