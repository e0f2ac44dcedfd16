"""A network share whose reads fail for a while, and work again."""

import errno
import io
from collections.abc import Callable
from pathlib import Path
from typing import BinaryIO

from tasks.stores.base import Span
from tasks.stores.folder import FolderStore


class Flaky(io.BufferedReader):
    """Fails behind byte 4,000, as long as the store says."""

    def __init__(self, raw: io.RawIOBase, fails: Callable[[], bool], error: int) -> None:
        super().__init__(raw)
        self.fails, self.error = fails, error

    def _check(self) -> None:
        if self.tell() > 4_000 and self.fails():
            raise OSError(self.error, "Input/output error")

    def read(self, size: int | None = -1, /) -> bytes:
        self._check()
        return super().read(size)

    def readline(self, size: int | None = -1, /) -> bytes:
        self._check()
        return super().readline(size)

    def readinto(self, buffer: "bytearray", /) -> int:  # pyright: ignore[reportIncompatibleMethodOverride]
        self._check()
        return super().readinto(buffer)

    def read1(self, size: int = -1, /) -> bytes:
        self._check()
        return super().read1(size)


class Share(FolderStore):
    """A network share that fails so many times."""

    def __init__(self, root: Path, failures: int, error: int = errno.EIO) -> None:
        super().__init__(root)
        self.failures, self.error = failures, error

    def _fails(self) -> bool:
        self.failures -= 1
        return self.failures >= 0

    def get(self, key: str, version: str | None = None, span: Span | None = None) -> BinaryIO | None:
        stream = super().get(key, version, span)
        if not isinstance(stream, io.BufferedReader):
            return stream
        place = stream.tell()
        flaky = Flaky(stream.detach(), self._fails, self.error)
        flaky.seek(place)
        return flaky
