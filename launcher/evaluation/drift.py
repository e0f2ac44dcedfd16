"""How far the vectors of two runs are apart: anchors are the rows that both have, by id and chunk.

The anchors have the smallest hashes of id and chunk, so that two runs of one corpus sample the same without having
agreed on it. Where a text was changed, or cut otherwise, its vector says nothing of the model: rows are compared of
which the model read the same tokens, as the column `text_hash` of both datasets says. Of a large dataset the files
that come first by name are read: a name begins with the hash of its shard, so that they are the same shards of both
runs.
"""

# the stubs of pyarrow are generic in what a file decides
# pyright: reportUnknownMemberType=false, reportUnknownArgumentType=false, reportUnknownVariableType=false
import heapq
from collections.abc import Iterator, Mapping, Sequence
from dataclasses import replace
from typing import Any, NamedTuple

import numpy as np
import pyarrow as pa
from numpy.typing import NDArray

from launcher.documents.drift import DriftDocument
from launcher.errors import Problem
from launcher.evaluation.representations import shorten
from launcher.output.hashed_names import id_hash
from launcher.vectors.read_dataset import Dataset, DatasetFile
from tasks.formats.vectors.vector_file import TEXT_HASH

ANCHORS = 512
NEIGHBOURS = 10
MOST_ROWS = 500_000  # of each dataset that are read, about
SAME, ROUNDING = 0.99999, 0.999  # least cosines: what one engine gives again, and what half precision does

Floats = NDArray[np.float32]


def measure_drift(one: Dataset, other: Dataset) -> DriftDocument:
    """Compare the vectors of rows that both datasets have.

    Raises:
        Problem: they have no row in common, or a file cannot be read.
    """
    first, second = _shared(one, other)
    same_tokens = _same_tokens(first, second)
    chosen = [at for at, same in enumerate(same_tokens or ()) if same] or range(len(first))
    before, after = (np.stack([anchors[at].vector for at in chosen]) for anchors in (first, second))
    cosines = (before * after).sum(1) if before.shape[1] == after.shape[1] else None
    least = None if cosines is None else float(cosines.min())
    prints = (one.header.model_fingerprint, other.header.model_fingerprint)
    return DriftDocument(
        anchors=len(before),
        other_tokens=None if same_tokens is None else same_tokens.count(False),
        dimensions_one=before.shape[1],
        dimensions_other=after.shape[1],
        least_cosine=None if least is None else round(least, 6),
        median_cosine=None if cosines is None else round(float(np.median(cosines)), 6),
        below=None if cosines is None else round(float((cosines < ROUNDING).mean()), 6),
        centroid_shift=None
        if cosines is None
        else round(float(np.linalg.norm(before.mean(0) - after.mean(0))), 6),
        rank_overlap=round(_overlap(before, after), 6),
        same_model=None if None in prints else prints[0] == prints[1],
        verdict="other texts" if _only_texts_differ(one, other, same_tokens) else _verdict(least),
    )


def _same_tokens(first: Sequence["Anchor"], second: Sequence["Anchor"]) -> list[bool] | None:
    """Whether the model read the same tokens of each row; None: a dataset does not say what it read."""
    if any(anchor.tokens is None for anchor in (*first, *second)):
        return None
    return [before.tokens == after.tokens for before, after in zip(first, second, strict=True)]


def _only_texts_differ(one: Dataset, other: Dataset, same_tokens: Sequence[bool] | None) -> bool:
    """Whether nothing can be said of the vectors: the same model and prompt, and no row with the same tokens."""
    if same_tokens is None or any(same_tokens):
        return False
    models = [
        (found.header.model_fingerprint or found.header.model, found.header.prompt) for found in (one, other)
    ]
    return models[0] == models[1]


def _verdict(least: float | None) -> str:
    if least is None:
        return "other dimensions"
    return "same" if least >= SAME else "rounding" if least >= ROUNDING else "different"


class Anchor(NamedTuple):
    """A row that is compared."""

    vector: Floats
    tokens: object  # the hash of what the model read; None: not known


def _shared(one: Dataset, other: Dataset) -> tuple[list[Anchor], list[Anchor]]:
    """The anchors, row by row, in both."""
    first, second = smallest_hashes(one), smallest_hashes(other)
    names = sorted(first.keys() & second.keys())
    if not names:
        raise Problem(
            f"runs {one.run} and {other.run} have no row in common",
            hint="compare the vectors of two runs over one corpus, with ids as corpus.id",
        )
    return [first[name] for name in names], [second[name] for name in names]


def smallest_hashes(dataset: Dataset) -> Mapping[int, Anchor]:
    """The rows of the smallest hashes, ANCHORS of them, by hash."""
    kept: list[tuple[int, int]] = []  # a heap of (-hash, number), so that its first is the largest hash
    anchors: dict[int, Anchor] = {}
    for hashes, matrix, tokens in hashed_rows(dataset):
        for row in np.argsort(hashes, kind="stable")[: ANCHORS + 1].tolist():
            name = int(hashes[row])
            if name in anchors or (len(kept) >= ANCHORS and name >= -kept[0][0]):
                continue
            heapq.heappush(kept, (-name, name))
            anchors[name] = Anchor(matrix[row].copy(), tokens[row].as_py())
            if len(kept) > ANCHORS:
                del anchors[heapq.heappop(kept)[1]]
    return anchors


def hashed_rows(dataset: Dataset) -> Iterator[tuple[NDArray[np.uint64], Floats, Any]]:
    """Hashes and unit vectors of the rows that are read, and what the model read of each, batch by batch."""
    has_tokens = TEXT_HASH in dataset.stored.names
    columns = ["id", "chunk", "vector", *([TEXT_HASH] if has_tokens else [])]
    for batch in replace(dataset, files=_files(dataset)).batches("float32", columns):
        column: Any = batch.column("vector")
        matrix = column.flatten().to_numpy(zero_copy_only=False).reshape(-1, dataset.dimensions)
        names: list[Any] = batch.column("id").to_pylist()
        chunks: list[Any] = batch.column("chunk").to_pylist()
        hashes = np.fromiter(map(id_hash, names, chunks), np.uint64, len(names))
        tokens: Any = batch.column(TEXT_HASH) if has_tokens else pa.nulls(len(names))
        yield hashes, shorten(matrix, dataset.dimensions), tokens


def _files(dataset: Dataset) -> tuple[DatasetFile, ...]:
    """The files that are read: all of a small dataset."""
    rows = 0
    found: list[DatasetFile] = []
    for file in sorted(dataset.files, key=lambda one: one.key):
        if rows >= MOST_ROWS:
            break
        found.append(file)
        rows += file.rows
    return tuple(found)


def _overlap(before: Floats, after: Floats) -> float:
    """The mean share of the nearest anchors of an anchor that are the same in both."""
    count = min(NEIGHBOURS, len(before) - 1)
    if count < 1:
        return 1.0
    both = zip(_nearest(before, count), _nearest(after, count), strict=True)
    return float(np.mean([len(set(first) & set(second)) / count for first, second in both]))


def _nearest(vectors: Floats, count: int) -> list[list[int]]:
    scores = vectors @ vectors.T
    np.fill_diagonal(scores, -np.inf)
    return np.argsort(-scores, axis=1, kind="stable")[:, :count].tolist()
