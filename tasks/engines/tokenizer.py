"""Tokenize texts and split them into the pieces that a model reads: token ids, truncated or chunked.

The planner's sample and every engine use the same tokenizer, so a planned token is an embedded token. Knows nothing of
weights or of input files.
"""
# huggingface_hub is typed in part
# pyright: reportUnknownMemberType=false, reportUnknownArgumentType=false, reportUnknownVariableType=false

import json
import re
import zlib
from collections.abc import Sequence
from dataclasses import dataclass
from itertools import accumulate
from pathlib import Path
from typing import Any, Protocol

from tokenizers import Tokenizer

from tasks.errors import Problem

HASH_MODEL = "hash"  # stands for no model: for tests, and to measure the pipeline without one
WORD = re.compile(r"\w+|[^\w\s]")


@dataclass(frozen=True, slots=True)
class ChunkSpec:
    """How texts become pieces. `overlap` None: one piece a text, truncated to `tokens`."""

    tokens: int  # longest piece, special tokens included
    overlap: int | None = None
    prompt: str = ""


@dataclass(frozen=True, slots=True)
class TextPieces:
    """The pieces of one text. `cut` counts the tokens lost to truncation."""

    ids: tuple[list[int], ...]
    cut: int
    spans: tuple[tuple[int, int], ...] = ()  # characters of the text that each piece covers, when asked for


class PieceTokenizer(Protocol):
    """A tokenizer without special tokens, and the special tokens before and after each piece."""

    prefix_ids: list[int]
    suffix_ids: list[int]

    def ids(self, texts: Sequence[str]) -> list[list[int]]: ...

    def ids_with_offsets(self, texts: Sequence[str]) -> list[tuple[list[int], list[tuple[int, int]]]]:
        """Ids, and for each the characters [start, end) of the text that it stands for."""
        ...


class BadModel(Problem):
    """The model cannot be used; the message says why."""


class ModelFileMissing(BadModel):
    """The model does not have the file."""


def load_failure(model: str, error: Exception) -> BadModel:
    """The error for a library's message that it cannot load a model."""
    said = str(error).strip() or type(error).__name__
    if "trust_remote_code" in said:
        return BadModel(
            f"{model} comes with code of its own, which is not run unless you say so",
            hint=f"if you trust it: `model: {{name: {model}, trust_remote_code: true}}`; else name another model",
        )
    return BadModel(
        f"cannot load {model}: {said.splitlines()[0]}",
        hint="name a model whose weights are safetensors and whose architecture the engine knows",
    )


class HashTokenizer:
    """Words and punctuation, each hashed to an id, between two special tokens as in BERT."""

    def __init__(self) -> None:
        self.prefix_ids = [1]
        self.suffix_ids = [2]

    def ids(self, texts: Sequence[str]) -> list[list[int]]:
        return [[_hash_id(w) for w in WORD.findall(text)] for text in texts]

    def ids_with_offsets(self, texts: Sequence[str]) -> list[tuple[list[int], list[tuple[int, int]]]]:
        found = [list(WORD.finditer(text)) for text in texts]
        return [([_hash_id(w.group()) for w in each], [w.span() for w in each]) for each in found]


class ModelTokenizer:
    """The tokenizer of a model (`tokenizer.json`), with its special tokens."""

    def __init__(self, model: str) -> None:
        file = model_file(model, "tokenizer.json")
        try:
            self.tokenizer = Tokenizer.from_file(str(file))
        except Exception as error:  # tokenizers (Rust) raises a bare Exception for any file
            raise BadModel(
                f"cannot read the tokenizer {file}: {error}",
                hint="name a model folder with a tokenizer.json, as the hub's models have",
            ) from error
        self.tokenizer.no_truncation()
        self.tokenizer.no_padding()
        bare = self.tokenizer.encode("a", add_special_tokens=False).ids
        dressed = self.tokenizer.encode("a", add_special_tokens=True).ids
        start = next(i for i in range(len(dressed)) if dressed[i : i + len(bare)] == bare)
        self.prefix_ids = dressed[:start]
        self.suffix_ids = dressed[start + len(bare) :] or self._end(model)

    def _end(self, model: str) -> list[int]:
        """The end token of decoders with last-token pooling; some models name it in tokenizer_config.json only."""
        settings = model_config(model, "tokenizer_config.json")
        named = settings.get("eos_token")
        token = named.get("content") if isinstance(named, dict) else named
        number = self.tokenizer.token_to_id(token) if isinstance(token, str) else None
        return [number] if settings.get("add_eos_token") is True and number is not None else []

    def ids(self, texts: Sequence[str]) -> list[list[int]]:
        return [e.ids for e in self.tokenizer.encode_batch_fast(list(texts), add_special_tokens=False)]

    def ids_with_offsets(self, texts: Sequence[str]) -> list[tuple[list[int], list[tuple[int, int]]]]:
        # encode_batch_fast gives no offsets
        found = self.tokenizer.encode_batch(list(texts), add_special_tokens=False)
        return [(e.ids, e.offsets) for e in found]


