"""Verify a run: every receipt, file, id and vector length, and a sample of rows embedded again.

Reads the output of a shard beside its input, a batch in memory at a time, and trusts nothing but the names of files in
receipts. What grows with the run is 8 bytes a row, to find duplicate ids: 100 million rows take about 0.9 GB.
"""

# the stubs of pyarrow are generic in what a file decides
# pyright: reportUnknownMemberType=false, reportUnknownArgumentType=false, reportUnknownVariableType=false
import random
from array import array
from collections.abc import Callable, Iterable, Iterator
from contextlib import ExitStack
from dataclasses import dataclass
from hashlib import file_digest
from itertools import chain
from typing import BinaryIO

import numpy as np
import pyarrow.parquet as pq

from launcher.output.id_hashes import count_duplicates, difference
from launcher.output.reembed import SampledRow, cosines_of_reembedded
from launcher.output.shard_rows import InputRows, OutputRows, read_quarantine
from tasks.protocol import keys, manifest, receipt
from tasks.protocol.dtypes import Dtype
from tasks.protocol.manifest import Header
from tasks.protocol.receipt import Receipt
from tasks.protocol.shard import Shard
from tasks.stores.base import ObjectChanged, Store, read
from tasks.stores.open import open_store
from tasks.worker.windows import rows_of

SAMPLE_ROWS = 64  # embedded again
# Least cosine of a row embedded again. Of two vectors whose cosine is 0.999, 1.4 % of the signs differ.
LEAST_COSINE: dict[Dtype, float] = {"float32": 0.999, "float16": 0.999, "int8": 0.99, "binary": 0.9}
# Greatest difference of a length from 1: half precision rounds at 2**-11, whole numbers at 1/254 of the largest number.
LENGTH_TOLERANCE: dict[Dtype, float] = {"float32": 1e-4, "float16": 4e-3, "int8": 2e-2, "binary": 1e-4}
SHOWN_FAULTS = 20  # the others are counted


@dataclass(frozen=True, slots=True, kw_only=True)
class VerifyReport:
    """What was checked and what is wrong, as `verify --json` prints it. Without faults the run is complete and right."""

    schema: str = "embedfleet/verify/1"
    run: str
    shards: int
    shards_done: int
    documents: int
    rows: int
    failed_rows: int
    failed_shards: tuple[str, ...]  # of which nothing was embedded, with the reason
    resampled: int  # rows embedded again
    worst_cosine: float | None  # of those; None where no row was embedded again
    fault_count: int
    faults: tuple[str, ...]  # the first 20


def verify(
    store: Store, header: Header, seed: int, *, embed_again: bool, progress: Callable[[int, int], None]
) -> VerifyReport:
    """Check a whole run; `progress` is called with (shards checked, shards) after each shard.

    `seed` chooses the sample; `embed_again` is whether it is embedded again.
    """
    verification = _Verification(store, header, seed)
    for number, shard in enumerate(manifest.all_shards(store, header), 1):
        verification.check_shard(shard)
        progress(number, header.shards)
    verification.check_unique_ids()
    if embed_again:
        verification.check_sample()
    return verification.report()


