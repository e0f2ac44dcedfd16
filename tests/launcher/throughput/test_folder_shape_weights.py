"""What is counted of a folder's config.json is what its files of weights hold, layout by layout."""
# safetensors is typed in part
# pyright: reportUnknownMemberType=false, reportUnknownVariableType=false, reportUnknownArgumentType=false

import importlib.util
import re
from pathlib import Path

import pytest

if importlib.util.find_spec("torch") is None:
    pytest.skip("torch is not installed", allow_module_level=True)

import transformers
from safetensors import safe_open

from launcher.throughput.model_shapes import shape
from tests.support.model_layouts.layouts import LAYOUTS

VERSION = int(transformers.__version__.partition(".")[0])
NAMES = (
    "bert_mean",
    "distilbert",
    "mpnet",
    "xlm_roberta_mean",
    "electra",
    "deberta",
    "t5_encoder",
    "t5_dense",
    "qwen3_last",
    "gpt2_weighted_mean",
    "gemma_mean",
    "modernbert",
    "nomic_native",
    "llama_mean",
)


def matrices(folder: Path) -> int:
    """The parameters in the matrices of a folder's safetensors.

    A pooler is not computed. DeBERTa's table of distances is under 0.5 % of a published model, and is not counted.
    """
    found: int = 0
    for path in folder.glob("*.safetensors"):
        with safe_open(path, "np") as file:
            for name in file.keys():  # noqa: SIM118 - it is no mapping
                size = file.get_slice(name).get_shape()
                if len(size) == 2 and not re.search("pooler|rel_embeddings", name):
                    found += int(size[0] * size[1])
    return found


@pytest.mark.parametrize("name", [name for name in NAMES if LAYOUTS[name].since <= VERSION])
def test_parameters_are_those_of_the_files(tmp_path: Path, name: str) -> None:
    LAYOUTS[name].build(tmp_path)
    assert shape(tmp_path).params_total == pytest.approx(matrices(tmp_path), rel=0.02)


def test_transformer_in_a_folder_of_its_own_is_read_there(tmp_path: Path) -> None:
    LAYOUTS["sub_folder_and_root"].build(tmp_path)
    assert shape(tmp_path).layers == 2


def test_adapter_has_the_shape_of_its_base(tmp_path: Path) -> None:
    LAYOUTS["adapter"].build(tmp_path)
    assert shape(tmp_path).layers == shape(tmp_path / "base").layers
