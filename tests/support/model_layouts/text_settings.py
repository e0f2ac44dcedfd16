"""Layouts of what is done to texts: prompts, lower-casing, the side and the length of truncation."""

import json
from pathlib import Path

from tests.support.model_layouts import folders, tokenizers
from tests.support.model_layouts.base_models import SHAPE, bert, save
from tests.support.model_layouts.encoders import bert_mean
from tests.support.model_layouts.folders import edit_json, sentence_transformer
from tests.support.model_layouts.layout import Layouts

TEXT_SETTINGS = Layouts()


@TEXT_SETTINGS.add("a default prompt")
def default_prompt(folder: Path) -> None:
    bert_mean(folder)
    prompts = {"query": "query: ", "document": "passage: "}
    folders.config_sentence_transformers(folder, prompts=prompts, default_prompt_name="document")


@TEXT_SETTINGS.add("prompts, none of them default")
def prompts_by_name(folder: Path) -> None:
    bert_mean(folder)
    folders.config_sentence_transformers(folder, prompts={"query": "query: "}, default_prompt_name=None)


@TEXT_SETTINGS.add("lower-casing by sentence_bert_config.json")
def lower_case(folder: Path) -> None:
    size = tokenizers.wordpiece(folder, lower=False)
    save(folder, "BertModel", **SHAPE, vocab_size=size, pad_token_id=0)
    sentence_transformer(folder, limit=folders.LIMIT | {"do_lower_case": True})


@TEXT_SETTINGS.add("texts cut from the left")
def truncation_left(folder: Path) -> None:
    bert_mean(folder)
    edit_json(folder / "tokenizer_config.json", truncation_side="left")


@TEXT_SETTINGS.add("a limit above the positions")
def limit_above_positions(folder: Path) -> None:
    bert(folder, max_position_embeddings=48)
    sentence_transformer(folder, limit={"max_seq_length": None})


@TEXT_SETTINGS.add("a limit among the tokenizer's arguments")
def limit_in_arguments(folder: Path) -> None:
    bert(folder)
    sentence_transformer(folder, limit={"max_seq_length": None, "tokenizer_args": {"model_max_length": 32}})


@TEXT_SETTINGS.add("no tokenizer.json: a vocabulary alone")
def slow_tokenizer(folder: Path) -> None:
    bert_mean(folder)
    vocabulary: dict[str, int] = json.loads((folder / "tokenizer.json").read_text("utf-8"))["model"]["vocab"]
    words = sorted(vocabulary, key=lambda word: vocabulary[word])
    (folder / "vocab.txt").write_text("\n".join(words) + "\n", encoding="utf-8")
    (folder / "tokenizer.json").unlink()


@TEXT_SETTINGS.add('a limit that is a text (`max_seq_length: "64"`)')
def limit_as_text(folder: Path) -> None:
    bert(folder)
    sentence_transformer(folder, limit={"max_seq_length": "64"})
