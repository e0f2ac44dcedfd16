"""vLLM computes every type that is sent to it as the torch engine does, and every other goes to torch by name.

Runs where vLLM is installed: `make e2e` runs it in .venv-vllm.
"""

import importlib.util
from pathlib import Path

import numpy as np
import pytest

if importlib.util.find_spec("vllm") is None:
    pytest.skip("vllm is not installed", allow_module_level=True)

from tasks.engines.load import load_encoder
from tasks.models.describe import describe
from tasks.models.files import BadModel
from tasks.models.tokenizing.pieces import ChunkSpec, split_texts
from tasks.models.vllm_support import VLLM_TYPES
from tests.support.model_layouts.layouts import LAYOUTS

# float32 on both sides: only the order of sums differs.
LEAST_COSINE = 0.9999
LAYOUT_OF = {
    "bert": "bert_cls", "roberta": "roberta_bare", "xlm-roberta": "xlm_roberta_mean", "modernbert": "modernbert",
    "qwen2": "qwen2_both_ways", "qwen3": "qwen3_last", "mistral": "mistral_last", "llama": "llama_mean",
    "gemma3_text": "gemma_mean",
}  # fmt: skip
TEXTS = [
    "a",
    "Shards are leased, not owned.",
    "Ein Satz mit Umlauten: größer, 東京は日本の首都です。",
    "The price moves. " * 30,
]


def test_every_type_that_goes_to_vllm_has_a_layout_here() -> None:
    assert LAYOUT_OF.keys() == VLLM_TYPES


@pytest.mark.parametrize("kind", sorted(VLLM_TYPES))
def test_vllm_gives_the_vectors_of_torch(kind: str, tmp_path: Path) -> None:
    folder = str(tmp_path / "model")
    LAYOUTS[LAYOUT_OF[kind]].build(tmp_path / "model")
    assert describe(folder).model_type == kind
    ours = load_encoder("torch", folder, dtype="float32")
    ids = [one.ids[0] for one in split_texts(ours.tokenizer, TEXTS, ChunkSpec(64))]
    theirs = load_encoder("auto", folder, dtype="float32")
    assert theirs.name == "vllm"
    found = theirs.encode(ids).astype(np.float64) * ours.encode(ids)
    assert found.sum(1).min() >= LEAST_COSINE


@pytest.mark.parametrize("name", ["mpnet", "deberta", "dense_tanh", "pooling_max", "sub_folder"])
def test_what_vllm_computes_otherwise_goes_to_torch_by_name(name: str, tmp_path: Path) -> None:
    LAYOUTS[name].build(tmp_path / "model")
    assert load_encoder("auto", str(tmp_path / "model")).name == "torch"
    with pytest.raises(BadModel, match="vLLM does not compute"):
        load_encoder("vllm", str(tmp_path / "model"))


@pytest.mark.parametrize(
    "name", ["layer_missing", "wrong_prefix", "other_architecture", "pickle_only", "cut_file"]
)
def test_weights_that_do_not_load_are_refused_by_vllm_too(name: str, tmp_path: Path) -> None:
    LAYOUTS[name].build(tmp_path / "model")
    with pytest.raises(BadModel):
        load_encoder("vllm", str(tmp_path / "model"))
