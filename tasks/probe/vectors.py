"""Embed texts in a given precision and keep the vectors, to compare them with those of another precision.

    python -m tasks.probe.vectors --model MODEL --out FILE.npy [--precision fp8 [--emulate]] < texts.json

`--emulate` computes as vLLM's fp8 does in torch, on any machine (`tasks.engines.fp8_emulation`); without it the engine
computes in fp8 itself. Each text is embedded once, its first piece; equal pieces count once. Prints one JSON object: how
many pieces were embedded before the time was up, and what computed them.
"""

import argparse
import json
import os
import sys
from pathlib import Path
from time import perf_counter
from typing import Any

import numpy as np

from tasks.engines.base import Encoder, Vectors
from tasks.engines.load import load_encoder
from tasks.errors import Problem
from tasks.models.precision import PRECISION_ENGINE, PRECISIONS
from tasks.models.tokenizing.pieces import ChunkSpec, piece_limit, split_texts
from tasks.printable import log_in_utf8

SLICE = 16  # pieces between two looks at the clock
LEAST = 64  # pieces, however long they take: fewer say nothing of neighbours


def embed_for(encoder: Encoder, pieces: list[list[int]], seconds: float) -> Vectors:
    """Vectors of as many pieces as `seconds` are enough for, and of LEAST at least."""
    begun, found = perf_counter(), list[Vectors]()
    for start in range(0, len(pieces), SLICE):
        if start >= LEAST and perf_counter() - begun > seconds:
            break
        found.append(encoder.encode(pieces[start : start + SLICE]))
    return np.concatenate(found) if found else np.empty((0, encoder.dimensions), np.float32)


def _load(arguments: argparse.Namespace, order: dict[str, Any]) -> Encoder:
    """The encoder; with --emulate or as the reference on a CPU in float32, so that nothing else differs."""
    rest: dict[str, Any] = {
        "remote_code": arguments.remote_code,
        "tokens": order["tokens"],
        "prompt": order["prompt"],
    }
    if not arguments.emulate:
        return load_encoder(PRECISION_ENGINE, arguments.model, precision=arguments.precision, **rest)
    encoder = load_encoder("torch", arguments.model, dtype="float32", **rest)
    if arguments.precision is not None:
        from tasks.engines.fp8_emulation import emulate_fp8  # noqa: PLC0415 - loads torch

        emulate_fp8(getattr(encoder, "model"))  # noqa: B009 - the torch engine has one, and not every encoder
    return encoder


def main() -> int:
    """Embed once; the exit status."""
    log_in_utf8()
    parser = argparse.ArgumentParser(prog="python -m tasks.probe.vectors")
    parser.add_argument("--model", required=True)
    parser.add_argument("--out", type=Path, required=True)
    parser.add_argument("--precision", choices=PRECISIONS)
    parser.add_argument("--emulate", action="store_true", help="in torch, on any machine")
    parser.add_argument("--seconds", type=float, default=1e9)
    parser.add_argument("--remote-code", action="store_true")
    arguments = parser.parse_args()
    protocol = os.fdopen(os.dup(1), "w", encoding="utf-8")
    os.dup2(2, 1)  # what libraries print must not mix with the answer
    try:
        order: dict[str, Any] = json.loads(sys.stdin.readline())
        encoder = _load(arguments, order)
        cut = ChunkSpec(piece_limit(arguments.model, order["tokens"]), order["overlap"], order["prompt"])
        found = split_texts(encoder.tokenizer, order["texts"], cut)
        first = {tuple(one.ids[0]): None for one in found if one.ids and one.ids[0]}
        vectors = embed_for(encoder, [list(piece) for piece in first], arguments.seconds)
    except Problem as problem:
        print(problem.two_lines(), file=sys.stderr)  # noqa: T201 - its own stderr
        return 3
    np.save(arguments.out, vectors)
    about = {"texts": len(vectors), "device": encoder.device, "dtype": encoder.dtype, "engine": encoder.name}
    print(json.dumps(about), file=protocol, flush=True)
    return 0


if __name__ == "__main__":
    sys.exit(main())
