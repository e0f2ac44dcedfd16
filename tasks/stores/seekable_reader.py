"""A raw stream with a position that can be set, whose bytes a subclass gives part by part."""

import io
from abc import abstractmethod
from typing import TYPE_CHECKING

if TYPE_CHECKING:
    from _typeshed import WriteableBuffer


class SeekableReader(io.RawIOBase):
    """A stream of `size` bytes. A subclass gives them in `_part`."""

    def __init__(self, size: int, position: int = 0) -> None:
        self.size = size
        self._at: int = position

    @abstractmethod
    def _part(self, wanted: int, /) -> bytes | memoryview:
        """Some of the next `wanted` bytes, at `_at`; none only at the end."""

    def readable(self) -> bool:
        return True

    def seekable(self) -> bool:
        return True

    def tell(self) -> int:
        return self._at

    def seek(self, offset: int, whence: int = io.SEEK_SET, /) -> int:
        base = {io.SEEK_SET: 0, io.SEEK_CUR: self._at, io.SEEK_END: self.size}[whence]
        self._at = max(0, base + offset)
        return self._at

    def readinto(self, buffer: "WriteableBuffer", /) -> int:
        out = memoryview(buffer).cast("B")
        part = self._part(max(0, min(len(out), self.size - self._at)))
        out[: len(part)] = part
        self._at += len(part)
        return len(part)
