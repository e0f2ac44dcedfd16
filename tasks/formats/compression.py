"""Compressed files: the plain bytes of a .gz, .zst, .bz2 or .xz file, unpacked as they are read.

Nothing that can be unpacked is lost: where a file is damaged or cut off, all bytes before that place come first, and
then `DamagedFileError`. Memory is bounded whatever a file unpacks to: a block of 256 KiB, for .xz 256 MiB, and for .zst
the window with which it was packed, at most 2 GiB (`zstd --long=31`) and at most a quarter of the machine's memory.
"""

import bz2
import importlib
import io
import lzma
import os
import sys
import zlib
from typing import TYPE_CHECKING, Any, BinaryIO, Protocol, cast

from tasks.formats.damage import DamagedFileError, UnreadableFileError
from tasks.formats.endings import compression_of

if TYPE_CHECKING:
    from _typeshed import WriteableBuffer

STORED_BYTES = 64 * 2**10  # of the file as stored, read at once
PLAIN_BYTES = 256 * 2**10  # unpacked at once, at most
MAX_WINDOW_LOG = 31  # the largest that zstd packs with
FREE_WINDOW_LOG = 27  # windows up to this are read on any machine, as zstd itself does
ZSTD_MAGIC = b"\x28\xb5\x2f\xfd"
ZSTD_HEADER_BYTES = 18  # of a frame, at most
SINGLE_SEGMENT = 0x20
ZLIB_WORDS, ZSTD_WORDS = "Error -3 while decompressing data: ", "Unable to decompress Zstandard data: "
MAX_XZ_BYTES = 256 * 2**20  # of memory to unpack a .xz; the largest preset of xz needs 65 MiB


class _Decompressor(Protocol):
    """Unpacks one member of a .gz file, one frame of a .zst file, or one stream of another."""

    @property
    def eof(self) -> bool: ...

    @property
    def unused_data(self) -> bytes: ...

    @property
    def needs_input(self) -> bool: ...

    def decompress(self, data: bytes, max_length: int) -> bytes: ...


class _GzipMember:
    """zlib's decompressor with the interface of the others."""

    def __init__(self) -> None:
        self._zlib = zlib.decompressobj(wbits=31)
        self._full = False

    @property
    def eof(self) -> bool:
        return self._zlib.eof

    @property
    def unused_data(self) -> bytes:
        return self._zlib.unused_data

    @property
    def needs_input(self) -> bool:
        return not self._full and not self._zlib.unconsumed_tail and not self._zlib.eof

    def decompress(self, data: bytes, max_length: int) -> bytes:
        part = self._zlib.decompress(self._zlib.unconsumed_tail + data, max_length)
        self._full = len(part) == max_length
        return part


class PlainBytes(io.RawIOBase):
    """The plain bytes of a compressed file, forward only. It does not close the stream.

    Raises, when it is read:
        DamagedFileError: after all plain bytes before the damage.
        UnreadableFileError: the file needs a dictionary, or more memory than this machine gives it.
    """

    def __init__(self, stream: BinaryIO, name: str, feed: int = STORED_BYTES) -> None:
        """`feed`: bytes as stored that are read at once."""
        self._stream = stream
        self._packing = compression_of(name)
        self._feed = feed
        self._unpacker: _Decompressor | None = None  # None: between members
        self._member: int | None = None  # where the last one begins, as stored
        self._unpacked = 0  # plain bytes of it
        self._rest = b""  # stored bytes that were read and belong to the next member
        self._ready = memoryview(b"")
        self._error: UnreadableFileError | None = None

    def readable(self) -> bool:
        return True

    @property
    def stored(self) -> int:
        """How many stored bytes were read so far, without those of the next member."""
        return self._stream.tell() - len(self._rest)

    def readinto(self, buffer: "WriteableBuffer", /) -> int:
        out = memoryview(buffer).cast("B")
        while not self._ready and len(out):
            if self._error is not None:
                raise self._error
            part = self._next()
            if part is None:
                return 0
            self._ready = memoryview(part)
        count = min(len(out), len(self._ready))
        out[:count] = self._ready[:count]
        self._ready = self._ready[count:]
        return count

    def _next(self) -> bytes | None:
        """The next plain bytes, which may be none; None at the end of a sound file."""
        if self._unpacker is None:
            if not self._find_member():
                return None
            self._unpacker = self._decompressor()
        stored = b""
        if self._unpacker.needs_input:
            stored, self._rest = self._rest or self._stream.read(self._feed), b""
            if not stored:
                self._error = DamagedFileError("it ends in the middle of compressed data")
                return b""
        try:
            part = self._unpacker.decompress(stored, PLAIN_BYTES)
        except _errors_of(self._packing) as error:
            self._error = DamagedFileError(str(error).removeprefix(ZLIB_WORDS).removeprefix(ZSTD_WORDS))
            return self._before_damage()
        self._unpacked += len(part)
        if self._unpacker.eof:
            self._rest, self._unpacker = self._unpacker.unused_data, None
        return part

    def _find_member(self) -> bool:
        """Go to the beginning of the next member; False at the end of the file."""
        while True:
            if self._packing in (".gz", ".xz") and self._member is not None:
                self._rest = self._rest.lstrip(b"\0")  # these may be padded
            if self._rest:
                break
            self._rest = self._stream.read(self._feed)
            if not self._rest:
                return False
        if self._packing == ".zst":
            self._rest += self._stream.read(max(0, ZSTD_HEADER_BYTES - len(self._rest)))
            self._error = _dictionary_error(self._rest) or _window_error(self._rest)
            if self._error:
                raise self._error
        self._member, self._unpacked = self.stored, 0
        return True

    def _decompressor(self) -> _Decompressor:
        if self._packing == ".gz":
            return _GzipMember()
        if self._packing == ".bz2":
            return bz2.BZ2Decompressor()
        if self._packing == ".xz":
            return lzma.LZMADecompressor(memlimit=MAX_XZ_BYTES)
        return zstd().ZstdDecompressor(options={zstd().DecompressionParameter.window_log_max: MAX_WINDOW_LOG})

    def _before_damage(self) -> bytes:
        """The plain bytes that a failed call kept: the member is unpacked again, byte by byte where the damage is."""
        assert self._member is not None
        end = self._stream.tell()
        self._stream.seek(self._member)
        again, done, found = self._decompressor(), 0, bytearray()
        try:
            while size := min(self._feed, end - self._stream.tell()):
                near = end - self._stream.tell() <= 2 * self._feed
                stored = self._stream.read(1 if near else size)
                while stored or not again.needs_input:
                    part = again.decompress(stored, PLAIN_BYTES)
                    stored = b""
                    found += part[max(0, self._unpacked - done) :]
                    done += len(part)
        except (*_errors_of(self._packing), EOFError):
            return bytes(found)
        return bytes(found)


