"""Rows of a slice of a Parquet file. `parquet_reader` keeps the file open between slices."""

from collections.abc import Callable, Iterator
from typing import BinaryIO

import pyarrow as pa

from tasks.errors import Problem
from tasks.formats.arrow_batch import batch_rows
from tasks.formats.parquet_reader import OpenFile
from tasks.formats.rows import BadRow, Columns, ReadRow
from tasks.protocol.shard import Slice


def parquet_rows(
    piece: Slice, columns: Columns, bookmark: OpenFile | None, opened: Callable[[], BinaryIO]
) -> Iterator[ReadRow]:
    """The rows of a slice; `opened` opens the file where the bookmark is at another one."""
    mark = bookmark or OpenFile()
    position = piece.start
    try:
        file = mark.at(piece, columns.names, opened)
        for first, batch in file.read(piece.start, file.rows if piece.end is None else piece.end):
            yield from batch_rows(batch, first, piece.path, columns)
            position = first + batch.num_rows
    except (pa.ArrowException, OSError) as error:
        mark.close()
        yield BadRow(piece.path, position, f"the file is damaged from here on: {error}")
    except Problem:
        mark.close()
        raise
    finally:
        if bookmark is None:
            mark.close()
