"""Chunks at the ends of sentences and along Markdown: none too long, nothing lost, the same every time."""

from dataclasses import replace
from itertools import pairwise
from pathlib import Path

import pytest
from hypothesis import given
from hypothesis import strategies as st

from tasks.models.tokenizing.pieces import ChunkSpec, TextPieces, split_texts
from tasks.models.tokenizing.semantic_chunks import SplitterChanged, check_splitter, splitter_version
from tasks.models.tokenizing.tokenizer import HashTokenizer, PieceTokenizer, load_tokenizer

PROSE = "\n\n".join(
    " ".join(f"Sentence {p}.{s} says something about paragraph {p}." for s in range(12)) for p in range(30)
)
MARKDOWN = "\n\n".join(f"## Section {n}\n\n" + f"Words of section {n} go on. " * 20 for n in range(20))
BY = pytest.mark.parametrize("by", ["sentences", "markdown"])
HASH = HashTokenizer()


@pytest.fixture(scope="module")
def model_tokenizer(minilm: str) -> PieceTokenizer:
    return load_tokenizer(minilm)


def split(text: str, spec: ChunkSpec, tokenizer: PieceTokenizer = HASH) -> TextPieces:
    (found,) = split_texts(tokenizer, [text], spec)
    return found


def texts_of(text: str, spec: ChunkSpec) -> list[str]:
    return [text[start:end] for start, end in split(text, spec).spans]


@given(
    text=st.text(alphabet=st.sampled_from("ab .\n#-|`é中👩‍"), max_size=400),
    tokens=st.integers(3, 40),
    markdown=st.booleans(),
)
def test_no_chunk_is_too_long_and_together_they_are_the_text(text: str, tokens: int, markdown: bool) -> None:
    spec = ChunkSpec(tokens, 0, "", "markdown" if markdown else "sentences")
    found = split(text, spec)
    assert max(map(len, found.ids)) <= tokens
    assert "".join(text[start:end] for start, end in found.spans) == text
    assert found.cut == 0


@BY
def test_overlapping_chunks_leave_no_gap(by: str) -> None:
    spec = replace(ChunkSpec(50, 12, ""), by=by)
    spans = split(PROSE, spec).spans
    assert spans[0][0] == 0
    assert spans[-1][1] == len(PROSE)
    assert all(second[0] <= first[1] < second[1] for first, second in pairwise(spans))
    assert any(second[0] < first[1] for first, second in pairwise(spans))


def test_chunks_end_where_sentences_do() -> None:
    found = texts_of(PROSE, ChunkSpec(60, 0, "", "sentences"))
    assert all(chunk.rstrip().endswith(".") for chunk in found)
    assert len(found) > 30


def test_a_section_of_markdown_is_not_torn_from_its_heading() -> None:
    found = texts_of(MARKDOWN, ChunkSpec(160, 0, "", "markdown"))
    assert len(found) == 20
    assert all(chunk.startswith(f"## Section {n}\n") for n, chunk in enumerate(found))


@BY
def test_a_text_that_fits_is_one_chunk_of_the_usual_tokens(by: str) -> None:
    whole = split("One. Two.\n\nThree.", ChunkSpec(20))
    assert split("One. Two.\n\nThree.", replace(ChunkSpec(20, 0, ""), by=by)).ids == whole.ids


@BY
def test_every_chunk_has_the_prompt(by: str) -> None:
    found = split(PROSE, replace(ChunkSpec(40, 0, "find this: "), by=by))
    head = [*HASH.prefix_ids, *HASH.ids(["find this: "])[0]]
    assert all(ids[: len(head)] == head and len(ids) <= 40 for ids in found.ids)


@BY
def test_a_word_of_more_tokens_than_a_chunk_is_cut_in_it(by: str, model_tokenizer: PieceTokenizer) -> None:
    found = split("x" * 5_000, replace(ChunkSpec(32, 0, ""), by=by), model_tokenizer)
    assert max(map(len, found.ids)) <= 32
    assert found.spans[-1][1] == 5_000


@BY
def test_white_space_is_no_chunk_of_its_own(by: str) -> None:
    text = "\n" * 3_000 + "word " * 100 + "\n" * 3_000
    spec = replace(ChunkSpec(12, 0, ""), by=by)
    found = split(text, spec)
    assert all(len(ids) > 2 for ids in found.ids)
    assert "".join(text[start:end] for start, end in found.spans) == text


def test_the_manifest_names_the_library_that_cuts() -> None:
    assert splitter_version("tokens") is None
    assert splitter_version("sentences") == "semantic-text-splitter 0.33.1"


def test_a_machine_with_another_version_is_refused() -> None:
    check_splitter("markdown", splitter_version("markdown"))
    with pytest.raises(
        SplitterChanged, match=r"cut by semantic-text-splitter 0\.1, and this machine has"
    ) as error:
        check_splitter("markdown", "semantic-text-splitter 0.1")
    assert error.value.hint.startswith("install semantic-text-splitter==0.1,")


def test_laptop_and_rented_machines_have_the_same_version() -> None:
    root = Path(__file__).parents[4]
    pin = "semantic-text-splitter==0.33.1"
    assert pin in (root / "pyproject.toml").read_text()
    assert pin in (root / "tasks/requirements/common.in").read_text()
