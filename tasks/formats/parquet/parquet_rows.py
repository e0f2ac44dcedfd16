"""Rows of a slice of a Parquet file. `parquet_reader` keeps the file open between slices.

A damaged row group loses its own rows only, from the damage on, and the footer tells how many they are.
"""

from collections.abc import Callable, Iterator
from typing import BinaryIO

import pyarrow as pa

from tasks.errors import Problem
from tasks.formats.arrow.arrow_batch import batch_rows
from tasks.formats.damage import DamagedFileError, lost_rows
from tasks.formats.parquet.parquet_reader import ForwardReader, OpenFile
from tasks.formats.rows import Columns, ReadRow
from tasks.protocol.shard import Slice


def parquet_rows(
    piece: Slice, columns: Columns, bookmark: OpenFile | None, opened: Callable[[], BinaryIO]
) -> Iterator[ReadRow]:
    """The rows of a slice; `opened` opens the file where the bookmark is at another one.

    Raises:
        OSError: the store failed to give bytes of it.
    """
    mark = bookmark or OpenFile()
    try:
        file = _open(mark, piece, columns, opened)
        if isinstance(file, ForwardReader):
            yield from _rows(file, piece, columns)
        else:
            yield lost_rows(
                piece.path, piece.start, file, None if piece.end is None else piece.end - piece.start
            )
    except (Problem, OSError):
        mark.close()
        raise
    finally:
        if bookmark is None:
            mark.close()


def _open(
    mark: OpenFile, piece: Slice, columns: Columns, opened: Callable[[], BinaryIO]
) -> ForwardReader | pa.ArrowException | OSError:
    """The reader of the file, or why it cannot be read."""
    try:
        return mark.at(piece, columns.names, opened)
    except (pa.ArrowException, OSError) as error:
        return error


def _rows(file: ForwardReader, piece: Slice, columns: Columns) -> Iterator[ReadRow]:
    end = file.rows if piece.end is None else piece.end
    for group in file.groups(piece.start, end):
        position = group.start
        try:
            for first, batch in file.read(group):
                for row in batch_rows(batch, first, piece.path, columns):
                    yield row
                    position += 1
        except (pa.ArrowException, OSError) as error:
            yield lost_rows(piece.path, position, error, group.end - position)
        surplus = file.surplus(group)
        if surplus != 0:
            more = "more values" if surplus is None else f"{surplus:,} values more"
            denied = f"row group {group.group} has {more} than the footer says that it has"
            yield lost_rows(piece.path, group.end, DamagedFileError(denied), surplus)
    if missing := max(0, end - max(piece.start, file.rows)):
        why = f"its row groups have {file.rows:,} rows, and the plan has seen more"
        yield lost_rows(piece.path, file.rows, DamagedFileError(why), missing)
    if piece.start < file.rows <= end and (denied := file.rows_denied()):
        why = f"its row groups have {file.rows:,} rows, and its footer says {file.rows + denied:,}"
        yield lost_rows(piece.path, file.rows, DamagedFileError(why), denied)
