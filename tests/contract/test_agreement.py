"""Every engine compared with sentence-transformers on the same folder: a small model of each kind, and MiniLM.

Texts go in whole, so prompts, special tokens, truncation, pooling, length and fewer dimensions are all compared.
"""
# sentence-transformers is typed in part
# pyright: reportUnknownMemberType=false, reportUnknownVariableType=false

import importlib.util
from collections.abc import Iterator
from dataclasses import dataclass
from functools import cache
from typing import Any

import numpy as np
import pytest

from tasks.engines.base import Encoder, Vectors, embed, truncate_dimensions
from tasks.engines.load import load_encoder
from tasks.models.tokenizing.pieces import ChunkSpec, piece_limit, split_texts

if any(importlib.util.find_spec(name) is None for name in ("torch", "sentence_transformers")):
    pytest.skip("torch and sentence-transformers are not both installed", allow_module_level=True)

from tests.support.tiny_models import KINDS, TEXTS, build

ENGINES = ("torch", "packed", "openvino", "vllm")
MINILM = "minilm"
EXACT = 1e-5  # of a component of a float32 vector: other kernels add up in another order
SAME = 0.999  # cosine, when the engine computes in the hardware's dtype
FEWER = 24  # dimensions


@dataclass(frozen=True, slots=True)
class Pair:
    """One model in one of our engines, and as sentence-transformers has it, in float32."""

    folder: str
    prompt: str
    engine: str
    reference: Any

    def load(self, dtype: str | None = None) -> Encoder:
        return load_encoder(self.engine, self.folder, dtype=dtype)

    @property
    def cut(self) -> ChunkSpec:
        return ChunkSpec(piece_limit(self.folder, None), prompt=self.prompt)

    def theirs(self, dimensions: int | None = None) -> Vectors:
        found: Vectors = self.reference.encode(
            TEXTS,
            prompt=self.prompt,
            truncate_dim=dimensions,
            normalize_embeddings=True,
            show_progress_bar=False,
        )
        return found


@pytest.fixture(scope="module", params=ENGINES)
def engine(request: pytest.FixtureRequest) -> str:
    name: str = request.param
    if importlib.util.find_spec("torch" if name == "packed" else name) is None:
        pytest.skip(f"the engine {request.param} is not installed")
    return request.param


@pytest.fixture(scope="module", params=[*KINDS, MINILM])
def pair(
    request: pytest.FixtureRequest, engine: str, minilm: str, tmp_path_factory: pytest.TempPathFactory
) -> Iterator[Pair]:
    kind: str = request.param
    folder = minilm if kind == MINILM else build(kind, tmp_path_factory.mktemp("models"), minilm)
    yield Pair(folder, KINDS[kind].prompt if kind in KINDS else "", engine, _reference(folder))
    _reference.cache_clear()


@cache
def _reference(folder: str) -> Any:
    from sentence_transformers import SentenceTransformer

    return SentenceTransformer(folder, device="cpu")


@pytest.fixture(scope="module")
def exact(pair: Pair) -> Vectors:
    """Our vectors, computed in float32."""
    encoder = pair.load("float32")
    assert encoder.dtype == "float32"
    return embed(encoder, TEXTS, pair.cut).vectors


def test_in_float32_the_vectors_are_those_of_sentence_transformers(pair: Pair, exact: Vectors) -> None:
    assert np.abs(exact - pair.theirs()).max() < EXACT


def test_in_what_suits_the_hardware_they_are_the_same_but_for_rounding(pair: Pair) -> None:
    found = embed(pair.load(), TEXTS, pair.cut).vectors
    assert (found.astype(np.float64) * pair.theirs()).sum(axis=1).min() >= SAME


def test_fewer_dimensions_are_those_of_sentence_transformers(pair: Pair, exact: Vectors) -> None:
    found = truncate_dimensions(exact, FEWER)
    assert found.shape == (len(TEXTS), FEWER)
    assert np.abs(found - pair.theirs(FEWER)).max() < EXACT


def test_the_texts_that_are_compared_differ_and_one_is_truncated(pair: Pair, exact: Vectors) -> None:
    """Or the agreement would say little."""
    likeness = exact @ exact.T - 2 * np.eye(len(exact))
    assert likeness.max() < SAME
    assert any(piece.cut for piece in split_texts(pair.load("float32").tokenizer, TEXTS, pair.cut))
