"""Tokens are those of sentence-transformers for every way a folder has to change them; what is not is refused at once."""
# transformers and sentence-transformers are typed in part
# pyright: reportUnknownMemberType=false, reportUnknownVariableType=false, reportUnknownArgumentType=false

import importlib.util
import json
from collections.abc import Callable
from pathlib import Path
from typing import Any

import pytest

if any(importlib.util.find_spec(name) is None for name in ("torch", "transformers", "sentence_transformers")):
    pytest.skip("transformers and sentence-transformers are not both installed", allow_module_level=True)

from tasks.models.describe import describe
from tasks.models.files import BadModel
from tasks.models.tokenizing.pieces import ChunkSpec, count_prompt_tokens, split_texts
from tasks.models.tokenizing.reference_tokenizer import PROBE_TEXTS, check_tokenizer
from tasks.models.tokenizing.tokenizer import ModelTokenizer
from tests.support.model_layouts import folders, tokenizers
from tests.support.model_layouts.base_models import SHAPE, save


def bert(folder: Path, *, lower: bool = True) -> None:
    size = tokenizers.wordpiece(folder, lower=lower)
    save(folder, "BertModel", **SHAPE, vocab_size=size + 1, pad_token_id=0)
    folders.sentence_transformer(folder)


def settings(**changes: Any) -> Callable[[Path], None]:
    return lambda folder: folders.edit_json(folder / "tokenizer_config.json", **changes)


def card(**changes: Any) -> Callable[[Path], None]:
    return lambda folder: folders.edit_json(folder / "sentence_bert_config.json", **changes)


def tokenizer_file(**changes: Any) -> Callable[[Path], None]:
    return lambda folder: folders.edit_json(folder / "tokenizer.json", **changes)


def without_key(folder: Path) -> None:
    folders.edit_json(folder / "tokenizer_config.json", do_lower_case=None)


def prompts(folder: Path) -> None:
    folders.config_sentence_transformers(
        folder,
        prompts={"query": "query: ", "document": "Title: none | Text: "},
        default_prompt_name="document",
    )


def added(folder: Path) -> None:
    size = len(json.loads((folder / "tokenizer.json").read_text("utf-8"))["model"]["vocab"])
    token = {"content": "<ent>", "lstrip": True, "rstrip": False, "normalized": False, "single_word": False}
    folders.edit_json(
        folder / "tokenizer_config.json", added_tokens_decoder={str(size): token | {"special": True}}
    )


def other_card(folder: Path) -> None:
    (folder / "sentence_bert_config.json").rename(folder / "sentence_xlm-roberta_config.json")


LEFT = {"direction": "Left", "max_length": 512, "strategy": "LongestFirst", "stride": 0}
WAYS: dict[str, tuple[bool, Callable[[Path], None]]] = {
    "settings lower-case, tokenizer.json does not": (False, settings(do_lower_case=True)),
    "settings do not lower-case, tokenizer.json does": (True, settings(do_lower_case=False)),
    "settings say nothing of lower-casing": (False, without_key),
    "accents": (False, settings(strip_accents=True)),
    "no spaces around ideographs": (True, settings(tokenize_chinese_chars=False)),
    "lower-casing of the card": (False, card(do_lower_case=True)),
    "truncation side": (True, settings(truncation_side="left")),
    "truncation side in tokenizer.json": (True, tokenizer_file(truncation=LEFT)),
    "truncation side as an argument": (True, card(tokenizer_args={"truncation_side": "left"})),
    "lower-casing as an argument": (False, card(processor_kwargs={"do_lower_case": True})),
    "special tokens are text": (True, settings(split_special_tokens=True)),
    "default prompt": (True, prompts),
    "added tokens": (True, added),
    "another card": (True, other_card),
}


@pytest.mark.parametrize("way", WAYS)
def test_tokens_are_those_of_sentence_transformers(tmp_path: Path, way: str) -> None:
    lower, change = WAYS[way]
    bert(tmp_path, lower=lower)
    change(tmp_path)
    described = describe(str(tmp_path))
    tokenizer = ModelTokenizer(described)
    assert check_tokenizer(described, tokenizer) == ()
    limit = described.limit.tokens
    assert limit == 64
    ours = [split_texts(tokenizer, [text], ChunkSpec(limit))[0].ids[0] for text in PROBE_TEXTS]
    assert ours == theirs(tmp_path)


