"""`embedfleet search`: the vectors of a run that are nearest to a text."""

import json
from argparse import Namespace

from rich.console import Group, RenderableType
from rich.table import Table
from rich.text import Text

from launcher.cli.console import say, show
from launcher.cli.named_dataset import named_dataset
from launcher.format import count, plain
from launcher.vectors.search import SearchResult, search

SHOWN_CHARACTERS = 200  # of a kept column
SOURCES = {
    "model": "the model's prompt for queries",
    "run": "the prompt of the run's texts: the model has none for queries",
    "manifest": "the run's prompt for queries",
    "argument": "as given",
}


def run(arguments: Namespace) -> int:
    """Embed the query as the run embedded its texts, and print the nearest vectors."""
    found = search(named_dataset(arguments), arguments.query, arguments.k, arguments.prompt)
    if found.query_tokens_cut:
        say(
            f"the query is too long for the run's pieces: its last {count(found.query_tokens_cut)} tokens are cut"
        )
    show(found, search_text, as_json=arguments.json)
    return 0


def search_text(found: SearchResult) -> RenderableType:
    """The nearest vectors as a table, and how the query was embedded."""
    kept = list(found.hits[0].kept) if found.hits else []
    table = Table(box=None, pad_edge=False, padding=(0, 3, 0, 0), header_style="dim")
    for name, justify in (("#", "right"), ("score", "right"), ("id", "left"), ("chunk", "right")):
        table.add_column(name, justify=justify, overflow="fold")  # pyright: ignore[reportArgumentType]
    for name in kept:
        table.add_column(plain(name), overflow="fold")
    for hit in found.hits:
        values = (_short(hit.kept[name] or "") for name in kept)
        table.add_row(str(hit.rank), f"{hit.score:.4f}", plain(hit.id), str(hit.chunk), *values)
    prompt = json.dumps(found.prompt, ensure_ascii=False) if found.prompt else "no prompt"
    how = f"{count(found.vectors)} vectors of run {found.run} compared; model {found.model}, {prompt}"
    how += (
        f" ({SOURCES[found.prompt_from]})"
        if found.prompt or found.prompt_from not in ("run", "manifest")
        else ""
    )
    lines: list[RenderableType] = [table, Text(plain(how), "dim")]
    if not kept:
        lines.append(
            Text("texts are not kept beside the vectors: `output: {keep: [COLUMN]}` keeps them", "dim")
        )
    return Group(*lines)


def _short(text: str) -> str:
    flat = " ".join(plain(text[: 4 * SHOWN_CHARACTERS]).split())
    return flat if len(flat) <= SHOWN_CHARACTERS else f"{flat[:SHOWN_CHARACTERS]}\N{HORIZONTAL ELLIPSIS}"
