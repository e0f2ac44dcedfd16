"""Read a stream in parts, without losing those before a damaged place, and look at its first bytes."""

import io
from typing import TYPE_CHECKING, Any, BinaryIO, Protocol, cast

if TYPE_CHECKING:
    from _typeshed import WriteableBuffer

BEGINNING_BYTES = 2**16  # enough to see how a file is written


class Readable(Protocol):
    """What bytes can be read from."""

    def read(self, size: int = -1, /) -> bytes | None: ...


def read_some(stream: Readable, size: int) -> bytes:
    """The next bytes, at most `size`, as soon as there are some; none at the end.

    `read` of a buffered stream waits for all, and loses what it has where an error comes before that.
    """
    read: Any = getattr(stream, "read1", stream.read)
    return read(size) or b""


def read_up_to(stream: Readable, size: int) -> bytes:
    """The next `size` bytes; fewer at the end."""
    parts: list[bytes] = []
    while size and (part := read_some(stream, min(size, 2**20))):
        parts.append(part)
        size -= len(part)
    return b"".join(parts)


def open_rewound(stream: BinaryIO, size: int = BEGINNING_BYTES) -> tuple[bytes, BinaryIO]:
    """The first bytes of a stream, and a stream that begins with them. An error in them comes when that is read."""
    first = b""
    try:
        while len(first) < size and (part := read_some(stream, size - len(first))):
            first += part
    except OSError:
        pass
    return first, cast("BinaryIO", io.BufferedReader(Rewound(first, stream), BEGINNING_BYTES))


class Rewound(io.RawIOBase):
    """A stream that begins with bytes that were read of it. It does not close that stream."""

    def __init__(self, first: bytes, stream: Readable) -> None:
        self._first, self._stream = memoryview(first), stream

    def readable(self) -> bool:
        return True

    def readinto(self, buffer: "WriteableBuffer", /) -> int:
        out = memoryview(buffer).cast("B")
        part = self._first[: len(out)] or read_some(self._stream, len(out))
        self._first = self._first[len(part) :]
        out[: len(part)] = part
        return len(part)
