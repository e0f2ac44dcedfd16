"""`embedfleet speed`: the speed of a model on each GPU (P10, P50, P90), whether it fits, and the source of the figure.

Reads the ledger if there is one, because measured speeds go before predicted ones. Spends nothing and uses no network.
"""

import argparse
import json
from collections.abc import Sequence
from difflib import get_close_matches
from pathlib import Path
from typing import Any

from msgspec import to_builtins

from launcher.cli.console import show
from launcher.errors import Problem, Usage
from launcher.ledger.ledger import Ledger
from launcher.ledger.records import MeasuredSpeed
from launcher.reports.terminal.speed import speed_text
from launcher.throughput import model_shapes
from launcher.throughput.model_shapes import from_mapping
from launcher.throughput.predict import ENGINES, ModelShape
from launcher.throughput.table import cpu_rows, gpu_rows
from pricing.gpu import Gpu, UnknownGpuError, gpu, gpus

MOST_TOKENS = 1_000_000


def run(arguments: argparse.Namespace) -> int:
    """Print the speeds of a model."""
    model, name = _model(arguments.model)
    engine: str | None = arguments.engine
    if engine is not None:
        _check_engine(engine)
    lengths, seen = _tokens(arguments.tokens), _seen(arguments.runs)
    gpus, cpu = _gpus(arguments.gpu)
    rows = gpu_rows(model, gpus, lengths, engine or "vllm", dtype=arguments.dtype, seen=seen, name=name)
    rows += cpu_rows(model, lengths, engine, seen=seen, name=name, asked=cpu)
    if arguments.json:
        show(to_builtins(rows), str, as_json=True)
    else:
        show(rows, speed_text, as_json=False)
    return 0


def _model(word: str) -> tuple[ModelShape, str | None]:
    """The shape of the model, and its name in the ledger if it is a folder."""
    if word.lstrip().startswith("{") or "=" in word:
        return _given(word), None
    folder = Path(word).expanduser()
    if folder.is_dir():
        return model_shapes.shape(folder), str(folder.absolute())
    try:
        return model_shapes.shape(word), None
    except Problem as problem:
        near = model_shapes.nearest(word)
        hint = f"pass --model {' or '.join(near)}" if near else problem.hint
        raise Usage(
            f"--model: {problem}", hint=f"{hint}; or give its shape: --model layers=24,hidden=1024"
        ) from None


def _given(word: str) -> ModelShape:
    """Read a shape: `layers=24,hidden=1024,glu=true`, or JSON."""
    example = "--model layers=24,hidden=1024,heads=16,intermediate=4096"
    if word.lstrip().startswith("{"):
        try:
            given: Any = json.loads(word)
        except ValueError as error:
            raise Usage(f"--model is not JSON: {error}", hint=f"pass {example}") from None
    else:
        pairs = [part.partition("=") for part in word.split(",")]
        given = {key.strip(): _value(value.strip()) for key, _, value in pairs}
    try:
        return from_mapping(str(given.get("name", "model")), given)
    except Problem as problem:
        raise Usage(f"--model: {problem}", hint=f"{problem.hint}, such as {example}") from None


def _value(word: str) -> int | bool | str:
    if word in ("true", "false"):
        return word == "true"
    return int(word) if word.isdecimal() else word


def _gpus(words: str | None) -> tuple[Sequence[Gpu], bool]:
    """The GPUs that --gpu names, and whether it names this machine's processors."""
    if words is None:
        return gpus(), False
    found: dict[str, Gpu] = {}
    cpu = False
    for word in filter(None, (w.strip() for w in words.split(","))):
        if word.lower() == "cpu":
            cpu = True
            continue
        try:
            one = gpu(word)
        except UnknownGpuError as error:
            names = error.nearest or tuple(g.name for g in gpus())
            raise Usage(f"--gpu: no GPU {word!r} is known", hint=f"pass --gpu {' or '.join(names)}") from None
        found[one.name] = one
    if not found and not cpu:
        raise Usage("--gpu names no GPU", hint="pass --gpu L4,A100-80GB, or leave it out for all")
    return tuple(found.values()), cpu


def _tokens(words: str) -> list[int]:
    lengths: dict[int, None] = {}
    for word in filter(None, (w.strip() for w in words.split(","))):
        if not word.isdecimal() or not 1 <= int(word) <= MOST_TOKENS:
            raise Usage(
                f"--tokens: {word!r} is not a length of a text",
                hint=f"pass whole numbers from 1 to {MOST_TOKENS:,}, such as --tokens 128,512",
            )
        lengths[int(word)] = None
    if not lengths:
        raise Usage("--tokens names no length", hint="pass --tokens 128,512")
    return list(lengths)


def _check_engine(engine: str) -> None:
    if engine not in ENGINES:
        near = get_close_matches(engine, ENGINES, n=1, cutoff=0.4) or list(ENGINES)
        raise Usage(
            f"--engine: {engine!r} is unknown",
            hint=f"pass --engine {' or '.join(near)}",
        )


def _seen(runs: Path) -> list[MeasuredSpeed]:
    """The measured speeds of the ledger; none if there is no ledger."""
    path = runs / "ledger.db"
    if not path.is_file():
        return []
    with Ledger.open(path) as ledger:
        return ledger.speeds.matching()
