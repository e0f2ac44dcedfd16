"""Texts are counted exactly, and those of most worth are chosen, in whatever order they come."""

import random
from collections import Counter
from pathlib import Path

import pytest
from hypothesis import HealthCheck, given, settings
from hypothesis import strategies as st

from launcher.corpus import repeat_counts
from launcher.corpus.repeat_counts import RepeatedTexts, TextCounts, TextSize, text_hash
from launcher.errors import Problem

CUT = TextSize(tokens_per_character=0.25, limit=100, chunked=False, dimensions=8)
CHUNKED = TextSize(tokens_per_character=0.25, limit=100, chunked=True, dimensions=8)


def counted(folder: Path, texts: list[str], size: TextSize = CUT) -> RepeatedTexts:
    folder.mkdir()
    counts = TextCounts(folder)
    for place, text in enumerate(texts):
        counts.add(text, place // 10)
    return counts.choose(size)


@settings(suppress_health_check=[HealthCheck.function_scoped_fixture], deadline=None, max_examples=40)
@given(st.lists(st.text(max_size=2), max_size=60))
def test_texts_are_chosen_that_occur_more_than_once(
    tmp_path_factory: pytest.TempPathFactory, texts: list[str]
) -> None:
    found = counted(tmp_path_factory.mktemp("counts") / "c", texts)
    often = {text: count for text, count in Counter(texts).items() if count > 1}
    assert found.files == {text_hash(text): texts.index(text) // 10 for text in often}
    assert found.texts == len(texts)
    assert found.repeats == found.repeats_chosen == sum(count - 1 for count in often.values())


def test_a_hash_that_ends_with_zeros_is_found(tmp_path: Path) -> None:
    text = next(t for n in range(10_000) if text_hash(t := f"text {n}").endswith(b"\0"))
    assert counted(tmp_path / "c", [text, "other", text]).files == {text_hash(text): 0}


def test_many_texts_pass_through_files(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr(repeat_counts, "BUFFER_BYTES", 100)
    dice = random.Random(1)
    texts = [f"text {dice.randrange(6_000)}" for _ in range(10_000)]
    often = {text for text, count in Counter(texts).items() if count > 1}
    found = counted(tmp_path / "c", texts)
    assert found.files.keys() == {text_hash(text) for text in often}
    dice.shuffle(texts)
    assert counted(tmp_path / "d", texts).files.keys() == found.files.keys()


def test_the_texts_that_save_most_are_chosen_where_not_all_fit(
    tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setattr(repeat_counts, "MOST_VECTOR_BYTES", 2 * 4 * CUT.dimensions)
    often, long, rare = "short", "long " * 80, "rare"
    texts = [often] * 300 + [long] * 9 + [rare] * 2
    found = counted(tmp_path / "c", texts)
    assert found.files.keys() == {text_hash(often), text_hash(long)}
    assert (found.repeats, found.repeats_chosen) == (299 + 8 + 1, 299 + 8)
    assert found.tokens_saved < found.tokens_repeated


def test_a_text_of_many_chunks_takes_as_many_vectors(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr(repeat_counts, "MOST_VECTOR_BYTES", 3 * 4 * CUT.dimensions)
    long = "long " * 400  # 500 tokens: five chunks
    assert counted(tmp_path / "c", [long] * 9, CHUNKED).files == {}
    assert counted(tmp_path / "d", [long] * 9).files.keys() == {text_hash(long)}


def test_nothing_is_chosen_of_an_empty_corpus(tmp_path: Path) -> None:
    found = counted(tmp_path / "c", [])
    assert (found.files, found.tokens, found.repeats) == ({}, 0, 0)


def test_a_disk_that_cannot_be_written_is_told_in_two_lines(tmp_path: Path) -> None:
    (tmp_path / "c").touch()  # a file where the folder should be, as no disk is full here
    counts = TextCounts(tmp_path / "c")
    counts.add("a text", 0)
    with pytest.raises(Problem, match="24 bytes a text") as raised:
        counts.choose(CUT)
    assert "TMPDIR" in raised.value.hint
