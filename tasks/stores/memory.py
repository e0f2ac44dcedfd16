"""Store: a dict in memory, for tests within one process."""

import io
import threading
from collections.abc import Callable
from datetime import UTC, datetime
from typing import BinaryIO
from uuid import uuid4

from tasks.stores.base import (
    PAGE_SIZE,
    Body,
    Entry,
    ObjectChanged,
    Span,
    check_key,
    check_prefix,
    check_read_key,
    span_start,
)


class MemoryStore:
    """Objects with time and version, by key. A lock makes every call atomic."""

    def __init__(self, clock: Callable[[], datetime] = lambda: datetime.now(UTC)) -> None:
        self.blobs: dict[str, tuple[bytes, datetime]] = {}
        self.versions: dict[str, str] = {}
        self.clock = clock
        self.lock = threading.Lock()

    def create(self, key: str, body: Body) -> bool:
        check_key(key)
        blob = body if isinstance(body, bytes) else body.read_bytes()
        with self.lock:
            if key in self.blobs:
                return False
            self._set(key, blob)
            return True

    def put(self, key: str, body: Body) -> None:
        check_key(key)
        blob = body if isinstance(body, bytes) else body.read_bytes()
        with self.lock:
            self._set(key, blob)

    def get(self, key: str, version: str | None = None, span: Span | None = None) -> BinaryIO | None:
        check_read_key(key)
        with self.lock:
            found, now = self.blobs.get(key), self.versions.get(key, "")
        if found is None:
            return None
        if version is not None and version != now:
            raise ObjectChanged(key, version, now)
        stream = io.BytesIO(found[0])
        stream.seek(span_start(span, len(found[0])))
        return stream

    def list(self, prefix: str, after: str = "") -> list[Entry]:
        check_prefix(prefix)
        with self.lock:
            keys = sorted(k for k in self.blobs if k.startswith(prefix) and k > after)[:PAGE_SIZE]
            return [Entry(k, len(self.blobs[k][0]), self.blobs[k][1], self.versions[k]) for k in keys]

    def erase(self, key: str) -> None:
        """Remove `key` if it is there. Idempotent."""
        check_key(key)
        with self.lock:
            self.blobs.pop(key, None)
            self.versions.pop(key, None)

    def now(self) -> datetime:
        return self.clock()

    def _set(self, key: str, blob: bytes) -> None:
        self.blobs[key] = (blob, self.clock())
        self.versions[key] = uuid4().hex
