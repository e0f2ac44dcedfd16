"""Values in the pages of a Parquet row group, counted from the bytes that pyarrow reads anyway.

pyarrow stops at the number of rows that the footer states: values beyond it are never given, without an error. Each page
says in its header how many values it has. `PageCounter` is the stream that pyarrow reads from. It looks at the headers in
the bytes that pass through it, which takes no request of its own. Only where pages are left behind the last row that was
read are their headers fetched. pyarrow makes room for what a header claims, up to 2 GiB, whatever the footer says: a
page that claims too much is refused before that.
"""

import io
from collections.abc import Sequence
from dataclasses import dataclass
from typing import Any, BinaryIO

from tasks.formats.damage import DamagedFileError, UnreadableFileError
from tasks.formats.parquet.parquet_footer import Chunk, Compact
from tasks.formats.parquet.parquet_limits import check_unpacked

HEADER_BYTES = 2**16  # of a page's header, at most; statistics make some long
REST_BYTES = 2**10  # of a header that is fetched by itself, at first
MOST_PAGES_BEHIND = 10_000  # whose headers are fetched
SLACK_BYTES = 2**20  # by which a chunk may be longer than its footer says: some writers leave out headers
DATA_PAGE, DATA_PAGE_V2 = 5, 8  # fields of a page's header


@dataclass(slots=True)
class _Walk:
    """The pages of a column chunk, as far as their headers were seen. `at`: where the next header begins."""

    chunk: Chunk
    at: int
    values: int = 0
    carry: bytes = b""  # the beginning of a header that was cut by the end of a read
    lost: bool = False  # what should be a header is none

    @property
    def end(self) -> int:
        return self.chunk.first + self.chunk.stored_bytes

    def see(self, place: int, body: bytes) -> None:
        """Bytes of the file from `place` on have been read."""
        if self.carry and place == self.at + len(self.carry):
            place, body = self.at, self.carry + body
        view = memoryview(body)
        while not self.lost and self.at < self.end and place <= self.at < place + len(view):
            self.carry = b""
            window = view[self.at - place :][:HEADER_BYTES]
            try:
                page = _page(window)
            except IndexError:
                self.lost = len(window) == HEADER_BYTES
                self.carry = b"" if self.lost else bytes(window)
                return
            self._check(page)
            size, values = page.bytes, page.values
            self.lost = size <= 0 or values < 0
            self.at += size
            self.values += values

    def _check(self, page: "_Page") -> None:
        """Check what a page claims before pyarrow makes room for it.

        Raises:
            UnreadableFileError: it claims more than its column chunk has, or unpacks to more than may be in memory.
        """
        if page.bytes > self.end - self.at + SLACK_BYTES:
            raise DamagedFileError(
                f"a page of column {self.chunk.path!r} claims {page.bytes:,} bytes, and {self.end - self.at:,} are left"
            )
        check_unpacked(self.chunk.path, page.unpacked, page.bytes)


class PageCounter(io.RawIOBase):
    """A stream that counts the values of some column chunks while they are read through it.

    `closes`: closing this one closes the stream that it reads.
    """

    def __init__(self, stream: BinaryIO, *, closes: bool = True) -> None:
        super().__init__()
        self._closes = closes
        self._stream = stream
        self._walks: list[_Walk] = []

    def watch(self, chunks: Sequence[Chunk]) -> None:
        """Count the values of these chunks from now on, and of no others."""
        self._walks = [_Walk(chunk, chunk.first) for chunk in chunks]

    def surplus(self) -> dict[str, int]:
        """How many values the pages of watched chunks have beyond what the footer says of these, by path.

        Only those that have more. Where pages are left behind what was read, fetches their headers. Of a chunk whose
        headers cannot be followed, nothing is known.

        Raises:
            OSError: the store failed to give bytes.
        """
        for walk in self._walks:
            for _ in range(MOST_PAGES_BEHIND):
                if walk.lost or walk.at >= walk.end:
                    break
                self._fetch_header(walk)
        said = {walk.chunk.path: walk.chunk.values for walk in self._walks}
        return {path: count - said[path] for path, count in self.values().items() if count > said[path]}

    def values(self) -> dict[str, int]:
        """The values of the pages that were seen, by the path of their column; not of those that cannot be followed."""
        return {walk.chunk.path: walk.values for walk in self._walks if not walk.lost}

    def _fetch_header(self, walk: _Walk) -> None:
        place = walk.at
        for size in (REST_BYTES, HEADER_BYTES):
            self._stream.seek(place)
            body = self._stream.read(size)
            try:
                walk.see(place, body)
            except UnreadableFileError:
                break
            if walk.at > place or walk.lost:
                return
        walk.lost = True

    def read(self, size: int | None = -1, /) -> bytes:
        """Bytes of the stream, after a look at the page headers in them.

        Raises:
            UnreadableFileError: a page claims more bytes than there are, or may be in memory.
        """
        place = self._stream.tell() if self._walks else 0
        body = self._stream.read(-1 if size is None else size)
        for walk in self._walks:
            walk.see(place, body)
        return body

    def seek(self, offset: int, whence: int = io.SEEK_SET, /) -> int:
        return self._stream.seek(offset, whence)

    def tell(self) -> int:
        return self._stream.tell()

    def readable(self) -> bool:
        return True

    def seekable(self) -> bool:
        return True

    def close(self) -> None:
        if not self.closed and self._closes:
            self._stream.close()
        super().close()


@dataclass(frozen=True, slots=True)
class _Page:
    """A page by its header: its bytes as stored, header included, those that it unpacks to, and its values.

    `bytes` is -1 where it is no header.
    """

    bytes: int
    unpacked: int
    values: int


def _page(header: memoryview) -> _Page:
    """A page from its beginning.

    Raises:
        IndexError: the bytes end within the header, or are none.
    """
    compact = Compact(header)
    found: dict[int, Any] = compact.struct(
        {2: Compact.number, 3: Compact.number, DATA_PAGE: _values, DATA_PAGE_V2: _values}
    )
    if 2 not in found or 3 not in found or found[3] < 0:
        return _Page(-1, 0, 0)
    return _Page(compact.at + found[3], found[2], found.get(DATA_PAGE, 0) + found.get(DATA_PAGE_V2, 0))


def _values(compact: Compact) -> int:
    """The first field of a data page's header."""
    return compact.struct({1: Compact.number}).get(1, -1)
