"""The table of words gives the ids of the tokenizer, for any text, or is not used."""
# tokenizers is typed in part
# pyright: reportUnknownMemberType=false, reportUnknownArgumentType=false, reportUnknownVariableType=false
# pyright: reportPrivateUsage=false

from pathlib import Path
from typing import Any

import pytest
from hypothesis import given
from hypothesis import strategies as st
from tokenizers import AddedToken, Tokenizer, normalizers, pre_tokenizers

from tasks.models.tokenizing import word_cache as caches
from tasks.models.tokenizing.tokenizer import load_tokenizer
from tasks.models.tokenizing.word_cache import WordCache, word_cache

# Characters at which a shortcut would go wrong: white space of other kinds, controls, accents apart, ideographs.
STRANGE = " \t\n\r\x0b\x0c\x1c\x85\xa0\u2028\u3000\x00\x7f\xad\u200b\ufffd\u0301\u0345éßİΣς中한あ😀[]#'-_aZ9"


@pytest.fixture(scope="module")
def tokenizer(minilm: str) -> Tokenizer:
    found = Tokenizer.from_file(str(Path(minilm) / "tokenizer.json"))
    found.no_truncation()
    found.no_padding()
    return found


@pytest.fixture(scope="module")
def cache(tokenizer: Tokenizer) -> WordCache:
    found = word_cache(tokenizer)
    assert found is not None
    return found


def by_tokenizer(tokenizer: Tokenizer, texts: list[str]) -> list[list[int]]:
    return [one.ids for one in tokenizer.encode_batch(texts, add_special_tokens=False)]


def copy_of(tokenizer: Tokenizer) -> Any:
    return Tokenizer.from_str(tokenizer.to_str())


@given(st.lists(st.text(st.sampled_from(STRANGE) | st.characters(exclude_categories=["Cs"])), max_size=5))
def test_any_text_has_the_ids_of_the_tokenizer(
    tokenizer: Tokenizer, cache: WordCache, texts: list[str]
) -> None:
    assert cache.ids(texts) == by_tokenizer(tokenizer, texts)
    assert cache.ids(texts) == by_tokenizer(tokenizer, texts)  # now from the table


@pytest.mark.parametrize(
    "text",
    [
        "",
        " ",
        "\n\n",
        "a [MASK] b",
        "a[MASK]b",
        "[cls]",
        "x" * 500,
        "- " * 300,
        "word " * 300,
        "naïve café",
        "中文 字",
    ],
)
def test_special_shapes_have_the_ids_of_the_tokenizer(
    tokenizer: Tokenizer, cache: WordCache, text: str
) -> None:
    texts = [text, "between", text]
    assert cache.ids(texts) == by_tokenizer(tokenizer, texts)


@pytest.mark.parametrize("lowercase", [True, False])
@pytest.mark.parametrize("strip_accents", [True, False])
@pytest.mark.parametrize("clean", [True, False])
def test_every_setting_of_the_normalizer_is_obeyed(
    tokenizer: Tokenizer, lowercase: bool, strip_accents: bool, clean: bool
) -> None:
    other = copy_of(tokenizer)
    other.normalizer = normalizers.BertNormalizer(
        clean_text=clean, lowercase=lowercase, strip_accents=strip_accents
    )
    found = word_cache(other)
    texts = ["Naïve CAFÉ\u0301 x\x00y \x0bz", STRANGE, "中文字\u3000a"]
    assert found is None or found.ids(texts) == by_tokenizer(other, texts)


def test_an_added_token_is_found_inside_words_and_beside_space(tokenizer: Tokenizer) -> None:
    other = copy_of(tokenizer)
    other.add_tokens([AddedToken("<num>", lstrip=True, rstrip=True), AddedToken("kilo", single_word=True)])
    found = word_cache(other)
    assert found is not None
    texts = ["5 <num> apples", "5<num>apples <num>", "kilo kilogram a-kilo", "KILO <NUM>"]
    assert found.ids(texts) == by_tokenizer(other, texts)


@pytest.mark.parametrize("content", ["new york", "中文", "tab\tbed"])
def test_an_added_token_that_may_span_words_turns_the_table_off(tokenizer: Tokenizer, content: str) -> None:
    other = copy_of(tokenizer)
    other.add_tokens([AddedToken(content)])
    assert word_cache(other) is None


def test_other_kinds_of_tokenizers_have_no_table(tokenizer: Tokenizer) -> None:
    other = copy_of(tokenizer)
    other.pre_tokenizer = pre_tokenizers.Metaspace()
    assert word_cache(other) is None


def test_a_table_that_is_full_is_begun_anew(tokenizer: Tokenizer, monkeypatch: pytest.MonkeyPatch) -> None:
    found = WordCache(tokenizer)
    monkeypatch.setattr(caches, "MOST_WORDS", 40)
    texts = [f"word{number} and {number * number} things" for number in range(50)]
    for text in texts:
        assert found.ids([text]) == by_tokenizer(tokenizer, [text])
        assert len(found._known) <= 40


def test_models_like_bert_use_the_table(minilm: str) -> None:
    loaded: Any = load_tokenizer(minilm)
    assert loaded._words is not None
    loaded.ids(["one plain text"])
    assert "plain" in loaded._words._known
