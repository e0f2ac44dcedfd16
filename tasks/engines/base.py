"""The engine seam: pieces of token ids in, unit vectors out, in the order they came.

Every engine implements `Encoder`; `load` chooses one. Heavy libraries are imported by the engine that
needs them.
"""

import importlib.util
from collections.abc import Sequence
from dataclasses import dataclass
from typing import Protocol

import numpy as np
from numpy.typing import NDArray

from tasks.engines.tokenizer import HASH, Cut, Words, longest, pieces, words
from tasks.errors import Problem

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


class NoEngine(Problem):
    """The engine that was asked for cannot run here."""


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


def choose(engine: str, model: str) -> str:
    """The engine behind `auto`: vllm where it can run, else torch."""
    if engine != "auto":
        return engine
    if model == HASH:
        return HASH
    return "vllm" if importlib.util.find_spec("vllm") else "torch"


def load(
    engine: str,
    model: str,
    threads: int | None = None,
    *,
    remote_code: bool = False,
    tokens: int | None = None,
    dtype: str | None = None,
) -> Encoder:
    """The model, warm and ready to encode. `threads` bounds the CPU threads of an engine that computes there.

    `remote_code` runs code from the model's own folder. `tokens` is the longest piece that will come, None: the
    model's own maximum. `dtype` is what to compute in, None: what suits the hardware.

    Raises:
        NoEngine: its libraries are not installed.
        BadModel: the model cannot be used.
    """
    encoder = _load(choose(engine, model), model, threads, remote_code, tokens, dtype)
    if encoder.name == HASH:
        return encoder
    word = encoder.words.ids(["a"])[0][:1]
    longest = limit(model, min(256, tokens or 256))
    most = longest - len(encoder.words.before) - len(encoder.words.after)
    # First calls compile and allocate: that is cold start, not work.
    encoder.encode(
        [[*encoder.words.before, *word * n, *encoder.words.after] for n in (1, most // 4, most) if n > 0]
    )
    return encoder


def _load(
    engine: str, model: str, threads: int | None, remote_code: bool, tokens: int | None, dtype: str | None
) -> Encoder:
    if engine == HASH:
        from tasks.engines.hash_engine import HashEncoder  # noqa: PLC0415

        return HashEncoder()
    if engine not in ("torch", "vllm"):
        raise NoEngine(f"no engine {engine!r}", hint="engines are auto, vllm, torch and hash")
    if importlib.util.find_spec(engine) is None:
        raise NoEngine(
            f"the engine {engine} is not installed here",
            hint="pip install 'embedfleet[worker]' for torch; pip install vllm for vllm",
        )
    if engine == "vllm":
        from tasks.engines.vllm_engine import VllmEncoder  # noqa: PLC0415

        return VllmEncoder(
            model, words(model), limit(model, tokens), threads, remote_code=remote_code, dtype=dtype
        )
    from tasks.engines.torch_engine import TorchEncoder  # noqa: PLC0415

    return TorchEncoder(model, words(model), threads, remote_code=remote_code, dtype=dtype)


def unit(vectors: Vectors) -> Vectors:
    """Rows of length 1; a zero row becomes NaN, for no direction is not a direction."""
    with np.errstate(invalid="ignore", divide="ignore"):
        return vectors / np.linalg.norm(vectors, axis=1, keepdims=True)


def shorten(vectors: Vectors, dimensions: int | None) -> Vectors:
    """The leading dimensions, renormalised (Matryoshka)."""
    if dimensions is None or dimensions == vectors.shape[1]:
        return vectors
    return unit(vectors[:, :dimensions])
