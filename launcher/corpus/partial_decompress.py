"""Decompress the beginning of a file and know how many stored bytes each plain byte took.

A decompressor is a generator of parts: plain bytes, and where they end in the file as stored. It stops where the file is
damaged, and fails only where nothing could be decompressed: workers read what comes before the damage, too.
"""

import io
import zlib
from bisect import bisect_right
from collections.abc import Generator
from typing import Any, BinaryIO

import pyarrow as pa

from launcher.errors import Problem
from tasks.formats.compression import ZSTD_READ_BYTES

ZSTD_FEED_BYTES = 64  # decompressed at once: the place is known only when the decompressor reads more


Parts = Generator[tuple[int, bytes], None, None]  # where it ends in the file as stored, and the plain bytes


class DecompressedStream(io.RawIOBase):
    """The plain bytes of a file as they are read, with their places in the file as stored."""

    def __init__(self, parts: Parts) -> None:
        self._parts = parts
        self._rest = memoryview(b"")
        self._plain, self._stored = [0], [0]  # ends of the parts so far

    def readable(self) -> bool:
        return True

    def readinto(self, buffer: Any, /) -> int:
        while not self._rest:
            found = next(self._parts, None)
            if found is None:
                return 0
            stored, part = found
            self._rest = memoryview(part)
            self._plain.append(self._plain[-1] + len(part))
            self._stored.append(stored)
        count = min(len(buffer), len(self._rest))
        buffer[:count] = self._rest[:count]
        self._rest = self._rest[count:]
        return count

    def stored(self, place: int) -> float:
        """Return how many stored bytes the first `place` plain bytes took, interpolated inside a part."""
        after = bisect_right(self._plain, place)
        if after == len(self._plain):
            return float(self._stored[-1])
        (low, high), (start, end) = self._plain[after - 1 : after + 1], self._stored[after - 1 : after + 1]
        return start + (end - start) * (place - low) / (high - low)


def read_stored(stream: BinaryIO, _name: str) -> Parts:
    """Read a file that is not compressed."""
    while part := stream.read(2**14):
        yield stream.tell(), part


def decompress_gzip(stream: BinaryIO, name: str) -> Parts:
    """Decompress a .gz file of one or several members.

    Raises:
        Problem: nothing of it can be decompressed.
    """
    found = False
    decompressor = zlib.decompressobj(wbits=31)
    try:
        while rest := stream.read(2**12):
            full = False
            while rest or full:  # few stored bytes may be many plain ones
                part = decompressor.decompress(rest, 2**18)
                full = len(part) == 2**18
                rest = decompressor.unused_data if decompressor.eof else decompressor.unconsumed_tail
                if decompressor.eof:  # a .gz may have several members, one after the other
                    decompressor = zlib.decompressobj(wbits=31)
                if part:
                    found = True
                    yield stream.tell() - len(rest), part
        yield stream.tell(), b""
    except zlib.error as error:
        if not found:  # what comes before the damage is read by workers, too
            raise _undecompressible(name, error) from error


class SmallReads(io.RawIOBase):
    """A stream that returns at most ZSTD_FEED_BYTES at a time."""

    def __init__(self, stream: BinaryIO) -> None:
        self._stream = stream

    def readable(self) -> bool:
        return True

    def tell(self) -> int:
        return self._stream.tell()

    def read(self, size: int | None = -1, /) -> bytes:
        return self._stream.read(ZSTD_FEED_BYTES if size is None or size < 0 else min(size, ZSTD_FEED_BYTES))


def decompress_zstd(stream: BinaryIO, name: str) -> Parts:
    """Decompress a .zst file.

    Raises:
        Problem: nothing of it can be decompressed.
    """
    held: list[bytes] = []  # since the file was last read, up to `place`
    place = 0
    found = False
    feed = SmallReads(stream)
    try:
        with pa.CompressedInputStream(pa.PythonFile(feed, "r"), "zstd") as compressed:
            while part := compressed.read(ZSTD_READ_BYTES):
                if feed.tell() != place and held:
                    yield place, b"".join(held)
                    held.clear()
                place, found = feed.tell(), True
                held.append(part)
            yield place, b"".join(held)
            yield feed.tell(), b""
    except OSError as error:
        if not found:
            raise _undecompressible(name, error) from error
        yield place, b"".join(held)


def _undecompressible(name: str, error: Exception) -> Problem:
    return Problem(f"cannot decompress {name}: {error}", hint="move the file away, or repair it")
