"""How far the vectors of two runs are apart: anchors are the rows that both have, by id and chunk.

The anchors have the smallest hashes of id and chunk, so that two runs of one corpus sample the same without having
agreed on it. Of a large dataset the files that come first by name are read: a name begins with the hash of its shard, so
that they are the same shards of both runs.
"""

# the stubs of pyarrow are generic in what a file decides
# pyright: reportUnknownMemberType=false, reportUnknownArgumentType=false, reportUnknownVariableType=false
import heapq
from collections.abc import Iterator, Mapping
from dataclasses import replace
from typing import Any

import numpy as np
from numpy.typing import NDArray

from launcher.documents.drift import DriftDocument
from launcher.errors import Problem
from launcher.evaluation.representations import shorten
from launcher.output.hashed_names import id_hash
from launcher.vectors.read_dataset import Dataset, DatasetFile

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
    before, after = _shared(one, other)
    cosines = (before * after).sum(1) if before.shape[1] == after.shape[1] else None
    least = None if cosines is None else float(cosines.min())
    prints = (one.header.model_fingerprint, other.header.model_fingerprint)
    return DriftDocument(
        anchors=len(before),
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
        verdict=_verdict(least),
    )


def _verdict(least: float | None) -> str:
    if least is None:
        return "other dimensions"
    return "same" if least >= SAME else "rounding" if least >= ROUNDING else "different"


def _shared(one: Dataset, other: Dataset) -> tuple[Floats, Floats]:
    """The vectors of the anchors, row by row, in both."""
    first, second = smallest_hashes(one), smallest_hashes(other)
    names = sorted(first.keys() & second.keys())
    if not names:
        raise Problem(
            f"runs {one.run} and {other.run} have no row in common",
            hint="compare the vectors of two runs over one corpus, with ids as corpus.id",
        )
    return np.stack([first[name] for name in names]), np.stack([second[name] for name in names])


def smallest_hashes(dataset: Dataset) -> Mapping[int, Floats]:
    """The rows of the smallest hashes, ANCHORS of them, by hash."""
    kept: list[tuple[int, int]] = []  # a heap of (-hash, number), so that its first is the largest hash
    vectors: dict[int, Floats] = {}
    for hashes, matrix in hashed_rows(dataset):
        for row in np.argsort(hashes, kind="stable")[: ANCHORS + 1].tolist():
            name = int(hashes[row])
            if name in vectors or (len(kept) >= ANCHORS and name >= -kept[0][0]):
                continue
            heapq.heappush(kept, (-name, name))
            vectors[name] = matrix[row].copy()
            if len(kept) > ANCHORS:
                del vectors[heapq.heappop(kept)[1]]
    return vectors


def hashed_rows(dataset: Dataset) -> Iterator[tuple[NDArray[np.uint64], Floats]]:
    """Hashes and unit vectors of the rows that are read, batch by batch."""
    for batch in replace(dataset, files=_files(dataset)).batches("float32", ["id", "chunk", "vector"]):
        column: Any = batch.column("vector")
        matrix = column.flatten().to_numpy(zero_copy_only=False).reshape(-1, dataset.dimensions)
        names: list[Any] = batch.column("id").to_pylist()
        chunks: list[Any] = batch.column("chunk").to_pylist()
        hashes = np.fromiter(map(id_hash, names, chunks), np.uint64, len(names))
        yield hashes, shorten(matrix, dataset.dimensions)


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
