"""Prove a run: every receipt, every file, every id, every norm, and a sample embedded again.

Walks the output of a shard beside its input, a batch in memory at a time; trusts nothing but the receipts' names of
files. What grows with the run is 8 bytes a row, to find doubles: 100 million rows take about 0.9 GB.
"""

# the stubs of pyarrow are generic in what a file decides
# pyright: reportUnknownMemberType=false, reportUnknownArgumentType=false, reportUnknownVariableType=false
import json
import random
from array import array
from bisect import bisect_left
from collections.abc import Callable, Iterable, Iterator
from contextlib import ExitStack, suppress
from dataclasses import dataclass, field
from hashlib import blake2b, file_digest
from itertools import chain, zip_longest
from typing import Any, BinaryIO

import numpy as np
import pyarrow as pa
import pyarrow.parquet as pq
from numpy.typing import NDArray

from launcher.output.reembed import Picked, embed_again
from tasks.formats.quantize import restore
from tasks.formats.readers import Bad, Row
from tasks.protocol import keys, manifest, receipt
from tasks.protocol.dtypes import Dtype
from tasks.protocol.manifest import Header
from tasks.protocol.receipt import Receipt
from tasks.protocol.shard import Shard
from tasks.stores.base import ObjectChanged, Store, read
from tasks.stores.open import open_store
from tasks.worker.windows import rows_of

SAMPLE = 64  # rows embedded again
# Least likeness of a row embedded again. Of two vectors whose cosine is 0.999, 1.4 % of the signs differ.
COSINE: dict[Dtype, float] = {"float32": 0.999, "float16": 0.999, "int8": 0.99, "binary": 0.9}
# Most that a length may differ from 1: half precision rounds at 2**-11, whole numbers at 1/254 of the largest number.
NORM: dict[Dtype, float] = {"float32": 1e-4, "float16": 4e-3, "int8": 2e-2, "binary": 1e-4}
SHOWN = 20  # faults told
BATCH = 8_192  # rows of the output read at once, and
VECTORS = 2**22  # bytes of their vectors: decoding and measuring them takes many times that

Numbers = NDArray[np.uint64]


@dataclass(slots=True)
class Verdict:
    """What was checked and what is wrong. No faults: the run is complete and right."""

    shards: int = 0
    shards_done: int = 0
    documents: int = 0
    rows: int = 0
    failed_rows: int = 0
    failed_shards: list[str] = field(
        default_factory=list[str]
    )  # of which nothing was embedded, with the reason
    resampled: int = 0
    worst_cosine: float | None = None
    faults: list[str] = field(default_factory=list[str])
    fault_count: int = 0

    def fault(self, text: str) -> None:
        self.fault_count += 1
        if len(self.faults) < SHOWN:
            self.faults.append(text)


def verify(store: Store, header: Header, seed: int, again: bool, step: Callable[[int, int], None]) -> Verdict:
    """Check the whole run; `step` hears (shards checked, shards). `again`: embed a sample once more."""
    verdict = Verdict(shards=header.shards)
    seen = array("Q")
    dice = random.Random(seed)  # noqa: S311 - a sample, not a secret
    picked: list[Picked] = []
    corpus = open_store(header.corpus)
    for number, shard in enumerate(manifest.all_shards(store, header), 1):
        done = _receipt(store, header, shard, verdict)
        if done:
            verdict.shards_done += 1
            if done.fault is not None:
                verdict.failed_shards.append(f"shard {done.position}: {done.fault}")
            with ExitStack() as open_files:
                files = _signed(store, done, open_files, verdict)
                if files:
                    places = _places(dice, sum(f.metadata.num_rows for f in files), verdict.shards)
                    output = Output(shard, NORM[header.dtype], seen, places, picked)
                    documents = chain.from_iterable(output.documents(file) for file in files)
                    _check(store, header, corpus, shard, done, output, documents, verdict)
        step(number, header.shards)
    _unique(seen, verdict)
    if again and picked:
        _same_again(header, corpus, picked, verdict)
    return verdict


def _receipt(store: Store, header: Header, shard: Shard, verdict: Verdict) -> Receipt | None:
    body = read(store, keys.receipt_key(header.run, shard.slab, shard.id))
    if body is None:
        verdict.fault(f"shard {shard.position} ({shard.id}) has no receipt")
        return None
    try:
        return receipt.load(body)
    except (ValueError, TypeError, KeyError) as error:
        verdict.fault(f"shard {shard.position}: its receipt cannot be read: {error}")
        return None


