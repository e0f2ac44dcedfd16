"""The benchmark of GPUs can be tried without one."""

import json
import subprocess
import sys
from pathlib import Path

import numpy as np
import pytest

from benchmarks.gpu_shapes import SHAPES, build
from tasks.engines.load import load_encoder
from tests.support.paths import ROOT


@pytest.mark.slow
def test_dry_run_tries_every_path_and_compares_the_vectors() -> None:
    command = [
        sys.executable,
        "-m",
        "benchmarks.gpu",
        "--dry-run",
        "--models",
        "MiniLM-L6",
        "--engines",
        "torch,packed,vllm-fp8",
    ]
    done = subprocess.run(command, cwd=ROOT, capture_output=True, text=True, check=True)
    body = json.loads(done.stdout)
    assert body["missing"] == []
    assert [one["engine"] for one in body["each"]] == ["torch", "packed", "vllm-fp8"]
    for one in body["each"]:
        assert "failed" not in one, one
        assert [rate["mean_tokens"] for rate in one["rates"]] == [32, 100, 256, 512]
        compiled = {"compile"} if one["engine"] == "packed" else set[str]()
        assert one["start_seconds"].keys() == {"load", "warm_up"} | compiled
        assert one["not_compiled"] is None
        worker = one["worker"]
        assert worker["shards"] >= 3
        assert worker["stages"].keys() >= {"read", "tokenise", "engine", "write", "store"}
        assert worker["share_of_engine"] == pytest.approx(
            worker["tokens_per_second"] / worker["bare_tokens_per_second"], abs=1e-2
        )
    exact, fp8 = body["each"][:2], body["each"][2]
    assert all(one["min_cosine_with_torch"] > 0.999 for one in exact)
    assert 0.9 < fp8["loss"]["cosine_worst"] < 1.0  # emulated, and other vectors than the exact ones
    assert all("loss" not in one for one in exact)


@pytest.mark.slow
@pytest.mark.parametrize("name", SHAPES)
def test_every_shape_is_a_model_that_the_engines_take(name: str, tmp_path: Path) -> None:
    """ModernBERT's padding was beyond the small vocabulary, and of Qwen2's tokens other ones were read than written."""
    build(SHAPES[name], tmp_path / "model", dry=True)
    encoder = load_encoder("packed", str(tmp_path / "model"), tokens=512)
    assert np.isfinite(encoder.encode([list(range(2, 100))])).all()
