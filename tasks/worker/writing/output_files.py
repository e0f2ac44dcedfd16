"""The files of one shard while they are written: a Parquet file of vectors, and the rows that failed."""

import json
from collections.abc import Mapping
from dataclasses import asdict
from pathlib import Path

import numpy as np
from numpy.typing import NDArray

from tasks.engines.base import Encoder, Vectors
from tasks.engines.batches.piece_hash import piece_hash
from tasks.engines.checks.isolate_failures import NOT_FINITE
from tasks.formats.rows import BadRow
from tasks.formats.vectors.vector_file import HashForm, VectorFileWriter
from tasks.protocol.manifest import Header
from tasks.worker.reading.windows import ShardCounts, Window, bad_row, output_dimensions


class OutputFiles:
    """Vectors and failed rows of one shard, in two local files.

    Attributes:
        tokens: tokens that the model read for this file, texts that were deduplicated not counted.
        failed: rows of this file's input that could not be embedded.
    """

    def __init__(
        self, header: Header, encoder: Encoder, vectors: Path, failures: Path, counts: ShardCounts
    ) -> None:
        meta = {
            "run": header.run,
            "model": header.model,
            "engine": encoder.name,
            "computed_in": encoder.dtype,
        }
        if header.model_fingerprint is not None:
            meta["model_fingerprint"] = header.model_fingerprint
        self.counts = counts
        self.vectors, self.failures = vectors, failures
        self.tokens = self.failed = 0
        self._file = VectorFileWriter(
            path=vectors,
            dimensions=output_dimensions(header, encoder),
            dtype=header.dtype,
            keep=header.keep,
            meta=meta,
            hashes=hash_form(header),
        )
        self._hashed = header.text_hash
        self._bad = failures.open("w", encoding="utf-8")
        self._closed = False

    @property
    def rows(self) -> int:
        """Vectors in this file."""
        return self._file.rows

    def add(
        self, window: Window, vectors: Vectors, faults: Mapping[int, str] | None = None, repeated: int = 0
    ) -> None:
        """Write the documents whose every vector is finite; the other documents fail.

        Args:
            window: the rows, documents and pieces that the vectors belong to.
            vectors: [pieces, dimensions].
            faults: why the engine gave no vector, by piece, where it gave a reason.
            repeated: tokens of texts that were embedded before and were not embedded again.
        """
        for row in window.bad:
            self._fail(row)
        good: NDArray[np.bool_] = np.all(np.isfinite(vectors), axis=1)
        keep = np.ones(len(vectors), bool)
        ids: list[str] = []
        chunks: list[int] = []
        row = 0
        before, tokens = self._file.rows, self.counts.tokens
        for document, count, cut in zip(window.documents, window.counts, window.cuts, strict=True):
            if good[row : row + count].all():
                ids += [document.id] * count
                chunks += range(count)
                self.counts.documents += 1
                self.counts.tokens += sum(len(piece) for piece in window.pieces[row : row + count])
                self.counts.tokens_cut += cut
            else:
                keep[row : row + count] = False
                said = (
                    next((faults[n] for n in range(row, row + count) if n in faults), None)
                    if faults
                    else None
                )
                self._fail(bad_row(document, said or NOT_FINITE, retry=True))
            row += count
        kept = [values for values, wanted in zip(window.kept, keep, strict=True) if wanted]
        hashes = (
            [piece_hash(p) for p, wanted in zip(window.pieces, keep, strict=True) if wanted]
            if self._hashed
            else ()
        )
        self._file.add(ids, chunks, vectors if keep.all() else vectors[keep], kept, hashes)
        self.counts.chunks += self._file.rows - before
        self.counts.done += window.rows
        repeated = min(repeated, self.counts.tokens - tokens)  # those that failed are not counted
        self.counts.tokens_repeated += repeated
        self.tokens += self.counts.tokens - tokens - repeated

    def close(self) -> None:
        """Finish both files."""
        if not self._closed:
            self._closed = True
            self._bad.close()
            self._file.close()

    def discard(self) -> None:
        """Delete both files."""
        self.close()
        self.vectors.unlink(missing_ok=True)
        self.failures.unlink(missing_ok=True)

    def _fail(self, row: BadRow) -> None:
        self.counts.failed += row.rows
        self.counts.cut_short += row.more
        self.failed += row.rows
        self._bad.write(json.dumps(asdict(row), ensure_ascii=True) + "\n")


def hash_form(header: Header) -> HashForm | None:
    """The form of the column `text_hash` in the files of a run; None: they have none."""
    if not header.text_hash:
        return None
    return "hex" if header.hash_as_text else "bytes"
