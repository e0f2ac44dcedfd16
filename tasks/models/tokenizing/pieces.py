"""Split texts into the pieces that a model reads: token ids, truncated or chunked, with prompt and special tokens."""

from collections.abc import Sequence
from dataclasses import dataclass
from itertools import accumulate

from tasks.models.describe import describe
from tasks.models.description import ModelDescription
from tasks.models.files import HASH_MODEL, BadModel
from tasks.models.tokenizing.chunk_by import ChunkBy
from tasks.models.tokenizing.semantic_chunks import ChunkRules, TextChunk, chunks_of_texts
from tasks.models.tokenizing.tokenizer import PieceTokenizer

HASH_LIMIT = 512  # tokens of the hash model, as of a small BERT


@dataclass(frozen=True, slots=True)
class ChunkSpec:
    """How texts become pieces. `overlap` None: one piece a text, truncated to `tokens`.

    `prompt` None: the model's default prompt, as sentence-transformers' `encode` has it; "" is no prompt.
    """

    tokens: int  # longest piece, special tokens included
    overlap: int | None = None
    prompt: str | None = None
    by: ChunkBy = "tokens"  # where a chunk may end; "tokens": behind any


@dataclass(frozen=True, slots=True)
class TextPieces:
    """The pieces of one text. `cut` counts the tokens lost to truncation."""

    ids: tuple[list[int], ...]
    cut: int
    spans: tuple[tuple[int, int], ...] = ()  # characters of the text that each piece covers, when asked for


def split_texts(
    tokenizer: PieceTokenizer, texts: Sequence[str], cut: ChunkSpec, *, spans: bool = False
) -> list[TextPieces]:
    """Split texts into pieces, in order; with `spans` also which characters of a text each piece covers.

    Raises:
        BadModel: the prompt and special tokens leave no room for text.
    """
    edge = len(tokenizer.prefix_ids) + len(tokenizer.suffix_ids)
    before = _prompt(tokenizer, cut.prompt)
    if cut.overlap is None:
        room = cut.tokens - edge
        _check_budget(room, cut)
        # The prompt is tokenized with the text, so that tokens merge at the seam as they do in training.
        found = tokenizer.ids([before + text for text in texts]) if before else tokenizer.ids(texts)
        left = tokenizer.truncates_left
        return [
            TextPieces(
                ([*tokenizer.prefix_ids, *(ids[-room:] if left else ids[:room]), *tokenizer.suffix_ids],),
                max(0, len(ids) - room),
                (_span_left(tokenizer, before, text, room),) if spans else (),
            )
            for text, ids in zip(texts, found, strict=True)
        ]
    prompt = tokenizer.ids([before])[0] if before else []
    room = cut.tokens - edge - len(prompt)
    _check_budget(room - cut.overlap, cut)
    if cut.by != "tokens":
        rules = ChunkRules(room, cut.overlap, cut.by, tokenizer.ids)
        return [_dressed(tokenizer, prompt, chunks) for chunks in chunks_of_texts(texts, rules)]
    step = room - cut.overlap
    none: list[tuple[int, int]] = []
    found = tokenizer.ids_with_offsets(texts) if spans else [(ids, none) for ids in tokenizer.ids(texts)]
    out: list[TextPieces] = []
    for text, (ids, places) in zip(texts, found, strict=True):
        starts = range(0, max(1, len(ids) - cut.overlap), step)
        parts = tuple(
            [*tokenizer.prefix_ids, *prompt, *ids[s : s + room], *tokenizer.suffix_ids] for s in starts
        )
        out.append(TextPieces(parts, 0, _spans(text, places, starts, room) if spans else ()))
    return out


def _dressed(tokenizer: PieceTokenizer, prompt: Sequence[int], chunks: Sequence[TextChunk]) -> TextPieces:
    """The pieces of these chunks."""
    return TextPieces(
        tuple([*tokenizer.prefix_ids, *prompt, *chunk.ids, *tokenizer.suffix_ids] for chunk in chunks),
        0,
        tuple((chunk.start, chunk.end) for chunk in chunks),
    )


def piece_limit(model: str | ModelDescription, tokens: int | None, revision: str | None = None) -> int:
    """The longest piece in tokens, special tokens included: what the job asks for, at most the model's own limit.

    Raises:
        BadModel: neither the model's files nor the job say.
    """
    if model == HASH_MODEL:
        limit = HASH_LIMIT
    else:
        described = describe(model, revision) if isinstance(model, str) else model
        limit = described.limit.tokens
        if limit is None and tokens is None:
            raise BadModel(
                f"nothing in {described.model} says how long a text may be",
                hint="set `truncate:` in the job file",
            )
    return min(n for n in (limit, tokens) if n is not None)


def count_prompt_tokens(tokenizer: PieceTokenizer, prompt: str | None) -> int:
    """The tokens that a prompt takes at the beginning of each piece, special tokens before it included.

    As sentence-transformers counts them for models whose pooling leaves the prompt out (`include_prompt: false`).
    0 without a prompt: then nothing is left out, special tokens included.
    """
    text = _prompt(tokenizer, prompt)
    return len(tokenizer.prefix_ids) + len(tokenizer.ids([text])[0]) if text else 0


def _prompt(tokenizer: PieceTokenizer, prompt: str | None) -> str:
    return tokenizer.default_prompt if prompt is None else prompt


def _spans(
    text: str, places: Sequence[tuple[int, int]], starts: range, room: int
) -> tuple[tuple[int, int], ...]:
    """The characters of each piece: from the start of its first token to the start of the first token after it.

    So no character falls between two pieces. Space around tokens, and what a tokenizer skips, belongs to the piece before
    it; a character of several tokens to the piece with its last token. The first and the last piece reach to the ends of
    the text.
    """
    begins = accumulate((start for start, _ in places[1:]), max)  # a normalizer may change the order
    edges = [0, *begins, *[len(text)] * (room + 1)]
    return tuple((edges[start], edges[start + room]) for start in starts)


def _span_left(tokenizer: PieceTokenizer, before: str, text: str, room: int) -> tuple[int, int]:
    """The characters of a text that truncation leaves, with a prompt before it."""
    _, places = tokenizer.ids_with_offsets([before + text])[0]
    if len(places) <= room:
        return 0, len(text)
    if tokenizer.truncates_left:
        return max(0, places[-room][0] - len(before)), len(text)
    return 0, max(0, places[room - 1][1] - len(before))


def _check_budget(room: int, cut: ChunkSpec) -> None:
    if room < 1:
        raise BadModel(
            f"{cut.tokens} tokens leave no room for text besides prompt, special tokens and overlap",
            hint="raise `tokens`, or shorten the prompt or the overlap",
        )
