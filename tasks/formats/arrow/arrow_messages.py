"""Check the parts of Arrow IPC streams and files (also Feather version 2) before Arrow holds them.

Arrow allocates what a part says that it needs. Here the sizes are checked first, those of compressed buffers included,
so that a file cannot take more memory than a few times MAX_BATCH_BYTES. A stream is messages one after the other; a file
has a footer that says where its messages are. Format: arrow.apache.org/docs/format/Columnar.html.
"""

import io
from struct import Struct, unpack_from
from typing import TYPE_CHECKING, BinaryIO

from tasks.formats.arrow.flatbuffers import BrokenTableError, FlatTable
from tasks.formats.beginning import read_up_to
from tasks.formats.damage import DamagedFileError, UnreadableFileError
from tasks.stores.seekable_reader import SeekableReader

if TYPE_CHECKING:
    from _typeshed import WriteableBuffer

FILE_MARK = b"ARROW1"
FEATHER_1_MARK = b"FEA1"
CONTINUATION = b"\xff\xff\xff\xff"
MAX_METADATA_BYTES = 64 * 2**20
MAX_BATCH_BYTES = 512 * 2**20  # of one record batch, as stored and as decompressed
RECORD_BATCH, DICTIONARY_BATCH = 3, 2  # kinds of messages
BUFFER = Struct("<qq")  # where it begins in the body, and its bytes
BLOCK = Struct("<qi4xq")  # of a footer: where a message begins, and the bytes of its header and body


class CheckedStream(io.RawIOBase):
    """An IPC stream, for Arrow to read. It does not close the stream below.

    `position` is where the message ends that Arrow reads now.

    Raises, when it is read:
        DamagedFileError: it is no such stream, or ends in the middle of a message.
        UnreadableFileError: a message needs too much memory.
    """

    def __init__(self, stream: BinaryIO) -> None:
        self._stream = stream
        self._ready = memoryview(b"")
        self._ended = False
        self.position = 0

    def readable(self) -> bool:
        return True

    def readinto(self, buffer: "WriteableBuffer", /) -> int:
        out = memoryview(buffer).cast("B")
        if not self._ready and not self._ended and len(out):
            self._ready = memoryview(self.next_message())
        count = min(len(out), len(self._ready))
        out[:count] = self._ready[:count]
        self._ready = self._ready[count:]
        return count

    def next_message(self) -> bytes:
        """The next message; nothing at the end."""
        prefix = self._read(4)
        if not prefix:  # a stream may end without a mark
            self._ended = True
            return b""
        size = prefix
        if prefix == CONTINUATION:
            size = self._read_whole(4)
            prefix += size
        if len(size) < 4:
            raise DamagedFileError("it ends in the middle of a message")
        (length,) = unpack_from("<i", size)
        if length == 0:
            self._ended = True
            return prefix
        if not 0 < length <= MAX_METADATA_BYTES:
            raise DamagedFileError(f"no message of Arrow has a header of {length:,} bytes")
        metadata = self._read_whole(length)
        body = self._read_whole(_body_size(metadata))
        _check_plain_size(metadata, body)
        return prefix + metadata + body

    def _read(self, size: int) -> bytes:
        found = read_up_to(self._stream, size)
        self.position += len(found)
        return found

    def _read_whole(self, size: int) -> bytes:
        found = self._read(size)
        if len(found) < size:
            raise DamagedFileError("it ends in the middle of a message")
        return found


class CheckedFile(SeekableReader):
    """An IPC file, for Arrow to read: a message is read whole and checked when Arrow asks for a part of it.

    It does not close the stream below.

    Raises, when it is read:
        DamagedFileError: it is no such file, or is cut off.
        UnreadableFileError: a message needs too much memory.
    """

    def __init__(self, stream: BinaryIO) -> None:
        """Read the footer."""
        self._stream = stream
        self._held, self._held_from = memoryview(b""), 0
        end = stream.seek(0, io.SEEK_END)
        super().__init__(end)
        stream.seek(max(0, end - 10))
        tail = stream.read(10)
        length = int.from_bytes(tail[:4], "little", signed=True)
        if tail[4:] != FILE_MARK or not 0 < length <= min(end - 10, MAX_METADATA_BYTES):
            raise DamagedFileError("it is cut off: its footer is missing")
        stream.seek(end - 10 - length)
        footer = stream.read(length)
        try:
            table = FlatTable.root(footer)
            self.batch_ends = [sum(block) for block in table.structs(3, BLOCK)]
            blocks = [*table.structs(2, BLOCK), *table.structs(3, BLOCK)]
        except BrokenTableError as error:
            raise DamagedFileError("its footer is broken") from error
        self._blocks = {start: (header, body) for start, header, body in blocks}

    def _part(self, wanted: int, /) -> bytes | memoryview:
        if self._at in self._blocks:
            self._hold(self._at, *self._blocks[self._at])
        inside = self._at - self._held_from
        if 0 <= inside < len(self._held):
            return self._held[inside : inside + wanted]
        self._stream.seek(self._at)
        return self._stream.read(wanted)

    def _hold(self, start: int, header: int, body: int) -> None:
        """Read a message whole, and check it."""
        if self._held_from == start and self._held:
            return
        self._held = memoryview(b"")
        if not 0 < header <= MAX_METADATA_BYTES:
            raise DamagedFileError(f"no message of Arrow has a header of {header:,} bytes")
        _check_size(body)
        self._stream.seek(start)
        found = self._stream.read(header + body)
        if len(found) < header + body:
            raise DamagedFileError("it ends in the middle of a message")
        prefix = 8 if found[:4] == CONTINUATION else 4
        metadata = found[prefix:header]
        if _body_size(metadata) != body:
            raise DamagedFileError("footer and message say different sizes")
        _check_plain_size(metadata, memoryview(found)[header:])
        self._held, self._held_from = memoryview(found), start


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
