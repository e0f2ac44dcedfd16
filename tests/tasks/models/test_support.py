"""Which engine computes a model is known of its description; what none computes comes with what to do."""

from dataclasses import replace

import pytest

from tasks.models.description import (
    Adapter,
    Dense,
    Finding,
    LengthLimit,
    ModelDescription,
    OwnCode,
    Pooling,
    TextSettings,
    Weights,
)
from tasks.models.support import ENGINES, check_supported

PLAIN = ModelDescription(
    model="a/model",
    revision=None,
    folder="",
    model_type="bert",
    architectures=("BertModel",),
    pooling=Pooling(("mean",)),
    layers=(),
    modules=(),
    text=TextSettings(),
    limit=LengthLimit(512, "config.json", 512),
    hidden=64,
    truncate_dim=None,
    similarity=None,
    own_code=OwnCode(),
    adapter=None,
    weights=Weights("safetensors", ("model.safetensors",)),
)
DENSE = Dense("2_Dense", 64, 32, bias=True, activation="Tanh", file="model.safetensors")
# What one engine computes and the other does not: (description, computed by torch, by vllm).
ONE_ENGINE = {
    "plain": (PLAIN, True, True),
    "MPNet": (replace(PLAIN, model_type="mpnet"), True, False),
    "DeBERTa": (replace(PLAIN, model_type="deberta-v2"), True, False),
    "a dense layer": (replace(PLAIN, layers=(DENSE,)), True, False),
    "two poolings": (replace(PLAIN, pooling=Pooling(("cls", "mean"))), True, False),
    "maximum": (replace(PLAIN, pooling=Pooling(("max",))), True, False),
    "a prompt left out": (replace(PLAIN, pooling=Pooling(("mean",), include_prompt=False)), True, False),
    "an adapter": (replace(PLAIN, adapter=Adapter("base", "LORA"), weights=Weights("none")), True, False),
    "0_Transformer": (replace(PLAIN, folder="0_Transformer"), True, False),
    "weights not listed": (replace(PLAIN, weights=Weights("unknown")), True, True),
    "pickles": (replace(PLAIN, weights=Weights("pickle", ("pytorch_model.bin",))), False, False),
    "a pickled layer": (replace(PLAIN, layers=(replace(DENSE, file="pytorch_model.bin"),)), False, False),
    "no weights": (replace(PLAIN, weights=Weights("none", others=("onnx/model.onnx",))), False, False),
    "a cut file": (replace(PLAIN, weights=Weights("safetensors", damaged=("model.safetensors is cut",))), False, False),
    "a lost shard": (replace(PLAIN, weights=Weights("safetensors", ("a", "b"), missing=("b",))), False, False),
    "own code": (replace(PLAIN, own_code=OwnCode("modeling.Model")), False, False),
    "own tokenizer": (replace(PLAIN, own_code=OwnCode(None, "tokenization.Words")), False, False),
    "quantized": (replace(PLAIN, quantization="gptq"), False, False),
    "no type": (replace(PLAIN, model_type=None), False, False),
    "no states": (replace(PLAIN, model_type="clip"), False, False),
    "foreign modules": (replace(PLAIN, unsupported=(Finding("a module of its own", "another"),)), False, False),
}  # fmt: skip


@pytest.mark.parametrize("name", ONE_ENGINE)
def test_what_an_engine_computes(name: str) -> None:
    described, torch, vllm = ONE_ENGINE[name]
    found = {engine: not check_supported(described, engine) for engine in ("torch", "vllm")}
    assert found == {"torch": torch, "vllm": vllm}


@pytest.mark.parametrize("name", ONE_ENGINE)
def test_every_finding_says_what_and_what_to_do(name: str) -> None:
    for engine in ENGINES:
        for finding in check_supported(ONE_ENGINE[name][0], engine):
            assert finding.what
            assert finding.hint


def test_a_pickle_comes_with_the_line_that_converts_it() -> None:
    (finding,) = check_supported(ONE_ENGINE["pickles"][0], "torch")
    assert "SentenceTransformer('a/model').save_pretrained(" in finding.hint


def test_own_code_that_is_trusted_is_torchs() -> None:
    described = replace(PLAIN, own_code=OwnCode("modeling.Model", "tokenization.Words"), model_type=None)
    assert check_supported(described, "torch", remote_code=True) == []
    assert check_supported(described, "vllm", remote_code=True)


@pytest.mark.parametrize(
    ("model_type", "code", "causal", "equal"),
    [
        ("qwen2", "modeling_qwen.Qwen2Model", False, True),
        ("qwen2", "Alibaba-NLP/gte-Qwen2-1.5B-instruct--modeling_qwen.Qwen2Model", False, True),
        (
            "qwen2",
            "modeling_qwen.Qwen2Model",
            None,
            False,
        ),  # stella: the code is bidirectional, config.json silent
        ("qwen2", "modeling_other.Qwen2Model", False, False),
        ("mistral", "modeling_qwen.Qwen2Model", False, False),
    ],
)
def test_own_code_is_passed_over_only_where_it_was_proven_equal(
    model_type: str, code: str, causal: bool | None, equal: bool
) -> None:
    described = replace(PLAIN, model_type=model_type, own_code=OwnCode(code), causal=causal)
    found = check_supported(described, "torch", transformers_version=lambda: "5.24.0")
    assert (found == []) is equal


@pytest.mark.parametrize(
    ("installed", "obeyed"), [("4.57.6", False), ("5.1.0", False), ("5.2.0", True), ("6.0", True)]
)
def test_is_causal_false_needs_a_version_that_obeys_it(installed: str, obeyed: bool) -> None:
    found = check_supported(replace(PLAIN, causal=False), "torch", transformers_version=lambda: installed)
    assert (found == []) is obeyed


def test_where_transformers_is_not_installed_its_version_is_the_workers_affair() -> None:
    found = check_supported(replace(PLAIN, causal=False), "torch", transformers_version=lambda: None)
    assert found == []
