"""Check how the files of a corpus begin, before sampling: the columns of tables, and the encoding.

What a worker could only set aside, row by row, is refused here with the file and the cause, as footers of Parquet are.
"""

import io
import json
from collections.abc import Sequence
from contextlib import suppress
from typing import TYPE_CHECKING, BinaryIO

from launcher.corpus.files.corpus_file import CorpusFile
from launcher.corpus.files.listing import Listing
from launcher.corpus.samples.block_positions import map_concurrently, slice_of
from launcher.corpus.samples.columns import check_schema
from launcher.corpus.samples.missing_column import missing_column
from launcher.corpus.samples.sample_faults import CSV_ENCODING_HINT
from launcher.errors import Problem
from launcher.format import plural
from tasks.formats.arrow.arrow_rows import ArrowBatches
from tasks.formats.beginning import read_some, read_up_to
from tasks.formats.compression import decompressed
from tasks.formats.csv.tables import BadTableError, Dialect, dialect_of, open_table
from tasks.formats.damage import UnreadableFileError
from tasks.formats.endings import compression_of
from tasks.formats.fields import partition_values
from tasks.formats.json.json_values import is_array
from tasks.formats.marks import KINDS, MARK_BYTES, PACKED_WITH, is_packed, other_format
from tasks.formats.read import open_slice
from tasks.formats.rows import Columns, repeated
from tasks.formats.wide_encoding import wide_encoding_of
from tasks.protocol.shard import WHOLE_FILES
from tasks.stores.base import Store

if TYPE_CHECKING:
    from _typeshed import WriteableBuffer

BEGINNING_BYTES = 64 * 2**10  # as stored, that are fetched of a file
LONG_HEADER_BYTES = (
    16 * BEGINNING_BYTES
)  # fetched where a header is longer; a longer line is left to sampling
LONG_BEGINNING_BYTES = 16 * 2**20  # unpacked, in which a header is looked for: blank lines may come before it
# Files of a stratum, evenly spread: each is a request. Workers set aside what is wrong in others.
MAX_CHECKED = 1_000
OTHER_DELIMITERS = ";\t|,\x01"  # the last one is Hive's
EXCEL_MARK = "sep="  # a first line that tells Excel the delimiter


