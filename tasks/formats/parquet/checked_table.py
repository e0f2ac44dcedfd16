"""Read our own Parquet files, of vectors and of lists: whatever a damaged or hostile one claims, memory stays bounded.

Every reader of an output opens its files here, so all of them hold the same: pages are compared with their checksums
and claim no more than their column has, a batch holds a bounded number of bytes, and no row is missing or left over.
"""
# the stubs of pyarrow are generic in what a file decides
# pyright: reportUnknownMemberType=false, reportUnknownArgumentType=false, reportUnknownVariableType=false

from collections.abc import Iterator, Sequence
from types import TracebackType
from typing import BinaryIO, Self, cast

import pyarrow as pa

from tasks.formats.damage import DamagedFileError
from tasks.formats.parquet.open_parquet import open_parquet
from tasks.formats.parquet.parquet_footer import check_not_encrypted, chunks_of, read_groups
from tasks.formats.parquet.parquet_limits import batch_rows, surplus_rows
from tasks.formats.parquet.parquet_pages import PageCounter

BATCH_BYTES = 64 * 2**20  # decoded at once, by the sizes in the footer


class CheckedTable:
    """An open Parquet file of ours. `schema` has its columns, and `rows` is how many rows its footer says.

    A context manager; the caller closes the stream.
    """

    def __init__(self, stream: BinaryIO) -> None:
        """Read the footer.

        Raises:
            pyarrow.ArrowException, OSError: it is damaged, encrypted, or no Parquet file.
        """
        self._pages = PageCounter(stream, closes=False)
        self._stream = cast("BinaryIO", self._pages)
        check_not_encrypted(self._stream)
        self._file = open_parquet(self._stream)
        self.schema: pa.Schema = self._file.schema_arrow
        self.rows: int = self._file.metadata.num_rows
        try:
            self.groups = read_groups(self._file.metadata, self._stream)
        except BaseException:
            self._file.close()
            raise

    def batches(self, rows: int, columns: Sequence[str] | None = None) -> Iterator[pa.RecordBatch]:
        """All rows, at most `rows` at a time, on this thread.

        Args:
            rows: of a batch, at most; fewer where they are large.
            columns: only these, by the names of the schema; None: all.

        Raises:
            pyarrow.ArrowException, OSError: it is damaged, or takes more memory than it may.
        """
        in_groups = sum(group.rows for group in self.groups)
        if in_groups != self.rows:
            raise DamagedFileError(
                f"its row groups have {in_groups:,} rows, and its footer says {self.rows:,}"
            )
        named = list(self.schema.names if columns is None else columns)
        for number, group in enumerate(self.groups):
            size = batch_rows(group, named, self._stream, rows, BATCH_BYTES)
            self._pages.watch(chunks_of(group, named))
            found = 0
            for batch in self._file.iter_batches(size, row_groups=[number], columns=named, use_threads=False):
                batch.validate(full=True)
                found += batch.num_rows
                yield batch
            more = surplus_rows(group, self._file.metadata.schema, named) or any(
                self._pages.surplus().values()
            )
            if found != group.rows or more:
                has = "more values" if more else f"{found:,} rows"
                raise DamagedFileError(
                    f"row group {number} has {has}, and the footer says {group.rows:,} rows"
                )

    def read(self, columns: Sequence[str] | None = None) -> pa.Table:
        """All rows as a table, for a file that is known to be small.

        Raises:
            pyarrow.ArrowException, OSError: it is damaged, or takes more memory than it may.
        """
        schema = self.schema
        if columns is not None:
            schema = pa.schema([schema.field(name) for name in columns]).with_metadata(schema.metadata)
        return pa.Table.from_batches([batch.cast(schema) for batch in self.batches(2**16, columns)], schema)

    def close(self) -> None:
        self._file.close()

    def __enter__(self) -> Self:
        return self

    def __exit__(
        self, kind: type[BaseException] | None, error: BaseException | None, trace: TracebackType | None
    ) -> None:
        self.close()
