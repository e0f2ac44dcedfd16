"""Synthetic texts, by the number of tokens that the model reads from them."""

from collections import Counter

import pytest

from launcher.bench.synthetic_texts import MAX_TEXTS, MIN_TEXTS, texts
from tasks.models.files import HASH_MODEL
from tasks.models.tokenizing.pieces import ChunkSpec, split_texts
from tasks.models.tokenizing.tokenizer import load_tokenizer


def read(model: str, found: list[str], cut: ChunkSpec) -> Counter[int]:
    """How many pieces there are of each length."""
    return Counter(len(piece) for one in split_texts(load_tokenizer(model), found, cut) for piece in one.ids)


def test_texts_have_the_length_asked_for_with_a_real_tokenizer(minilm: str) -> None:
    cut = ChunkSpec(256)
    assert set(read(minilm, texts(minilm, [(1.0, 100)], cut), cut)) == {100}


def test_length_includes_the_prompt(minilm: str) -> None:
    cut = ChunkSpec(256, None, "passage: ")
    assert set(read(minilm, texts(minilm, [(1.0, 100)], cut), cut)) == {100}


def test_text_longer_than_the_maximum_is_truncated() -> None:
    cut = ChunkSpec(64)
    assert set(read(HASH_MODEL, texts(HASH_MODEL, [(1.0, 1_000)], cut), cut)) == {64}


def test_lengths_have_their_shares() -> None:
    cut = ChunkSpec(512)
    found = read(HASH_MODEL, texts(HASH_MODEL, [(3.0, 10), (1.0, 200)], cut), cut)
    assert set(found) == {10, 200}
    assert found[10] / found.total() == pytest.approx(0.75, abs=0.05)


@pytest.mark.parametrize(("tokens", "count"), [(3, MAX_TEXTS), (512, 1_024), (100_000, MIN_TEXTS)])
def test_number_of_texts_is_bounded(tokens: int, count: int) -> None:
    assert len(texts(HASH_MODEL, [(1.0, tokens)], ChunkSpec(512))) == count


def test_texts_are_deterministic(minilm: str) -> None:
    assert texts(minilm, [(1.0, 20)], ChunkSpec(256)) == texts(minilm, [(1.0, 20)], ChunkSpec(256))
