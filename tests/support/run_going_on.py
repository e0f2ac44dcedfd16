"""A run whose shards a test commits one by one, as workers do, without embedding."""

from datetime import UTC, datetime
from pathlib import Path
from typing import Any

from launcher.loading.dataset_rows.committed import CommittedFiles, committed_files
from launcher.output.dataset import write_dataset
from tasks.protocol import manifest, receipt
from tasks.protocol.keys import receipt_key, retry_key
from tasks.protocol.receipt import Receipt
from tasks.protocol.shard import slab_name
from tasks.stores.folder import FolderStore
from tests.support.runs import header_of, shards_of
from tests.support.vector_datasets import FINGERPRINT, unit_vectors, write_vectors

NOON = datetime(2026, 3, 1, 12, tzinfo=UTC)


class GoingOn:
    """A run of some shards under `folder`, which are done one by one."""

    rows, dimensions = 20, 8  # of a shard

    def __init__(self, folder: Path, shards: int = 3, run: str = "run-1", **changes: Any) -> None:
        self.folder, self.store = folder, FolderStore(folder)
        self.header = header_of(
            "corpus", shards, run=run, model="m", **({"model_fingerprint": FINGERPRINT} | changes)
        )
        self.shards = shards_of(shards)
        self.receipts: dict[int, Receipt] = {}
        manifest.write(self.store, self.header, self.shards)

    def do(self, position: int, retry: int = 0, seed: int | None = None, without: int = 0) -> None:
        """A worker commits this shard; another seed gives other vectors of the same documents, some `without` any."""
        ids = [f"{position}-{row}" for row in range(without, self.rows)]
        vectors = unit_vectors(self.rows, self.dimensions, position if seed is None else seed)[without:]
        file = write_vectors(self.folder, f"{self.header.run}-{position}-{retry}", ids, vectors)
        one = Receipt(
            run=self.header.run, shard=self.shards[position].id, position=position, worker="w", generation=1, nonce="n",
            key=file["file"], digest=file["sha256"], output_bytes=file["bytes"], input_bytes=1, documents=self.rows,
            chunks=len(ids), tokens=1, tokens_cut=0, failed_rows=without, quarantine=None,
            started=NOON, finished=NOON, retry=retry,
        )  # fmt: skip
        self.receipts[position] = one
        slab = slab_name(0)
        assert self.store.create(receipt_key(self.header.run, slab, one.shard, retry), receipt.dump(one))

    def put_back(self, position: int) -> None:
        key = retry_key(self.header.run, slab_name(0), self.shards[position].id, 1, 1)
        assert self.store.create(key, b"{}")

    def end(self) -> None:
        write_dataset(self.store, self.header, self.receipts.values())

    def committed(self) -> CommittedFiles:
        return committed_files(str(self.folder), self.header.run)