def check_beginnings(listing: Listing, files: Sequence[CorpusFile], columns: Columns, *, whole: bool) -> None:
    """Check the beginnings of files that are not Parquet. What is damaged is left to sampling.

    `whole`: every file is going to be read whole.

    Raises:
        Problem: a table lacks a column or has two of one name, its header cannot be read, or a file is UTF-16 or
            UTF-32, or of another format than its name says.
    """
    store = listing.open()
    # One bad file of those that are a document each is set aside, and is no fault of the others.
    plain = [f for f in files if f.kind != "parquet" and f.kind not in WHOLE_FILES and f.bytes]
    step = -(-len(plain) // MAX_CHECKED) or 1
    map_concurrently(lambda file: _check(store, file, columns, whole=whole), plain[::step])


def _check(store: Store, file: CorpusFile, columns: Columns, *, whole: bool) -> None:
    # Problems of the store are those of sampling, which follows.
    with suppress(OSError, UnicodeError):
        if file.kind == "arrow":
            _check_arrow(store, file, columns)
            return
        _check_format(store, file, whole=whole)
        if not _check_first(store, file, columns, BEGINNING_BYTES):
            _check_first(store, file, columns, LONG_HEADER_BYTES)


def _check_arrow(store: Store, file: CorpusFile, columns: Columns) -> None:
    try:
        with open_slice(store, slice_of(file)) as stored, decompressed(stored, file.path) as stream:
            schema = ArrowBatches(stream).schema
    except UnreadableFileError as error:
        raise unreadable(store, file, error) from error
    check_schema(schema, file.path, columns)


def unreadable(store: Store, file: CorpusFile, error: Exception, shown: str | None = None) -> Problem:
    """The error for a file that cannot be read as its format says: what it is instead, where its first bytes show it."""
    with open_slice(store, slice_of(file, 0, BEGINNING_BYTES)) as stored:
        found = None if file.compressed else other_format(stored.read(MARK_BYTES))
    if found and KINDS.get(found[0]) != file.kind:
        return Problem(
            f"{file.path} is {found[0]}, not {file.kind} as its name or the job says", hint=found[1]
        )
    return Problem(f"cannot read {shown or file.path}: {error}", hint="move the file away, or repair it")


def _check_format(store: Store, file: CorpusFile, *, whole: bool) -> None:
    """Check that the file is not of another format, by the marks with which other formats begin."""
    with open_slice(store, slice_of(file, 0, BEGINNING_BYTES)) as stored:
        first = stored.read(MARK_BYTES)
    packing = compression_of(file.path) if file.compressed else None
    if packing and not is_packed(first, packing):
        what, hint = other_format(first) or ("not compressed", f"take {packing} from its name")
        raise Problem(f"{file.path} is {what}, and no {PACKED_WITH[packing]} as its name says", hint=hint)
    if packing:
        with (
            open_slice(store, slice_of(file, 0, BEGINNING_BYTES)) as stored,
            decompressed(stored, file.path) as stream,
        ):
            first = read_up_to(stream, MARK_BYTES)
    if (found := other_format(first)) and KINDS.get(found[0]) != file.kind:
        inside = " inside" if packing else ""
        raise Problem(
            f"{file.path} is {found[0]}{inside}, not {file.kind} as its name or the job says",
            hint="unpack it once, or name it by what is inside" if packing else found[1],
        )
    if file.kind == "jsonl" and not (file.compressed or whole) and is_array(first):
        raise Problem(
            f"{file.path} is one array of records, not a record a line",
            hint="set corpus.format to json, which also reads files of lines; or convert it, as by jq -c .[]",
        )


def _check_first(store: Store, file: CorpusFile, columns: Columns, size: int) -> bool:
    """Check the first `size` bytes, as stored; return whether they were enough to judge."""
    with (
        open_slice(store, slice_of(file, 0, size)) as stored,
        decompressed(stored, file.path) as stream,
    ):
        if file.kind in ("csv", "tsv"):
            return _check_table(stream, file, columns, size)
        if wide := wide_encoding_of(stream.readline(8)):
            raise Problem(
                f"{file.path} is {wide}, not UTF-8", hint=f"convert it, as by iconv -f {wide} -t UTF-8"
            )
        return True


def _check_table(stream: BinaryIO, file: CorpusFile, columns: Columns, size: int) -> bool:
    """Check the header in the first `size` bytes; return False when it goes on after them."""
    dialect = dialect_of(file.kind, columns.csv)
    limited = _Limited(stream, LONG_BEGINNING_BYTES)
    text = io.TextIOWrapper(io.BufferedReader(limited), dialect.encoding, "surrogateescape", newline="")
    try:
        table = open_table(text, dialect, LONG_HEADER_BYTES)
        if not limited.left:  # sampling comes to its header, or to none
            return True
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


class _Limited(io.RawIOBase):
    """The first `left` bytes of a stream, which it does not close."""

    def __init__(self, stream: BinaryIO, left: int) -> None:
        self._stream, self.left = stream, left

    def readable(self) -> bool:
        return True

    def readinto(self, buffer: "WriteableBuffer", /) -> int:
        out = memoryview(buffer).cast("B")
        part = read_some(self._stream, min(len(out), self.left))
        out[: len(part)] = part
        self.left -= len(part)
        return len(part)


def _check_names(names: Sequence[str], file: CorpusFile, columns: Columns, dialect: Dialect) -> None:
    """Check that each column to read is there, once."""
    if not names:
        return
    for name in columns.names:
        if name not in names and name not in partition_values(file.path):
            if names[0].startswith(EXCEL_MARK) and not any(names[1:]):
                raise Problem(
                    f"{file.path} begins with a line for Excel, {names[0]!r}, before its header",
                    hint="take that line out, as by sed -i 1d, and set corpus.csv.delimiter to what it says",
                )
            if any("\udc80" <= letter <= "\udcff" for other in names for letter in other):
                raise Problem(f"the header of {file.path} is not UTF-8", hint=CSV_ENCODING_HINT)
            other = [
                d for d in OTHER_DELIMITERS if len(names) == 1 and d in names[0] and d != dialect.delimiter
            ]
            found = missing_column(file.path, name, names, columns)
            if not dialect.quote and f'"{name}"' in names:
                raise Problem(
                    str(found), hint='set corpus.csv.quote to "\\"": its fields stand in quotation marks'
                )
            if other:
                raise Problem(str(found), hint=f"set corpus.csv.delimiter, perhaps to {json.dumps(other[0])}")
            raise found
    for name in repeated(names, columns):
        raise Problem(
            f"{file.path} has {plural(names.count(name), 'column')} named {name!r}",
            hint="rename all but one of them, or name another column in the job file",
        )


def _is_cut(file: CorpusFile, stream: BinaryIO, size: int) -> bool:
    """Whether all that was fetched was read, and the file goes on: the last name may be cut, and others missing."""
    return file.bytes > size and not stream.read(1)
