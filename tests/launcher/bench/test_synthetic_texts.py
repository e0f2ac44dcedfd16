"""Texts that nobody wrote, by the tokens that the model reads of them."""

from collections import Counter

import pytest

from launcher.bench.synthetic_texts import LEAST, MOST, texts
from tasks.engines.tokenizer import HASH, Cut, pieces, words


def read(model: str, found: list[str], cut: Cut) -> Counter[int]:
    """How many pieces there are of each length."""
    return Counter(len(piece) for one in pieces(words(model), found, cut) for piece in one.ids)


def test_texts_of_one_length_are_of_that_length_to_a_real_model(minilm: str) -> None:
    cut = Cut(256)
    assert set(read(minilm, texts(minilm, [(1.0, 100)], cut), cut)) == {100}


def test_the_prompt_counts(minilm: str) -> None:
    cut = Cut(256, None, "passage: ")
    assert set(read(minilm, texts(minilm, [(1.0, 100)], cut), cut)) == {100}


def test_what_is_longer_than_the_model_takes_is_cut() -> None:
    cut = Cut(64)
    assert set(read(HASH, texts(HASH, [(1.0, 1_000)], cut), cut)) == {64}


def test_a_mix_has_its_shares() -> None:
    cut = Cut(512)
    found = read(HASH, texts(HASH, [(3.0, 10), (1.0, 200)], cut), cut)
    assert set(found) == {10, 200}
    assert found[10] / found.total() == pytest.approx(0.75, abs=0.05)


@pytest.mark.parametrize(("tokens", "count"), [(3, MOST), (512, 1_024), (100_000, LEAST)])
def test_there_are_enough_texts_and_not_too_many(tokens: int, count: int) -> None:
    assert len(texts(HASH, [(1.0, tokens)], Cut(512))) == count


def test_the_same_is_asked_and_the_same_is_made(minilm: str) -> None:
    assert texts(minilm, [(1.0, 20)], Cut(256)) == texts(minilm, [(1.0, 20)], Cut(256))
