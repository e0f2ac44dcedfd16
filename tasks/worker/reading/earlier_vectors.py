"""Vectors that earlier runs made of texts that have not changed, for the shard that a worker is about to embed.

A vector is found by the hash of what the model reads (`tasks.engines.batches.piece_hash`), in files that the launcher
names (`tasks.protocol.reuse`), of runs with the same model and prompt. Whatever is not as it should be (a file that
is gone, that has another digest or model, a vector that is not of length 1 or would not be stored to the same bytes)
is not used: that text is embedded again.
"""

# the stubs of pyarrow are generic in what a file decides
# pyright: reportUnknownMemberType=false, reportUnknownArgumentType=false, reportUnknownVariableType=false
import hashlib
from collections.abc import Iterator, Mapping
from dataclasses import dataclass, field
from pathlib import Path
from typing import Any
from uuid import uuid4

import numpy as np
import pyarrow as pa
from numpy.typing import NDArray

from tasks.engines.base import Vectors
from tasks.engines.batches.piece_hash import HASH_BYTES
from tasks.formats.parquet.checked_table import CheckedTable
from tasks.formats.vectors.quantize import dequantize, quantize, stored_matrix
from tasks.formats.vectors.vector_file import TEXT_HASH
from tasks.protocol.manifest import Header
from tasks.protocol.reuse import EarlierFile, read_reuse
from tasks.protocol.shard import Shard
from tasks.stores.base import Store, StoreError

MOST_BYTES = 2**27  # of vectors in memory, for one shard
BATCH_BYTES = 2**24  # of vectors read at once
COPY_BYTES = 2**20
LENGTH_TOLERANCE = 2e-2  # of a vector from length 1: as `verify` allows int8


@dataclass(slots=True)
class EarlierVectors:
    """Reads vectors of earlier runs from the output's store; `scratch` is a local folder."""

    store: Store
    header: Header
    scratch: Path
    _slabs: dict[str, Mapping[str, tuple[EarlierFile, ...]]] = field(
        default_factory=dict[str, Mapping[str, tuple[EarlierFile, ...]]]
    )

    def of_shard(self, shard: Shard, dimensions: int) -> dict[bytes, Vectors]:
        """The vectors by the hash of their text; empty where the shard has none."""
        if not (self.header.reuse and self.header.text_hash):
            return {}
        found: dict[bytes, Vectors] = {}
        try:
            for file in self._files(shard):
                for hashes, vectors in self.rows(file, dimensions):
                    for place in range(len(vectors)):
                        name = hashes[place * HASH_BYTES : (place + 1) * HASH_BYTES]
                        found.setdefault(name, vectors[place])
                    if len(found) * dimensions * 4 > MOST_BYTES:
                        return found
        except StoreError:  # it costs an engine's time, and no run
            return found
        return found

    def _files(self, shard: Shard) -> tuple[EarlierFile, ...]:
        if shard.slab not in self._slabs:
            self._slabs = {shard.slab: read_reuse(self.store, self.header.run, shard.slab)}
        return self._slabs[shard.slab].get(shard.id, ())

    def rows(self, file: EarlierFile, dimensions: int) -> Iterator[tuple[bytes, Vectors]]:
        """The usable rows of a file, a batch at a time: their hashes one after another, and their vectors.

        A file that is gone, damaged or of another model has none.

        Raises:
            StoreError: the store does not give it.
        """
        local = self.scratch / f"earlier-{uuid4().hex}.parquet"
        try:
            if self._fetch(file, local):
                with local.open("rb") as stream, CheckedTable(stream) as opened:
                    if self._fits(opened.schema, dimensions):
                        yield from self._batches(opened, dimensions)
        except (pa.ArrowException, OSError, ValueError, KeyError):
            return
        finally:
            local.unlink(missing_ok=True)

    def _fetch(self, file: EarlierFile, local: Path) -> bool:
        """Copy the file here; False where it is gone or has other bytes than its receipt says."""
        stream = self.store.get(file.key)
        if stream is None:
            return False
        digest = hashlib.sha256()
        with stream, local.open("wb") as out:
            while block := stream.read(COPY_BYTES):
                digest.update(block)
                out.write(block)
        return digest.hexdigest() == file.digest

    def _fits(self, schema: pa.Schema, dimensions: int) -> bool:
        """Whether the file is of this model, this type and these dimensions, and has hashes."""
        said = schema.metadata or {}
        expected = {
            b"embedfleet.model": self.header.model,
            b"embedfleet.dtype": self.header.dtype,
            b"embedfleet.dimensions": str(dimensions),
            b"embedfleet.model_fingerprint": self.header.model_fingerprint or "",
        }
        return TEXT_HASH in schema.names and all(
            said.get(name, b"").decode() == value for name, value in expected.items()
        )

    def _batches(self, opened: CheckedTable, dimensions: int) -> Iterator[tuple[bytes, Vectors]]:
        columns = [name for name in ("vector", "scale", TEXT_HASH) if name in opened.schema.names]
        rows = max(1, BATCH_BYTES // (4 * dimensions))
        for batch in opened.batches(rows, columns):
            table = pa.Table.from_batches([batch]).replace_schema_metadata(opened.schema.metadata)
            vectors = dequantize(table)
            good = self._same_when_stored(table, vectors)
            names: list[Any] = table.column(TEXT_HASH).to_pylist()
            yield b"".join(_name(n) for n, wanted in zip(names, good, strict=True) if wanted), vectors[good]

    def _same_when_stored(self, table: pa.Table, vectors: Vectors) -> NDArray[np.bool_]:
        """Which rows are unit vectors that are stored to the very bytes that they were read from."""
        again, scales = quantize(vectors, self.header.dtype)
        same: NDArray[np.bool_] = np.all(again == stored_matrix(table), axis=1)
        if scales is not None:
            column: Any = table.column("scale")
            same &= scales == np.asarray(column, np.float32)
        return same & (np.abs(np.linalg.norm(vectors, axis=1) - 1) <= LENGTH_TOLERANCE)


def _name(stored: str | bytes) -> bytes:
    """The hash of a text, from the column of a file of this version or of an earlier one.

    Raises:
        ValueError: the column holds no hash.
    """
    name = bytes.fromhex(stored) if isinstance(stored, str) else stored
    if len(name) != HASH_BYTES:
        raise ValueError(f"{stored!r} is no hash of a text")
    return name
