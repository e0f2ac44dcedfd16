"""An object of a bucket as a seekable stream: range requests fetch only what is read, all of one version."""

import io
from dataclasses import dataclass
from typing import BinaryIO, Protocol, cast

from tasks.stores.base import Span
from tasks.stores.seekable_reader import SeekableReader

BLOCK_BYTES = 8 * 2**20  # bytes of one request, at most: an interrupted one is sent again
READ_PAST_BYTES = 64 * 2**10  # bytes of one request behind the end of a span: the rest of a line


@dataclass(frozen=True, slots=True)
class RangeResponse:
    """The response to one range request: `body` begins at byte `start` of an object of `size` bytes."""

    body: bytes
    start: int
    size: int
    version: str

    def between(self, start: int, end: int) -> bytes:
        """Bytes [start, end) of it: a store that ignores ranges sends more."""
        return self.body[start - self.start : end - self.start]


class FetchRange(Protocol):
    """Fetch bytes [start, end) of one version of an object; fewer only at its end."""

    def __call__(self, start: int, end: int, /) -> bytes: ...


class RangeReader(SeekableReader):
    """A raw stream: each read is one request for exactly the bytes asked for, or several of BLOCK_BYTES.

    `first` is the response to the opening request, whose bytes are not fetched again; `end` is where a reader will stop,
    None when unknown.
    """

    def __init__(self, fetch: FetchRange, first: RangeResponse, end: int | None = None) -> None:
        super().__init__(first.size, first.start)
        self.bytes_received = len(first.body)  # bytes received from the store so far
        self._fetch = fetch
        self._first = first
        self._end = end

    def read(self, size: int | None = -1, /) -> bytes:
        """All bytes asked for, unlike other raw streams: Arrow takes fewer for the end of the file."""
        left = max(0, self.size - self._at)
        if size is not None and size >= 0:
            left = min(left, size)
        parts: list[bytes] = []
        while left:
            part = bytes(self._part(left))
            if not part:
                break
            parts.append(part)
            self._at += len(part)
            left -= len(part)
        return parts[0] if len(parts) == 1 else b"".join(parts)

    def readall(self) -> bytes:
        """All bytes that are left; the inherited method asks for a few KiB at a time."""
        return self.read()

    def _part(self, wanted: int, /) -> bytes | memoryview:
        if wanted <= 0:
            return b""
        within = self._at - self._first.start
        if 0 <= within < len(self._first.body):
            return memoryview(self._first.body)[within : within + wanted]
        found = self._fetch(self._at, self._at + self._most(wanted))
        self.bytes_received += len(found)
        return found

    def _most(self, wanted: int) -> int:
        """The size of the next request, which does not pass the end of a span: there another worker's shard begins."""
        if self._end is None:
            return min(wanted, BLOCK_BYTES)
        return (
            min(wanted, BLOCK_BYTES, self._end - self._at)
            if self._at < self._end
            else min(wanted, READ_PAST_BYTES)
        )


def opening_range(span: Span | None) -> tuple[int, int | None]:
    """The first and last byte of the opening request; (-n, None) for the last n bytes."""
    start, end = span or (0, None)
    if start < 0:
        return start, None
    last = start + BLOCK_BYTES - 1
    if end is None:
        return start, last
    return start, min(last, max(start, end - 1))  # an empty range would fetch the whole object


def parse_response(body: bytes, content_range: str | None, version: str) -> RangeResponse:
    """The response as its Content-Range describes it; without that header it is the whole object."""
    if not content_range:
        return RangeResponse(body, 0, len(body), version)
    span, _, size = content_range.removeprefix("bytes").strip().partition("/")
    return RangeResponse(body, int(span.partition("-")[0]), int(size), version)


def open_stream(fetch: FetchRange, first: RangeResponse, span: Span | None) -> BinaryIO:
    """A stream for this span: buffered, a block a request; unbuffered for the end of an object, as for a footer."""
    start, end = span or (0, None)
    stream = RangeReader(fetch, first, end)
    stream.seek(start if start >= 0 else max(0, first.size + start))
    if start < 0:
        return cast("BinaryIO", stream)
    return cast("BinaryIO", io.BufferedReader(stream, max(1, min(BLOCK_BYTES, first.size))))