class _Verification:
    """The state of a verification: counts, faults, the hashes of all ids, and the sample so far."""

    def __init__(self, store: Store, header: Header, seed: int) -> None:
        self.store, self.header = store, header
        self.corpus = open_store(header.corpus)
        self.random = random.Random(seed)  # noqa: S311 - a sample, not a secret
        self.seen = array("Q")
        self.sampled: list[SampledRow] = []
        self.shards_done = self.documents = self.rows = self.failed_rows = self.fault_count = 0
        self.failed_shards: list[str] = []
        self.faults: list[str] = []
        self.cosines: list[float] = []

    def report(self) -> VerifyReport:
        return VerifyReport(
            run=self.header.run,
            shards=self.header.shards,
            shards_done=self.shards_done,
            documents=self.documents,
            rows=self.rows,
            failed_rows=self.failed_rows,
            failed_shards=tuple(self.failed_shards),
            resampled=len(self.cosines),
            worst_cosine=float(np.min(self.cosines)) if self.cosines else None,  # NaN when one of them is
            fault_count=self.fault_count,
            faults=tuple(self.faults),
        )

    def add_fault(self, text: str) -> None:
        self.fault_count += 1
        if len(self.faults) < SHOWN_FAULTS:
            self.faults.append(text)

    def check_shard(self, shard: Shard) -> None:
        """Check the receipt of a shard, the files that it names, and their rows beside those of the input."""
        done = self._receipt(shard)
        if done is None:
            return
        self.shards_done += 1
        if done.fault is not None:
            self.failed_shards.append(f"shard {done.position}: {done.fault}")
        with ExitStack() as open_files:
            files = self._open_files(done, open_files)
            if files:
                places = self._sample_places(sum(file.metadata.num_rows for file in files))
                tolerance = LENGTH_TOLERANCE[self.header.dtype]
                output = OutputRows(
                    shard=shard,
                    tolerance=tolerance,
                    seen=self.seen,
                    sample_places=places,
                    sampled=self.sampled,
                )
                documents = chain.from_iterable(output.documents(file) for file in files)
                self._check_rows(done, shard, output, documents)

    def check_unique_ids(self) -> None:
        """Check that no (id, chunk) occurs twice in the run."""
        duplicates = count_duplicates(self.seen)
        if duplicates:
            self.add_fault(f"{duplicates:,} rows have an id that another row has, too: is corpus.id unique?")

    def check_sample(self) -> None:
        """Embed the sampled rows again and check that their vectors are alike."""
        if not self.sampled:
            return
        least = LEAST_COSINE[self.header.dtype]
        if self.header.dtype == "binary":
            least -= 2 / self.sampled[0].vector.size  # of few signs, one that differs is a large share
        for row, cosine in cosines_of_reembedded(self.header, self.corpus, self.sampled):
            if cosine is None:
                self.add_fault(f"{row.id!r} has chunk {row.chunk}, but its text has no such chunk")
                continue
            self.cosines.append(cosine)
            if not cosine >= least:
                self.add_fault(f"{row.id!r} chunk {row.chunk}: embedded again, its cosine is {cosine:.4f}")

    def _receipt(self, shard: Shard) -> Receipt | None:
        body = read(self.store, keys.receipt_key(self.header.run, shard.slab, shard.id))
        if body is None:
            self.add_fault(f"shard {shard.position} ({shard.id}) has no receipt")
            return None
        try:
            return receipt.load(body)
        except (ValueError, TypeError, KeyError) as error:
            self.add_fault(f"shard {shard.position}: its receipt cannot be read: {error}")
            return None

    def _open_files(self, done: Receipt, open_files: ExitStack) -> list[pq.ParquetFile]:
        """Open the files of a receipt in order; none of them where the bytes of one are not those of the receipt."""
        if not done.files and done.fault is None:
            self.add_fault(
                f"shard {done.position}: its receipt names neither vectors nor a reason why there are none"
            )
        files: list[pq.ParquetFile] = []
        for key, digest in done.files:
            stream = self.store.get(key)
            if stream is None:
                self.add_fault(f"shard {done.position}: {key} is missing")
                return []
            open_files.enter_context(stream)
            if _sha256(stream) != digest:
                self.add_fault(
                    f"shard {done.position}: {key} is not the file that its receipt names (SHA-256)"
                )
                return []
            stream.seek(0)
            files.append(
                open_files.enter_context(pq.ParquetFile(stream, pre_buffer=False, buffer_size=2**20))
            )
        return files

    def _sample_places(self, rows: int) -> list[int]:
        """Choose a few rows of a shard, in order, so that the sample is spread over the run and read in one pass."""
        shards = self.header.shards
        if shards > SAMPLE_ROWS and self.random.random() > SAMPLE_ROWS / shards:
            return []
        return sorted(self.random.sample(range(rows), min(max(1, -(-SAMPLE_ROWS // shards)), rows)))

    def _check_rows(self, done: Receipt, shard: Shard, output: OutputRows, documents: Iterator[str]) -> None:
        """Check that every row of the input is in the output or in quarantine, once and in order, and no other row is."""
        quarantine = read_quarantine(self.store, done)
        source = InputRows(quarantine)
        try:
            found = difference(source.expected(rows_of(self.header, self.corpus, shard)), documents)
        except ObjectChanged as changed:  # after it was embedded
            self.add_fault(f"shard {done.position}: {changed}")
            return
        for fault in _row_faults(done, output, source, quarantine.rows):
            self.add_fault(f"shard {done.position}: {fault}")
        if found:
            self.add_fault(f"shard {done.position}: {found}")
        self.documents += source.documents
        self.rows += output.rows
        self.failed_rows += done.failed_rows


def _row_faults(done: Receipt, output: OutputRows, source: InputRows, quarantined: int) -> Iterable[str]:
    """Compare the counts of a receipt with those of the rows."""
    if output.rows != done.chunks:
        yield f"{output.rows:,} rows, but its receipt says {done.chunks:,}"
    if output.bad_lengths:
        yield f"{output.bad_lengths:,} vectors are not of length 1"
    if output.chunk_gap:
        yield output.chunk_gap
    if quarantined != done.failed_rows:
        yield f"{quarantined} rows in quarantine, but its receipt says {done.failed_rows}"
    elif source.failed != done.failed_rows:
        yield f"{source.failed} rows of the input are bad, but its receipt says {done.failed_rows}"


def _sha256(stream: BinaryIO) -> str:
    return file_digest(stream, "sha256").hexdigest()  # pyright: ignore[reportArgumentType]  # it reads, that is enough
