"""Texts into pieces: every token lost is counted, and no piece is longer than the model reads."""

import json
from collections.abc import Mapping
from pathlib import Path

import pytest
from hypothesis import given
from hypothesis import strategies as st
from tokenizers import Tokenizer
from tokenizers.models import WordLevel
from tokenizers.pre_tokenizers import Whitespace

from tasks.models.files import HASH_MODEL, BadModel, model_config, model_file
from tasks.models.tokenizing.pieces import ChunkSpec, piece_limit, split_texts
from tasks.models.tokenizing.tokenizer import HashTokenizer, PieceTokenizer, load_tokenizer

CLS, SEP = 101, 102
LONG = "A worker embeds the shards of a corpus, and signs a receipt for each of them. " * 40


@pytest.fixture(scope="module")
def model_words(minilm: str) -> PieceTokenizer:
    return load_tokenizer(minilm)


def whole(made: list[int], edge: int = 1) -> list[int]:
    """A piece without its special tokens."""
    return made[edge:-edge]


# --- hash words


def test_hash_words_split_words_and_punctuation() -> None:
    assert len(HashTokenizer().ids(["Mind the gap, please!"])[0]) == 6


def test_hash_words_are_the_same_in_every_process() -> None:
    assert HashTokenizer().ids(["gap gaps"]) == [[3360, 22020]]


def test_hash_words_never_give_a_special_token() -> None:
    ids = HashTokenizer().ids([LONG])[0]
    assert min(ids) >= 3


# --- the model's own tokenizer


def test_pieces_are_those_of_the_models_tokenizer(minilm: str, model_words: PieceTokenizer) -> None:
    tokenizer = Tokenizer.from_file(str(Path(minilm) / "tokenizer.json"))
    tokenizer.no_truncation()
    tokenizer.no_padding()
    texts = ["Mind the gap.", "Ведро и 桶", "", "naïve café ﬁn", "x" * 300]
    expected = [tokenizer.encode(text).ids for text in texts]
    assert [list(found.ids) for found in split_texts(model_words, texts, ChunkSpec(10_000))] == [
        [ids] for ids in expected
    ]


def test_special_tokens_stand_at_both_ends_of_every_piece(model_words: PieceTokenizer) -> None:
    (found,) = split_texts(model_words, [LONG], ChunkSpec(32, 8))
    assert {(piece[0], piece[-1]) for piece in found.ids} == {(CLS, SEP)}
    assert not {CLS, SEP} & {token for piece in found.ids for token in piece[1:-1]}


def test_the_limits_in_a_tokenizers_file_do_not_truncate(model_words: PieceTokenizer) -> None:
    (ids,) = model_words.ids([LONG])
    assert len(ids) > 512


def test_an_empty_text_is_a_piece_of_special_tokens(model_words: PieceTokenizer) -> None:
    for cut in (ChunkSpec(32), ChunkSpec(32, 8)):
        assert split_texts(model_words, [""], cut)[0].ids == ([CLS, SEP],)


# --- truncation


def test_truncation_keeps_the_first_tokens_and_counts_the_others(model_words: PieceTokenizer) -> None:
    (ids,) = model_words.ids([LONG])
    (found,) = split_texts(model_words, [LONG], ChunkSpec(32))
    assert found.ids == ([CLS, *ids[:30], SEP],)
    assert found.cut == len(ids) - 30


@given(st.integers(0, 40), st.integers(3, 40))
def test_truncation_loses_exactly_what_is_over(count: int, limit: int) -> None:
    (found,) = split_texts(HashTokenizer(), [" w" * count], ChunkSpec(limit))
    (piece,) = found.ids
    assert len(piece) == min(count + 2, limit)
    assert found.cut == count + 2 - len(piece)


def test_a_text_that_just_fits_loses_nothing() -> None:
    (found,) = split_texts(HashTokenizer(), ["one two three"], ChunkSpec(5))
    assert found.cut == 0


