"""Prove a run: every receipt, every file, every id, every norm, and a sample embedded again.

Reads outputs a shard at a time and the input once more; trusts nothing but the receipts' names of files.
"""
# the stubs of pyarrow are generic in what a file decides
# pyright: reportUnknownMemberType=false, reportUnknownArgumentType=false, reportUnknownVariableType=false

import random
from collections.abc import Callable, Iterator
from dataclasses import dataclass, field
from hashlib import blake2b, file_digest
from pathlib import Path
from typing import Any, BinaryIO

import numpy as np
import pyarrow.parquet as pq
from numpy.typing import NDArray

from tasks import lease, manifest, receipt
from tasks.embed import Encoder, load, shorten
from tasks.manifest import Header
from tasks.read import Bad, Columns, rows
from tasks.receipt import Receipt
from tasks.shard import Shard
from tasks.store import Store, read
from tasks.tokens import pieces
from tasks.work import cut_of

SAMPLE = 64  # rows embedded again
COSINE = 0.999  # least likeness of a row embedded again
NORM = {
    "float32": 1e-4,
    "float16": 4e-3,
}  # most that a length may differ from 1; half precision rounds at 2**-11
SHOWN = 20  # faults told


@dataclass(slots=True)
class Verdict:
    """What was checked and what is wrong. No faults: the run is complete and right."""

    shards: int = 0
    shards_done: int = 0
    documents: int = 0
    rows: int = 0
    failed_rows: int = 0
    resampled: int = 0
    worst_cosine: float | None = None
    faults: list[str] = field(default_factory=list[str])
    fault_count: int = 0

    def fault(self, text: str) -> None:
        self.fault_count += 1
        if len(self.faults) < SHOWN:
            self.faults.append(text)


@dataclass(frozen=True, slots=True)
class Picked:
    """A row to embed again."""

    shard: Shard
    id: str
    chunk: int
    vector: NDArray[np.float32]


def verify(store: Store, header: Header, seed: int, again: bool, step: Callable[[int, int], None]) -> Verdict:
    """Check the whole run; `step` hears (shards checked, shards). `again`: embed a sample once more."""
    verdict = Verdict(shards=header.shards)
    seen: list[NDArray[np.uint64]] = []
    dice = random.Random(seed)  # noqa: S311 - a sample, not a secret
    picked: list[Picked] = []
    for number, shard in enumerate(manifest.every_shard(store, header), 1):
        done = _receipt(store, header, shard, verdict)
        if done:
            verdict.shards_done += 1
            table = _vectors(store, done, verdict)
            if table is not None:
                seen.append(_check(store, header, shard, done, table, verdict))
                _pick(picked, dice, shard, table, verdict)
        step(number, header.shards)
    _unique(seen, verdict)
    if again and picked:
        _embed_again(header, picked, verdict)
    return verdict


def _receipt(store: Store, header: Header, shard: Shard, verdict: Verdict) -> Receipt | None:
    body = read(store, lease.receipt_key(header.run, shard.slab, shard.id))
    if body is None:
        verdict.fault(f"shard {shard.position} ({shard.id}) has no receipt")
        return None
    try:
        return receipt.load(body)
    except (ValueError, TypeError, KeyError) as error:
        verdict.fault(f"shard {shard.position}: its receipt cannot be read: {error}")
        return None


def _vectors(store: Store, done: Receipt, verdict: Verdict) -> Any | None:
    """The table of a receipt, when its bytes are those that were signed for."""
    stream = store.get(done.key)
    if stream is None:
        verdict.fault(f"shard {done.position}: {done.key} is missing")
        return None
    with stream:
        if _digest(stream) != done.digest:
            verdict.fault(f"shard {done.position}: {done.key} is not the file that was signed for")
            return None
        stream.seek(0)
        return pq.read_table(stream)


def _digest(stream: BinaryIO) -> str:
    return file_digest(stream, "sha256").hexdigest()  # pyright: ignore[reportArgumentType]  # it reads, that is enough


def _check(
    store: Store, header: Header, shard: Shard, done: Receipt, table: Any, verdict: Verdict
) -> NDArray[np.uint64]:
    """Rows, chunk numbers, norms and ids of one shard; its ids as numbers, to find doubles across shards."""
    where = f"shard {done.position}"
    ids: list[str] = table["id"].to_pylist()
    chunks: list[int] = table["chunk"].to_pylist()
    if len(ids) != done.chunks:
        verdict.fault(f"{where}: {len(ids):,} rows, but its receipt says {done.chunks:,}")
    vectors = matrix(table)
    lengths = np.linalg.norm(vectors, axis=1) if len(ids) else np.ones(0)
    wrong = int(np.sum(~(np.abs(lengths - 1) <= NORM[header.dtype])))
    if wrong:
        verdict.fault(f"{where}: {wrong:,} vectors are not of length 1")
    expected = 0
    for position, chunk in enumerate(chunks):
        expected = expected + 1 if position and ids[position] == ids[position - 1] else 0
        if chunk != expected:
            verdict.fault(f"{where}: {ids[position]!r} has chunk {chunk} where {expected} is due")
            break
    _against_input(store, header, shard, done, ids, verdict)
    verdict.rows += len(ids)
    verdict.failed_rows += done.failed_rows
    return np.fromiter((_number(i, c) for i, c in zip(ids, chunks, strict=True)), np.uint64, len(ids))


