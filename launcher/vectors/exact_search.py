"""The vectors of a matrix that are nearest to a query: by faiss or usearch where one is installed, else by numpy.

The result is the same whatever is installed. A library proposes candidates by its own arithmetic in float32, with a
margin above any difference between libraries. The scores of the candidates are computed here in float64, row by row, so
that equal vectors have equal scores wherever they stand. Where a proposal could lack a row, numpy looks at all rows.
"""

# faiss and usearch are optional and have no stubs
# pyright: reportMissingImports=false, reportMissingTypeStubs=false, reportUnknownMemberType=false
# pyright: reportUnknownVariableType=false, reportUnknownArgumentType=false
from collections.abc import Callable
from functools import cache
from importlib import import_module
from typing import Any, Literal

import numpy as np
from numpy.typing import NDArray

Library = Literal["faiss", "usearch", "numpy"]
LIBRARIES: tuple[Library, ...] = ("faiss", "usearch", "numpy")  # the first that is installed is taken
# Cosines in float32 differ between libraries by the order of their sums: by less than 1e-5 for 8,192 dimensions of one
# sign, the worst case of `tests/launcher/vectors/test_exact_search.py`.
MARGIN = 1e-4
MORE = 64  # candidates beyond those asked for, so that near ties are seen as such
DIGITS = 12  # of a cosine; what differs behind them is rounding, and counts as equal
BLOCK_ROWS = 4_096  # that are scored at a time in float64

Floats = NDArray[np.float32]
Rows = NDArray[np.int64]


@cache
def installed_library() -> Library:
    """The library that proposes candidates on this machine: one that is installed and can be loaded."""
    return next(name for name in LIBRARIES if _can_be_loaded(name))


def _can_be_loaded(name: Library) -> bool:
    try:
        import_module(name)
    except ImportError:  # it is not there, or a part of it is not
        return False
    return True


def nearest_rows(
    matrix: Floats, query: Floats, k: int, library: Library | None = None
) -> tuple[Rows, NDArray[np.float64]]:
    """The `k` rows of a matrix with the largest cosine to a query, all compared, and these cosines; equal ones by row.

    Args:
        matrix: a vector a row, of any length; a row of zeros has the cosine 0.
        query: a vector that is not zero.
        k: how many; fewer where the matrix has fewer rows.
        library: what proposes candidates; None: the best that is installed.
    """
    propose = _PROPOSALS[library or installed_library()]
    rows = propose(matrix, query, k) if k < len(matrix) else np.arange(len(matrix))
    if rows is None:
        rows = _by_numpy(matrix, query, k)
    scores = np.round(_cosines(matrix, query, rows), DIGITS)
    order = np.lexsort((rows, -scores))[:k]
    return rows[order], scores[order]


def _by_numpy(matrix: Floats, query: Floats, k: int) -> Rows:
    lengths = np.linalg.norm(matrix, axis=1)
    scores = (matrix @ _unit(query)) / np.where(lengths > 0, lengths, 1)
    limit = np.partition(scores, len(scores) - k)[len(scores) - k]
    return np.flatnonzero(scores >= limit - MARGIN)


def _by_faiss(matrix: Floats, query: Floats, k: int) -> Rows | None:
    import faiss  # noqa: PLC0415 - optional

    lengths = np.linalg.norm(matrix, axis=1, keepdims=True)
    units = (matrix / np.where(lengths > 0, lengths, 1)).astype(np.float32)
    wanted = min(k + MORE, len(matrix))
    scores, rows = faiss.knn(_unit(query)[None], units, wanted, metric=faiss.METRIC_INNER_PRODUCT)
    return _certain(rows[0], scores[0], k, whole=wanted == len(matrix))


def _by_usearch(matrix: Floats, query: Floats, k: int) -> Rows | None:
    from usearch.compiled import MetricKind  # noqa: PLC0415 - optional
    from usearch.index import search  # noqa: PLC0415 - optional

    if not matrix.any(axis=1).all():
        return None  # what the cosine of a vector of zeros is, is for us to say
    wanted = min(k + MORE, len(matrix))
    found: Any = search(matrix, _unit(query), wanted, MetricKind.Cos, exact=True)
    return _certain(found.keys.astype(np.int64), 1 - found.distances, k, whole=wanted == len(matrix))


def _certain(rows: Rows, scores: Floats, k: int, *, whole: bool) -> Rows | None:
    """The proposed rows that may be among the nearest `k`; None where a row that was not proposed may be, too."""
    order = np.argsort(-scores, kind="stable")
    rows, scores = rows[order], scores[order]
    limit = scores[k - 1] - MARGIN
    if not whole and not scores[-1] < limit:
        return None
    return rows[scores >= limit]


def _cosines(matrix: Floats, query: Floats, rows: Rows) -> NDArray[np.float64]:
    """The cosine of each of these rows with the query."""
    unit = query.astype(np.float64)
    unit /= np.linalg.norm(unit)
    found = np.empty(len(rows))
    for first in range(0, len(rows), BLOCK_ROWS):
        part = slice(first, first + BLOCK_ROWS)
        block = matrix[rows[part]].astype(np.float64)
        lengths = np.sqrt((block * block).sum(axis=1))
        found[part] = (block * unit).sum(axis=1) / np.where(lengths > 0, lengths, 1)
    return found


def _unit(query: Floats) -> Floats:
    return (query / np.linalg.norm(query)).astype(np.float32)


_PROPOSALS: dict[Library, Callable[[Floats, Floats, int], Rows | None]] = {
    "faiss": _by_faiss,
    "usearch": _by_usearch,
    "numpy": _by_numpy,
}
