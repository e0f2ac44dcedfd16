"""Read rows of a Parquet file forward, only as far as asked, from the stream of a store.

Many writers make row groups of a million rows, and a shard may be a part of one. Parquet offers no entry point within
a group, so a file stays open between its slices: the next slice continues where the last one ended.
"""
# the stubs of pyarrow are generic in what a file decides
# pyright: reportUnknownMemberType=false, reportUnknownArgumentType=false, reportUnknownVariableType=false

import io
from collections.abc import Callable, Iterator, Sequence
from dataclasses import dataclass
from itertools import accumulate
from typing import BinaryIO, cast

import pyarrow as pa

from tasks.formats.damage import DamagedFileError
from tasks.formats.parquet.checked_table import CheckedTable
from tasks.formats.parquet.open_parquet import open_parquet
from tasks.formats.parquet.parquet_footer import check_not_encrypted, chunks_of, read_groups
from tasks.formats.parquet.parquet_limits import batch_rows, surplus_rows
from tasks.formats.parquet.parquet_pages import PageCounter
from tasks.protocol.shard import Slice
from tasks.stores.base import ObjectChanged, Span, Store

FOOTER_SPAN: Span = (-(64 * 2**10), None)  # the footer is in the last bytes: one request fetches it
COLUMN_BUFFER_BYTES = 4 * 2**20  # of a column, fetched at once

MAX_TABLE_ROWS, MAX_TABLE_BYTES = 20_000_000, 8 * 2**30  # of a small table: a run of many million shards


def open_footer(source: Store, path: str, version: str) -> BinaryIO:
    """Open a Parquet file with its footer prefetched, unbuffered. The caller closes the stream.

    Raises:
        ObjectChanged: it is gone, or another version.
    """
    stream = source.get(path, version, FOOTER_SPAN)
    if stream is None:
        raise ObjectChanged(path, version, None)
    return stream


def read_small_table(body: bytes, columns: list[str] | None = None) -> pa.Table:
    """Read a Parquet file that is in memory, on this thread.

    `pyarrow.parquet.read_table` starts threads that may outlive the call for a moment, and a process that exits in that
    moment aborts (apache/arrow issue 34314).

    Raises:
        pyarrow.ArrowException, OSError: it is damaged, or claims more than any table of ours holds.
    """
    with _small_table(io.BytesIO(body)) as file:
        return file.read(columns)


def table_schema(stream: BinaryIO) -> pa.Schema:
    """The schema of a small table, with its metadata, from a seekable stream.

    Raises:
        pyarrow.ArrowException, OSError: its footer is damaged, or claims more than any table of ours holds.
    """
    with _small_table(stream) as file:
        return file.schema


def table_batches(stream: BinaryIO, rows: int) -> Iterator[pa.RecordBatch]:
    """Read a small table from a seekable stream, so many rows at a time, on this thread.

    Raises:
        pyarrow.ArrowException, OSError: it is damaged, or claims more than any table of ours holds.
    """
    with _small_table(stream) as file:
        yield from file.batches(rows)


def _small_table(stream: BinaryIO) -> CheckedTable:
    file = CheckedTable(stream)
    size = sum(group.unpacked_bytes for group in file.groups)
    if file.rows > MAX_TABLE_ROWS or size > MAX_TABLE_BYTES:
        file.close()
        raise pa.ArrowInvalid(f"it claims {file.rows:,} rows of {size:,} bytes")
    return file


@dataclass(frozen=True, slots=True)
class GroupRows:
    """Rows [start, end) of the file, all of one row group, whose first row is `first`."""

    group: int
    first: int
    start: int
    end: int


