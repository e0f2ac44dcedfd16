"""The real vLLM, a CPU build of it in an environment of its own (`make e2e` makes it): the vectors that others give.

The same code runs on a GPU, where vLLM itself is installed. No GPU was at hand: that it does is not shown here.
"""

import os
import re
import subprocess
import sys
from pathlib import Path

import numpy as np
import pytest

from tasks.stores.folder import FolderStore
from tests.support.paths import ROOT
from tests.support.runs import column, corpus, launch, receipts_of

PYTHON = ROOT / ".venv-vllm" / "bin" / "python"


@pytest.fixture
def vllm() -> Path:
    """The interpreter that has it."""
    if not PYTHON.exists():
        pytest.skip("no vLLM: `make e2e` sets up .venv-vllm")
    return PYTHON


@pytest.mark.e2e
def test_vllm_keeps_the_contract_and_agrees_with_sentence_transformers_on_every_kind_of_model(
    vllm: Path,
) -> None:
    suites = [f"tests/contract/test_{name}.py" for name in ("encoder", "agreement", "vllm_types")]
    # vLLM warns of its own affairs, and warnings are errors here.
    command = [vllm, "-m", "pytest", *suites, "-k", "vllm", "-W", "ignore", "-p", "no:cacheprovider"]
    environment = os.environ | {"HF_HUB_OFFLINE": "1"}
    done = subprocess.run(
        command, cwd=ROOT, env=environment, capture_output=True, text=True, check=False, timeout=1_800
    )
    last = done.stdout.strip().splitlines()[-1]
    assert done.returncode == 0, done.stdout[-4_000:]
    passed = re.search(r"(\d+) passed", last)
    assert passed, last
    assert int(passed[1]) > 40
    assert "skipped" not in last


@pytest.mark.e2e
def test_a_worker_with_vllm_signs_for_the_vectors_that_a_worker_with_torch_makes(
    tmp_path: Path, minilm: str, vllm: Path
) -> None:
    (tmp_path / "corpus").mkdir()
    ids = corpus(tmp_path / "corpus", files=2, documents=60, words=300)
    found: dict[str, dict[str, list[float]]] = {}
    for engine, python in (("torch", Path(sys.executable)), ("vllm", vllm)):
        store = FolderStore(tmp_path / engine)
        header = launch(store, tmp_path / "corpus", 2, model=minilm, engine=engine, tokens=256)
        command = [str(python), "-m", "tasks.worker", "--store", str(store.root), "--run", header.run]
        environment = os.environ | {"HF_HUB_OFFLINE": "1"}
        done = subprocess.run(
            command, cwd=ROOT, env=environment, capture_output=True, text=True, check=False, timeout=500
        )
        assert done.returncode == 0, done.stderr[-2_000:]
        found[engine] = {}
        for signed in receipts_of(store, header):
            assert signed.key
            path = store.root / signed.key
            found[engine].update(zip(column(path, "id"), column(path, "vector"), strict=True))
    assert sorted(found["vllm"]) == sorted(found["torch"]) == sorted(ids)
    pairs = [np.array([found["vllm"][name], found["torch"][name]]) for name in ids]
    assert min(float(a @ b) for a, b in pairs) >= 0.999
