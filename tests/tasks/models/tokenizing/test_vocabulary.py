"""A tokenizer with tokens that its model has no vector for is refused by plans and engines, not row by row."""

import importlib.util
import json
from pathlib import Path
from typing import Any

import pytest

if any(importlib.util.find_spec(name) is None for name in ("torch", "transformers")):
    pytest.skip("torch and transformers are not installed", allow_module_level=True)

from tokenizers import AddedToken, Tokenizer
from tokenizers.processors import TemplateProcessing

from tasks.engines.base import OutsideModel
from tasks.engines.load import load_encoder
from tasks.models.describe import describe
from tasks.models.files import BadModel
from tasks.models.tokenizing.tokenizer import load_tokenizer
from tasks.models.tokenizing.vocabulary import token_rows
from tests.support.model_layouts.encoders import bert_mean
from tests.support.model_layouts.folders import edit_json

pytestmark = pytest.mark.filterwarnings("ignore")  # of torch and transformers


def with_tokens(folder: Path, *tokens: AddedToken, end: str | None = None) -> Path:
    """A small BERT whose tokenizer has tokens more than the model; `end` stands after every text."""
    bert_mean(folder)
    path = folder / "tokenizer.json"
    tokenizer: Any = Tokenizer.from_file(str(path))
    tokenizer.add_tokens([token for token in tokens if not token.special])
    tokenizer.add_special_tokens([token for token in tokens if token.special])
    if end is not None:
        number = tokenizer.token_to_id(end)
        assert number is not None
        tokenizer.post_processor = TemplateProcessing(single=f"$A {end}", special_tokens=[(end, number)])
    tokenizer.save(str(path))
    return folder


@pytest.mark.parametrize("engine", ["torch", "packed"])
def test_an_ordinary_token_without_a_vector_is_refused_at_load(engine: str, tmp_path: Path) -> None:
    folder = with_tokens(tmp_path, AddedToken("covid"))
    rows = describe(str(folder)).vocabulary
    with pytest.raises(
        BadModel, match=rf"1 tokens .*it has {rows} vectors, and 'covid' is {rows}"
    ) as refusal:
        load_encoder(engine, str(folder))
    assert "resize_token_embeddings" in str(refusal.value.hint)


def test_the_tokenizer_of_a_plan_refuses_it_too(tmp_path: Path) -> None:
    folder = with_tokens(tmp_path, AddedToken("covid"))
    with pytest.raises(BadModel, match="'covid'"):
        load_tokenizer(str(folder))


def test_a_special_token_after_every_text_is_refused(tmp_path: Path) -> None:
    folder = with_tokens(tmp_path, AddedToken("[END]", special=True), end="[END]")
    with pytest.raises(BadModel, match=r"'\[END\]'"):
        load_tokenizer(str(folder))


def test_a_special_token_that_no_text_needs_is_not(tmp_path: Path) -> None:
    encoder = load_encoder("torch", str(with_tokens(tmp_path, AddedToken("[PADDING]", special=True))))
    plain, spelt_out = encoder.tokenizer.ids(["a plain text", "a [PADDING]"])
    assert encoder.encode([plain]).shape == (1, encoder.dimensions)
    with pytest.raises(OutsideModel):
        encoder.encode([spelt_out])


def test_rows_are_those_of_the_weights_where_config_json_says_none(tmp_path: Path) -> None:
    bert_mean(tmp_path)
    rows = describe(str(tmp_path)).vocabulary
    settings = json.loads((tmp_path / "config.json").read_text(encoding="utf-8"))
    del settings["vocab_size"]
    (tmp_path / "config.json").write_text(json.dumps(settings), encoding="utf-8")
    assert token_rows(describe(str(tmp_path))) == rows


def test_rows_are_those_of_config_json_where_weights_are_elsewhere(tmp_path: Path) -> None:
    bert_mean(tmp_path)
    (tmp_path / "model.safetensors").unlink()
    edit_json(tmp_path / "config.json", vocab_size=77)
    assert token_rows(describe(str(tmp_path))) == 77
