"""Count the rows of an input file by another way than the readers that embed it, so that a reader's mistake shows.

| format | here | the reader |
|---|---|---|
| Parquet | the footer; the page headers of a small column where they have more | the values of each row group |
| JSON Lines, text | lines that are not blank, by their bytes | lines, each parsed |
| CSV, TSV | records by pyarrow's parser (C++) | our strict splitter |
| JSON | Python's json, a file of at most 64 MiB at once | values, found by their brackets |
| Arrow, Feather | rows that each record batch states | the values of each batch |
| WebDataset | names of files by Python's tarfile | our reader of tar |
| a document a file | 1 | its text |

Compressed files are unpacked by Python's own modules. Blocks are counted as they come, at most 16 MiB in
memory. What cannot be counted so (a damaged file, another format) is unknown, which is None and never 0.
"""

# the stubs of pyarrow are generic in what a file decides
# pyright: reportUnknownMemberType=false, reportUnknownArgumentType=false, reportUnknownVariableType=false
import bz2
import gzip
import io
import json
import lzma
import tarfile
import weakref
import zlib
from collections.abc import Callable, Iterator, Mapping
from contextlib import closing
from dataclasses import dataclass
from threading import Event
from typing import TYPE_CHECKING, Any, BinaryIO, Literal, cast

import pyarrow as pa
import pyarrow.csv as pa_csv
import pyarrow.parquet as pq

from tasks.errors import Problem
from tasks.formats.arrow.arrow_messages import FILE_MARK, CheckedFile, CheckedStream, count_rows
from tasks.formats.beginning import open_rewound
from tasks.formats.compression import zstd
from tasks.formats.csv.tables import dialect_of
from tasks.formats.endings import compression_of
from tasks.formats.json.json_values import is_array
from tasks.formats.parquet.parquet_footer import read_groups
from tasks.formats.parquet.parquet_pages import PageCounter
from tasks.formats.parquet.parquet_reader import FOOTER_SPAN
from tasks.protocol.csv_format import CsvFormat
from tasks.protocol.shard import WHOLE_FILES, Kind, Slice
from tasks.stores.base import Store

if TYPE_CHECKING:
    from _typeshed import WriteableBuffer

BLOCK_BYTES = 2**20
BEGINNING_BYTES = 2**12
MAX_JSON_BYTES = 2**26  # of a JSON file: it is held in memory, with its values
RELEASE_SECONDS = 30  # at most, until pyarrow has let go of a stream; usually milliseconds
TABLE_BLOCK_BYTES = 2**24  # a record of a table must fit into a block

Counter = Callable[[BinaryIO, Kind, CsvFormat | None], int]


@dataclass(frozen=True, slots=True)
class InputCount:
    """The rows of a file, and the way in which they were counted, as it is shown."""

    rows: int
    way: str


def count_input(store: Store, piece: Slice, table: CsvFormat | None) -> InputCount | None:
    """Count the rows of the whole file of a slice; None where this module has no way for it, or the file is damaged.

    Raises:
        StoreError: the store cannot be read.
    """
    known = COUNTERS.get(piece.kind)
    if known is None:
        return None
    way, counter = known
    stream = store.get(piece.path, piece.version, FOOTER_SPAN if piece.kind == "parquet" else (0, None))
    if stream is None:
        return None
    try:
        with closing(stream), closing(_plain(stream, piece.path)) as plain:
            return InputCount(counter(plain, piece.kind, table), way)
    except Problem:
        raise
    except _damage():
        return None


def _damage() -> tuple[type[Exception], ...]:
    """What reading a damaged file raises."""
    return (
        pa.ArrowException,
        OSError,
        EOFError,
        ValueError,
        lzma.LZMAError,
        zlib.error,
        zstd().ZstdError,
    )


def _plain(stream: BinaryIO, name: str) -> BinaryIO:
    """The plain bytes of a file, by other modules than the readers' own."""
    packing = compression_of(name)
    if packing == ".gz":
        return cast("BinaryIO", gzip.GzipFile(fileobj=stream))
    if packing == ".bz2":
        return cast("BinaryIO", bz2.BZ2File(stream))
    if packing == ".xz":
        return cast("BinaryIO", io.BufferedReader(_XzStreams(stream)))
    if packing == ".zst":
        options = {zstd().DecompressionParameter.window_log_max: 31}
        return cast("BinaryIO", zstd().ZstdFile(stream, options=options))
    return stream


