"""Refuse two rows of one key, for a store that would keep both: by 8 bytes a row, hashed while the rows are written.

A load hashes what it writes as it passes. Files that another loader wrote, or an earlier command, are read once more for
their keys. Rows whose hashes are equal are compared by their keys, so that a hash decides nothing.
"""

# the stubs of pyarrow are generic in what a file decides
# pyright: reportUnknownMemberType=false, reportUnknownArgumentType=false, reportUnknownVariableType=false
from collections.abc import Iterable, Iterator, Mapping, Sequence
from functools import cache
from typing import Any

import numpy as np
import pyarrow as pa
from numpy.typing import NDArray

from launcher.errors import Problem
from launcher.loading.dataset_rows.columns import ArrowColumn, arrow_of
from launcher.loading.dataset_rows.rows import UNIQUE_IDS
from launcher.loading.vector_store import Key, Rows, keys_of
from launcher.vectors.read_dataset import Dataset, DatasetFile

Hashes = NDArray[np.uint64]

# A text is the number that its bytes are to this base, modulo 2**64; the base is odd, so that it has an inverse there.
BASE = 0x9E3779B97F4A7C15
INVERSE = pow(BASE, -1, 2**64)
MIX = np.uint64(0xFF51AFD7ED558CCD)  # of murmur3: every bit of a number changes half of all bits
TEXT_BYTES = 2**18  # hashed at once: each takes 24 bytes of memory, which a processor's cache holds in part


def hashed(batches: Iterable[Rows], into: list[Hashes]) -> Iterator[Rows]:
    """The same rows; the hashes of their keys go into `into`."""
    for rows in batches:
        into.append(hash_keys(rows.ids, rows.chunks))
        yield rows


def hash_keys(ids: Sequence[str], chunks: Sequence[int]) -> Hashes:
    """A hash of each key: [rows]."""
    texts = arrow_of(ids, pa.large_string())
    numbers = arrow_of(chunks, pa.int32()).to_numpy(zero_copy_only=False).astype(np.uint64)
    return _mixed(_hash_texts(texts) ^ _mixed(numbers + np.uint64(1)))


def check_unique_keys(
    dataset: Dataset, files: Sequence[DatasetFile], known: Mapping[str, Sequence[Hashes]]
) -> None:
    """Check that no two rows of these files have one key. `known`: hashes by the SHA-256 of a file; others are read.

    Raises:
        Problem: two have.
    """
    hashes = np.empty(sum(file.rows for file in files), np.uint64)
    end = 0
    for file in files:
        for part in known[file.sha256] if file.sha256 in known else _hashes_of(dataset, file):
            hashes[end : end + len(part)] = part
            end += len(part)
    hashes = hashes[:end]
    hashes.sort()
    suspects = np.unique(hashes[1:][hashes[1:] == hashes[:-1]])
    if len(suspects):
        _compare(dataset, files, suspects)


def _compare(dataset: Dataset, files: Sequence[DatasetFile], suspects: Hashes) -> None:
    """Compare the rows of these hashes by their keys."""
    seen: dict[Key, str] = {}
    for file in files:
        for batch in _keys_of(dataset, file):
            found = np.flatnonzero(np.isin(_hashes_of_batch(batch), suspects))
            for key in keys_of(batch.take(pa.array(found, pa.int64()))) if len(found) else ():
                if key in seen:
                    raise Problem(
                        f"a row of {seen[key]} and one of {file.key} have one key: id {key.id!r}, chunk {key.chunk}",
                        hint=UNIQUE_IDS,
                    )
                seen[key] = file.key


def _keys_of(dataset: Dataset, file: DatasetFile) -> Iterator[pa.RecordBatch]:
    return dataset.batches_of(file, "stored", ["id", "chunk"])


def _hashes_of(dataset: Dataset, file: DatasetFile) -> Iterator[Hashes]:
    return map(_hashes_of_batch, _keys_of(dataset, file))


def _hashes_of_batch(batch: pa.RecordBatch) -> Hashes:
    return hash_keys(ArrowColumn(batch.column("id")), ArrowColumn(batch.column("chunk")))


def _hash_texts(texts: Any) -> Hashes:
    """Hash an array of large strings without nulls. At most TEXT_BYTES in one step, or one text."""
    offsets = np.frombuffer(texts.buffers()[1], np.int64)[texts.offset : texts.offset + len(texts) + 1]
    body = texts.buffers()[2]
    letters = np.frombuffer(body, np.uint8) if body is not None and body.size else np.zeros(0, np.uint8)
    out = np.empty(len(texts), np.uint64)
    first = 0
    while first < len(texts):
        last = int(np.searchsorted(offsets, offsets[first] + TEXT_BYTES, "right")) - 1
        last = max(first + 1, min(last, len(texts)))
        out[first:last] = _hash_some(letters[offsets[first] : offsets[last]], offsets[first : last + 1])
        first = last
    return out


def _hash_some(letters: NDArray[np.uint8], offsets: NDArray[np.int64]) -> Hashes:
    """The hash of each text: a difference of two prefix sums, moved to the place of the first letter."""
    places = offsets - offsets[0]
    sums = np.zeros(len(letters) + 1, np.uint64)
    np.cumsum((letters.astype(np.uint64) + np.uint64(1)) * _powers(BASE, len(letters)), out=sums[1:])
    moved = _powers(INVERSE, len(letters) + 1)[places[:-1]]
    return _mixed((sums[places[1:]] - sums[places[:-1]]) * moved)


def _powers(base: int, count: int) -> Hashes:
    """base**0 to base**(count - 1), modulo 2**64. Those of most texts are made once."""
    return _made(base, TEXT_BYTES + 1)[:count] if count <= TEXT_BYTES + 1 else _made_anew(base, count)


def _made_anew(base: int, count: int) -> Hashes:
    found = np.full(count, base, np.uint64)
    found[:1] = 1
    return np.cumprod(found, dtype=np.uint64)


_made = cache(_made_anew)  # two arrays of 2 MiB


def _mixed(numbers: Hashes) -> Hashes:
    """Spread what numbers differ in over all of their bits; two different numbers stay different."""
    numbers = (numbers ^ (numbers >> np.uint64(33))) * MIX
    return numbers ^ (numbers >> np.uint64(29))
