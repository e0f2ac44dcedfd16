"""What a sample of vectors looks like: their lengths, what is not a number, dimensions that say nothing, duplicates.

Also a map of them: the two directions in which they differ most (principal components).
"""

import contextlib
from collections.abc import Iterable, Mapping
from dataclasses import replace
from pathlib import Path
from typing import Any

import numpy as np
from numpy.typing import NDArray

from launcher.errors import Problem
from launcher.output.vector_sample import SampledVectors, sample_vectors
from launcher.reports.document import MapPoint, VectorHealth
from tasks.formats.rows import Document
from tasks.protocol import manifest
from tasks.protocol.receipt import Receipt
from tasks.stores.base import Store
from tasks.stores.open import open_store
from tasks.worker.reading.input_rows import rows_of

CONSTANT_SHARE = 0.01  # of the median spread of dimensions; one that varies less is called constant
MAP_POINTS = 400  # that a person can still tell apart
TEXT_LETTERS = 160  # of a document, shown at its point
TEXT_SHARDS = 12  # whose documents are read again for that


def look_at_vectors(store: Store, run: str, receipts: Iterable[Receipt]) -> VectorHealth | None:
    """The figures of a sample of a run's vectors, with texts where the corpus is a folder of this machine.

    None where there are no vectors yet, or they cannot be read: a report does without them.
    """
    try:
        found = sample_vectors(store, receipts)
    except Problem:
        return None
    if found is None:
        return None
    health = vector_health(found)
    shards = {found.ids[i]: found.shards[i] for i in range(len(found.ids))}
    texts: Mapping[str, str] = {}
    with contextlib.suppress(Problem, OSError):
        texts = _local_texts(store, run, {point.id: shards[point.id] for point in health.map})
    return replace(health, map=tuple(replace(point, text=texts.get(point.id)) for point in health.map))


def _local_texts(store: Store, run: str, shards: Mapping[str, str]) -> Mapping[str, str]:
    """The beginnings of documents, by id, read again from a corpus on this machine; `shards` has the shard of each.

    An id that two documents of these shards have is left out.
    """
    header = manifest.read_header(store, run)
    if "://" in header.corpus or not Path(header.corpus).is_dir():
        return {}
    wanted = set(list(dict.fromkeys(shards.values()))[:TEXT_SHARDS])
    corpus, found, twice = open_store(header.corpus), dict[str, str](), set[str]()
    for shard in (shard for shard in manifest.all_shards(store, header) if shard.id in wanted):
        for row in rows_of(header, corpus, shard):
            if isinstance(row, Document) and row.id in shards:
                twice |= {row.id} & found.keys()
                found[row.id] = " ".join(row.text[: 2 * TEXT_LETTERS].split())[:TEXT_LETTERS]
    return {name: text for name, text in found.items() if name not in twice}


def vector_health(found: SampledVectors) -> VectorHealth:
    """The figures of a sample."""
    vectors = found.vectors
    finite = np.asarray(np.isfinite(vectors).all(1))
    good = vectors[finite]
    lengths = np.linalg.norm(good, axis=1) if len(good) else np.zeros(1, np.float32)
    points, explained = _map(found, finite)
    return VectorHealth(
        sampled=len(vectors),
        total=found.total,
        dimensions=int(vectors.shape[1]),
        length_least=_rounded(lengths.min()),
        length_median=_rounded(np.median(lengths)),
        length_most=_rounded(lengths.max()),
        not_finite=int((~finite).sum()),
        zero=int((lengths == 0).sum()) if len(good) else 0,
        constant_dimensions=_constant_dimensions(good),
        duplicates=len(good) - len(np.unique(good, axis=0)) if len(good) else 0,
        mean_cosine=_mean_cosine(good, lengths),
        explained=explained,
        map=points,
    )


def project(vectors: NDArray[np.float32]) -> tuple[NDArray[np.float64], float]:
    """The first two principal components of vectors [rows, dimensions]: [rows, 2], and their share of the variance.

    Each component points so that its largest number is positive: the same vectors give the same map.
    """
    centred = np.asarray(vectors, np.float64) - np.mean(vectors, axis=0, dtype=np.float64)
    left, singular, _ = np.linalg.svd(centred, full_matrices=False)
    places = np.zeros((len(vectors), 2))
    known = min(2, len(singular))
    places[:, :known] = left[:, :known] * singular[:known]
    places *= np.sign(places[np.abs(places).argmax(0), (0, 1)] + 0.0) + (places == 0).all(0)
    variance = float((singular**2).sum())
    return places, float((singular[:2] ** 2).sum() / variance) if variance else 0.0


def _map(found: SampledVectors, finite: NDArray[np.bool_]) -> tuple[tuple[MapPoint, ...], float | None]:
    rows = np.flatnonzero(finite)
    if len(rows) < 3:
        return (), None
    chosen: NDArray[np.intp] = rows[
        np.unique(np.linspace(0, len(rows) - 1, min(MAP_POINTS, len(rows))).astype(int))
    ]
    try:
        places, explained = project(found.vectors[chosen])
    except np.linalg.LinAlgError:  # it did not converge
        return (), None
    widest = float(np.abs(places).max()) or 1.0
    points = tuple(
        MapPoint(id=found.ids[row], chunk=found.chunks[row], x=_rounded(x / widest), y=_rounded(y / widest))
        for row, (x, y) in zip(map(int, chosen), places, strict=True)
    )
    return points, _rounded(explained)


def _constant_dimensions(vectors: NDArray[np.float32]) -> int:
    """Dimensions that hardly vary; of fewer than three vectors none can be told."""
    if len(vectors) < 3:
        return 0
    spread = vectors.std(axis=0, dtype=np.float64)
    return int((spread <= CONSTANT_SHARE * np.median(spread)).sum())


def _mean_cosine(vectors: NDArray[np.float32], lengths: NDArray[Any]) -> float | None:
    """The mean cosine of two different vectors of the sample."""
    unit = vectors[lengths > 0] / lengths[lengths > 0, None] if len(vectors) else vectors
    n = len(unit)
    if n < 2:
        return None
    total = unit.sum(0, dtype=np.float64)
    return _rounded((float(total @ total) - n) / (n * (n - 1)))


def _rounded(value: float | np.floating[Any]) -> float:
    return round(float(value), 4) + 0.0
