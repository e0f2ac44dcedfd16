"""Rows as PostgreSQL's COPY BINARY reads them: one buffer a batch, numbers in network byte order.

A row is a count of columns, then each column as its length and its bytes; null has the length -1. All vectors of a
buffer become bytes in one step: a row costs one join. Measured: 4 times as fast as executemany.

Formats: https://www.postgresql.org/docs/18/sql-copy.html; vector_send, halfvec_send and bit_send for the values.
"""

# the stubs of pyarrow are generic in what a file decides
# pyright: reportUnknownMemberType=false, reportUnknownArgumentType=false, reportUnknownVariableType=false
import struct
from collections.abc import Iterator, Sequence
from dataclasses import dataclass
from itertools import chain, pairwise
from typing import Any

import numpy as np
import pyarrow as pa
from numpy.typing import NDArray

from launcher.errors import Problem
from launcher.loading.dataset_rows.columns import arrow_of
from launcher.loading.vector_store import Element, Rows

HEADER = b"PGCOPY\n\xff\r\n\0" + struct.pack(">ii", 0, 0)  # no flags, no extension
TRAILER = struct.pack(">h", -1)
BUFFER_BYTES = 2**20  # of what is sent at once, about
_length = struct.Struct(">i").pack
BIG_ENDIAN = {"float32": ">f4", "float16": ">f2", "bits": "u1"}
ByteRows = np.ndarray[tuple[int, int], np.dtype[np.uint8]]


def _fixed(rows: Rows, element: Element, lead: ByteRows) -> ByteRows:
    """What stands before them in a row, then the columns chunk and embedding, with their lengths: [rows, bytes]."""
    count, width = rows.vectors.shape
    numbers = np.ascontiguousarray(rows.vectors, BIG_ENDIAN[element]).view(np.uint8).reshape(count, -1)
    dimensions = 8 * width if element == "bits" else width
    # A bit string begins with its bits as 32 bits; a vector with its dimensions as 16 bits, and 16 bits that are 0.
    head = struct.pack(">i", dimensions) if element == "bits" else struct.pack(">hh", dimensions, 0)
    before = _length(len(head) + numbers.shape[1]) + head
    chunk = lead.shape[1]
    vector = chunk + 8 + len(before)
    out = np.empty((count, vector + numbers.shape[1]), np.uint8)
    out[:, :chunk] = lead
    out[:, chunk : chunk + 4] = np.frombuffer(_length(4), np.uint8)
    out[:, chunk + 4 : chunk + 8] = (
        arrow_of(rows.chunks, pa.int32()).to_numpy().astype(">i4").view(np.uint8).reshape(count, 4)
    )
    out[:, chunk + 8 : vector] = np.frombuffer(before, np.uint8)
    out[:, vector:] = numbers
    return out


def buffers(rows: Rows, element: Element) -> Iterator[bytes]:
    """The rows, without header and trailer, in buffers of about BUFFER_BYTES.

    Raises:
        Problem: a text holds a character that PostgreSQL has not (NUL).
    """
    row_bytes = rows.vectors.itemsize * max(1, rows.vectors.shape[1])
    step = max(1, BUFFER_BYTES // row_bytes)  # what is made of them stays in the processor's cache
    for start in range(0, len(rows), step):
        yield _buffer(rows.part(start, start + step), element)


def _buffer(rows: Rows, element: Element) -> bytes:
    count = struct.pack(">h", 3 + len(rows.kept))
    ids = _texts(rows.ids, rows, "id")
    columns: list[list[bytes]] = []
    if (
        ids.lengths == ids.lengths[0]
    ).all():  # all rows are as long: they are cut out of one table, or are that table
        lead = np.empty((len(rows), 6 + len(ids.letters) // len(rows)), np.uint8)
        lead[:, :2] = np.frombuffer(count, np.uint8)
        lead[:, 2:6] = ids.lengths.view(np.uint8).reshape(-1, 4)
        lead[:, 6:] = np.frombuffer(ids.letters, np.uint8).reshape(len(rows), -1)
        table = _fixed(rows, element, lead)
        if not rows.kept:
            return table.tobytes()
    else:
        columns = [[count] * len(rows), *ids.pieces()]
        table = _fixed(rows, element, np.empty((len(rows), 0), np.uint8))
    columns.append(_pieces(table))
    for name, values in rows.kept.items():
        columns += _texts(values, rows, name).pieces()
    return b"".join(chain.from_iterable(zip(*columns, strict=True)))


@dataclass(frozen=True, slots=True)
class _Texts:
    """A column of text, encoded. `lengths`: >i4, of null -1; `cuts`: where each text begins in `letters`, and the end."""

    lengths: NDArray[Any]
    cuts: NDArray[np.int64]
    letters: bytes

    def pieces(self) -> tuple[list[bytes], list[bytes]]:
        """The length of each text in 4 bytes, and the text."""
        texts = [self.letters[start:end] for start, end in pairwise(self.cuts.tolist())]
        return _pieces(self.lengths.view(np.uint8).reshape(-1, 4)), texts


def _pieces(table: ByteRows) -> list[bytes]:
    """The rows of a table of bytes, made in one step."""
    found: list[bytes] = table.view(np.dtype((np.void, table.shape[1]))).reshape(-1).tolist()
    return found


def _texts(values: Sequence[str | None], rows: Rows, column: str) -> _Texts:
    array = arrow_of(values, pa.large_string())
    places = np.frombuffer(array.buffers()[1], np.int64)[array.offset : array.offset + len(array) + 1]
    first, last = int(places[0]), int(places[-1])
    letters = array.buffers()[2].slice(first, last - first).to_pybytes() if last > first else b""
    if b"\0" in letters:
        row = next(row for row, value in enumerate(values) if value is not None and "\0" in value)
        raise Problem(
            f"the column {column} of id {rows.ids[row]!r} holds a NUL character, which PostgreSQL has not",
            hint="leave that column out: --keep NAME,... or --keep none"
            if column != "id"
            else "clean the ids of the corpus and embed again",
        )
    lengths = np.diff(places).astype(">i4")
    if array.null_count:
        lengths[array.is_null().to_numpy(zero_copy_only=False)] = -1
    return _Texts(lengths, places - first, letters)
