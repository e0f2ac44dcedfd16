"""The exact cache of vectors: a hit is the very bytes that were computed before.

The key is a hash of what a vector depends on: the model's fingerprint, the engine, prompt, dimensions and token ids. In
memory it is an LRU of bounded size; behind it Redis may hold more, shared by several servers. Redis that fails costs time
alone.
"""

import threading
from collections import OrderedDict
from collections.abc import Sequence
from dataclasses import dataclass, field
from hashlib import blake2b
from typing import Protocol

import numpy as np

from launcher.serve.served_run import Piece

ENTRY_OVERHEAD = 200  # bytes of an entry besides its vector, about: the key and the objects around both


def cache_key(identity: str, piece: Piece, dimensions: int) -> bytes:
    """The key of a vector."""
    ids = np.asarray(piece.ids, np.int32).tobytes()
    head = f"{identity}\0{dimensions}\0{piece.prompt}\0".encode("utf-8", "surrogatepass")
    return blake2b(head + ids, digest_size=20).digest()


class SharedCache(Protocol):
    """A cache behind that in memory. It never fails: what it cannot give is None."""

    async def get(self, keys: Sequence[bytes]) -> list[bytes | None]: ...

    async def put(self, entries: Sequence[tuple[bytes, bytes]]) -> None: ...

    async def close(self) -> None: ...


@dataclass(slots=True)
class VectorCache:
    """An LRU of at most so many bytes, and a shared cache behind it. `hits` and `misses` count the vectors asked for."""

    most_bytes: int
    shared: SharedCache | None = None
    hits: int = 0
    shared_hits: int = 0
    misses: int = 0
    _entries: "OrderedDict[bytes, bytes]" = field(default_factory=OrderedDict[bytes, bytes])
    _bytes: int = 0
    _lock: threading.Lock = field(default_factory=threading.Lock)

    @property
    def entries(self) -> int:
        """How many vectors are in memory."""
        return len(self._entries)

    async def get(self, keys: Sequence[bytes]) -> list[bytes | None]:
        """The vectors of these keys; None where one is not known."""
        with self._lock:
            found = [self._touch(key) for key in keys]
        self.hits += sum(one is not None for one in found)
        missing = [place for place, one in enumerate(found) if one is None]
        if missing and self.shared is not None:
            for place, one in zip(missing, await self.shared.get([keys[n] for n in missing]), strict=True):
                if one is not None:
                    found[place] = one
                    self.shared_hits += 1
                    self._add(keys[place], one)
        self.misses += sum(one is None for one in found)
        return found

    async def put(self, entries: Sequence[tuple[bytes, bytes]]) -> None:
        """Keep vectors."""
        for key, vector in entries:
            self._add(key, vector)
        if self.shared is not None and entries:
            await self.shared.put(entries)

    def _touch(self, key: bytes) -> bytes | None:
        found = self._entries.get(key)
        if found is not None:
            self._entries.move_to_end(key)
        return found

    def _add(self, key: bytes, vector: bytes) -> None:
        size = len(vector) + ENTRY_OVERHEAD
        if size > self.most_bytes:
            return
        with self._lock:
            if key in self._entries:
                return
            self._entries[key] = vector
            self._bytes += size
            while self._bytes > self.most_bytes:
                _, old = self._entries.popitem(last=False)
                self._bytes -= len(old) + ENTRY_OVERHEAD
