"""The real vLLM, a CPU build of it in an environment of its own (`make e2e` makes it): the vectors that others give.

The same code runs on a GPU, where vLLM itself is installed. No GPU was at hand: that it does is not shown here.
"""

import json
import os
import re
import socket
import subprocess
import sys
import time
import urllib.request
from collections.abc import Iterator
from pathlib import Path

import numpy as np
import pytest

from launcher.output.dataset import write_dataset
from tasks.engines.load import load_encoder
from tasks.stores.folder import FolderStore
from tests.support.cli_runs import in_process
from tests.support.paths import ROOT
from tests.support.runs import column, corpus, launch, receipts_of
from tests.support.workers import make_worker

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


SERVER = "vllm.entrypoints.openai.api_server"
START_SECONDS = 400.0  # 100 on a loaded machine of two cores


@pytest.fixture
def server(vllm: Path, minilm: str, tmp_path: Path) -> Iterator[str]:
    """vLLM's own OpenAI server of the model; its address."""
    with socket.socket() as probe:
        probe.bind(("127.0.0.1", 0))
        port = probe.getsockname()[1]
    command = [
        str(vllm),
        "-m",
        SERVER,
        "--model",
        minilm,
        "--served-model-name",
        "minilm",
        "--runner",
        "pooling",
    ]
    command += ["--dtype", "float32", "--enforce-eager", "--host", "127.0.0.1", "--port", str(port)]
    own = {"HF_HUB_OFFLINE": "1", "VLLM_CPU_KVCACHE_SPACE": "1", "VLLM_CPU_OMP_THREADS_BIND": "nobind"}
    own |= {"VLLM_NO_USAGE_STATS": "1", "DO_NOT_TRACK": "1"}
    with (tmp_path / "vllm.log").open("wb") as log:
        child = subprocess.Popen(command, env=os.environ | own, stdout=log, stderr=log, cwd=tmp_path)
    end = time.monotonic() + START_SECONDS
    try:
        while True:
            assert child.poll() is None, (tmp_path / "vllm.log").read_text()[-3_000:]
            assert time.monotonic() < end, "it does not start"
            try:
                urllib.request.urlopen(f"http://127.0.0.1:{port}/health", timeout=5).close()
                break
            except OSError:
                time.sleep(1)
        yield f"http://127.0.0.1:{port}/v1"
    finally:
        child.terminate()
        try:
            child.wait(30)
        except subprocess.TimeoutExpired:
            child.kill()
            child.wait()


@pytest.mark.e2e
def test_check_of_vllms_server_passes_by_the_right_flags_and_names_each_wrong_one(
    server: str, minilm: str, tmp_path: Path
) -> None:
    (tmp_path / "corpus").mkdir()
    corpus(tmp_path / "corpus", files=2, documents=32, words=40)  # about 200 tokens each
    store = FolderStore(tmp_path / "out")
    header = launch(store, tmp_path / "corpus", 2, model=minilm, engine="torch", tokens=64)
    encoder = load_encoder("torch", minilm, dtype="float32")
    make_worker(store, header, tmp_path / "scratch", encoder).run()
    write_dataset(store, header, receipts_of(store, header))

    def check(*words: str) -> tuple[int, str | None, float]:
        done = in_process(
            "serve", "out", "--check", server, "--no-latency", "--json", *words, folder=tmp_path
        )
        assert done.stdout, done.stderr
        found = json.loads(done.stdout)
        name = found["mistakes"][0]["name"] if found["mistakes"] else None
        print(words, found["equal"], found["least_cosine"], name)
        return done.returncode, name, found["least_cosine"]

    cut = ("--send", "truncate_prompt_tokens=64")
    for right in (cut, ("--send-tokens",)):
        status, name, least = check(*right)
        assert (status, name) == (0, None)
        assert least >= 0.9999
    assert check()[:2] == (1, "no truncation")
    assert check(*cut, "--send", "truncation_side=right")[:2] == (1, "end token cut off")
    assert check(*cut, "--send", "truncation_side=left")[:2] == (1, "wrong truncation side")
    assert check(*cut, "--send", "add_special_tokens=false")[:2] == (1, "no special tokens")
