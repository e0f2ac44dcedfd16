"""Verify a run: every receipt, file, id and vector length, what readers read, and a sample of rows embedded again.

Reads the output of a shard beside its input, a batch in memory at a time, and trusts nothing but the names of files in
receipts. Shards that were taken over from earlier runs are checked like the run's own. What grows with the run is 8
bytes a row, to find duplicate ids, and 16 bytes a file: 100 million rows take about 0.9 GB.

Beside it: `plan_check` compares the manifest with the ledger, `dataset_check` the dataset manifest with the receipts,
`input_balance` the rows that were read with another count of them.
"""

# the stubs of pyarrow are generic in what a file decides
# pyright: reportUnknownMemberType=false, reportUnknownArgumentType=false, reportUnknownVariableType=false
import random
from array import array
from collections.abc import Callable, Iterable, Iterator
from contextlib import ExitStack, closing
from itertools import chain

import numpy as np

from launcher.format import plural, verb
from launcher.output.id_hashes import count_duplicates, difference
from launcher.output.taken_over import SAME_AS_EARLIER, TakenOver, taken_over
from launcher.output.verification.dataset_check import DatasetCheck
from launcher.output.verification.half_precision import computed_in_half
from launcher.output.verification.input_balance import InputBalance
from launcher.output.verification.plan_check import PlannedRun, header_faults, shard_fault
from launcher.output.verification.reembed import SampledRow, cosines_of_reembedded
from launcher.output.verification.repeated_ids import REPEATED_IDS, describe, some_repeated
from launcher.output.verification.shard_files import UNREADABLE, ReceiptReader, open_vectors
from launcher.output.verification.shard_rows import InputRows, OutputRows, read_quarantine
from launcher.output.verification.verify_report import VerifyReport
from tasks.errors import Problem
from tasks.formats.parquet.checked_table import CheckedTable
from tasks.models.fingerprint import ModelChanged
from tasks.protocol import documents, keys, manifest
from tasks.protocol.dtypes import Dtype
from tasks.protocol.manifest import Header
from tasks.protocol.receipt import Receipt
from tasks.protocol.shard import Shard
from tasks.stores.base import ObjectChanged, Store, list_all
from tasks.stores.open import open_store
from tasks.worker.reading.input_rows import rows_of

SAMPLE_ROWS = 64  # embedded again
# Least cosine of a row embedded again. Of two vectors whose cosine is 0.999, 1.4 % of the signs differ.
LEAST_COSINE: dict[Dtype, float] = {"float32": 0.999, "float16": 0.999, "int8": 0.99, "binary": 0.9}
# Of a run in half precision, because the second opinion is computed in float32: random 24-layer BERTs in bfloat16 gave
# 0.9996 and more, a 28-layer decoder 0.9998, and with weights 2.5 times as large 0.995.
LEAST_COSINE_OF_HALF = 0.99
# Of a run in fp8. MiniLM in emulated fp8 gave 0.994 and more on 500 texts; the margin for other models is a judgement.
LEAST_COSINE_OF_FP8 = 0.95
# Greatest difference of a length from 1: half precision rounds at 2**-11, whole numbers at 1/254 of the largest number.
LENGTH_TOLERANCE: dict[Dtype, float] = {"float32": 1e-4, "float16": 4e-3, "int8": 2e-2, "binary": 1e-4}
SHOWN_FAULTS = 20  # the others are counted


def verify(
    store: Store,
    header: Header,
    seed: int,
    *,
    embed_again: bool,
    progress: Callable[[int, int], None],
    planned: PlannedRun | None = None,
) -> VerifyReport:
    """Check a whole run; `progress` is called with (shards checked, shards) after each shard.

    `seed` chooses the sample; `embed_again` is whether it is embedded again. `planned` is what the ledger knows.
    """
    with closing(DatasetCheck(store, header)) as dataset:
        finished = planned is None or planned.finished
        verification = _Verification(store, header, seed, dataset, finished=finished)
        total = header.shards + verification.count_taken_over()
        for checked, (embedded_by, shard) in enumerate(verification.shards(planned), 1):
            verification.check_shard(embedded_by, shard)
            progress(checked, max(total, checked))
        verification.check_whole_run(finished=planned is not None and planned.finished)
        if embed_again:
            verification.check_sample()
        return verification.report()