class _XzStreams(io.RawIOBase):
    """The plain bytes of all streams of an .xz file, with the zeros that may pad each: `lzma.LZMAFile` ends at those."""

    def __init__(self, stream: BinaryIO) -> None:
        super().__init__()
        self._stream = stream
        self._unpacker: lzma.LZMADecompressor | None = None
        self._stored = b""

    def readable(self) -> bool:
        return True

    def seekable(self) -> bool:
        return True

    def seek(self, offset: int, whence: int = io.SEEK_SET, /) -> int:
        """Go back to the beginning, the only position that is asked for."""
        if offset or whence != io.SEEK_SET:
            raise io.UnsupportedOperation("only the beginning can be found")
        self._unpacker, self._stored = None, b""
        return self._stream.seek(0)

    def readinto(self, buffer: "WriteableBuffer", /) -> int:
        out = memoryview(buffer).cast("B")
        while True:
            if self._unpacker is None:
                self._stored = self._stored.lstrip(b"\0") or self._stream.read(BLOCK_BYTES).lstrip(b"\0")
                if not self._stored:
                    if not self._stream.read(1):
                        return 0
                    self._stream.seek(-1, io.SEEK_CUR)
                    continue
                self._unpacker = lzma.LZMADecompressor()
            if self._unpacker.needs_input and not self._stored:
                self._stored = self._stream.read(BLOCK_BYTES)
                if not self._stored:
                    raise EOFError("it ends in the middle of compressed data")
            part = self._unpacker.decompress(self._stored, len(out))
            self._stored = b""
            if self._unpacker.eof:
                self._stored, self._unpacker = self._unpacker.unused_data, None
            if part:
                out[: len(part)] = part
                return len(part)


def _blocks(stream: BinaryIO) -> Iterator[bytes]:
    while block := stream.read(BLOCK_BYTES):
        yield block


def _lines(stream: BinaryIO, kind: Kind, table: CsvFormat | None) -> int:
    """Lines with another byte than a blank. A line that two blocks share is counted once."""
    del table
    count, filled, first = (
        0,
        False,
        True,
    )  # filled: the line at the end of the last block has such a byte already
    for block in _blocks(stream):
        text = block.removeprefix(b"\xef\xbb\xbf") if first else block
        if first and kind == "jsonl" and is_array(text):
            raise ValueError("one array: its lines are no rows")
        first = False
        head, newline, rest = text.partition(b"\n")
        filled = filled or bool(head.strip())
        if not newline:
            continue
        body, newline, tail = rest.rpartition(b"\n")
        count += filled
        if newline:
            count += sum(1 for line in body.split(b"\n") if line.strip())
        filled = bool(tail.strip())
    return count + filled


def _lines_or_array(stream: BinaryIO, kind: Kind, table: CsvFormat | None) -> int:
    """Lines; values where the file is one array, whatever its name says."""
    first = stream.read(BEGINNING_BYTES)
    stream.seek(0)
    array = first.removeprefix(b"\xef\xbb\xbf").lstrip()[:1] == b"["
    return _json_values(stream, kind, table) if array else _lines(stream, kind, table)


def _json_values(stream: BinaryIO, kind: Kind, table: CsvFormat | None) -> int:
    """The elements of a top-level array, or values one after the other."""
    del kind, table
    body = stream.read(MAX_JSON_BYTES + 1)
    if len(body) > MAX_JSON_BYTES:
        raise ValueError("too long to be counted so")
    text = body.decode("utf-8-sig").strip()
    decoder, place, values = json.JSONDecoder(), 0, list[object]()
    while place < len(text):
        value, place = decoder.raw_decode(text, place)
        values.append(value)
        while place < len(text) and text[place].isspace():
            place += 1
    first = values[0] if len(values) == 1 else None
    return len(cast("list[object]", first)) if isinstance(first, list) else len(values)


def _samples(stream: BinaryIO, kind: Kind, table: CsvFormat | None) -> int:
    """Samples of a tar: runs of files whose names are equal up to the first dot."""
    del kind, table
    count, last = 0, None
    with tarfile.open(fileobj=stream, mode="r|") as archive:
        for member in archive:
            folder, _, name = member.name.rpartition("/")
            stem, dot, _ = name.partition(".")
            kept = member.isfile() or member.islnk() or member.issym()
            if not kept or not dot or not stem or name.startswith((".", "__")):
                continue
            count += (folder, stem) != last
            last = (folder, stem)
    return count


