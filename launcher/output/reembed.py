"""Embed a few rows once more, from the texts of the corpus, and see how alike the vectors are.

Knows nothing of verdicts: what is alike enough is the caller's business. Holds one text at a time.
"""

from collections.abc import Sequence
from dataclasses import dataclass

import numpy as np
from numpy.typing import NDArray

from tasks.engines.base import Encoder, shorten
from tasks.engines.load import load
from tasks.engines.tokenizer import pieces
from tasks.formats.readers import Document
from tasks.protocol.manifest import Header
from tasks.protocol.shard import Shard
from tasks.stores.base import Store
from tasks.worker.windows import cut_of, rows_of


@dataclass(frozen=True, slots=True)
class Picked:
    """A row of the output, to embed again."""

    shard: Shard
    id: str
    chunk: int
    vector: NDArray[np.float32]


def embed_again(header: Header, corpus: Store, picked: Sequence[Picked]) -> list[tuple[Picked, float | None]]:
    """Each row with its cosine, None where its text has no such chunk.

    A row whose id no document of its shard has, or more than one, is left out: whose text it is nobody knows.
    """
    encoder: Encoder = load(header.engine, header.model, remote_code=header.remote_code)
    known = _pieces(header, corpus, encoder, picked)
    ids: list[list[int]] = []
    stored: list[NDArray[np.float32]] = []
    for one, piece in known:
        if piece is not None:
            ids.append(piece)
            stored.append(one.vector)
    if not ids:
        return [(one, None) for one, _ in known]
    again, before = shorten(encoder.encode(ids), header.dimensions), np.stack(stored)
    if header.dtype == "binary":  # of which only signs were kept
        again = np.where(again > 0, 1, -1).astype(np.float32)
    lengths = np.linalg.norm(again, axis=1) * np.linalg.norm(before, axis=1)
    cosines = iter((again * before).sum(1) / lengths)
    return [(one, None if piece is None else float(next(cosines))) for one, piece in known]


def _pieces(
    header: Header, corpus: Store, encoder: Encoder, picked: Sequence[Picked]
) -> list[tuple[Picked, list[int] | None]]:
    """The rows, each with what the model reads of it. Of a document only the picked pieces are kept."""
    cut = cut_of(header)
    wanted: dict[tuple[str, str], set[int]] = {}
    for one in picked:
        wanted.setdefault((one.shard.id, one.id), set()).add(one.chunk)
    found: dict[tuple[str, str], dict[int, list[int]]] = {}
    doubled: set[tuple[str, str]] = set()
    for shard in {one.shard.id: one.shard for one in picked}.values():
        for row in rows_of(header, corpus, shard):
            if not isinstance(row, Document) or (shard.id, row.id) not in wanted:
                continue
            name = (shard.id, row.id)
            if name in found:
                doubled.add(name)
            else:
                parts = pieces(encoder.words, [row.text], cut)[0].ids
                found[name] = {n: part for n, part in enumerate(parts) if n in wanted[name]}
    names = [(one, (one.shard.id, one.id)) for one in picked]
    return [(one, found[name].get(one.chunk)) for one, name in names if name in found and name not in doubled]