def zstd() -> Any:
    """The library that unpacks .zst: only corpora that need it load it."""
    return importlib.import_module("backports.zstd" if sys.version_info < (3, 14) else "compression.zstd")


def _errors_of(packing: str | None) -> tuple[type[Exception], ...]:
    """What a decompressor raises where its input is damaged; that of .bz2 an OSError, though it reads nothing itself."""
    if packing == ".zst":
        return (zstd().ZstdError,)
    return {".bz2": (OSError, ValueError), ".xz": (lzma.LZMAError,)}.get(packing or "", (zlib.error,))


def _window_error(frame: bytes) -> UnreadableFileError | None:
    """Why this machine may not hold the window of a frame that begins so (RFC 8878, 3.1.1.1); None where it may."""
    if frame[:4] != ZSTD_MAGIC or len(frame) < 6:
        return None
    if frame[4] & SINGLE_SEGMENT:  # its window is its content
        try:
            window = zstd().get_frame_info(frame[:ZSTD_HEADER_BYTES]).decompressed_size or 0
        except zstd().ZstdError:
            return None
    else:
        window = (1 << (10 + (frame[5] >> 3))) * (8 + (frame[5] & 7)) // 8
    most = max(2**FREE_WINDOW_LOG, min(2**MAX_WINDOW_LOG, _memory() // 4))
    if window <= most:
        return None
    return UnreadableFileError(
        f"it was packed with a window of {window // 2**20:,} MiB, and this machine allows {most // 2**20:,} MiB "
        "(a quarter of its memory, at most 2,048 MiB); pack it again with zstd --long=27"
    )


def _dictionary_error(frame: bytes) -> UnreadableFileError | None:
    """Why a frame that begins so cannot be unpacked: it names a dictionary, which no corpus brings with it."""
    if frame[:4] != ZSTD_MAGIC:
        return None
    try:
        number = zstd().get_frame_info(frame[:ZSTD_HEADER_BYTES]).dictionary_id
    except zstd().ZstdError:
        return None
    if not number:
        return None
    return UnreadableFileError(
        f"it was packed with the zstd dictionary {number}, which is not at hand; unpack it with zstd -d -D DICTIONARY"
    )


def _memory() -> int:
    """The memory of this machine in bytes; where it does not say, as much as a large one has."""
    try:
        return os.sysconf("SC_PHYS_PAGES") * os.sysconf("SC_PAGE_SIZE")
    except (ValueError, OSError, AttributeError):
        return 2**40


def decompressed(stream: BinaryIO, name: str) -> BinaryIO:
    """The stream of a file, decompressed when its name says that it is compressed."""
    if compression_of(name):
        return cast("BinaryIO", io.BufferedReader(PlainBytes(stream, name), PLAIN_BYTES))
    return stream