class _Verification:
    """The state of a verification: counts, faults, the hashes of all ids, and the sample so far."""

    def __init__(
        self, store: Store, header: Header, seed: int, dataset: DatasetCheck, *, finished: bool
    ) -> None:
        self.store, self.header = store, header
        self.finished = finished  # so that a shard without a receipt is a fault
        self.corpus = open_store(header.corpus)
        self.random = random.Random(seed)  # noqa: S311 - a sample, not a secret
        self.seen = array("Q")
        self.sampled: list[SampledRow] = []
        self.balance = InputBalance(self.corpus)
        self.dataset = dataset
        self.receipts = ReceiptReader(store)
        self.earlier: list[TakenOver] = []
        self.shards_done = self.documents = self.rows = self.failed_rows = self.fault_count = 0
        self.whose = ""  # begins the faults of an earlier run
        self.complete = True  # every shard has a receipt
        self.failed_shards: list[str] = []
        self.faults: list[str] = []
        self.notes: list[str] = []
        self.cosines: list[float] = []
        self.compared_with: str | None = None

    def report(self) -> VerifyReport:
        notes = self.notes[:SHOWN_FAULTS]
        if len(self.notes) > SHOWN_FAULTS:
            notes.append(f"and {len(self.notes) - SHOWN_FAULTS:,} more notes")
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
            shards_taken_over=sum(len(one.shards) for one in self.earlier),
            input_rows=None if self.balance.uncounted else self.balance.rows,
            compared_with=self.compared_with,
            model_fingerprint=self.header.model_fingerprint,
            notes=tuple(notes),
            finished=self.finished or self.complete,
        )

    def add_fault(self, text: str) -> None:
        self.fault_count += 1
        if len(self.faults) < SHOWN_FAULTS:
            self.faults.append(self.whose + text)

    def count_taken_over(self) -> int:
        """Read which shards of earlier runs belong to this one; how many they are."""
        try:
            self.earlier = list(taken_over(self.store, self.header.run))
        except Problem as problem:  # a BadDocument and a RunNotFound are among these
            self.add_fault(f"what was taken over from earlier runs cannot be checked: {problem}")
        for one in self.earlier:
            self._check_model_of(one.header)
        return sum(len(one.shards) for one in self.earlier)

    def shards(self, planned: PlannedRun | None) -> Iterator[tuple[Header, Shard]]:
        """The shards of the dataset, each with the header of the run that embedded it: earlier runs come first."""
        for one in self.earlier:
            self.whose = f"run {one.header.run}, "
            for shard in one.shards:
                yield one.header, shard
            self.balance.close(one.header)
        self.whose = ""
        if planned:
            self._add_faults(header_faults(self.header, planned))
        count = 0
        for shard in self._shards_of_manifest():
            if planned and (fault := shard_fault(shard, planned)):
                self.add_fault(fault)
            count += 1
            yield self.header, shard
        self.balance.close(self.header)
        slabs = sum(1 for _ in list_all(self.store, keys.manifest_slabs_prefix(self.header.run)))
        if slabs != manifest.slab_count(self.header):
            self.add_fault(
                f"the manifest has {plural(slabs, 'slab')} of shards, and its header "
                f"says {manifest.slab_count(self.header):,}"
            )
        if planned and len(planned.shards) > count:
            self.add_fault(
                f"the manifest holds {plural(count, 'shard')}, and the ledger {len(planned.shards):,}"
            )

    def _shards_of_manifest(self) -> Iterator[Shard]:
        """The run's own shards; where the manifest is damaged, those before the damage."""
        try:
            yield from manifest.all_shards(self.store, self.header)
        except (documents.BadDocument, manifest.RunNotFound) as damage:
            self.complete = False
            self.add_fault(f"the manifest is damaged: {damage}")

    def check_shard(self, header: Header, shard: Shard) -> None:
        """Check the receipt of a shard, the files that it names, and their rows beside those of the input.

        `header` is of the run that embedded it.
        """
        done = self.receipts.read(header, shard)
        if isinstance(done, str):
            if self.finished or header.run != self.header.run or not self.receipts.is_open(header, shard):
                self.add_fault(done)
            self.complete = False
            self.balance.begin(header, shard, unread=True)
            return
        self.dataset.expect([done])
        self.shards_done += header.run == self.header.run
        if done.fault is not None:
            self.failed_shards.append(f"shard {done.position}: {done.fault}")
        with ExitStack() as open_files:
            files = self._open(done, open_files)
            self.balance.begin(header, shard, unread=not files)
            if files:
                places = self._sample_places(sum(file.rows for file in files))
                output = OutputRows(
                    shard=shard,
                    tolerance=LENGTH_TOLERANCE[self.header.dtype],
                    seen=self.seen,
                    sample_places=places,
                    sampled=self.sampled,
                )
                documents = chain.from_iterable(output.documents(file) for file in files)
                self._check_rows(header, done, shard, output, documents)

    def check_whole_run(self, *, finished: bool) -> None:
        """Check what only the whole run shows: ids, the dataset manifest, and the balance of its rows."""
        duplicates = count_duplicates(self.seen)
        if duplicates:
            shards = chain(
                ((one.header, shard) for one in self.earlier for shard in one.shards),
                ((self.header, shard) for shard in self._shards_of_manifest()),
            )
            examples = describe(self.store, shards, some_repeated(self.seen))
            such = f", such as {examples}" if examples else ""
            self.add_fault(
                f"{plural(duplicates, 'row')} {verb(duplicates, 'has', 'have')} {REPEATED_IDS}{such}"
            )
        if self.finished or self.complete:  # of a run that goes on the list is an older one, or not there yet
            self._add_faults(self.dataset.faults(finished=finished and self.complete))
        self._add_faults(self.balance.faults)
        self.notes += self.balance.notes
        if self.balance.uncounted:
            self.notes.append(
                f"{plural(self.balance.uncounted, 'file')} not counted a second time: "
                "they are damaged, not read as a whole, or of a format that has no other counter"
            )

    def check_sample(self) -> None:
        """Embed the sampled rows again and check that their vectors are alike."""
        if not self.sampled:
            return
        try:
            again = cosines_of_reembedded(self.header, self.corpus, self.sampled)
        except ModelChanged as changed:
            self.add_fault(f"no vector can be compared: {changed}")
            return
        self.compared_with = again.way
        if again.note:
            self.notes.append(again.note)
        least = self._least_cosine([cosine for _, cosine in again.cosines if cosine is not None])
        for row, cosine in again.cosines:
            if cosine is None:
                self.add_fault(f"{row.id!r} has chunk {row.chunk}, but its text has no such chunk")
                continue
            self.cosines.append(cosine)
            if not cosine >= least:
                self.add_fault(f"{row.id!r} chunk {row.chunk}: embedded again, its cosine is {cosine:.4f}")

    def _least_cosine(self, found: list[float]) -> float:
        """The cosine that a row must have; heartbeats are asked for only where that decides."""
        least = LEAST_COSINE[self.header.dtype]
        if self.header.dtype == "binary":
            least -= 2 / self.sampled[0].vector.size  # of few signs, one that differs is a large share
        if self.header.precision == "fp8":
            return min(least, LEAST_COSINE_OF_FP8)
        runs = (self.header.run, *(one.header.run for one in self.earlier))
        decides = any(LEAST_COSINE_OF_HALF <= cosine < least for cosine in found)
        if decides and computed_in_half(self.store, runs):
            return LEAST_COSINE_OF_HALF
        return least

    def _add_faults(self, texts: Iterable[str]) -> None:
        for text in texts:
            self.add_fault(text)

    def _check_model_of(self, earlier: Header) -> None:
        """Check that an earlier run had the same model and the same settings."""
        for name in SAME_AS_EARLIER:
            ours, theirs = getattr(self.header, name), getattr(earlier, name)
            if ours == theirs:
                continue
            if name == "model_fingerprint" and theirs is None:
                self.notes.append(
                    f"run {earlier.run}, whose shards were taken over, did not record which weights its model had"
                )
                continue
            self.add_fault(
                f"shards were taken over from run {earlier.run}, whose {name} is {theirs}, and this run's is {ours}"
            )

    def _open(self, done: Receipt, open_files: ExitStack) -> list[CheckedTable]:
        """The files of a receipt; none of them where one is not as the receipt says."""
        if not done.files and done.fault is None:
            self.add_fault(
                f"shard {done.position}: its receipt names neither vectors nor a reason why there are none"
            )
        opened = open_vectors(self.store, done, open_files)
        if isinstance(opened, str):
            self.add_fault(f"shard {done.position}: {opened}")
            return []
        return opened

    def _sample_places(self, rows: int) -> list[int]:
        """Choose a few rows of a shard, in order, so that the sample is spread over the run and read in one pass."""
        shards = self.header.shards + sum(len(one.shards) for one in self.earlier)
        if shards > SAMPLE_ROWS and self.random.random() > SAMPLE_ROWS / shards:
            return []
        return sorted(self.random.sample(range(rows), min(max(1, -(-SAMPLE_ROWS // shards)), rows)))

    def _check_rows(
        self, header: Header, done: Receipt, shard: Shard, output: OutputRows, documents: Iterator[str]
    ) -> None:
        """Check that every row of the input is in the output or in quarantine, once and in order, and no other row is."""
        quarantine = read_quarantine(self.store, done)
        source = InputRows(quarantine)
        rows = self.balance.watch(rows_of(header, self.corpus, shard))
        try:
            found = difference(source.expected(rows), documents)
        except ObjectChanged as changed:  # after it was embedded
            self.balance.unread(shard)
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
    if output.unreadable:
        yield f"its file of vectors {UNREADABLE} from row {output.rows:,} on: {output.unreadable}"
    if output.rows != done.chunks:
        yield f"{plural(output.rows, 'row')}, but its receipt says {done.chunks:,}"
    if output.bad_lengths:
        yield f"{plural(output.bad_lengths, 'vector')} not of length 1"
    if output.chunk_gap:
        yield output.chunk_gap
    if quarantined != done.failed_rows:
        yield f"{plural(quarantined, 'row')} in quarantine, but its receipt says {done.failed_rows}"
    elif source.failed != done.failed_rows:
        yield f"{plural(source.failed, 'bad row')} in the input, but its receipt says {done.failed_rows}{_why(source)}"


def _why(source: InputRows) -> str:
    """The first bad row that is not in quarantine: a worker did not see it, or a version before took it for good."""
    row = source.unlisted
    return "" if row is None else f"; not in quarantine: {row.file} at {row.position:,}, {row.reason}"