def _signed(store: Store, done: Receipt, open_files: ExitStack, verdict: Verdict) -> list[pq.ParquetFile]:
    """The files of a receipt in order, when their bytes are those that were signed for; none else."""
    if not done.files and done.fault is None:
        verdict.fault(
            f"shard {done.position}: its receipt names neither vectors nor a reason why there are none"
        )
    files: list[pq.ParquetFile] = []
    for key, digest in done.files:
        stream = store.get(key)
        if stream is None:
            verdict.fault(f"shard {done.position}: {key} is missing")
            return []
        open_files.enter_context(stream)
        if _digest(stream) != digest:
            verdict.fault(f"shard {done.position}: {key} is not the file that was signed for")
            return []
        stream.seek(0)
        files.append(open_files.enter_context(pq.ParquetFile(stream, pre_buffer=False, buffer_size=2**20)))
    return files


def _digest(stream: BinaryIO) -> str:
    return file_digest(stream, "sha256").hexdigest()  # pyright: ignore[reportArgumentType]  # it reads, that is enough


def _places(dice: random.Random, count: int, shards: int) -> list[int]:
    """A few rows of each shard, in order, so that the sample is spread over the run and no shard is read twice."""
    if shards > SAMPLE and dice.random() > SAMPLE / shards:
        return []
    return sorted(dice.sample(range(count), min(max(1, -(-SAMPLE // shards)), count)))


@dataclass(slots=True)
class Output:
    """The rows of one shard as they pass: counted, measured, and a few of them picked."""

    shard: Shard
    tolerance: float  # most that a length may differ from 1
    seen: "array[int]"  # every (id, chunk) of the run, as a number
    places: list[int]  # of the rows to pick
    picked: list[Picked]
    rows: int = 0
    wrong: int = 0  # vectors that are not of length 1
    gap: str | None = None  # the first chunk that does not follow the one before it

    def documents(self, file: pq.ParquetFile) -> Iterator[str]:
        """The id of each document, where its first row is."""
        width: int = file.schema_arrow.field("vector").type.list_size
        size = max(1, min(BATCH, VECTORS // (4 * width)))
        last, before = None, 0
        known = file.schema_arrow
        columns = [name for name in ("id", "chunk", "vector", "scale") if name in known.names]
        for batch in file.iter_batches(size, columns=columns, use_threads=False):
            table: Any = pa.Table.from_batches([batch]).replace_schema_metadata(known.metadata)
            ids: list[str] = table["id"].to_pylist()
            chunks: list[int] = table["chunk"].to_pylist()
            self._measure(ids, chunks, restore(table))
            for identity, chunk in zip(ids, chunks, strict=True):
                # Neighbours may have one id: then the second starts where the numbers start again.
                first = identity != last or chunk == 0
                due = 0 if first else before + 1
                if chunk != due and self.gap is None:
                    self.gap = f"{identity!r} has chunk {chunk} where {due} is due"
                last, before = identity, chunk
                if first:
                    yield identity

    def _measure(self, ids: list[str], chunks: list[int], vectors: NDArray[np.float32]) -> None:
        self.seen.extend(map(_number, ids, chunks))
        lengths = np.linalg.norm(vectors, axis=1)
        self.wrong += int(np.sum(~(np.abs(lengths - 1) <= self.tolerance)))
        low, high = (bisect_left(self.places, self.rows + n) for n in (0, len(ids)))
        for place in self.places[low:high]:
            row = place - self.rows
            # a copy, lest a row keeps its batch
            self.picked.append(Picked(self.shard, ids[row], chunks[row], vectors[row].copy()))
        self.rows += len(ids)


@dataclass(slots=True)
class Input:
    """The rows of one shard's input as they pass. A row that is good in itself may have failed in the engine."""

    failed_places: "array[int]"  # what the quarantine holds, as sorted numbers
    documents: int = 0
    failed: int = 0

    def due(self, source: Iterable[Row]) -> Iterator[str]:
        """The ids of the documents that must be in the output, in order."""
        for row in source:
            if isinstance(row, Bad):
                self.failed += 1
                continue
            self.documents += 1
            if self.failed_places and _holds(self.failed_places, _number(row.file, row.position)):
                self.failed += 1
            else:
                yield row.id


def _check(
    store: Store,
    header: Header,
    corpus: Store,
    shard: Shard,
    done: Receipt,
    output: Output,
    documents: Iterator[str],
    verdict: Verdict,
) -> None:
    """Every row of the input is in the output or in the quarantine, once and in order, and nothing else is."""
    where = f"shard {done.position}"
    lines, places = _quarantine(store, done)
    source = Input(places)
    try:
        difference = _compare(source.due(rows_of(header, corpus, shard)), documents)
    except ObjectChanged as changed:  # after it was embedded
        verdict.fault(f"{where}: {changed}")
        return
    if output.rows != done.chunks:
        verdict.fault(f"{where}: {output.rows:,} rows, but its receipt says {done.chunks:,}")
    if output.wrong:
        verdict.fault(f"{where}: {output.wrong:,} vectors are not of length 1")
    if output.gap:
        verdict.fault(f"{where}: {output.gap}")
    if lines != done.failed_rows:
        verdict.fault(f"{where}: {lines} rows in quarantine, but its receipt says {done.failed_rows}")
    elif source.failed != done.failed_rows:
        verdict.fault(
            f"{where}: {source.failed} rows of the input are bad, but its receipt says {done.failed_rows}"
        )
    if difference:
        verdict.fault(f"{where}: {difference}")
    verdict.documents += source.documents
    verdict.rows += output.rows
    verdict.failed_rows += done.failed_rows


def _quarantine(store: Store, done: Receipt) -> "tuple[int, array[int]]":
    """How many rows are in the quarantine, and their places as sorted numbers: 8 bytes a row of it."""
    lines, places = 0, array("Q")
    for key in done.quarantines:
        stream = store.get(key)
        if stream is None:
            continue
        with stream:
            for line in stream:
                lines += 1
                with suppress(ValueError, TypeError, KeyError):  # a line that says nothing excuses no row
                    row = json.loads(line)
                    places.append(_number(row["file"], row["position"]))
    _sort(places)
    return lines, places


def _compare(due: Iterator[str], found: Iterator[str]) -> str | None:
    """How two sequences of ids differ. Reads both to their ends; holds 8 bytes an id from where they part."""
    for wanted, present in zip_longest(due, found):
        if wanted != present:
            ours, theirs = _rest(wanted, due), _rest(present, found)
            common = _common(ours, theirs)
            missing, extra = len(ours) - common, len(theirs) - common
            if missing or extra:
                return f"{missing:,} documents of the input are missing, {extra:,} are not of it"
            return f"its documents are not in the order of the input, from {present!r} on"
    return None


def _rest(first: str | None, others: Iterator[str]) -> Numbers:
    """Sorted numbers of the ids that are left; `first` is None when none are."""
    left = () if first is None else chain((first,), others)
    return _sort(array("Q", (_number(identity, 0) for identity in left)))


def _common(ours: Numbers, theirs: Numbers) -> int:
    """How many numbers two sorted arrays share; one that is twice in both counts twice."""
    common = 0
    for start in range(0, len(ours), BATCH):
        part = ours[start : start + BATCH]
        earlier = np.arange(start, start + len(part)) - np.searchsorted(ours, part)
        common += int(
            np.sum(earlier < np.searchsorted(theirs, part, "right") - np.searchsorted(theirs, part))
        )
    return common


def _unique(seen: "array[int]", verdict: Verdict) -> None:
    """No (id, chunk) twice. Sorts in place: 8 bytes a row, 1/16 of that to grow, and a byte to compare."""
    every = _sort(seen)
    doubles = int(np.count_nonzero(every[1:] == every[:-1]))
    if doubles:
        verdict.fault(f"{doubles:,} rows have an id that another row has, too: is corpus.id unique?")


def _number(name: str, count: int) -> int:
    digest = blake2b(f"{count}\0{name}".encode("utf-8", "surrogatepass"), digest_size=8).digest()
    return int.from_bytes(digest, "big")


def _sort(numbers: "array[int]") -> Numbers:
    """The numbers sorted where they lie, as numpy sees them."""
    view = np.asarray(numbers)
    view.sort()
    return view


def _holds(numbers: "array[int]", number: int) -> bool:
    place = bisect_left(numbers, number)
    return place < len(numbers) and numbers[place] == number


def _same_again(header: Header, corpus: Store, picked: list[Picked], verdict: Verdict) -> None:
    """The engine gives the picked rows once more."""
    # one sign of a few is a large share
    slack = 2 / picked[0].vector.size if header.dtype == "binary" else 0.0
    cosines: list[float] = []
    for one, cosine in embed_again(header, corpus, picked):
        if cosine is None:
            verdict.fault(f"{one.id!r} has chunk {one.chunk}, which its text does not give")
            continue
        cosines.append(cosine)
        if not cosine >= COSINE[header.dtype] - slack:
            verdict.fault(f"{one.id!r} chunk {one.chunk}: embedded again, its cosine is {cosine:.4f}")
    verdict.resampled = len(cosines)
    verdict.worst_cosine = float(np.min(cosines)) if cosines else None
