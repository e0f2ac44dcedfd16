"""Check the parts of Arrow IPC streams and files (also Feather version 2) before Arrow holds them.

Arrow allocates what a part says that it needs. Here the sizes are checked first, those of compressed buffers included,
so that a file cannot take more memory than a few times MAX_BATCH_BYTES. A stream is messages one after the other; a file
has a footer that says where its messages are. Format: arrow.apache.org/docs/format/Columnar.html.
"""

import io
from abc import abstractmethod
from struct import Struct, pack, unpack_from
from typing import TYPE_CHECKING, BinaryIO

from tasks.formats.arrow.flatbuffers import BrokenTableError, FlatTable
from tasks.formats.beginning import read_up_to
from tasks.formats.damage import DamagedFileError, UnreadableFileError

if TYPE_CHECKING:
    from _typeshed import WriteableBuffer

FILE_MARK = b"ARROW1"
FEATHER_1_MARK = b"FEA1"
CONTINUATION = b"\xff\xff\xff\xff"
MAX_METADATA_BYTES = 64 * 2**20
MAX_BATCH_BYTES = 512 * 2**20  # of one record batch, as stored and as decompressed
SCHEMA, DICTIONARY_BATCH, RECORD_BATCH = 1, 2, 3  # kinds of messages
BUFFER = Struct("<qq")  # where it begins in the body, and its bytes
BLOCK = Struct("<qi4xq")  # of a footer: where a message begins, and the bytes of its header and body
SCHEMA_MESSAGE = Struct("<IHHHHH2xiIHB5x")  # a FlatBuffer: its root, a table of three fields, and the fields


class CheckedMessages(io.RawIOBase):
    """The messages of an IPC stream or file one after the other, which Arrow reads as a stream.

    `position` is where the message ends that Arrow reads now. It does not close the stream below.

    Raises, when it is read:
        DamagedFileError: it is no such stream or file, or ends in the middle of a message.
        UnreadableFileError: a message needs too much memory.
    """

    def __init__(self) -> None:
        self._ready = memoryview(b"")
        self._ended = False
        self.position = 0

    @abstractmethod
    def next_message(self) -> bytes:
        """The next message, checked; nothing at the end."""

    def readable(self) -> bool:
        return True

    def readinto(self, buffer: "WriteableBuffer", /) -> int:
        out = memoryview(buffer).cast("B")
        if not self._ready and not self._ended and len(out):
            self._ready = memoryview(self.next_message())
            self._ended = not self._ready
        count = min(len(out), len(self._ready))
        out[:count] = self._ready[:count]
        self._ready = self._ready[count:]
        return count

    def _message(self, stream: BinaryIO) -> bytes:
        """The message that begins where the stream stands; nothing at its end."""
        prefix = self._read(stream, 4)
        if not prefix:  # a stream may end without a mark
            return b""
        size = prefix
        if prefix == CONTINUATION:
            size = self._read_whole(stream, 4)
            prefix += size
        if len(size) < 4:
            raise DamagedFileError("it ends in the middle of a message")
        (length,) = unpack_from("<i", size)
        if length == 0:  # the mark of the end
            return b""
        if not 0 < length <= MAX_METADATA_BYTES:
            raise DamagedFileError(f"no message of Arrow has a header of {length:,} bytes")
        metadata = self._read_whole(stream, length)
        body = self._read_whole(stream, _body_size(metadata))
        _check_plain_size(metadata, body)
        return prefix + metadata + body

    def _read(self, stream: BinaryIO, size: int) -> bytes:
        found = read_up_to(stream, size)
        self.position += len(found)
        return found

    def _read_whole(self, stream: BinaryIO, size: int) -> bytes:
        found = self._read(stream, size)
        if len(found) < size:
            raise DamagedFileError("it ends in the middle of a message")
        return found


class CheckedStream(CheckedMessages):
    """The messages of an IPC stream."""

    def __init__(self, stream: BinaryIO) -> None:
        super().__init__()
        self._stream = stream

    def next_message(self) -> bytes:
        return self._message(self._stream)


