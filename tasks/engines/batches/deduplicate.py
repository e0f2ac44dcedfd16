"""Deduplicate pieces: equal pieces of one call are embedded once, and recent vectors are kept in an LRU cache.

Boilerplate, reposts and templates are a good part of many corpora. A corpus without duplicates pays one hash a piece.
"""

from collections import OrderedDict
from collections.abc import Callable, Mapping, Sequence
from dataclasses import dataclass, field

import numpy as np

from tasks.engines.base import Vectors
from tasks.engines.batches.piece_hash import piece_hash

CACHE_BYTES = 2**26  # bytes of vectors

Pieces = Sequence[Sequence[int]]
EncodeFresh = Callable[[Pieces], tuple[Vectors, dict[int, str]]]  # vectors, and the faults by position


@dataclass(slots=True)
class Deduplicator:
    """An LRU cache of vectors by the hash of their piece. `max_bytes` is its size in bytes of vectors."""

    max_bytes: int = CACHE_BYTES
    _cache: "OrderedDict[bytes, Vectors]" = field(default_factory=OrderedDict[bytes, Vectors])

    def encode(
        self, pieces: Pieces, engine: EncodeFresh, earlier: Mapping[bytes, Vectors] | None = None
    ) -> tuple[Vectors, dict[int, str], set[int]]:
        """A vector for each piece, the faults by position, and the positions that did not go through the engine.

        `earlier` has vectors that an earlier run of the same model made, by the hash of their piece.
        """
        names = [piece_hash(piece) for piece in pieces]
        earlier = earlier or {}
        first: dict[bytes, int] = {}
        for position, name in enumerate(names):
            if name not in self._cache and name not in earlier:
                first.setdefault(name, position)
        fresh = list(first.values())
        duplicates = set(range(len(pieces))).difference(fresh)
        vectors, faults = engine([pieces[position] for position in fresh]) if fresh else (None, {})
        faults = {fresh[n]: why for n, why in faults.items()}
        if duplicates:
            known = {name: earlier[name] for name in set(names) if name in earlier}
            known |= {name: self._cache[name] for name in set(names) if name in self._cache}
            width = len(next(iter(known.values()))) if vectors is None else vectors.shape[1]
            out = np.empty((len(pieces), width), np.float32)
            if vectors is not None:
                out[fresh] = vectors
            for position in duplicates:
                name = names[position]
                out[position] = known[name] if name in known else out[first[name]]
                if name in first and first[name] in faults:
                    faults[position] = faults[first[name]]
        else:
            assert vectors is not None  # nothing was known, so everything was fresh
            out = vectors
        self._remember(names, out)
        return out, faults, duplicates

    def _remember(self, names: Sequence[bytes], vectors: Vectors) -> None:
        capacity = max(1, self.max_bytes // (4 * vectors.shape[1]))
        for name, vector in list(zip(names, vectors, strict=True))[-capacity:]:
            if name in self._cache:
                self._cache.move_to_end(name)
            elif np.isfinite(vector).all():
                self._cache[name] = vector.copy()
        while len(self._cache) > capacity:
            self._cache.popitem(last=False)
