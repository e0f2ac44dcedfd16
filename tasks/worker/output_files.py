"""."""

import json
from collections.abc import Mapping
from dataclasses import asdict
from pathlib import Path

import numpy as np
from numpy.typing import NDArray

from tasks.engines.base import Encoder, Vectors
from tasks.formats.readers import Bad
from tasks.formats.vector_file import VectorFile
from tasks.protocol.manifest import Header
from tasks.worker.windows import ShardCounts, Window, bad_row, output_dimensions


class OutputFiles:
    """The files of one shard being written: vectors, and the rows that failed."""

    def __init__(
        self, header: Header, encoder: Encoder, vectors: Path, failures: Path, tally: ShardCounts
    ) -> None:
        meta = {
            "run": header.run,
            "model": header.model,
            "engine": encoder.name,
            "computed_in": encoder.dtype,
        }
        self.tally = tally
        self.vectors, self.failures = vectors, failures
        self.tokens = self.failed = 0  # of this file alone; of the tokens, those that the model read
        self._file = VectorFile(vectors, output_dimensions(header, encoder), header.dtype, header.keep, meta)
        self._bad = failures.open("w", encoding="utf-8")
        self._closed = False

    @property
    def rows(self) -> int:
        """Vectors in this file."""
        return self._file.rows

    def add(
        self, window: Window, vectors: Vectors, faults: Mapping[int, str] | None = None, repeated: int = 0
    ) -> None:
        """Write the documents whose every vector is a direction; the others fail.

        `vectors` is [pieces, dimensions]; `faults` says why the engine gave none, by piece, where it did say;
        `repeated` tokens are of texts that were embedded once already.
        """
        for row in window.bad:
            self._fail(row)
        good: NDArray[np.bool_] = np.all(np.isfinite(vectors), axis=1)
        keep = np.ones(len(vectors), bool)
        ids: list[str] = []
        chunks: list[int] = []
        row = 0
        before, tokens = self._file.rows, self.tally.tokens
        for document, count, cut in zip(window.documents, window.counts, window.cuts, strict=True):
            if good[row : row + count].all():
                ids += [document.id] * count
                chunks += range(count)
                self.tally.documents += 1
                self.tally.tokens += sum(len(piece) for piece in window.pieces[row : row + count])
                self.tally.tokens_cut += cut
            else:
                keep[row : row + count] = False
                said = (
                    next((faults[n] for n in range(row, row + count) if n in faults), None)
                    if faults
                    else None
                )
                self._fail(bad_row(document, said or "the engine gave no finite vector"))
            row += count
        kept = [values for values, wanted in zip(window.kept, keep, strict=True) if wanted]
        self._file.add(ids, chunks, vectors if keep.all() else vectors[keep], kept)
        self.tally.chunks += self._file.rows - before
        self.tally.done += window.rows
        repeated = min(repeated, self.tally.tokens - tokens)  # those that failed are not counted
        self.tally.tokens_repeated += repeated
        self.tokens += self.tally.tokens - tokens - repeated

    def close(self) -> None:
        """The files are complete."""
        if not self._closed:
            self._closed = True
            self._bad.close()
            self._file.close()

    def discard(self) -> None:
        """The files are gone."""
        self.close()
        self.vectors.unlink(missing_ok=True)
        self.failures.unlink(missing_ok=True)

    def _fail(self, row: Bad) -> None:
        self.tally.failed += 1
        self.failed += 1
        self._bad.write(json.dumps(asdict(row), ensure_ascii=True) + "\n")
