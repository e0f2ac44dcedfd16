"""Texts that come again are embedded once: within what goes through the engine together, and for a while after.

Boilerplate, reposts and templates are a good part of many corpora. What is kept is bounded, the least lately seen goes
first; a corpus without repeats pays a hash a text.
"""

from collections import OrderedDict
from collections.abc import Callable, Sequence
from dataclasses import dataclass, field
from hashlib import blake2b

import numpy as np

from tasks.engines.base import Vectors

CACHE_BYTES = 2**26  # bytes of vectors

Pieces = Sequence[Sequence[int]]
EncodeFresh = Callable[[Pieces], tuple[Vectors, dict[int, str]]]  # vectors, and why some are none, by place


@dataclass(slots=True)
class Deduplicator:
    """What was embedded lately. `most` is in bytes of vectors."""

    most: int = CACHE_BYTES
    _known: "OrderedDict[bytes, Vectors]" = field(default_factory=OrderedDict[bytes, Vectors])

    def encode(self, pieces: Pieces, engine: EncodeFresh) -> tuple[Vectors, dict[int, str], set[int]]:
        """A vector for each piece, faults by place, and the places that the engine was spared."""
        names = [blake2b(np.asarray(piece, np.int32).tobytes(), digest_size=16).digest() for piece in pieces]
        first: dict[bytes, int] = {}
        for place, name in enumerate(names):
            if name not in self._known:
                first.setdefault(name, place)
        fresh = list(first.values())
        spared = set(range(len(pieces))).difference(fresh)
        vectors, faults = engine([pieces[place] for place in fresh]) if fresh else (None, {})
        faults = {fresh[n]: why for n, why in faults.items()}
        if spared:
            known = {name: self._known[name] for name in set(names) if name in self._known}
            width = len(next(iter(known.values()))) if vectors is None else vectors.shape[1]
            out = np.empty((len(pieces), width), np.float32)
            if vectors is not None:
                out[fresh] = vectors
            for place in spared:
                name = names[place]
                out[place] = known[name] if name in known else out[first[name]]
                if name in first and first[name] in faults:
                    faults[place] = faults[first[name]]
        else:
            assert vectors is not None  # nothing was known, so everything was fresh
            out = vectors
        self._keep(names, out)
        return out, faults, spared

    def _keep(self, names: Sequence[bytes], vectors: Vectors) -> None:
        room = max(1, self.most // (4 * vectors.shape[1]))
        for name, vector in list(zip(names, vectors, strict=True))[-room:]:
            if name in self._known:
                self._known.move_to_end(name)
            elif np.isfinite(vector).all():
                self._known[name] = vector.copy()
        while len(self._known) > room:
            self._known.popitem(last=False)