def _one(stream: BinaryIO, kind: Kind, table: CsvFormat | None) -> int:
    del stream, kind, table
    return 1


def _table(stream: BinaryIO, kind: Kind, table: CsvFormat | None) -> int:
    """Records by pyarrow, those with too few or too many fields included, without the header."""
    dialect = dialect_of(kind, table)
    invalid = 0

    def skip(_row: object) -> Literal["skip"]:
        nonlocal invalid
        invalid += 1
        return "skip"

    reading = pa_csv.ReadOptions(
        use_threads=False,
        block_size=TABLE_BLOCK_BYTES,
        autogenerate_column_names=True,
        encoding="utf8" if dialect.encoding == "utf-8" else dialect.encoding,
    )
    parsing = pa_csv.ParseOptions(
        delimiter=dialect.delimiter,
        quote_char=dialect.quote or False,
        double_quote=bool(dialect.quote),
        escape_char=dialect.escape or False,
        newlines_in_values=bool(dialect.quote) or dialect.is_text_format,
        invalid_row_handler=skip,
    )
    converting = pa_csv.ConvertOptions(
        include_columns=["f0"], column_types={"f0": pa.binary()}, check_utf8=False
    )
    ahead = _ReadAhead(stream)
    released = Event()
    weakref.finalize(ahead, released.set)
    going = ahead.going
    rows, failed = 0, None
    try:
        reader: Any = pa_csv.open_csv(cast("Any", ahead), reading, parsing, converting)
        rows = sum(batch.num_rows for batch in reader)
    except _damage() as error:
        failed = error.with_traceback(None)  # whose frames would hold the reader
    going.clear()
    ahead = reader = None  # the last references of this side
    released.wait(RELEASE_SECONDS)
    if failed is not None:
        raise failed
    return max(0, rows + invalid - (dialect.header is True))


class _ReadAhead:
    """A stream for a reader that reads ahead in threads of its own, also after it has failed.

    A thread that asks for bytes while the process ends aborts it. So there are none any more once `going` is cleared,
    and the caller waits until the reader has let go of this object.
    """

    closed = False

    def __init__(self, stream: BinaryIO) -> None:
        self._stream = stream
        self.going = Event()
        self.going.set()

    def read(self, size: int = -1) -> bytes:
        return self._stream.read(size) if self.going.is_set() else b""

    def readable(self) -> bool:
        return True


def _parquet(stream: BinaryIO, kind: Kind, table: CsvFormat | None) -> int:
    del kind, table
    footer: Any = pq.ParquetFile(stream, pre_buffer=False).metadata
    groups = read_groups(footer, stream)
    if footer.num_rows != sum(group.rows for group in groups):
        raise ValueError("the footer contradicts itself, so it counts nothing")
    leaves: list[Any] = [footer.schema.column(number) for number in range(footer.num_columns)]
    flat = {leaf.path for leaf in leaves if not leaf.max_repetition_level}
    pages, rows = PageCounter(stream), 0
    for group in groups:
        one_a_row = [chunk for chunk in group.chunks if chunk.path in flat and not chunk.encrypted]
        smallest = sorted(one_a_row, key=lambda chunk: chunk.stored_bytes)[:1]
        pages.watch(smallest)
        rows += group.rows + sum(pages.surplus().values())
    return rows


def _arrow(stream: BinaryIO, kind: Kind, table: CsvFormat | None) -> int:
    """Rows of a file or stream of Arrow IPC, by the headers of its record batches."""
    del kind, table
    first, rewound = open_rewound(stream, len(FILE_MARK))
    return count_rows(CheckedFile(stream) if first == FILE_MARK else CheckedStream(rewound))


COUNTERS: Mapping[str, tuple[str, Counter]] = {
    "parquet": ("the footer", _parquet),
    "jsonl": ("counting lines", _lines_or_array),
    "json": ("Python's json", _json_values),
    "text": ("counting lines", _lines),
    "csv": ("pyarrow's parser", _table),
    "tsv": ("pyarrow's parser", _table),
    "arrow": ("the headers of the record batches", _arrow),
    "webdataset": ("Python's tarfile", _samples),
    **dict.fromkeys(WHOLE_FILES, ("the number of files", _one)),
}
