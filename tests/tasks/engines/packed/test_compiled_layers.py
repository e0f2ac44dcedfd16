"""Compiled layers give the vectors of the model, for batches of any size; where a compiler fails, nothing changes."""
# torch is typed in part
# pyright: reportUnknownMemberType=false, reportUnknownArgumentType=false, reportUnknownVariableType=false

import importlib.util
import subprocess
import sys
from collections.abc import Callable
from os import environ
from pathlib import Path
from typing import cast

import numpy as np
import pytest

if importlib.util.find_spec("torch") is None:
    pytest.skip("the engine torch is not installed", allow_module_level=True)

from torch._dynamo.utils import counters

from tasks.engines.load import load_encoder
from tasks.engines.packed.packed_engine import PackedEncoder
from tests.support.model_layouts.decoders import qwen3_last
from tests.support.model_layouts.encoders import bert_mean
from tests.support.paths import ROOT

pytestmark = [pytest.mark.slow, pytest.mark.filterwarnings("ignore")]  # of torch and transformers

LENGTHS = ((5, 40, 1, 17, 60), (3,), (30, 31), tuple(range(1, 50)))
FAILING = """
import sys
from tasks.engines.load import load_encoder
encoder = load_encoder("packed", sys.argv[1], dtype="float32")
before = encoder.encode([[5, 6, 7]])
encoder.compile()
print(encoder.not_compiled)
assert (encoder.encode([[5, 6, 7]]) == before).all()
"""


def packed(folder: Path) -> PackedEncoder:
    return cast("PackedEncoder", load_encoder("packed", str(folder), dtype="float32"))


def batches() -> list[list[list[int]]]:
    draw = np.random.default_rng(1)
    return [[draw.integers(5, 100, length).tolist() for length in lengths] for lengths in LENGTHS]


@pytest.mark.parametrize("build", [bert_mean, qwen3_last])
def test_vectors_are_those_of_the_layers_as_they_were(build: Callable[[Path], None], tmp_path: Path) -> None:
    build(tmp_path)
    encoder = packed(tmp_path)
    before = [encoder.encode(batch) for batch in batches()]
    encoder.compile()
    assert encoder.not_compiled is None
    graphs = counters["stats"]["unique_graphs"]
    assert graphs > 0
    for batch, expected in zip(batches(), before, strict=True):
        assert np.abs(encoder.encode(batch) - expected).max() < 1e-5
    assert counters["stats"]["unique_graphs"] == graphs  # a batch of another size compiles nothing


def test_a_compiler_that_fails_leaves_the_layers_as_they_were(tmp_path: Path) -> None:
    """In a process of its own, which has compiled nothing yet."""
    bert_mean(tmp_path / "model")
    done = subprocess.run(
        [sys.executable, "-W", "ignore", "-c", FAILING, str(tmp_path / "model")],
        cwd=ROOT, env=environ | {"CXX": "false", "TORCHINDUCTOR_CACHE_DIR": str(tmp_path / "compiled")},
        capture_output=True, text=True, check=True,
    )  # fmt: skip
    assert done.stdout.strip() not in ("", "None")
