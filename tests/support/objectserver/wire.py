"""HTTP/1.1 on asyncio streams, as far as the SDKs use it: with Content-Length, never chunked."""

import asyncio
from collections.abc import Iterator
from dataclasses import dataclass, field
from http import HTTPStatus
from itertools import count
from pathlib import Path
from urllib.parse import parse_qsl, unquote

from tests.support.objectserver.buckets import CHUNK, Blob

SPOOL = 2**20  # bytes; larger bodies go to a file where there is a folder for them
HEAD = 2**17  # bytes of a request's head, at most


@dataclass(frozen=True, slots=True)
class Request:
    """Header names are in small letters. `path` is still quoted, as a key may hold a slash."""

    method: str
    path: str
    query: dict[str, str]
    headers: dict[str, str]
    body: Blob

    @property
    def parts(self) -> list[str]:
        return [unquote(part) for part in self.path.split("/")[1:]]


@dataclass(slots=True)
class Reply:
    """`length` is for HEAD, whose body is not sent."""

    status: int = 200
    headers: dict[str, str] = field(default_factory=dict[str, str])
    body: bytes | Blob = b""
    start: int = 0
    end: int | None = None
    length: int | None = None

    @property
    def size(self) -> int:
        if self.length is not None:
            return self.length
        if isinstance(self.body, bytes):
            return len(self.body)
        return (self.body.size if self.end is None else self.end) - self.start

    def chunks(self) -> Iterator[bytes]:
        if self.length is not None:
            return
        if isinstance(self.body, bytes):
            yield self.body
        else:
            yield from self.body.read(self.start, self.end)


class Broken(Exception):  # noqa: N818 - the other side has gone
    """The connection ended, or its bytes are not HTTP."""


class Reader:
    """Requests of one connection. Large bodies go to `folder`."""

    def __init__(
        self, stream: asyncio.StreamReader, writer: asyncio.StreamWriter, folder: Path | None
    ) -> None:
        self.stream = stream
        self.writer = writer
        self.folder = folder

    async def request(self) -> Request:
        try:
            head = (await self.stream.readuntil(b"\r\n\r\n")).decode("latin-1")
            first, *lines = head[:-4].split("\r\n")
            method, target, _ = first.split(" ", 2)
            headers = {k.strip().lower(): v.strip() for k, _, v in (line.partition(":") for line in lines)}
            if headers.get("expect", "").lower() == "100-continue":
                self.writer.write(b"HTTP/1.1 100 Continue\r\n\r\n")
                await self.writer.drain()
            body = await self._body(int(headers.get("content-length", "0")))
        except (asyncio.IncompleteReadError, asyncio.LimitOverrunError, ConnectionError, ValueError) as error:
            raise Broken(str(error)) from error
        path, _, query = target.partition("?")
        return Request(method, path, dict(parse_qsl(query, keep_blank_values=True)), headers, body)

    async def _body(self, length: int) -> Blob:
        if not length:
            return Blob()
        if self.folder is None or length <= SPOOL:
            return Blob(((await self.stream.readexactly(length), length),))
        path = self.folder / f"body-{next(NUMBERS)}"
        with path.open("wb") as file:
            left = length
            while left:
                chunk = await self.stream.read(min(CHUNK, left))
                if not chunk:
                    raise Broken("the body ended early")
                file.write(chunk)
                left -= len(chunk)
        return Blob(((path, length),))


NUMBERS = count()


async def send(
    writer: asyncio.StreamWriter,
    reply: Reply,
    *,
    date: str,
    cut: int | None = None,
    drip: float | None = None,
) -> int:
    """Answer; the bytes of the body that went out, which are no more than `cut`. `drip`: seconds between two bytes."""
    phrase = HTTPStatus(reply.status).phrase if reply.status in {s.value for s in HTTPStatus} else "Status"
    headers = {"Content-Length": str(reply.size), "Connection": "keep-alive"} | reply.headers
    if date:
        headers["Date"] = date
    lines = "".join(f"{name}: {value}\r\n" for name, value in headers.items())
    head = f"HTTP/1.1 {reply.status} {phrase}\r\n{lines}\r\n".encode("latin-1")
    for byte in head if drip is not None else b"":
        writer.write(bytes([byte]))
        await writer.drain()
        await asyncio.sleep(drip or 0)
    if drip is None:
        writer.write(head)
    sent = 0
    for chunk in reply.chunks():
        piece = chunk if cut is None else chunk[: cut - sent]
        writer.write(piece)
        sent += len(piece)
        if len(piece) < len(chunk):
            break
        await writer.drain()
    await writer.drain()
    return sent


def span(header: str | None, size: int) -> tuple[int, int] | None:
    """Bytes [start, end) of a Range header, None without one.

    Raises:
        ValueError: nothing lies in it.
    """
    if not header or not header.startswith("bytes="):
        return None
    first, _, last = header.removeprefix("bytes=").partition("-")
    if not first:
        start, end = max(0, size - int(last)), size
    else:
        start, end = int(first), min(size, int(last) + 1 if last else size)
    if start >= end:
        raise ValueError(header)
    return start, end
