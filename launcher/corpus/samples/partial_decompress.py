"""Decompress the beginning of a file and know how many stored bytes each plain byte took.

A decompressor is a generator of parts: plain bytes, and where they end in the file as stored. It stops where the file is
damaged, and fails only where nothing could be decompressed: workers read what comes before the damage, too.
"""

import io
from bisect import bisect_right
from collections.abc import Generator
from typing import Any, BinaryIO

from launcher.errors import Problem
from tasks.formats.compression import PlainBytes
from tasks.formats.damage import UnreadableFileError

FEED_BYTES = 64  # as stored, that are read at once: the place is known only when the decompressor reads more
PART_BYTES = 2**14  # decompressed at once


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


def decompress(stream: BinaryIO, name: str) -> Parts:
    """Decompress a .gz or .zst file.

    Raises:
        Problem: nothing of it can be decompressed.
    """
    plain = PlainBytes(stream, name, FEED_BYTES)
    held: list[bytes] = []  # since the file was last read, up to `place`
    place = 0
    found = False
    try:
        while part := plain.read(PART_BYTES):
            if plain.stored != place and held:
                yield place, b"".join(held)
                held.clear()
            place, found = plain.stored, True
            held.append(part)
        yield place, b"".join(held)
        yield plain.stored, b""
    except UnreadableFileError as error:
        if not found:  # what comes before the damage is read by workers, too
            raise _undecompressible(name, error) from error
        yield place, b"".join(held)


def _undecompressible(name: str, error: Exception) -> Problem:
    return Problem(f"cannot decompress {name}: {error}", hint="move the file away, or repair it")
