"""The vectors of a finished repeats run: read from its receipts once, then found by the hash of what the model reads.

The vectors are in a local file that the system maps into memory; in memory is their index.
"""

from collections.abc import Iterator, Mapping
from concurrent.futures import ThreadPoolExecutor
from contextlib import suppress
from dataclasses import dataclass, field
from functools import partial
from pathlib import Path

import numpy as np

from tasks.engines.base import Vectors
from tasks.engines.batches.piece_hash import HASH_BYTES
from tasks.protocol import documents, manifest, receipt
from tasks.protocol.keys import receipt_key
from tasks.protocol.manifest import Header
from tasks.protocol.receipt import Receipt
from tasks.protocol.retry import list_receipts
from tasks.protocol.reuse import EarlierFile
from tasks.protocol.shard import slab_name
from tasks.stores.base import Store, StoreError, read
from tasks.worker.reading.earlier_vectors import EarlierVectors
from tasks.worker.writing.scratch import writing_in

FILE_NAME = "shared-vectors.f32"
CONCURRENT_READS = 16  # a store far away answers after tens of milliseconds


@dataclass(slots=True)
class SharedVectors(Mapping[bytes, Vectors]):
    """Vectors of length 1 by the hash of their text: [dimensions] each, float32."""

    path: Path
    dimensions: int
    _places: dict[bytes, int] = field(default_factory=dict[bytes, int])
    _vectors: Vectors | None = None

    def __getitem__(self, name: bytes) -> Vectors:
        place = self._places[name]
        assert self._vectors is not None  # there is a place
        return self._vectors[place]

    def __contains__(self, name: object) -> bool:
        return name in self._places

    def __iter__(self) -> Iterator[bytes]:
        return iter(self._places)

    def __len__(self) -> int:
        return len(self._places)

    def fill(self, store: Store, header: Header, scratch: Path) -> None:
        """Copy the vectors of all receipts of this repeats run; files that are gone or damaged have none."""
        source = EarlierVectors(store, header, scratch)
        rows = 0
        with (
            writing_in(scratch, "the vectors of repeated texts"),
            self.path.open("wb") as out,
            suppress(StoreError),  # it costs an engine's time, and no run
        ):
            for file in _files(store, header):
                for hashes, vectors in source.rows(file, self.dimensions):
                    for place in range(len(vectors)):
                        name = hashes[place * HASH_BYTES : (place + 1) * HASH_BYTES]
                        self._places.setdefault(name, rows + place)
                    out.write(np.ascontiguousarray(vectors, np.float32).tobytes())
                    rows += len(vectors)
        if rows:
            self._vectors = np.memmap(self.path, np.float32, "r", shape=(rows, self.dimensions))


def _files(store: Store, header: Header) -> Iterator[EarlierFile]:
    """The files of vectors that the receipts name."""
    for number in range(manifest.slab_count(header)):
        slab = slab_name(number)
        done = list_receipts(store, header.run, slab).done
        with ThreadPoolExecutor(CONCURRENT_READS) as pool:
            for found in pool.map(partial(_receipt, store, header.run, slab), done.keys(), done.values()):
                yield from (EarlierFile(key, digest) for key, digest in (found.files if found else ()))


def _receipt(store: Store, run: str, slab: str, shard: str, retry: int) -> Receipt | None:
    """The receipt of a shard; None where it cannot be read."""
    try:
        return receipt.of_shard(read(store, receipt_key(run, slab, shard, retry)) or b"", run, shard)
    except documents.BadDocument:
        return None