def test_a_prompt_stands_before_the_text_and_is_tokenised_with_it(model_words: PieceTokenizer) -> None:
    (found,) = split_texts(model_words, ["gap"], ChunkSpec(32, None, "query: "))
    assert found.ids == ([CLS, *model_words.ids(["query: gap"])[0], SEP],)


def test_a_prompt_takes_room_from_a_truncated_text() -> None:
    (found,) = split_texts(HashTokenizer(), ["one two three"], ChunkSpec(5, None, "query: "))
    assert found.cut == 2


# --- chunks


@given(
    count=st.integers(0, 200),
    room=st.integers(1, 30),
    share=st.floats(0, 1, exclude_max=True),
    prompt=st.sampled_from(["", "query: "]),
)
def test_chunks_cover_every_token_exactly(count: int, room: int, share: float, prompt: str) -> None:
    hashed = HashTokenizer()
    overlap = int(room * share)
    (ids,) = hashed.ids([" ".join(f"w{n}" for n in range(count))])
    head = hashed.ids([prompt])[0]
    text = " ".join(f"w{n}" for n in range(count))
    (found,) = split_texts(hashed, [text], ChunkSpec(room + 2 + len(head), overlap, prompt))
    bodies = [whole(piece)[len(head) :] for piece in found.ids]
    assert bodies[0] + [token for body in bodies[1:] for token in body[overlap:]] == ids
    assert all(len(body) == room for body in bodies[:-1])
    assert all(len(body) > overlap for body in bodies[1:])  # none holds only what its neighbour has
    assert all(whole(piece)[: len(head)] == head for piece in found.ids)
    assert found.cut == 0


def test_real_chunks_rebuild_the_real_text(model_words: PieceTokenizer) -> None:
    (ids,) = model_words.ids([LONG])
    (found,) = split_texts(model_words, [LONG], ChunkSpec(64, 16))
    bodies = [whole(piece) for piece in found.ids]
    assert bodies[0] + [token for body in bodies[1:] for token in body[16:]] == ids


def test_neighbouring_chunks_share_the_overlap() -> None:
    (found,) = split_texts(HashTokenizer(), ["a b c d e f g"], ChunkSpec(6, 2))
    first, second, *_ = (whole(piece) for piece in found.ids)
    assert first[-2:] == second[:2]


def test_a_short_text_is_one_chunk() -> None:
    (found,) = split_texts(HashTokenizer(), ["a b c d"], ChunkSpec(6, 2))
    assert len(found.ids) == 1


def test_texts_keep_their_order() -> None:
    found = split_texts(HashTokenizer(), ["a b c d e", "f", "g h"], ChunkSpec(4, 0))
    assert [len(one.ids) for one in found] == [3, 1, 1]


@pytest.mark.parametrize(
    "cut",
    [
        ChunkSpec(2),
        ChunkSpec(2, 0),
        ChunkSpec(10, 8),
        ChunkSpec(10, 20),
        ChunkSpec(4, 0, "find this text"),
        ChunkSpec(0),
    ],
    ids=["edges", "edges of chunks", "overlap", "more overlap", "prompt", "nothing"],
)
def test_no_room_for_text_is_a_bad_model(cut: ChunkSpec) -> None:
    with pytest.raises(BadModel, match="leave no room for text") as problem:
        split_texts(HashTokenizer(), ["text"], cut)
    assert problem.value.hint.startswith("raise `tokens`")


def test_one_token_of_room_is_enough() -> None:
    (found,) = split_texts(HashTokenizer(), ["a b c"], ChunkSpec(3, 0))
    assert len(found.ids) == 3


# --- the model's folder


def test_minilm_reads_256_tokens(minilm: str) -> None:
    """sentence-transformers' own limit, though the tokenizer and the positions would allow 512."""
    assert piece_limit(minilm, None) == 256


def test_the_hash_model_reads_512_tokens() -> None:
    assert piece_limit(HASH_MODEL, None) == 512


SAYS = {
    "sentence_bert_config.json": {"max_seq_length": 100},
    "tokenizer_config.json": {"model_max_length": 200},
    "config.json": {"max_position_embeddings": 300},
}