def load_tokenizer(model: str) -> PieceTokenizer:
    """The tokenizer of a model: a folder, a hub id, or the hash model.

    Raises:
        BadModel: the model has no tokenizer.
    """
    if model == HASH_MODEL:
        return HashTokenizer()
    return ModelTokenizer(model)


def split_texts(
    tokenizer: PieceTokenizer, texts: Sequence[str], cut: ChunkSpec, *, spans: bool = False
) -> list[TextPieces]:
    """Split texts into pieces, in order; with `spans` also which characters of a chunked text each piece covers.

    Raises:
        BadModel: the prompt and special tokens leave no room for text.
    """
    edge = len(tokenizer.prefix_ids) + len(tokenizer.suffix_ids)
    if cut.overlap is None:
        room = cut.tokens - edge
        _check_budget(room, cut)
        # The prompt is tokenized with the text, so that tokens merge at the seam as they do in training.
        found = tokenizer.ids([cut.prompt + text for text in texts]) if cut.prompt else tokenizer.ids(texts)
        return [
            TextPieces(
                ([*tokenizer.prefix_ids, *ids[:room], *tokenizer.suffix_ids],), max(0, len(ids) - room)
            )
            for ids in found
        ]
    prompt = tokenizer.ids([cut.prompt])[0] if cut.prompt else []
    room = cut.tokens - edge - len(prompt)
    _check_budget(room - cut.overlap, cut)
    step = room - cut.overlap
    found = tokenizer.ids_with_offsets(texts) if spans else [(ids, []) for ids in tokenizer.ids(texts)]
    out: list[TextPieces] = []
    for text, (ids, places) in zip(texts, found, strict=True):
        starts = range(0, max(1, len(ids) - cut.overlap), step)
        parts = tuple(
            [*tokenizer.prefix_ids, *prompt, *ids[s : s + room], *tokenizer.suffix_ids] for s in starts
        )
        out.append(TextPieces(parts, 0, _spans(text, places, starts, room) if spans else ()))
    return out


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


def max_piece_tokens(model: str, unsaid: int | None = None) -> int:
    """The maximum length of a piece of this model in tokens, special tokens included.

    The limit of sentence-transformers if the model has one, else the tokenizer's, else the number of positions, else
    `unsaid`.

    Raises:
        BadModel: neither the model's files nor the caller say.
    """
    if model == HASH_MODEL:
        return 512
    sources = (
        ("sentence_bert_config.json", "max_seq_length"),
        ("tokenizer_config.json", "model_max_length"),
        ("config.json", "max_position_embeddings"),
    )
    for name, key in sources:
        value = model_config(model, name).get(key)
        if isinstance(value, int) and 0 < value < 10**7:  # an unset tokenizer limit reads 10**30
            return value
    if unsaid is not None:
        return unsaid
    raise BadModel(f"nothing in {model} says how long a text may be", hint="set `truncate:` in the job file")


def model_config(model: str, name: str) -> dict[str, Any]:
    """A JSON file of the model; {} when the model does not have it."""
    try:
        path = model_file(model, name)
    except ModelFileMissing:
        return {}
    try:
        found: dict[str, Any] = json.loads(path.read_text(encoding="utf-8"))
    except ValueError as error:
        raise BadModel(f"{path} is not JSON: {error}", hint="download the model again") from error
    return found


def model_file(model: str, name: str) -> Path:
    """A file of a model: in its folder, or downloaded from the hub (or in its cache).

    Raises:
        ModelFileMissing: the model has no such file.
        BadModel: the hub cannot be reached.
    """
    folder = Path(model)
    if folder.is_dir():
        if (folder / name).is_file():
            return folder / name
        raise ModelFileMissing(
            f"no {name} in {folder}", hint="name a model folder as sentence-transformers saves it"
        )
    from huggingface_hub import hf_hub_download  # noqa: PLC0415 - the hub is asked only for hub ids
    from huggingface_hub.errors import EntryNotFoundError, HFValidationError, LocalEntryNotFoundError  # noqa: PLC0415

    try:
        return Path(hf_hub_download(model, name))
    except (OSError, ValueError, HFValidationError, EntryNotFoundError) as error:
        if isinstance(error, EntryNotFoundError) and not isinstance(error, LocalEntryNotFoundError):
            raise ModelFileMissing(f"model {model!r} has no {name}", hint="name another model") from error
        reason = str(error).splitlines()[0] if str(error) else type(error).__name__
        raise BadModel(
            f"cannot get {name} of model {model!r}: {reason}",
            hint="name a local model folder, or check that the hub can be reached",
        ) from error


def _hash_id(word: str) -> int:
    return 3 + zlib.crc32(word.encode()) % 30_000


def _check_budget(room: int, cut: ChunkSpec) -> None:
    if room < 1:
        raise BadModel(
            f"{cut.tokens} tokens leave no room for text besides prompt, special tokens and overlap",
            hint="raise `tokens`, or shorten the prompt or the overlap",
        )
