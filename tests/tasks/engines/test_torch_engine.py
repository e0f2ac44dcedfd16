"""The torch engine beyond the contract of all engines: pieces that no model can read, prompts, and other engines."""

import importlib.util
from pathlib import Path

import numpy as np
import pytest

if importlib.util.find_spec("torch") is None:
    pytest.skip("torch is not installed", allow_module_level=True)

import torch

from tasks.engines.agreement import check_agreement
from tasks.engines.checks.isolate_failures import encode_isolating_failures
from tasks.engines.load import load_encoder
from tasks.engines.torch_engine import TorchEncoder
from tasks.engines.transformer.layers import load_layers
from tasks.models.describe import describe
from tasks.models.files import BadModel
from tasks.models.tokenizing.tokenizer import ModelTokenizer
from tests.support.model_layouts import layouts
from tests.support.model_layouts.folders import change_weights, edit_json

POSITIONS = 48


@pytest.fixture(scope="module")
def folder(tmp_path_factory: pytest.TempPathFactory) -> str:
    made = tmp_path_factory.mktemp("models") / "positions"
    layouts.LAYOUTS["limit_above_positions"].build(made)
    return str(made)


def load(folder: str) -> TorchEncoder:
    described = describe(folder)
    return TorchEncoder(described, ModelTokenizer(described), None, dtype="float32")


def test_a_piece_of_no_tokens_has_no_vector_and_harms_no_other(folder: str) -> None:
    found = load(folder).encode([[2, 9, 3], [], [2, 3]])
    assert np.isfinite(found).all(axis=1).tolist() == [True, False, True]


def test_a_piece_beyond_the_positions_is_named_and_harms_no_other(folder: str) -> None:
    found, faults = encode_isolating_failures(
        load(folder), [[2, 9, 3], [9] * (POSITIONS + 1), [9] * POSITIONS]
    )
    assert np.isfinite(found).all(axis=1).tolist() == [True, False, True]
    assert "49 tokens, and the model has 48 positions" in faults[1]


def test_a_token_without_a_row_in_the_vocabulary_is_named_and_harms_no_other(folder: str) -> None:
    encoder = load(folder)
    found, faults = encode_isolating_failures(encoder, [[2, 9, 3], [2, encoder.vocabulary, 3]])
    assert np.isfinite(found).all(axis=1).tolist() == [True, False]
    assert f"the token {encoder.vocabulary:,}" in faults[1]


def test_an_engine_that_agrees_may_embed(folder: str) -> None:
    check_agreement(load(folder), describe(folder), None)


def test_an_engine_that_pools_otherwise_may_not_embed(folder: str) -> None:
    other = load(folder)
    other.layers = torch.nn.Sequential(torch.nn.ReLU())
    with pytest.raises(BadModel, match="torch computes other vectors"):
        check_agreement(other, describe(folder), None)


def test_a_model_too_large_for_a_second_copy_is_checked_by_its_names(
    tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setattr("tasks.engines.agreement.MEMORY_SHARE", 0.0)
    layouts.LAYOUTS["bert_mean"].build(tmp_path / "whole")
    check_agreement(load(str(tmp_path / "whole")), describe(str(tmp_path / "whole")), None)
    layouts.LAYOUTS["layer_missing"].build(tmp_path / "half")
    with pytest.raises(BadModel, match="not in its files"):
        check_agreement(load(str(tmp_path / "whole")), describe(str(tmp_path / "half")), None)


@pytest.mark.parametrize("name", sorted(torch.nn.modules.activation.__all__))
@pytest.mark.filterwarnings("ignore:Implicit dimension choice")
def test_an_activation_works_on_any_vector_or_is_refused(name: str, tmp_path: Path) -> None:
    """Whatever `describe` lets through: an activation with weights would be random, one that changes the width wrong."""
    layouts.LAYOUTS["dense_tanh"].build(tmp_path / "model")
    edit_json(
        tmp_path / "model/2_Dense/config.json", activation_function=f"torch.nn.modules.activation.{name}"
    )
    described = describe(str(tmp_path / "model"))
    if described.unsupported:
        return
    layers = load_layers(described, 64)
    assert layers(torch.randn(3, 64)).shape == (3, 64)
    assert sum(weight.numel() for weight in layers.parameters()) == 64 * 64 + 64


def test_a_tokenizer_of_another_model_is_refused_at_load(tmp_path: Path) -> None:
    layouts.LAYOUTS["limit_above_positions"].build(tmp_path / "model")
    change_weights(
        tmp_path / "model",
        lambda weights: {
            name: weight[:5] if name.endswith("word_embeddings.weight") else weight
            for name, weight in weights.items()
        },
    )
    edit_json(tmp_path / "model" / "config.json", vocab_size=5)
    with pytest.raises(BadModel, match=r"has 359 tokens that the model has no vector for: it has 5 vectors"):
        load_encoder("torch", str(tmp_path / "model"), dtype="float32")
