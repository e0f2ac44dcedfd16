"""`embedfleet speed`: the speed of a model on each GPU (P10, P50, P90), whether it fits, and the source of the figure.

Reads the ledger if there is one, because measured speeds go before predicted ones. Spends nothing and uses no network.
"""

import argparse
import json
from collections.abc import Sequence
from difflib import get_close_matches
from pathlib import Path
from typing import Any

from rich.console import Group, RenderableType
from rich.table import Table
from rich.text import Text

from launcher.cli.console import show
from launcher.errors import Problem, Usage
from launcher.format import compact, count, plain
from launcher.ledger.ledger import Ledger
from launcher.ledger.records import MeasuredSpeed
from launcher.throughput import model_shapes
from launcher.throughput.model_shapes import from_mapping
from launcher.throughput.predict import ENGINES, ModelShape
from launcher.throughput.table import cpu_rows, gpu_rows
from pricing.gpu import Gpu, UnknownGpuError, gpu, gpus

MOST_TOKENS = 1_000_000
WITH_RANGE = 2  # lengths; of more the screen shows P50 alone
SHOWN_SOURCES = 4  # with more GPUs the screen has no room to say where each figure comes from


def run(arguments: argparse.Namespace) -> int:
    """Print the speeds of a model."""
    model, name = _model(arguments.model)
    engine: str | None = arguments.engine
    if engine is not None:
        _check_engine(engine)
    lengths, seen = _tokens(arguments.tokens), _seen(arguments.runs)
    gpus, cpu = _gpus(arguments.gpu)
    body = gpu_rows(model, gpus, lengths, engine or "vllm", arguments.dtype, seen, name)
    body += cpu_rows(model, lengths, engine, seen, name, asked=cpu)
    show(body, speed_text, as_json=arguments.json)
    return 0


def speed_text(body: list[dict[str, Any]]) -> RenderableType:
    """A table: a line for each GPU, a column for each length; what does not run, below it."""
    lengths = list(dict.fromkeys(row["tokens"] for row in body))
    gpus = list(dict.fromkeys(row["gpu"] for row in body))
    by = {(row["gpu"], row["tokens"]): row for row in body}
    table = Table(box=None, pad_edge=False, header_style="bold")
    for title in ("GPU", "dtype"):
        table.add_column(title, no_wrap=True)
    for tokens in lengths:
        table.add_column(f"tok/s at {count(tokens)}", justify="right", no_wrap=True)
    table.add_column("of ceiling", justify="right", no_wrap=True)
    table.add_column("memory", justify="right", no_wrap=True)
    table.add_column("by", no_wrap=True)
    out: list[str] = []
    notes: dict[str, None] = {}
    for device in gpus:
        mine = [by[device, tokens] for tokens in lengths]
        first = mine[0]
        notes |= {f"{device}: {row['note']}": None for row in mine if row["note"]}
        if any(row["tokens_per_second"] is None for row in mine):
            out.append(f"{device}: {next(row['reason'] for row in mine if row['reason'])}")
            continue
        rates = [row["tokens_per_second"] for row in mine]
        shares = [row["share_of_ceiling"] for row in mine]
        table.add_row(
            device,
            first["dtype"] or "?",
            *(
                compact(r["mid"])
                if len(lengths) > WITH_RANGE
                else f"{compact(r['mid'])} ({compact(r['low'])} to {compact(r['high'])})"
                for r in rates
            ),
            "?" if None in shares else " ".join(f"{share:.0%}" for share in shares),
            "?"
            if first["has_gb"] is None
            else f"{max(row['needs_gb'] for row in mine):.1f} of {first['has_gb']:.0f} GB",
            _known_by(first["source"]),
        )
    each = "per GPU" if gpus != ["cpu"] else "the whole machine"
    what = f"{each}: P50" if len(lengths) > WITH_RANGE else f"{each}: P50 (P10 to P90)"
    engines = " or ".join(dict.fromkeys(row["engine"] for row in body if row["engine"])) or "any engine"
    head = f"{plain(body[0]['model'])} by {engines}, {what}"
    lines: list[RenderableType] = [Text(head, style="bold")]
    if len(out) < len(gpus):
        lines.append(table)
    if len(gpus) <= SHOWN_SOURCES:
        sources = dict.fromkeys(f"{row['gpu']}: {row['source']}" for row in body if row["source"])
        lines += [Text(plain(line), style="dim") for line in (*sources, *notes)]
    lines += [Text(f"no speed on {plain(line)}", style="yellow") for line in out]
    return Group(*lines)


def _known_by(source: str) -> str:
    """In a word or two; the whole is in --json. Derived: predicted from a ceiling that nobody measured."""
    if source.startswith("predicted"):
        return "derived" if "derived" in source else "predicted"
    return "measured" if source.startswith("measured") else source


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
