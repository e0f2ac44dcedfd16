"""Which models go to vLLM: those that it computes as the torch engine does."""

from dataclasses import replace
from functools import partial
from typing import Any

import pytest

from tasks.engines import load
from tasks.models.description import (
    Adapter,
    Dense,
    LayerNorm,
    LengthLimit,
    ModelDescription,
    Normalize,
    OwnCode,
    Pooling,
    TextSettings,
    Weights,
)
from tasks.models.vllm_support import vllm_findings

BERT = ModelDescription(
    model="m", revision=None, folder="", model_type="bert", architectures=("BertModel",), pooling=Pooling(("mean",)),
    layers=(Normalize(),), modules=(), text=TextSettings(), limit=LengthLimit(512, "config.json", 512), hidden=64,
    truncate_dim=None, similarity=None, own_code=OwnCode(), adapter=None,
    weights=Weights("safetensors", ("model.safetensors",)),
)  # fmt: skip
DENSE = Dense("2_Dense", 64, 32, bias=True, activation="Tanh", file="model.safetensors")

OTHERS: list[tuple[dict[str, Any], str]] = [
    ({"model_type": "mpnet"}, "type mpnet"),
    ({"model_type": "jina_embeddings_v3"}, "type jina_embeddings_v3"),
    ({"model_type": "deberta-v2"}, "type deberta-v2"),
    ({"pooling": Pooling(("max",))}, "pooling max"),
    ({"pooling": Pooling(("cls", "mean"))}, "cls, mean in one vector"),
    ({"pooling": Pooling(("mean",), include_prompt=False)}, "include_prompt"),
    ({"layers": (DENSE, Normalize())}, "Dense"),
    ({"layers": (LayerNorm("2_LayerNorm", 64, "model.safetensors"),)}, "LayerNorm"),
    ({"adapter": Adapter("base", "LORA")}, "adapters"),
    ({"own_code": OwnCode("modeling.Own")}, "code of their own"),
    ({"folder": "0_Transformer"}, "0_Transformer"),
    ({"scaled_by_longest": True}, "longrope"),
    ({"limit": LengthLimit(131_072, "tokenizer_config.json", 32_768)}, "positions"),
]


def test_a_plain_model_goes_to_vllm() -> None:
    assert vllm_findings(BERT) == []


@pytest.mark.parametrize(("change", "named"), OTHERS, ids=[named for _, named in OTHERS])
def test_what_vllm_computes_otherwise_is_named_and_goes_to_torch(change: dict[str, Any], named: str) -> None:
    model = replace(BERT, **change)
    found = vllm_findings(model)
    assert [named in one.what for one in found] == [True]
    assert "engine: torch" in found[0].hint
    resolve = partial(load.resolve_engine, installed="vllm".__eq__)
    assert resolve("auto", BERT) == "vllm"
    assert resolve("auto", model) == "torch"
    assert resolve("vllm", model) == "vllm"  # named, so refused when it is loaded


def test_code_of_its_own_that_equals_the_native_class_goes_to_vllm() -> None:
    """gte-Qwen2 as published: its class is compared with the native one where is_causal is false."""
    own = OwnCode("modeling_qwen.Qwen2Model")
    qwen2 = replace(BERT, model_type="qwen2", own_code=own, causal=False, pooling=Pooling(("lasttoken",)))
    assert vllm_findings(qwen2) == []
    assert vllm_findings(replace(qwen2, causal=None)) != []
