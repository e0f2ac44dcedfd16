"""Prompts of a job: a text, or the name of one of the model's prompts."""

import json
import shutil
from pathlib import Path

import pytest

from launcher.corpus.chunking import prompt_of, query_prompt_of
from launcher.errors import Usage
from launcher.jobs.job import Job
from launcher.jobs.parse import parse


def job(prompt: str) -> Job:
    return parse(f"name: a\ncorpus: in\nmodel: m\noutput: out\nprompt: {prompt}\n")


@pytest.fixture
def model(tmp_path: Path, minilm: str) -> str:
    """A model with prompts."""
    shutil.copytree(minilm, tmp_path / "model")
    prompts = {"document": "passage: ", "web": "find: ", "nothing": ""}
    file = tmp_path / "model" / "config_sentence_transformers.json"
    file.write_text(json.dumps({"prompts": prompts}))
    return str(tmp_path / "model")


@pytest.mark.parametrize(
    ("written", "means"),
    [
        ("document", "passage: "),
        ("web", "find: "),
        ("nothing", ""),
        ("'document: '", "document: "),
        ("''", ""),
    ],
)
def test_prompt_is_the_models_own_by_its_name_or_a_text(written: str, means: str, model: str) -> None:
    assert prompt_of(job(written), model) == means


def test_usual_name_that_the_model_lacks_is_no_text(model: str) -> None:
    with pytest.raises(Usage, match="m has no prompt named query; it has document, web, nothing"):
        prompt_of(job("query"), model)


def test_other_word_is_a_text(model: str) -> None:
    assert prompt_of(job("summarise"), model) == "summarise"


def asking(query_prompt: str, prompt: str = "") -> Job:
    model = f"{{name: m, query_prompt: {query_prompt}}}" if query_prompt else "m"
    return parse(f"name: a\ncorpus: in\nmodel: {model}\noutput: out\n{prompt}\n")


def with_prompts(model: str, **prompts: str) -> str:
    file = Path(model) / "config_sentence_transformers.json"
    file.write_text(json.dumps({"prompts": prompts, "default_prompt_name": None}))
    return model


def test_prompt_for_queries_is_the_models_own(model: str) -> None:
    with_prompts(model, query="query: ", document="passage: ")
    assert query_prompt_of(asking(""), model) == "query: "
    assert query_prompt_of(asking("", "prompt: document"), model) == "query: "


def test_model_without_a_prompt_for_queries_has_that_of_the_documents(model: str) -> None:
    assert query_prompt_of(asking("", "prompt: document"), model) == "passage: "
    assert query_prompt_of(asking("", "prompt: 'p '"), "hash") == "p "


@pytest.mark.parametrize(("written", "means"), [("web", "find: "), ("'ask: '", "ask: "), ("''", "")])
def test_prompt_for_queries_is_written_in_the_job(written: str, means: str, model: str) -> None:
    assert query_prompt_of(asking(written), model) == means


def test_usual_name_for_queries_that_the_model_lacks_is_no_text(model: str) -> None:
    with pytest.raises(Usage, match=r"model\.query_prompt: m has no prompt named passage"):
        query_prompt_of(asking("passage"), model)
