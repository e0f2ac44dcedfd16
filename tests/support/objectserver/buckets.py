"""The data of the loopback server: buckets of immutable blobs, each with its ETag, generation and time.

Every change is one synchronous call of one thread, so nothing here can be interleaved.
"""
# google_crc32c is typed in halves
# pyright: reportUnknownMemberType=false

import base64
import hashlib
from bisect import bisect_left, bisect_right, insort
from collections import Counter
from collections.abc import Iterator
from dataclasses import dataclass, field
from datetime import UTC, datetime, timedelta
from functools import cached_property
from pathlib import Path

CHUNK = 2**20  # bytes read from a file at once


@dataclass(frozen=True)
class Blob:
    """Bytes, held here or in files: `pieces` and the length of each."""

    pieces: tuple[tuple[bytes | Path, int], ...] = ()

    @property
    def size(self) -> int:
        return sum(length for _, length in self.pieces)

    @cached_property
    def md5(self) -> bytes:
        digest = hashlib.md5()
        for chunk in self.read():
            digest.update(chunk)
        return digest.digest()

    @cached_property
    def crc32c(self) -> str:
        """As GCS writes it down."""
        import google_crc32c  # only here: other environments run tests as well

        digest = google_crc32c.Checksum()
        for chunk in self.read():
            digest.update(chunk)
        return base64.b64encode(digest.digest()).decode()

    def read(self, start: int = 0, end: int | None = None) -> Iterator[bytes]:
        """Bytes [start, end), a chunk at a time."""
        end = self.size if end is None else min(end, self.size)
        at = 0
        for piece, length in self.pieces:
            first, last = max(start - at, 0), min(end - at, length)
            at += length
            if first >= last:
                continue
            if isinstance(piece, bytes):
                yield piece[first:last]
                continue
            with piece.open("rb") as stream:
                stream.seek(first)
                while first < last:
                    chunk = stream.read(min(CHUNK, last - first))
                    yield chunk
                    first += len(chunk)

    def __bytes__(self) -> bytes:
        return b"".join(self.read())


def joined(blobs: list[Blob]) -> Blob:
    return Blob(tuple(piece for blob in blobs for piece in blob.pieces))


@dataclass(frozen=True, slots=True)
class Object:
    """One version of what a key holds."""

    blob: Blob
    etag: str
    generation: int
    modified: datetime


@dataclass
class Bucket:
    """`names` are the keys in order, which for UTF-8 is the order of code points."""

    objects: dict[str, Object] = field(default_factory=dict[str, Object])
    names: list[str] = field(default_factory=list[str])

    def page(self, prefix: str, start: str, *, after: bool, count: int) -> tuple[list[str], bool]:
        """At most `count` names with this prefix from `start` on (or `after` it), and whether there are more."""
        low = bisect_right(self.names, start) if after else bisect_left(self.names, start)
        low = max(low, bisect_left(self.names, prefix))
        found: list[str] = []
        for name in self.names[low : low + count + 1]:
            if not name.startswith(prefix):
                return found, False
            found.append(name)
        return found[:count], len(found) > count


@dataclass
class Upload:
    """A large object on its way, in parts by number (S3) or by their position (GCS)."""

    bucket: str
    key: str
    parts: dict[int, Blob] = field(default_factory=dict[int, Blob])
    generation_match: str | None = None


@dataclass
class Buckets:
    """All there is. `writes` counts how often each bucket/key was written: a lease must be won once."""

    all: dict[str, Bucket] = field(default_factory=dict[str, Bucket])
    uploads: dict[str, Upload] = field(default_factory=dict[str, Upload])
    writes: Counter[str] = field(default_factory=Counter[str])
    skew: float = 0.0  # seconds by which the server's clock runs ahead
    generation: int = 1_700_000_000_000_000

    def now(self) -> datetime:
        return datetime.now(UTC) + timedelta(seconds=self.skew)

    def begin(self, bucket: str, key: str, generation_match: str | None = None) -> str:
        self.generation += 1
        name = f"upload-{self.generation}"
        self.uploads[name] = Upload(bucket, key, generation_match=generation_match)
        return name

    def write(self, bucket: str, key: str, blob: Blob, etag: str | None = None) -> Object:
        self.generation += 1
        here = self.all[bucket]
        if key not in here.objects:
            insort(here.names, key)
        made = Object(blob, etag or blob.md5.hex(), self.generation, self.now())
        here.objects[key] = made
        self.writes[f"{bucket}/{key}"] += 1
        return made

    def delete(self, bucket: str, key: str) -> bool:
        here = self.all[bucket]
        if here.objects.pop(key, None) is None:
            return False
        here.names.pop(bisect_left(here.names, key))
        return True
