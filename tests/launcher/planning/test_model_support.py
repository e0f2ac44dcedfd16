"""A plan knows before renting which engine computes the model, and refuses what no worker can embed."""

from dataclasses import replace
from pathlib import Path

import pytest

from launcher.corpus.chunking import chunk_spec_of, prompt_of
from launcher.jobs.job import CorpusSource, DeclaredCorpus, Job, dump, load
from launcher.planning.model_support import engine_refusal, model_support
from launcher.planning.offers.candidates import rented_engine
from tests.support.model_layouts.folders import write_json

CORPUS = CorpusSource("texts/*.txt")
STOCK = "sentence_transformers.models."


def folder(root: Path, **config: object) -> str:
    """A model's settings, and an empty file of weights."""
    write_json(
        root / "config.json",
        {"model_type": "bert", "hidden_size": 64, "max_position_embeddings": 512} | config,
    )
    (root / "model.safetensors").write_bytes((2).to_bytes(8, "little") + b"{}")
    return str(root)


def job(model: str, **changes: object) -> Job:
    return replace(Job("a", CORPUS, model), **changes)  # pyright: ignore[reportArgumentType]


def test_the_engine_of_rented_machines_is_one_that_computes_the_model(tmp_path: Path) -> None:
    asked = job(folder(tmp_path, model_type="mpnet"))
    support = model_support(asked, asked.model)
    assert support is not None
    assert support.engines[0] == "torch"
    assert "vllm" not in support.engines
    assert rented_engine(asked, support.engines) == "torch"
    assert engine_refusal(asked, support) is None


def test_an_engine_that_the_job_names_and_that_does_not_compute_it_is_refused(tmp_path: Path) -> None:
    asked = job(folder(tmp_path, model_type="mpnet"), engine="vllm")
    support = model_support(asked, asked.model)
    assert support is not None
    refusal = engine_refusal(asked, support)
    assert refusal is not None
    assert "cannot be embedded by the engine vllm" in str(refusal)
    assert "engine: torch" in refusal.hint


def test_a_model_that_no_engine_computes_is_refused(tmp_path: Path) -> None:
    asked = job(folder(tmp_path))
    write_json(tmp_path / "modules.json", [{"type": "own.Transformer", "path": ""}])
    support = model_support(asked, asked.model)
    assert support is not None
    refusal = engine_refusal(asked, support)
    assert refusal is not None
    assert "cannot be embedded by any worker: it has modules that are not" in str(refusal)


def test_of_a_declared_corpus_the_table_of_known_models_is_asked() -> None:
    declared = DeclaredCorpus(documents=10, lengths=((1.0, 100.0),))
    asked = replace(job("BAAI/bge-m3"), corpus=declared)
    support = model_support(asked, asked.model)
    assert support is not None
    refusal = engine_refusal(asked, support)
    assert refusal is not None
    assert "save_pretrained" in refusal.hint
    assert model_support(replace(asked, model="no/such-model"), "no/such-model") is None


def test_a_job_without_a_prompt_has_the_models_default(tmp_path: Path) -> None:
    model = folder(tmp_path)
    write_json(
        tmp_path / "config_sentence_transformers.json",
        {"prompts": {"document": "passage: "}, "default_prompt_name": "document"},
    )
    assert prompt_of(job(model), model) == "passage: "
    assert chunk_spec_of(job(model), model).prompt == "passage: "
    assert prompt_of(job(model, prompt="own: "), model) == "own: "
    assert prompt_of(job(model, prompt=""), model) == ""


@pytest.mark.parametrize("prompt", [None, "", "own: "])
def test_a_plan_keeps_what_the_job_says_of_prompts(prompt: str | None) -> None:
    asked = job("hash", prompt=prompt)
    assert load(dump(asked)).prompt == prompt


def test_the_dump_of_a_job_without_a_prompt_is_that_of_the_version_before() -> None:
    """The name of a run is a digest of it."""
    plain = dump(job("hash"))
    assert plain["prompt"] == ""
    assert "no_prompt" not in plain
