"""Read documents from input files, one at a time, whatever the files hold.

A bad row becomes a `BadRow` with its position and reason and never stops the rest. Reads ranges, so a shard needs no
re-upload. Holds one row (or one small batch of Parquet rows) at a time. One module per format reads its rows; this one
opens the files and chooses the module.
"""

from collections.abc import Callable, Iterator, Mapping
from pathlib import PurePosixPath
from typing import BinaryIO

from tasks.errors import Problem
from tasks.formats.arrow.arrow_rows import arrow_rows
from tasks.formats.beginning import open_rewound
from tasks.formats.compression import decompressed
from tasks.formats.csv.csv_rows import csv_rows
from tasks.formats.documents.document_rows import document_rows
from tasks.formats.json.json_values import has_lines, is_array, json_rows
from tasks.formats.json.lines import line_rows
from tasks.formats.parquet.parquet_reader import OpenFile, open_footer
from tasks.formats.parquet.parquet_rows import parquet_rows
from tasks.formats.rows import Columns, ReadRow
from tasks.formats.webdataset.webdataset_rows import webdataset_rows
from tasks.protocol.shard import WHOLE_FILES, Kind, Slice
from tasks.stores.base import ObjectChanged, Store, StoreError

RowReader = Callable[[BinaryIO, Slice, Columns], Iterator[ReadRow]]
STREAM_READERS: Mapping[Kind, RowReader] = {
    "jsonl": line_rows,
    "text": line_rows,
    "csv": csv_rows,
    "tsv": csv_rows,
    "json": json_rows,
    "arrow": arrow_rows,
    "webdataset": webdataset_rows,
    **dict.fromkeys(WHOLE_FILES, document_rows),
}  # of formats that are read from their beginning; Parquet is read by its footer


def read_rows(
    source: Store,
    piece: Slice,
    columns: Columns,
    bookmark: OpenFile | None = None,
    stream: BinaryIO | None = None,
) -> Iterator[ReadRow]:
    """The rows of a slice, good and bad, in file order. With a `bookmark` a Parquet file stays open for the next slice.

    `stream` is the result of `open_slice`, if that was called before.

    Raises:
        ObjectChanged: the file is gone, or not the version that was planned.
        StoreError: it is not a file of the corpus, or the store does not let us read it.
    """
    if piece.kind == "parquet":
        yield from parquet_rows(piece, columns, bookmark, lambda: stream or open_slice(source, piece))
        return
    with stream or open_slice(source, piece) as stored, decompressed(stored, piece.path) as unpacked:
        yield from rows_of_stream(unpacked, piece, columns)


def open_slice(source: Store, piece: Slice) -> BinaryIO:
    """Open the file of a slice and fetch its first bytes (for Parquet, its last).

    Raises:
        ObjectChanged: the file is gone, or not the version that was planned.
        StoreError: it is not a file of the corpus, or the store does not let us read it.
    """
    inside = PurePosixPath(piece.path)
    if inside.is_absolute() or ".." in inside.parts:  # the manifest is not by our planner
        raise StoreError(f"{piece.path!r} is not a path inside the corpus", hint="plan and launch again")
    if piece.kind == "parquet":
        try:
            return open_footer(source, piece.path, piece.version)
        except ObjectChanged as changed:
            if changed.gone:
                raise missing_file(source, piece) from changed
            raise
    stream = source.get(piece.path, piece.version, (piece.start, piece.end))
    if stream is None:
        raise missing_file(source, piece)
    return stream


def missing_file(source: Store, piece: Slice) -> Problem:
    """The error for a missing file: it alone is gone, or the whole corpus is, as when a disk is not mounted."""
    if source.list(""):
        return ObjectChanged(piece.path, piece.version, None)
    return StoreError(
        f"cannot read {piece.path}: nothing is left of the corpus",
        hint="bring the corpus back where it was, then resume the run: nothing is lost",
    )


def rows_of_stream(stream: BinaryIO, piece: Slice, columns: Columns) -> Iterator[ReadRow]:
    """The rows of a stream of plain bytes, of any format but Parquet."""
    kind: Kind = piece.kind
    if kind in ("json", "jsonl") and not piece.start and piece.end is None:
        first, stream = open_rewound(stream)
        if kind == "json":
            kind = "jsonl" if has_lines(first) else "json"
        elif is_array(first):
            kind = "json"
    yield from STREAM_READERS[kind](stream, piece, columns)
