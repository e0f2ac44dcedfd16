"""The engine interface: pieces of token ids in, unit vectors out, in the same order.

Every engine implements `Encoder`; `tasks.engines.load` chooses one.
"""

from collections.abc import Sequence
from dataclasses import dataclass
from typing import Protocol

import numpy as np
from numpy.typing import NDArray

from tasks.errors import Problem
from tasks.models.files import BadModel
from tasks.models.tokenizing.pieces import ChunkSpec, split_texts
from tasks.models.tokenizing.tokenizer import PieceTokenizer

Vectors = NDArray[np.float32]


class EngineUnavailable(Problem):
    """The chosen engine cannot run on this machine."""


class OutsideModel(ValueError):  # noqa: N818 - a fact about the piece
    """A piece has a token or a position that the model has no number for."""


class OtherVectors(BadModel):
    """This engine does not give the model's vectors; another engine does."""


class Encoder(Protocol):
    """A loaded model. `name` is the engine; `dtype` and `device` are what it computes in and on."""

    name: str
    dtype: str
    device: str
    dimensions: int
    tokenizer: PieceTokenizer

    def encode(self, ids: Sequence[Sequence[int]]) -> Vectors:
        """Float32 vectors [len(ids), dimensions] of length 1; a row that the engine failed on is not finite."""
        ...


@dataclass(frozen=True, slots=True)
class EmbeddedTexts:
    """Vectors of texts: `vectors[i]` is of the i-th piece; `tokens` counts the tokens that the model read."""

    vectors: Vectors
    tokens: int


def embed(encoder: Encoder, texts: Sequence[str], cut: ChunkSpec) -> EmbeddedTexts:
    """Embed texts: one vector for each piece of each text, in order."""
    ids = [piece for found in split_texts(encoder.tokenizer, texts, cut) for piece in found.ids]
    return EmbeddedTexts(encoder.encode(ids), sum(map(len, ids)))


def plain_piece(encoder: Encoder, words: int = 1) -> list[int]:
    """A piece of a plain word, repeated; longer by the prompt where an engine's pooling leaves a prompt out."""
    tokenizer = encoder.tokenizer
    left_out = int(getattr(encoder, "prompt_tokens", 0))
    return [*tokenizer.prefix_ids, *tokenizer.ids(["a"])[0][:1] * (words + left_out), *tokenizer.suffix_ids]


def normalize(vectors: Vectors) -> Vectors:
    """Normalize rows to length 1; a zero row becomes NaN, because it has no direction."""
    with np.errstate(invalid="ignore", divide="ignore"):
        return vectors / np.linalg.norm(vectors, axis=1, keepdims=True)


def truncate_dimensions(vectors: Vectors, dimensions: int | None) -> Vectors:
    """Keep the leading dimensions and normalize again (Matryoshka); None keeps all."""
    if dimensions is None or dimensions == vectors.shape[1]:
        return vectors
    return normalize(vectors[:, :dimensions])
