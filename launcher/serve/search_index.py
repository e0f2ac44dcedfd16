"""Exact search over the vectors of a run: in memory where they fit, else file by file as `embedfleet search` does."""

# the stubs of pyarrow are generic in what a file decides
# pyright: reportUnknownMemberType=false, reportUnknownArgumentType=false, reportUnknownVariableType=false
import threading
from dataclasses import dataclass, field
from typing import Any

import numpy as np
import pyarrow as pa
from numpy.typing import NDArray

from launcher.vectors.read_dataset import Dataset
from launcher.vectors.search import OWN_COLUMNS, Hit, nearest

Floats = NDArray[np.float32]
MEMORY_BYTES = 2**30  # of the vectors of a run as float32


@dataclass(slots=True)
class SearchIndex:
    """Searches one dataset. The vectors are loaded at the first search; safe to use from several threads."""

    dataset: Dataset
    memory_bytes: int = MEMORY_BYTES
    _matrix: Floats | None = None
    _columns: pa.Table | None = None
    _lock: threading.Lock = field(default_factory=threading.Lock)

    def search(self, query: Floats, k: int) -> tuple[Hit, ...]:
        """The `k` rows nearest to a unit vector, best first; equal ones in the order of the corpus.

        Raises:
            Problem: a file of the dataset cannot be read.
        """
        if self.dataset.rows * self.dataset.dimensions * 4 > self.memory_bytes:
            return nearest(self.dataset, query, k)
        matrix, columns = self._load()
        scores = matrix @ query
        least = scores.min() if len(scores) <= k else np.partition(scores, len(scores) - k)[len(scores) - k]
        rows = np.flatnonzero(scores >= least)
        rows = rows[np.lexsort((rows, -scores[rows]))][:k]
        kept = [name for name in columns.schema.names if name not in OWN_COLUMNS]
        header = self.dataset.header
        text = header.text if header.text in header.keep else None  # no corpus is read for an answer
        found: list[dict[str, Any]] = columns.take(rows).to_pylist()
        return tuple(
            Hit(
                rank=place,
                score=round(float(scores[row]), 6),
                id=values["id"],
                chunk=values["chunk"],
                kept={name: values[name] for name in kept},
                text=None if text is None else values[text],
            )
            for place, (row, values) in enumerate(zip(rows.tolist(), found, strict=True), 1)
        )

    def _load(self) -> tuple[Floats, pa.Table]:
        with self._lock:
            if self._matrix is None or self._columns is None:
                matrix = np.empty((self.dataset.rows, self.dataset.dimensions), np.float32)
                parts: list[pa.RecordBatch] = []
                start = 0
                for batch in self.dataset.batches("float32"):
                    column: Any = batch.column("vector")
                    part = (
                        column.flatten().to_numpy(zero_copy_only=False).reshape(-1, self.dataset.dimensions)
                    )
                    lengths = np.linalg.norm(part, axis=1, keepdims=True)
                    end = start + len(part)
                    matrix[start:end] = part / np.where(lengths > 0, lengths, np.float32(1))
                    start = end
                    parts.append(batch.drop_columns(["vector"]))
                self._columns = pa.Table.from_batches(parts)
                self._matrix = matrix
            return self._matrix, self._columns
