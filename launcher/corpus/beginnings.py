"""Check how the files of a corpus begin, before sampling: the columns of tables, and the encoding.

What a worker could only set aside, row by row, is refused here with the file and the cause, as footers of Parquet are.
"""

import io
from collections.abc import Sequence
from contextlib import suppress
from typing import BinaryIO

from launcher.corpus.block_positions import map_concurrently, slice_of
from launcher.corpus.listing import CorpusFile, Listing
from launcher.errors import Problem
from tasks.formats.compression import decompressed
from tasks.formats.read import open_slice
from tasks.formats.rows import Columns, repeated
from tasks.formats.tables import BadTableError, Dialect, dialect_of, looks_like_utf16, open_table
from tasks.stores.base import Store

BEGINNING_BYTES = 64 * 2**10  # as stored, that are fetched of a file
LONG_HEADER_BYTES = (
    16 * BEGINNING_BYTES
)  # fetched where a header is longer; a longer line is left to sampling
# Files of a stratum, evenly spread: each is a request. Workers set aside what is wrong in others.
MAX_CHECKED = 1_000
MAX_NAMES_SHOWN = 20  # of the columns of a table
OTHER_DELIMITERS = ";\t|"


def check_beginnings(listing: Listing, files: Sequence[CorpusFile], columns: Columns) -> None:
    """Check the beginnings of files that are not Parquet. What is damaged is left to sampling.

    Raises:
        Problem: a table lacks a column or has two of one name, its header cannot be read, or a file is UTF-16.
    """
    store = listing.open()
    plain = [file for file in files if file.kind != "parquet" and file.bytes]
    step = -(-len(plain) // MAX_CHECKED) or 1
    map_concurrently(lambda file: _check(store, file, columns), plain[::step])


def _check(store: Store, file: CorpusFile, columns: Columns) -> None:
    # Problems of the store are those of sampling, which follows.
    with suppress(OSError, UnicodeError):
        if not _check_first(store, file, columns, BEGINNING_BYTES):
            _check_first(store, file, columns, LONG_HEADER_BYTES)


def _check_first(store: Store, file: CorpusFile, columns: Columns, size: int) -> bool:
    """Check the first `size` bytes, as stored; return whether they were enough to judge."""
    with (
        open_slice(store, slice_of(file, 0, size)) as stored,
        decompressed(stored, file.path) as stream,
    ):
        if file.kind in ("csv", "tsv"):
            return _check_table(stream, file, columns, size)
        if looks_like_utf16(stream.readline(8).decode("utf-8", "surrogateescape")):
            raise Problem(
                f"{file.path} is UTF-16, not UTF-8", hint="convert it, as by iconv -f UTF-16 -t UTF-8"
            )
        return True


def _check_table(stream: BinaryIO, file: CorpusFile, columns: Columns, size: int) -> bool:
    """Check the header in the first `size` bytes; return False when it goes on after them."""
    dialect = dialect_of(file.kind, columns.csv)
    text = io.TextIOWrapper(stream, dialect.encoding, "surrogateescape", newline="")
    try:
        table = open_table(text, dialect, LONG_HEADER_BYTES)
        if _is_cut(file, stream, size):
            return False
    except BadTableError as error:
        if size < LONG_HEADER_BYTES and _is_cut(file, stream, size):
            return False
        raise Problem(f"{file.path}: {error}", hint="repair the file, or set corpus.csv") from error
    finally:
        text.detach()
    _check_names(table.names, file, columns, dialect)
    return True


def _check_names(names: Sequence[str], file: CorpusFile, columns: Columns, dialect: Dialect) -> None:
    """Check that each column to read is there, once."""
    if not names:
        return
    for name in columns.names:
        if name not in names:
            shown = ", ".join(map(repr, names[:MAX_NAMES_SHOWN]))
            more = f" and {len(names) - MAX_NAMES_SHOWN} more" if len(names) > MAX_NAMES_SHOWN else ""
            other = [
                d for d in OTHER_DELIMITERS if len(names) == 1 and d in names[0] and d != dialect.delimiter
            ]
            raise Problem(
                f"{file.path} has no column {name!r}; it has {shown}{more}",
                hint=f"set corpus.csv.delimiter, perhaps to {other[0]!r}"
                if other
                else "set corpus.text, corpus.id and output.keep to columns that are there",
            )
    for name in repeated(names, columns):
        raise Problem(
            f"{file.path} has {names.count(name)} columns named {name!r}",
            hint="rename all but one of them, or name another column in the job file",
        )


def _is_cut(file: CorpusFile, stream: BinaryIO, size: int) -> bool:
    """Whether all that was fetched was read, and the file goes on: the last name may be cut, and others missing."""
    return file.bytes > size and not stream.read(1)