class CheckedFile(CheckedMessages):
    """The messages of an IPC file that its footer names, behind the schema in the footer: readers go by these alone.

    Arrow reads the footer of a file in a thread of its own, which may hold the stream for longer than the interpreter
    lives and ends the process then. It reads a stream in the thread that asks.
    """

    def __init__(self, stream: BinaryIO) -> None:
        """Read the footer. `stream` can seek."""
        super().__init__()
        self._stream = stream
        end = stream.seek(0, io.SEEK_END)
        stream.seek(max(0, end - 10))
        tail = read_up_to(stream, 10)
        length = int.from_bytes(tail[:4], "little", signed=True)
        if tail[4:] != FILE_MARK or not 0 < length <= min(end - 10, MAX_METADATA_BYTES):
            raise DamagedFileError("it is cut off: its footer is missing")
        stream.seek(end - 10 - length)
        footer = read_up_to(stream, length)
        try:
            table = FlatTable.root(footer)
            self._schema = _schema_message(footer, table)
            blocks = [*table.structs(2, BLOCK), *table.structs(3, BLOCK)]  # dictionaries first
        except BrokenTableError as error:
            raise DamagedFileError("its footer is broken") from error
        if any(start < 0 for start, _, _ in blocks) or sum(header + body for _, header, body in blocks) > end:
            raise DamagedFileError("its footer names messages that the file does not hold")
        self._left = iter([(start, header + body) for start, header, body in blocks])

    def next_message(self) -> bytes:
        schema, self._schema = self._schema, b""
        start, size = (0, 0) if schema else next(self._left, (0, 0))
        if schema or not size:
            return schema
        self._stream.seek(start)
        self.position = start
        found = self._message(self._stream)
        if len(found) != size:
            raise DamagedFileError("footer and message say different sizes")
        return found


def count_rows(messages: CheckedMessages) -> int:
    """The rows that the headers of the record batches say.

    Raises:
        DamagedFileError, UnreadableFileError: as when the messages are read.
    """
    rows = 0
    try:
        while message := messages.next_message():
            table = FlatTable.root(message[8 if message.startswith(CONTINUATION) else 4 :])
            batch = table.table(2) if table.int8(1) == RECORD_BATCH else None
            rows += batch.int64(0) if batch else 0
    except BrokenTableError as error:
        raise DamagedFileError("the header of a message is broken") from error
    return rows


def _schema_message(footer: bytes, table: FlatTable) -> bytes:
    """The schema of a footer as a message of its own, the footer behind it: what it refers to stays where it is."""
    schema = table.table(1)
    if schema is None:
        raise BrokenTableError("no schema")
    size = SCHEMA_MESSAGE.size
    to_schema = size + schema.place - 20  # from where the reference stands
    header = SCHEMA_MESSAGE.pack(16, 10, 12, 8, 10, 4, 12, to_schema, table.int16(0), SCHEMA)
    metadata = header + footer + bytes(-len(footer) % 8)
    return CONTINUATION + pack("<i", len(metadata)) + metadata


def _body_size(metadata: bytes) -> int:
    try:
        size = FlatTable.root(metadata).int64(3)
    except BrokenTableError as error:
        raise DamagedFileError("the header of a message is broken") from error
    _check_size(size)
    return size


def _check_plain_size(metadata: bytes, body: bytes | memoryview) -> None:
    """Check how large the buffers of a message are when they are decompressed."""
    try:
        message = FlatTable.root(metadata)
        batch = message.table(2)
        if message.int8(1) == DICTIONARY_BATCH and batch:
            batch = batch.table(1)
        if message.int8(1) in (DICTIONARY_BATCH, RECORD_BATCH) and batch and batch.table(3):
            _check_size(sum(_plain_size(body, offset, size) for offset, size in batch.structs(2, BUFFER)))
    except BrokenTableError as error:
        raise DamagedFileError("the header of a message is broken") from error


def _plain_size(body: bytes | memoryview, offset: int, size: int) -> int:
    """The bytes of a compressed buffer when it is decompressed, which stand before it; -1 there: it is not compressed."""
    if size <= 0:
        return 0
    plain = int(unpack_from("<q", body, offset)[0])
    return size if plain == -1 else max(0, plain)


def _check_size(size: int) -> None:
    if size < 0:
        raise DamagedFileError(f"no message of Arrow has {size:,} bytes")
    if size > MAX_BATCH_BYTES:
        raise UnreadableFileError(
            f"a record batch takes {size / 2**20:,.0f} MiB, and at most {MAX_BATCH_BYTES // 2**20:,} MiB are held; "
            "write the file again with fewer rows a batch"
        )
