"""A plain piece has words to pool, also where the pooling leaves a prompt out."""

import importlib.util
from pathlib import Path

import numpy as np
import pytest

if any(importlib.util.find_spec(name) is None for name in ("torch", "transformers")):
    pytest.skip("torch and transformers are not both installed", allow_module_level=True)

from tasks.engines.base import plain_piece
from tasks.engines.checks.engine_check import check_rate
from tasks.engines.hash_engine import HashEncoder
from tasks.engines.load import load_encoder
from tasks.models.files import BadModel
from tests.support.model_layouts.layouts import LAYOUTS


def test_a_plain_piece_is_one_word_between_special_tokens() -> None:
    assert len(plain_piece(HashEncoder())) == 3


def test_an_engine_that_leaves_the_prompt_out_is_not_called_broken(tmp_path: Path) -> None:
    LAYOUTS["prompt_left_out_mean"].build(tmp_path)
    encoder = load_encoder("torch", str(tmp_path), dtype="float32", prompt="a prompt of several words: ")
    assert check_rate(encoder) > 0
    assert np.isfinite(encoder.encode([plain_piece(encoder)])).all()


def test_a_prompt_that_leaves_no_room_is_refused(tmp_path: Path) -> None:
    LAYOUTS["prompt_left_out_mean"].build(tmp_path)
    with pytest.raises(BadModel, match="no room for a text beside the prompt"):
        load_encoder("torch", str(tmp_path), dtype="float32", prompt="word " * 200)
