"""Cut a text where a reader would: at the ends of paragraphs and sentences, or along the structure of Markdown.

semantic-text-splitter finds the places. It counts characters, which costs next to nothing (counting tokens itself, it
took seven times as long as the tokenizer): a text is cut by what a token of this text takes on average, and a chunk that
has too many tokens is cut again. Without overlap the chunks of a text, one after the other, are the text. The same text,
tokenizer and version of the library give the same chunks.
"""

from collections.abc import Callable, Iterator, Sequence
from dataclasses import dataclass, replace
from functools import lru_cache
from importlib.metadata import version

from semantic_text_splitter import MarkdownSplitter, TextSplitter

from tasks.errors import Problem
from tasks.models.tokenizing.chunk_by import ChunkBy

LIBRARY = "semantic-text-splitter"
FILL = 0.95  # of a chunk's tokens are aimed at: characters a token differ from place to place

Tokenize = Callable[[Sequence[str]], list[list[int]]]


@dataclass(frozen=True, slots=True)
class TextChunk:
    """The characters [start, end) of a text, and the tokens of what they say, without white space around it."""

    start: int
    end: int
    ids: list[int]


@dataclass(frozen=True, slots=True)
class ChunkRules:
    """How a text is cut: `room` tokens at most, of which about `overlap` are shared with the chunk before."""

    room: int
    overlap: int
    by: ChunkBy
    tokenize: Tokenize


class SplitterChanged(Problem):
    """A run was begun with another version of the library, which may cut other chunks."""


@lru_cache
def splitter_version(by: ChunkBy) -> str | None:
    """The library that decides where chunks end, with its version; None: no library does."""
    return None if by == "tokens" else f"{LIBRARY} {version(LIBRARY)}"


def check_splitter(by: ChunkBy, wanted: str | None) -> None:
    """Check that this machine cuts chunks as the run does.

    Raises:
        SplitterChanged: it has another version of the library.
    """
    found = splitter_version(by)
    if found != wanted:
        raise SplitterChanged(
            f"the chunks of this run are cut by {wanted}, and this machine has {found}",
            hint=f"install {'=='.join((wanted or LIBRARY).split())}, or plan and launch again under another name",
        )


def chunks_of_texts(texts: Sequence[str], rules: ChunkRules) -> Iterator[list[TextChunk]]:
    """The chunks of each text, in order; a text that fits is one, even if it has no token."""
    for text, ids in zip(texts, rules.tokenize(texts), strict=True):
        whole = len(ids) <= rules.room
        yield [TextChunk(0, len(text), ids)] if whole else _chunks(text, len(ids), rules)


def _chunks(text: str, tokens: int, rules: ChunkRules) -> list[TextChunk]:
    found: list[TextChunk] = []
    begin: int | None = None  # of white space at the beginning, which belongs to the chunk after it
    for chunk in _parts(0, text, tokens, rules):
        if chunk.ids:
            found.append(chunk if begin is None else replace(chunk, start=begin))
            begin = None
        elif found:
            found[-1] = replace(found[-1], end=max(found[-1].end, chunk.end))
        else:
            begin = chunk.start if begin is None else begin
    return found


def _parts(begin: int, text: str, tokens: int, rules: ChunkRules) -> Iterator[TextChunk]:
    """The chunks in order; one that has too many tokens is cut again, as a text of its own that begins at `begin`."""
    per_token = len(text) / tokens
    characters = max(1, int(per_token * rules.room * FILL))
    kind = MarkdownSplitter if rules.by == "markdown" else TextSplitter
    splitter = kind(characters, overlap=min(int(per_token * rules.overlap), characters - 1), trim=False)
    places = splitter.chunk_indices(text)
    found = rules.tokenize([piece.strip() for _, piece in places])
    for (place, piece), ids in zip(places, found, strict=True):
        start = begin + place
        if len(ids) <= rules.room:
            yield TextChunk(start, start + len(piece), ids)
        elif len(piece) < len(text):
            yield from _parts(start, piece, len(ids), rules)
        else:  # one character, or what the library takes for one
            yield from _cut_hard(start, start + len(piece), ids, rules.room)


def _cut_hard(start: int, end: int, ids: list[int], room: int) -> Iterator[TextChunk]:
    """The chunks of a text that cannot be cut between characters; its first chunk has all of them."""
    for n in range(0, len(ids), room):
        yield TextChunk(start if n == 0 else end, end, ids[n : n + room])