def folder_of(tmp_path: Path, files: Mapping[str, Mapping[str, object]]) -> str:
    for name, content in files.items():
        (tmp_path / name).write_text(json.dumps(content), encoding="utf-8")
    return str(tmp_path)


@pytest.mark.parametrize(
    ("absent", "limit"),
    [
        ((), 100),
        (("sentence_bert_config.json",), 200),
        (("sentence_bert_config.json", "tokenizer_config.json"), 300),
    ],
)
def test_the_first_file_that_says_so_sets_the_limit(
    tmp_path: Path, absent: tuple[str, ...], limit: int
) -> None:
    assert piece_limit(folder_of(tmp_path, {k: v for k, v in SAYS.items() if k not in absent}), None) == limit


@pytest.mark.parametrize("value", [10**30, None, 0, -1, "512"])
def test_a_limit_that_is_none_is_passed_over(tmp_path: Path, value: object) -> None:
    files = SAYS | {"sentence_bert_config.json": {"max_seq_length": value}}
    assert piece_limit(folder_of(tmp_path, files), None) == 200


def test_a_folder_that_says_nothing_is_a_bad_model(tmp_path: Path) -> None:
    with pytest.raises(BadModel, match="says how long a text may be") as problem:
        piece_limit(folder_of(tmp_path, {"config.json": {}}), None)
    assert problem.value.hint == "set `truncate:` in the job file"


def test_a_folder_that_says_nothing_takes_what_the_job_says(tmp_path: Path) -> None:
    assert piece_limit(folder_of(tmp_path, {"config.json": {}}), 128) == 128


def test_a_missing_tokenizer_is_a_bad_model(tmp_path: Path) -> None:
    with pytest.raises(BadModel, match=r"no tokenizer\.json and no vocabulary in"):
        load_tokenizer(folder_of(tmp_path, {"config.json": {}}))


def test_a_broken_tokenizer_is_a_bad_model(tmp_path: Path) -> None:
    (tmp_path / "tokenizer.json").write_text("{", encoding="utf-8")
    with pytest.raises(BadModel, match="cannot read the tokenizer"):
        load_tokenizer(folder_of(tmp_path, {"config.json": {}}))


def test_a_missing_config_is_empty(tmp_path: Path) -> None:
    assert model_config(str(tmp_path), "config.json") == {}


def test_a_broken_config_is_a_bad_model(tmp_path: Path) -> None:
    (tmp_path / "config.json").write_text("{", encoding="utf-8")
    with pytest.raises(BadModel, match=r"config\.json is not JSON"):
        model_config(str(tmp_path), "config.json")


def test_a_model_that_is_no_folder_and_no_hub_id_is_a_bad_model() -> None:
    with pytest.raises(BadModel, match=r"no folder .no/such/folder., and .* tokenizer\.json"):
        model_file("no/such/folder", "tokenizer.json")


def test_a_decoder_whose_folder_says_so_ends_every_piece_with_its_last_token(tmp_path: Path) -> None:
    model = WordLevel({"a": 0, "fine": 1, "book": 2, "<end>": 3, "?": 4}, unk_token="?")
    bare = Tokenizer(model)
    bare.pre_tokenizer = Whitespace()
    bare.save(str(tmp_path / "tokenizer.json"))
    settings = {"add_eos_token": True, "eos_token": {"content": "<end>"}}
    folder = folder_of(tmp_path, {"config.json": {}, "tokenizer_config.json": settings})
    assert split_texts(load_tokenizer(folder), ["a fine book"], ChunkSpec(3))[0].ids == ([0, 1, 3],)


def test_a_tokenizer_that_fails_on_unknown_characters_is_refused(minilm: str, tmp_path: Path) -> None:
    for path in Path(minilm).glob("*.json"):
        (tmp_path / path.name).write_bytes(path.read_bytes())
    found = json.loads((tmp_path / "tokenizer.json").read_text())
    found["model"]["unk_token"] = "<unknown>"  # the vocabulary has none
    (tmp_path / "tokenizer.json").write_text(json.dumps(found))
    with pytest.raises(BadModel, match="cannot read every text: "):
        load_tokenizer(str(tmp_path))
