"""`embedfleet search`: the vectors of a run that are nearest to a text."""

import json
from argparse import Namespace
from collections.abc import Iterator

from rich.console import Group, RenderableType
from rich.padding import Padding
from rich.text import Text

from launcher.cli.console import say, show
from launcher.cli.named_dataset import named_dataset
from launcher.format import count, plain, plural
from launcher.vectors.search import Hit, SearchResult, search

SHOWN_CHARACTERS = 240  # of a text or a kept column
SHOWN_REASONS = 3
SOURCES = {
    "model": "the model's prompt for queries",
    "run": "the prompt of the run's texts: the model has none for queries",
    "manifest": "the run's prompt for queries",
    "argument": "as given",
}


def run(arguments: Namespace) -> int:
    """Embed the query as the run embedded its texts, and print the nearest vectors with their texts."""
    dataset = named_dataset(arguments)
    found = search(dataset, arguments.query, arguments.k, arguments.prompt, texts=not arguments.no_text)
    if found.query_tokens_cut:
        say(
            f"the query is too long for the run's pieces: its last {count(found.query_tokens_cut)} tokens are cut"
        )
    show(found, search_text, as_json=arguments.json)
    return 0


def search_text(found: SearchResult) -> RenderableType:
    """The nearest vectors with the beginnings of their texts, and how the query was embedded."""
    chunked = any(hit.chunk for hit in found.hits)
    lines: list[RenderableType] = []
    for hit in found.hits:
        lines.append(_headline(hit, len(str(len(found.hits))), chunked=chunked))
        lines += (Padding(text, (0, 0, 0, 4), expand=False) for text in _below(hit))
    lines += (Text(plain(reason), "yellow") for reason in _missing(found))
    prompt = json.dumps(found.prompt, ensure_ascii=False) if found.prompt else "no prompt"
    how = f"{count(found.vectors)} vectors of run {found.run} compared; model {found.model}, {prompt}"
    if found.prompt or found.prompt_from not in ("run", "manifest"):
        how += f" ({SOURCES[found.prompt_from]})"
    return Group(*lines, Text(plain(how), "dim"))


def _headline(hit: Hit, width: int, *, chunked: bool) -> Text:
    """Rank, score, id, chunk, and the file where the id does not say it."""
    line = Text.assemble(f"{hit.rank:>{width}}  ", (f"{hit.score:.4f}", "bold"), f"  {plain(hit.id)}")
    if chunked:
        line.append(f"  chunk {hit.chunk}", "dim")
    if hit.file and not hit.id.startswith(hit.file):
        line.append(f"  {plain(hit.file)}", "dim")
    return line


def _below(hit: Hit) -> Iterator[Text]:
    """The kept columns that say more than the line above, and the text."""
    for name, value in hit.kept.items():
        if value and value not in (hit.id, hit.text):
            yield Text.assemble((f"{plain(name)}: ", "dim"), _short(value))
    if hit.text is not None:
        yield Text(_short(hit.text))


def _missing(found: SearchResult) -> list[str]:
    """Why hits have no text: a line for each reason, the commonest first."""
    reasons = [hit.text_missing for hit in found.hits if hit.text_missing]
    each = sorted(dict.fromkeys(reasons), key=lambda reason: -reasons.count(reason))
    lines = [f"no text of {plural(reasons.count(one), 'hit')}: {one}" for one in each[:SHOWN_REASONS]]
    if more := each[SHOWN_REASONS:]:
        lines.append(
            f"no text of {plural(sum(map(reasons.count, more)), 'hit')} for other reasons: --json names them"
        )
    return lines


def _short(text: str) -> str:
    flat = plain(" ".join(text[: 4 * SHOWN_CHARACTERS].split()))
    return flat if len(flat) <= SHOWN_CHARACTERS else f"{flat[:SHOWN_CHARACTERS]}\N{HORIZONTAL ELLIPSIS}"
