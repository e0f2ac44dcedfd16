"""Which weights may be absent, and which may be left over. Whole folders: `test_layouts.py`."""

import importlib.util
from pathlib import Path

import pytest

if importlib.util.find_spec("transformers") is None:
    pytest.skip("transformers is not installed", allow_module_level=True)

import torch

from tasks.engines.transformer.load_transformer import LoadingInfo, check_loaded, load_transformer
from tasks.models.describe import describe
from tasks.models.files import BadModel
from tests.support.model_layouts.base_models import bert
from tests.support.model_layouts.folders import edit_json

PARTS = {"embeddings", "encoder"}


def check(missing: str = "", unexpected: str = "", mismatched: str = "") -> None:
    one = [frozenset(filter(None, [name])) for name in (missing, unexpected, mismatched)]
    check_loaded("m", LoadingInfo(*one), PARTS, "bert")


@pytest.mark.parametrize("name", ["pooler.dense.weight", "bert.pooler.dense.bias", "embeddings.position_ids"])
def test_a_weight_that_no_vector_is_made_of_may_be_missing(name: str) -> None:
    check(missing=name)


@pytest.mark.parametrize(
    "name", ["encoder.layer.11.output.dense.bias", "embeddings.word_embeddings.weight", "norm.weight"]
)
def test_any_other_missing_weight_is_refused_by_its_name(name: str) -> None:
    with pytest.raises(BadModel, match=name):
        check(missing=name)


@pytest.mark.parametrize(
    "name",
    ["cls.predictions.bias", "lm_head.weight", "classifier.out_proj.weight", "bert.embeddings.position_ids"],
)
def test_heads_and_buffers_may_be_left_over(name: str) -> None:
    check(unexpected=name)


@pytest.mark.parametrize(
    "name", ["encoder.layer.0.mlp.experts.w1", "bert.encoder.layer.12.output.dense.weight"]
)
def test_a_left_over_part_of_the_body_is_refused(name: str) -> None:
    with pytest.raises(BadModel, match="no place in its architecture"):
        check(unexpected=name)


def test_another_shape_is_refused() -> None:
    with pytest.raises(BadModel, match="another shape"):
        check(mismatched="encoder.layer.0.output.dense.weight")


def test_many_names_are_counted_and_the_first_are_shown() -> None:
    names = frozenset(f"encoder.layer.{n}.output.dense.weight" for n in range(9))
    with pytest.raises(BadModel, match=r"not in its files: 9 \(.*layer.2.output.dense.weight, \.\.\.\)"):
        check_loaded("m", LoadingInfo(missing=names), PARTS, "")


def test_what_transformers_says_is_read_with_and_without_shapes() -> None:
    found = {
        "missing_keys": ["a"],
        "unexpected_keys": {"b"},
        "mismatched_keys": [("c", (1,), (2,))],
        "error_msgs": [],
    }
    assert LoadingInfo.of(found) == LoadingInfo(frozenset("a"), frozenset("b"), frozenset("c"))


def test_a_config_that_no_class_can_be_made_of_is_refused(tmp_path: Path) -> None:
    bert(tmp_path)
    edit_json(tmp_path / "config.json", num_attention_heads=0)
    with pytest.raises(BadModel, match="cannot load"):
        load_transformer(describe(str(tmp_path)), torch.float32, remote_code=False)
