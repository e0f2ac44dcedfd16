"""The benchmark of GPUs can be tried without one."""

import json
import subprocess
import sys

import pytest

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
        "torch,packed",
    ]
    done = subprocess.run(command, cwd=ROOT, capture_output=True, text=True, check=True)
    body = json.loads(done.stdout)
    assert body["missing"] == []
    assert [one["engine"] for one in body["each"]] == ["torch", "packed"]
    for one in body["each"]:
        assert "failed" not in one, one
        assert [rate["mean_tokens"] for rate in one["rates"]] == [32, 100, 256, 512]
        assert one["min_cosine_with_torch"] > 0.999