def theirs(folder: Path) -> list[list[int]]:
    """The tokens that a SentenceTransformer makes of the texts when it encodes them."""
    from sentence_transformers import SentenceTransformer

    model: Any = SentenceTransformer(str(folder), device="cpu")
    prompt = model.prompts.get(model.default_prompt_name or "", "")
    preprocess = getattr(model, "preprocess", None)
    if preprocess is None:  # before version 5.4
        return [model.tokenize([prompt + text])["input_ids"][0].tolist() for text in PROBE_TEXTS]
    return [preprocess([text], prompt=prompt)["input_ids"][0].tolist() for text in PROBE_TEXTS]


def test_a_tokenizer_that_transformers_makes_anew_is_refused_with_the_first_difference(
    tmp_path: Path,
) -> None:
    """BERT's class takes its own pre-tokenizer, whatever tokenizer.json says."""
    bert(tmp_path)
    tokenizer_file(pre_tokenizer={"type": "WhitespaceSplit"})(tmp_path)
    folders.edit_json(tmp_path / "tokenizer.json", post_processor={"type": "Sequence", "processors": []})
    described = describe(str(tmp_path))
    with pytest.raises(
        BadModel, match=r"other tokens than sentence-transformers for 'a': token 0 is"
    ) as problem:
        check_tokenizer(described, ModelTokenizer(described))
    assert "save_pretrained" in problem.value.hint


def test_a_limit_below_the_cards_is_refused(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    """A tokenizer's own class may have a limit that no file names."""
    bert(tmp_path)
    (tmp_path / "sentence_bert_config.json").unlink()
    settings(model_max_length=None)(tmp_path)
    described = describe(str(tmp_path))
    assert described.limit.tokens == 512
    from tasks.models.tokenizing import reference_tokenizer

    real = reference_tokenizer.reference

    def limited(*given: Any, **named: Any) -> Any:
        made = real(*given, **named)
        made.model_max_length = 100
        return made

    monkeypatch.setattr(reference_tokenizer, "reference", limited)
    with pytest.raises(BadModel, match="reads 100 tokens by its tokenizer, and 512 by"):
        check_tokenizer(described, ModelTokenizer(described))


def test_prompt_tokens_are_counted_as_sentence_transformers_counts_them(tmp_path: Path) -> None:
    from sentence_transformers import SentenceTransformer

    bert(tmp_path)
    prompts(tmp_path)
    tokenizer = ModelTokenizer(describe(str(tmp_path)))
    model: Any = SentenceTransformer(str(tmp_path), device="cpu")
    for prompt in ("Title: none | Text: ", "query:", "a"):
        assert count_prompt_tokens(tokenizer, prompt) == model[0]._get_prompt_length(prompt)
    assert count_prompt_tokens(tokenizer, "") == 0
    assert count_prompt_tokens(tokenizer, None) == count_prompt_tokens(tokenizer, "Title: none | Text: ")


def test_a_vocabulary_alone_is_converted(tmp_path: Path) -> None:
    bert(tmp_path)
    words = json.loads((tmp_path / "tokenizer.json").read_text("utf-8"))["model"]["vocab"]
    before = ModelTokenizer(describe(str(tmp_path))).ids(PROBE_TEXTS)
    (tmp_path / "vocab.txt").write_text(
        "".join(f"{w}\n" for w in sorted(words, key=lambda w: words[w])), "utf-8"
    )
    (tmp_path / "tokenizer.json").unlink()
    assert ModelTokenizer(describe(str(tmp_path))).ids(PROBE_TEXTS) == before


def test_without_transformers_a_vocabulary_alone_is_refused_with_the_conversion(
    tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    bert(tmp_path)
    (tmp_path / "tokenizer.json").rename(tmp_path / "vocab.txt")

    def absent(name: str) -> None:
        del name

    monkeypatch.setattr(importlib.util, "find_spec", absent)
    with pytest.raises(BadModel, match=r"has vocab\.txt and no tokenizer\.json; transformers") as problem:
        ModelTokenizer(describe(str(tmp_path)))
    assert "save_pretrained" in problem.value.hint
