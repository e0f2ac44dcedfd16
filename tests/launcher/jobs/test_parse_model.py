"""The model, its shape, the engine and the precision of a job file."""

import pytest

from launcher.jobs.job import dump, load
from launcher.jobs.keys import ENGINES
from launcher.jobs.parse import parse
from tests.launcher.jobs.job_texts import SHORT, job, mistakes, only_mistake


def test_model_may_be_a_mapping_with_its_shape() -> None:
    shaped = """\
name: a
corpus: in
output: {path: out}
model: {name: org/new, layers: 12, hidden: 768, heads: 12, kv_heads: 4, head_dim: 64, intermediate: 3_072,
  vocabulary: 30522, max_tokens: 8k, dimensions: 256, pooling: cls, glu: yes, causal: false}
"""
    found = parse(shaped)
    assert found.model == "org/new"
    sizes = {"layers": 12, "hidden": 768, "heads": 12, "kv_heads": 4, "head_dim": 64, "intermediate": 3072}
    ends = {"vocabulary": 30522, "max_tokens": 8000, "dimensions": 256}
    assert found.shape == sizes | ends | {"pooling": "cls", "glu": True, "causal": False}


def test_model_with_only_a_name_has_no_shape() -> None:
    assert parse("name: a\ncorpus: in\nmodel: {name: m}\noutput: {path: out}").shape is None


@pytest.mark.parametrize(("written", "means"), [("fp8", "fp8"), ("auto", None)])
def test_precision_may_be_reduced(written: str, means: str | None) -> None:
    assert job(f"precision: {written}").precision == means


def test_precision_is_never_reduced_unless_asked_and_is_then_not_in_the_plan() -> None:
    assert job().precision is None
    assert "precision" not in dump(job())


def test_reduced_precision_is_in_the_plan() -> None:
    found = job("precision: fp8")
    assert load(dump(found)) == found


@pytest.mark.parametrize("engine", ["torch", "packed", "hash"])
def test_engine_that_does_not_compute_in_fp8_is_refused_beside_it(engine: str) -> None:
    assert only_mistake(f"engine: {engine}\nprecision: fp8").endswith(
        f"precision: fp8 is computed by the engine vllm alone, and engine is {engine}"
    )


def test_int8_is_refused_with_the_reason() -> None:
    assert "vLLM converts no dense weights to int8" in only_mistake("precision: int8")


def test_unknown_precision_is_refused() -> None:
    assert "fp8" in only_mistake("precision: fp16")


@pytest.mark.parametrize("engine", ENGINES)
def test_engine_may_be_chosen(engine: str) -> None:
    assert job(f"engine: {engine}").engine == engine


@pytest.mark.parametrize(
    "key", ["layers", "hidden", "heads", "kv_heads", "head_dim", "intermediate", "vocabulary"]
)
def test_sizes_of_a_model_are_counts(key: str) -> None:
    rest = "".join(f", {k}: 8" for k in ("layers", "hidden") if k != key)
    assert only_mistake("", SHORT.replace("model: m", f"model: {{name: m, {key}: -1{rest}}}")).startswith(
        f"job.yaml:3: model.{key}: must be a whole number"
    )


@pytest.mark.parametrize(
    ("said_of_it", "what"),
    [
        ("pooling: max", "model.pooling: must be one of mean, cls, last; this is max"),
        ("glu: 1", "model.glu: must be true or false; this is 1"),
        ("causal: [true]", "model.causal: must be true or false; this is a list"),
        ("layer: 3", "model.layer: unknown key; did you mean layers?"),
    ],
)
def test_rest_of_a_shape_is_checked(said_of_it: str, what: str) -> None:
    model = f"model: {{name: m, layers: 1, hidden: 1, {said_of_it}}}"
    assert only_mistake("", SHORT.replace("model: m", model)) == f"job.yaml:3: {what}"


def test_shape_needs_at_least_layers_and_hidden() -> None:
    text = SHORT.replace("model: m", "model: {heads: 2}")
    assert mistakes(text) == [f"job.yaml:3: model.{k}: missing" for k in ("name", "layers", "hidden")]


def test_code_of_a_model_runs_only_when_the_user_allows_it() -> None:
    assert job().remote_code is False
    base = SHORT.replace("model: m", "model: {name: m, trust_remote_code: true}")
    assert job(base=base).remote_code is True
    assert "trust_remote_code" in only_mistake(
        "", SHORT.replace("model: m", "model: {name: m, trust_remote_code: perhaps}")
    )
