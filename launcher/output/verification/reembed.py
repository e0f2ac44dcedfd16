"""Embed a few rows again from the texts of the corpus and compare the vectors.

The caller decides which cosine is enough. Holds one text in memory at a time.
"""

from collections.abc import Callable, Sequence
from dataclasses import dataclass

import numpy as np
from numpy.typing import NDArray

from launcher.output.verification.reference import NoReference, load_reference
from tasks.engines.base import Vectors, truncate_dimensions
from tasks.engines.load import load_encoder
from tasks.formats.rows import Document
from tasks.models.fingerprint import pinned
from tasks.models.tokenizing.pieces import count_prompt_tokens, split_texts
from tasks.models.tokenizing.tokenizer import PieceTokenizer, load_tokenizer
from tasks.protocol.manifest import Header
from tasks.protocol.shard import Shard
from tasks.stores.base import Store
from tasks.worker.reading.input_rows import rows_of
from tasks.worker.reading.windows import cut_of


@dataclass(frozen=True, slots=True)
class SampledRow:
    """A row of the output that is to be embedded again."""

    shard: Shard
    id: str
    chunk: int
    vector: NDArray[np.float32]


@dataclass(frozen=True, slots=True)
class Reembedded:
    """Each row with the cosine of both vectors; None where its text has no such chunk."""

    way: str  # what embedded the rows again, as it is shown
    cosines: list[tuple[SampledRow, float | None]]
    note: str | None = None  # why it is not what it could have been


def cosines_of_reembedded(header: Header, corpus: Store, sampled: Sequence[SampledRow]) -> Reembedded:
    """Embed each row again.

    A row whose id no document of its shard has, or more than one, is left out: its text is not known.
    """
    model = pinned(header.model, header.model_fingerprint)
    opinion = _second_opinion(header, model)
    pairs = _token_ids(header, corpus, opinion.tokenizer, sampled)
    ids: list[list[int]] = []
    stored: list[NDArray[np.float32]] = []
    for row, chunk_ids in pairs:
        if chunk_ids is not None:
            ids.append(chunk_ids)
            stored.append(row.vector)
    if not ids:
        return Reembedded(opinion.way, [(row, None) for row, _ in pairs], opinion.note)
    before = np.stack(stored)
    again = truncate_dimensions(opinion.encode(ids), before.shape[1])
    if header.dtype == "binary":  # only signs were kept
        again = np.where(again > 0, 1, -1).astype(np.float32)
    lengths = np.linalg.norm(again, axis=1) * np.linalg.norm(before, axis=1)
    cosines = iter((again * before).sum(1) / lengths)
    found = [(row, None if chunk_ids is None else float(next(cosines))) for row, chunk_ids in pairs]
    return Reembedded(opinion.way, found, opinion.note)


@dataclass(frozen=True, slots=True)
class _SecondOpinion:
    """What embeds the rows again."""

    way: str
    tokenizer: PieceTokenizer
    encode: Callable[[Sequence[Sequence[int]]], Vectors]
    note: str | None = None


def _second_opinion(header: Header, model: str) -> _SecondOpinion:
    """sentence-transformers where it is installed and loads the model, else our own engine."""
    note = None
    try:
        reference = load_reference(model, remote_code=header.remote_code)
    except NoReference as problem:
        reference, note = None, f"{problem}; {problem.hint}"
    if reference is not None:
        tokenizer = load_tokenizer(model)
        skipped = count_prompt_tokens(tokenizer, header.prompt)
        return _SecondOpinion(reference.name, tokenizer, lambda ids: reference.encode(ids, skipped))
    encoder = load_encoder(header.engine, model, remote_code=header.remote_code, prompt=header.prompt)
    return _SecondOpinion(f"our own engine {encoder.name} again", encoder.tokenizer, encoder.encode, note)


def _token_ids(
    header: Header, corpus: Store, tokenizer: PieceTokenizer, sampled: Sequence[SampledRow]
) -> list[tuple[SampledRow, list[int] | None]]:
    """Return the rows with the token ids that the model reads of each; only the sampled chunks are kept in memory."""
    cut = cut_of(header)
    wanted: dict[tuple[str, str], set[int]] = {}
    for row in sampled:
        wanted.setdefault((row.shard.id, row.id), set()).add(row.chunk)
    found: dict[tuple[str, str], dict[int, list[int]]] = {}
    ambiguous: set[tuple[str, str]] = set()
    for shard in {row.shard.id: row.shard for row in sampled}.values():
        for document in rows_of(header, corpus, shard):
            if not isinstance(document, Document) or (shard.id, document.id) not in wanted:
                continue
            name = (shard.id, document.id)
            if name in found:
                ambiguous.add(name)
            else:
                chunks = split_texts(tokenizer, [document.text], cut)[0].ids
                found[name] = {n: ids for n, ids in enumerate(chunks) if n in wanted[name]}
    names = [(row, (row.shard.id, row.id)) for row in sampled]
    known = [(row, name) for row, name in names if name in found and name not in ambiguous]
    return [(row, found[name].get(row.chunk)) for row, name in known]