class ForwardReader:
    """One open Parquet file and the position in it."""

    def __init__(self, path: str, version: str, columns: Sequence[str], stream: BinaryIO) -> None:
        """Read the footer. This object closes the stream.

        Raises:
            pyarrow.ArrowException, OSError: it is not a Parquet file, or is encrypted.
        """
        self.path, self.version, self.columns = path, version, tuple(columns)
        self._pages = PageCounter(stream)
        self._stream = cast("BinaryIO", self._pages)
        try:
            check_not_encrypted(self._stream)
            self._file = open_parquet(self._stream, COLUMN_BUFFER_BYTES)
            self._footer = read_groups(self._file.metadata, self._stream)
        except UnicodeDecodeError as error:  # of a name in the footer
            self._stream.close()
            raise DamagedFileError(f"its footer is not text: {error}") from error
        except BaseException:  # on Ctrl-C, too: without this object the stream has no owner
            self._stream.close()
            raise
        meta = self._file.metadata
        self._ends = list(accumulate(group.rows for group in self._footer))
        self.rows = self._ends[-1] if self._ends else 0
        # Rows that only the values of a column have, by group, and rows that the footer has and no group.
        self._surplus = [surplus_rows(group, meta.schema, self.columns) for group in self._footer]
        leaves = [meta.schema.column(n) for n in range(meta.num_columns)]
        self._repeated = {leaf.path for leaf in leaves if leaf.max_repetition_level}  # several values a row
        self._denied = max(0, meta.num_rows - self.rows - sum(self._surplus))
        self._group = -1  # the group that is being read
        self._batches: Iterator[pa.RecordBatch] = iter(())
        self._row = 0  # the next row
        self._held: pa.RecordBatch | None = (
            None  # rows that were decoded for the last slice and belong to the next
        )

    def groups(self, start: int, end: int) -> Iterator[GroupRows]:
        """The row groups that hold rows [start, end)."""
        for group, last in enumerate(self._ends):
            first = self._ends[group - 1] if group else 0
            if first < end and last > start:
                yield GroupRows(group, first, max(start, first), min(end, last))

    def surplus(self, rows: GroupRows) -> int | None:
        """Rows behind these that the footer denies: a column of their group has more values than the group has rows.

        By the footer, and by the pages where these rows were read to the end. None: more of a column that has several
        values a row, so that the number of rows is not known.

        Raises:
            OSError: the store failed to give bytes.
        """
        if rows.end != self._ends[rows.group]:
            return 0
        found = self._surplus[rows.group]
        if found or (self._group, self._row) != (rows.group, rows.end):
            return found
        return self._surplus_of_pages()

    def rows_denied(self) -> int:
        """Rows that the footer has and no group. Where there are such, fetches the headers of all pages.

        Raises:
            OSError: the store failed to give bytes.
        """
        left = self._denied
        if left:
            self._group, self._held = -1, None  # what is being read is not watched any more
        for footer, surplus in zip(self._footer, self._surplus, strict=True):
            if left > 0 and not surplus:
                self._pages.watch(chunks_of(footer, self.columns))
                left -= self._surplus_of_pages() or 0
        return max(0, left)

    def _surplus_of_pages(self) -> int | None:
        by_pages = self._pages.surplus()
        flat = [values for path, values in by_pages.items() if path not in self._repeated]
        return max(flat) if flat else None if by_pages else 0

    def read(self, rows: GroupRows) -> Iterator[tuple[int, pa.RecordBatch]]:
        """These rows in small batches, each with the number of its first row.

        Raises:
            DamagedFileError: the group ends before its last row.
            UnreadableFileError: it takes too much memory, or is encrypted.
            pyarrow.ArrowException: it is damaged.
            OSError: the same, without an error number; with one, the store failed to read.
        """
        try:
            yield from self._part(rows.group, rows.first, rows.start, rows.end)
        except (pa.ArrowException, OSError):
            self._group, self._held = -1, None  # the decoder's state is not known
            raise

    def _part(self, group: int, first: int, start: int, end: int) -> Iterator[tuple[int, pa.RecordBatch]]:
        if group != self._group or self._row > start:
            columns = list(self.columns)
            size = batch_rows(self._footer[group], columns, self._stream)
            self._pages.watch(chunks_of(self._footer[group], columns))
            self._batches = self._file.iter_batches(
                size, row_groups=[group], columns=columns, use_threads=False
            )
            self._group, self._row, self._held = group, first, None
        while self._row < end:
            batch = self._held if self._held is not None else next(self._batches, None)
            if batch is None:
                raise DamagedFileError(
                    f"row group {group} has {self._row - first:,} rows, and the footer says {self._ends[group] - first:,}"
                )
            here, after = self._row, self._row + batch.num_rows
            low, high = max(here, start), min(after, end)
            self._held = batch.slice(high - here) if high < after else None
            self._row = high if high > here else after
            if low < high:
                yield low, batch.slice(low - here, high - low)

    def close(self) -> None:
        self._batches = iter(())
        self._file.close()
        self._stream.close()


class OpenFile:
    """Keeps the file that was read last open for its next slice."""

    def __init__(self) -> None:
        self._open: ForwardReader | None = None

    def at(self, piece: Slice, columns: Sequence[str], stream: Callable[[], BinaryIO]) -> ForwardReader:
        """The reader of a slice's file: the open one if it is the same file, else a new one on `stream`."""
        found = self._open
        if found and (found.path, found.version, found.columns) == (
            piece.path,
            piece.version,
            tuple(columns),
        ):
            return found
        self.close()
        self._open = ForwardReader(piece.path, piece.version, columns, stream())
        return self._open

    def close(self) -> None:
        found, self._open = self._open, None
        if found:
            found.close()
