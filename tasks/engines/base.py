"""The engine seam: pieces of token ids in, unit vectors out, in the order they came.

Every engine implements `Encoder`; `load` chooses one. Heavy libraries are imported by the engine that
needs them.
"""

from collections.abc import Sequence
from dataclasses import dataclass
from typing import Protocol

import numpy as np
from numpy.typing import NDArray

from tasks.engines.tokenizer import Cut, Words, longest, pieces

Vectors = NDArray[np.float32]


class Encoder(Protocol):
    """A loaded model. `name` is the engine, `dtype` what it computes in, `device` what it runs on."""

    name: str
    dtype: str
    device: str
    dimensions: int
    words: Words

    def encode(self, ids: Sequence[Sequence[int]]) -> Vectors:
        """Float32 vectors [len(ids), dimensions] of length 1; a row the engine failed on is not finite."""
        ...


@dataclass(frozen=True, slots=True)
class Embedded:
    """`vectors[i]` is of the i-th piece; `tokens` counts what the model read."""

    vectors: Vectors
    tokens: int


def embed(encoder: Encoder, texts: Sequence[str], cut: Cut) -> Embedded:
    """One vector for each piece of each text, in order."""
    ids = [piece for found in pieces(encoder.words, texts, cut) for piece in found.ids]
    return Embedded(encoder.encode(ids), sum(map(len, ids)))


def limit(model: str, tokens: int | None) -> int:
    """The longest piece in tokens: what the job says, at most the model's own maximum."""
    return longest(model) if tokens is None else min(tokens, longest(model, tokens))


def unit(vectors: Vectors) -> Vectors:
    """Rows of length 1; a zero row becomes NaN, for no direction is not a direction."""
    with np.errstate(invalid="ignore", divide="ignore"):
        return vectors / np.linalg.norm(vectors, axis=1, keepdims=True)


def shorten(vectors: Vectors, dimensions: int | None) -> Vectors:
    """The leading dimensions, renormalised (Matryoshka)."""
    if dimensions is None or dimensions == vectors.shape[1]:
        return vectors
    return unit(vectors[:, :dimensions])
