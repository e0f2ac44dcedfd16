"""Sample the beginning of a file whose format is read from its beginning: JSON values, Arrow, WebDataset, a document.

Gives its first rows, and how many bytes of the file as stored they took.
"""

import io
from collections.abc import Sequence
from contextlib import closing
from dataclasses import replace

from launcher.corpus.files.corpus_file import CorpusFile
from launcher.corpus.samples.partial_decompress import DecompressedStream, decompress, read_stored
from tasks.formats.arrow.arrow_batch import batch_rows
from tasks.formats.arrow.arrow_rows import ArrowBatches, parts_of
from tasks.formats.compression import decompressed
from tasks.formats.damage import UnreadableFileError, lost_rows
from tasks.formats.read import open_slice, read_rows, rows_of_stream
from tasks.formats.rows import BadRow, Columns, ReadRow
from tasks.protocol.shard import WHOLE_FILES, Kind, Slice
from tasks.stores.base import Store

PREFIX_BYTES = 64 * 2**10  # as stored, of a block in files that can be read from the start only
PREFIX_PLAIN_BYTES = 4 * 2**20  # decompressed, of such a block, about, however small they were compressed
ARCHIVE_BYTES = 16 * PREFIX_BYTES  # of archives, in which most bytes may be of images
BATCH_ROWS = 256  # of a record batch of Arrow
BATCH_BYTES = 2**20  # of those, at most
ALSO_BY_LINES: tuple[Kind, ...] = ("csv", "tsv", "jsonl", "text")  # these have samples of their own

Leading = tuple[float, Sequence[ReadRow]]


def leading_rows(location: str, store: Store, file: CorpusFile, piece: Slice, columns: Columns) -> Leading:
    """The stored bytes and the rows of the beginning of a file; `piece` is the whole of it.

    Raises:
        Problem: nothing of it can be decompressed.
    """
    if file.kind in WHOLE_FILES:
        return float(file.bytes), list(read_rows(store, piece, columns))
    if file.kind == "arrow":
        return _of_arrow(store, file, piece, columns)
    most = ARCHIVE_BYTES if file.kind == "webdataset" else PREFIX_BYTES
    rows: list[ReadRow] = []
    with (
        open_slice(store, replace(piece, end=most)) as stored,
        closing((decompress if file.compressed else read_stored)(stored, location)) as parts,
    ):
        source = DecompressedStream(parts)
        for row in rows_of_stream(io.BufferedReader(source), piece, columns):
            units = source.stored(row.position)
            if rows and (row.position >= PREFIX_PLAIN_BYTES or units >= most):
                return units, rows
            rows.append(row)
    return _units_of(file, rows, most), rows


def _units_of(file: CorpusFile, rows: Sequence[ReadRow], most: int) -> float:
    """The bytes of a file that was read to its end. A damaged one counts as much of the corpus as others."""
    damaged = rows and isinstance(rows[-1], BadRow) and rows[-1].damage
    return float(min(file.bytes, most) if damaged else file.bytes)


def _of_arrow(store: Store, file: CorpusFile, piece: Slice, columns: Columns) -> Leading:
    """The first rows of the first batch that has some, and their share of the bytes up to its end."""
    try:
        with (
            open_slice(store, replace(piece, end=PREFIX_BYTES)) as stored,
            decompressed(stored, file.path) as stream,
        ):
            for end, batch in ArrowBatches(stream).read(columns):
                if batch.num_rows:
                    part = next(parts_of(batch, BATCH_ROWS, BATCH_BYTES))
                    units = min(file.bytes, end) * part.num_rows / batch.num_rows
                    return units, list(batch_rows(part, 0, file.path, columns))
    except UnreadableFileError as error:
        return float(min(file.bytes, PREFIX_BYTES)), [lost_rows(file.path, 0, error)]
    return float(file.bytes), []
