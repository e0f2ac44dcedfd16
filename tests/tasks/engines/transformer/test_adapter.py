"""An adapter as peft saves it gives the vectors of sentence-transformers, or its setting is refused by name."""
# peft and transformers are typed in part
# pyright: reportUnknownMemberType=false, reportUnknownVariableType=false, reportUnknownArgumentType=false

import importlib.util
from pathlib import Path
from typing import Any

import numpy as np
import pytest

if any(importlib.util.find_spec(name) is None for name in ("torch", "sentence_transformers", "peft")):
    pytest.skip("torch, sentence-transformers and peft are not all installed", allow_module_level=True)

import peft
import torch
import transformers

from tasks.engines.load import load_encoder
from tasks.models.describe import describe
from tasks.models.files import BadModel
from tasks.models.support import check_supported
from tasks.models.tokenizing.pieces import ChunkSpec, split_texts
from tests.support.model_layouts import tokenizers
from tests.support.model_layouts.base_models import bert
from tests.support.model_layouts.comparison import LEAST_COSINE, TEXTS, reference
from tests.support.model_layouts.folders import edit_json, sentence_transformer

pytestmark = pytest.mark.filterwarnings("ignore")  # of torch, transformers and peft

PARTS = ["query", "value"]
LORA: dict[str, Any] = {"r": 4, "target_modules": PARTS}
EQUAL: dict[str, tuple[str, dict[str, Any]]] = {
    "LoRA": ("LoraConfig", LORA),
    "biases of all layers": ("LoraConfig", LORA | {"bias": "all"}),
    "biases of the adapter": ("LoraConfig", LORA | {"lora_bias": True}),
    "layers saved whole": ("LoraConfig", LORA | {"modules_to_save": ["LayerNorm"]}),
    "word embeddings saved whole": ("LoraConfig", LORA | {"modules_to_save": ["word_embeddings"]}),
    "word embeddings": ("LoraConfig", LORA | {"target_modules": [*PARTS, "word_embeddings"]}),
    "some tokens": ("LoraConfig", LORA | {"trainable_token_indices": [5, 6, 7]}),
    "ranks by name": ("LoraConfig", LORA | {"rank_pattern": {"query": 2}, "alpha_pattern": {"query": 3}}),
    "all layers but one": (
        "LoraConfig",
        {"r": 4, "target_modules": "all-linear", "exclude_modules": ["pooler.dense"]},
    ),
    "one layer": ("LoraConfig", LORA | {"layers_to_transform": [1], "layers_pattern": "layer"}),
    "matrices by their names": ("LoraConfig", LORA | {"target_modules": [], "target_parameters": ["query.weight"]}),
    "PiSSA": ("LoraConfig", LORA | {"init_lora_weights": "pissa"}),
    "OLoRA": ("LoraConfig", LORA | {"init_lora_weights": "olora"}),
    "orthogonal": ("LoraConfig", LORA | {"init_lora_weights": "orthogonal"}),
    "AdaLoRA": ("AdaLoraConfig", {"init_r": 4, "target_r": 2, "target_modules": PARTS, "total_step": 10}),
    "IA3": ("IA3Config", {"target_modules": [*PARTS, "output.dense"], "feedforward_modules": ["output.dense"]}),
    "LoHa": ("LoHaConfig", LORA | {"rank_pattern": {"query": 2}}),
    "LoKr": ("LoKrConfig", LORA | {"decompose_both": True, "decompose_factor": 4}),
    "OFT": ("OFTConfig", {"oft_block_size": 16, "r": 0, "target_modules": PARTS, "block_share": True}),
    "BOFT": ("BOFTConfig", {"boft_block_size": 4, "target_modules": PARTS, "boft_n_butterfly_factor": 2}),
    "HRA": ("HRAConfig", LORA | {"apply_GS": True}),
    "RandLoRA": ("RandLoraConfig", LORA | {"save_projection": False}),
}  # fmt: skip


def saved(folder: Path, kind: str, settings: dict[str, Any]) -> Path:
    """An adapter with weights of its own on a small BERT, as peft saves it, with sentence-transformers' files."""
    bert(folder / "base")
    tokenizers.wordpiece(folder)
    sentence_transformer(folder)
    base = transformers.AutoModel.from_pretrained(folder / "base", dtype=torch.float32)
    torch.manual_seed(3)
    model: Any = peft.get_peft_model(base, getattr(peft, kind)(**settings))
    drawn = torch.Generator().manual_seed(7)
    with torch.no_grad():
        for weights in model.parameters():
            if weights.requires_grad:
                weights.add_(torch.randn(weights.shape, generator=drawn) * 0.2)
    model.save_pretrained(folder)
    return folder


def vectors(folder: Path) -> "np.ndarray[Any, np.dtype[np.float64]]":
    encoder = load_encoder("torch", str(folder), dtype="float32")
    cut = ChunkSpec(describe(str(folder)).limit.tokens or 512)
    pieces = [split_texts(encoder.tokenizer, [text], cut)[0].ids[0] for text in TEXTS]
    return encoder.encode(pieces).astype(np.float64)


@pytest.mark.parametrize("name", EQUAL)
def test_an_adapter_gives_the_vectors_of_sentence_transformers(name: str, tmp_path: Path) -> None:
    folder = saved(tmp_path / "model", *EQUAL[name])
    found = vectors(folder)
    assert (found * reference(folder, TEXTS)).sum(1).min() >= LEAST_COSINE
    base = vectors(_on_its_base(folder))
    assert (found * base).sum(1).min() < LEAST_COSINE, "the adapter changes nothing, so this compares nothing"


def _on_its_base(folder: Path) -> Path:
    """The same model without the adapter."""
    for name in ("adapter_config.json", "adapter_model.safetensors"):
        (folder / name).unlink()
    for file in (folder / "base").iterdir():
        file.rename(folder / file.name)
    return folder


@pytest.mark.parametrize(
    ("settings", "cause"),
    [
        ({"use_dora": True}, "with use_dora .*transformers 5.24 does not load the magnitudes"),
        (
            {"layer_replication": [[0, 2], [1, 2]]},
            "with layer_replication .*does not repeat the base's layers",
        ),
        (
            {"init_lora_weights": "pissa_niter_4"},
            "init_lora_weights: 'pissa_niter_4' .*draws by lot each time",
        ),
    ],
)
def test_an_adapter_of_other_vectors_is_refused_before_its_weights_are_read(
    settings: dict[str, Any], cause: str, tmp_path: Path
) -> None:
    folder = saved(tmp_path / "model", "LoraConfig", LORA | settings)
    for engine in ("torch", "vllm", "packed", "openvino"):
        assert check_supported(describe(str(folder)), engine)
    with pytest.raises(BadModel, match=cause) as refusal:
        load_encoder("torch", str(folder))
    assert "merge_and_unload" in str(refusal.value.hint)


def test_a_setting_that_was_not_compared_is_refused_by_its_name(tmp_path: Path) -> None:
    folder = saved(tmp_path / "model", "LoraConfig", LORA)
    edit_json(folder / "adapter_config.json", use_some_lora=True, use_another=False)
    with pytest.raises(BadModel, match=r"with use_some_lora .*is not known"):
        load_encoder("torch", str(folder))