def _against_input(
    store: Store, header: Header, shard: Shard, done: Receipt, ids: list[str], verdict: Verdict
) -> None:
    """Every row of the input is in the output or in the quarantine, once, and nothing else is."""
    good: list[str] = []
    bad = 0
    for piece in shard.slices:
        for row in rows(Path(header.corpus), piece, Columns(header.text, header.id)):
            if isinstance(row, Bad):
                bad += 1
            else:
                good.append(row.id)
    verdict.documents += len(good)
    kept = list(dict.fromkeys(ids))
    lost = sum(1 for _ in (read(store, done.quarantine) or b"").splitlines()) if done.quarantine else 0
    where = f"shard {done.position}"
    if lost != done.failed_rows:
        verdict.fault(f"{where}: {lost} rows in quarantine, but its receipt says {done.failed_rows}")
    engine_failed = done.failed_rows - bad
    if engine_failed < 0:
        verdict.fault(f"{where}: {bad} rows of the input are bad, but its receipt says {done.failed_rows}")
        engine_failed = 0
    missing = set(good) - set(kept)
    if len(missing) != engine_failed or not set(kept) <= set(good):
        extra = set(kept) - set(good)
        verdict.fault(
            f"{where}: {len(missing) - engine_failed:,} documents of the input are missing, {len(extra):,} are not of it"
        )


def _unique(seen: list[NDArray[np.uint64]], verdict: Verdict) -> None:
    """No (id, chunk) twice. 8 bytes a row: 100 million rows take 1.6 GB."""
    every = np.concatenate(seen) if seen else np.zeros(0, np.uint64)
    every.sort()
    doubles = int(np.sum(every[1:] == every[:-1]))
    if doubles:
        verdict.fault(f"{doubles:,} rows have an id that another row has, too: is corpus.id unique?")


def _number(identity: str, chunk: int) -> int:
    return int.from_bytes(blake2b(f"{chunk}\0{identity}".encode(), digest_size=8).digest(), "big")


def matrix(table: Any) -> NDArray[np.float32]:
    """The vectors of a table as [rows, dimensions] float32."""
    column = table["vector"].combine_chunks()
    width = column.type.list_size
    return column.flatten().to_numpy(zero_copy_only=False).astype(np.float32).reshape(-1, width)


def _pick(picked: list[Picked], dice: random.Random, shard: Shard, table: Any, verdict: Verdict) -> None:
    """Keep a few rows of each shard, so that the sample is spread over the run and no shard is read twice."""
    each = max(1, -(-SAMPLE // verdict.shards))
    if verdict.shards > SAMPLE and dice.random() > SAMPLE / verdict.shards:
        return
    count = table.num_rows
    places = dice.sample(range(count), min(each, count))
    vectors = matrix(table.take(places)) if places else np.zeros((0, 1), np.float32)
    for place, vector in zip(places, vectors, strict=True):
        picked.append(Picked(shard, table["id"][place].as_py(), table["chunk"][place].as_py(), vector))


def _embed_again(header: Header, picked: list[Picked], verdict: Verdict) -> None:
    encoder: Encoder = load(header.engine, header.model)
    cut = cut_of(header)
    wanted = {(p.shard.id, p.id) for p in picked}
    texts: dict[tuple[str, str], str] = {}
    for shard in {p.shard.id: p.shard for p in picked}.values():
        for document in _documents(header, shard):
            if (shard.id, document[0]) in wanted:
                texts[shard.id, document[0]] = document[1]
    found = [p for p in picked if (p.shard.id, p.id) in texts]
    ids = [pieces(encoder.words, [texts[p.shard.id, p.id]], cut)[0].ids[p.chunk] for p in found]
    again = shorten(encoder.encode(ids), header.dimensions)
    stored = np.stack([p.vector for p in found])
    cosines = (again * stored).sum(1) / np.linalg.norm(stored, axis=1)
    verdict.resampled = len(found)
    verdict.worst_cosine = float(cosines.min())
    for one, cosine in zip(found, cosines, strict=True):
        if not cosine >= COSINE:
            verdict.fault(f"{one.id!r} chunk {one.chunk}: embedded again, its cosine is {cosine:.4f}")


def _documents(header: Header, shard: Shard) -> Iterator[tuple[str, str]]:
    for piece in shard.slices:
        for row in rows(Path(header.corpus), piece, Columns(header.text, header.id)):
            if not isinstance(row, Bad):
                yield row.id, row.text
