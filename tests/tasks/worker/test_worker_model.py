"""A worker does not begin where its model is not the one of the run."""

import subprocess
import sys
from pathlib import Path

import pytest

from tasks.models.fingerprint import fingerprint_of
from tasks.protocol.keys import heartbeat_key
from tasks.protocol.messages.exit_codes import MUST_ACT
from tasks.protocol.messages.heartbeat import load
from tasks.stores.base import read
from tasks.stores.folder import FolderStore
from tests.support.paths import ROOT
from tests.support.runs import corpus, done, launch


def test_worker_with_other_weights_does_not_begin(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setenv("EMBEDFLEET_CACHE", str(tmp_path / "cache"))
    model = tmp_path / "model"
    model.mkdir()
    (model / "model.safetensors").write_bytes(b"the weights of the plan")
    planned = fingerprint_of(str(model))
    (tmp_path / "in").mkdir()
    corpus(tmp_path / "in", 1, 3)
    store = FolderStore(tmp_path / "out")
    changes = {"model": str(model), "engine": "torch", "model_fingerprint": planned}
    header = launch(store, tmp_path / "in", 1, **changes)
    (model / "model.safetensors").write_bytes(b"the weights of another machine")
    words = ["--store", str(store.root), "--run", header.run, "--name", "ann"]
    ended = subprocess.run(
        [sys.executable, "-m", "tasks.worker", *words], cwd=ROOT, capture_output=True, text=True, check=False
    )
    assert ended.returncode == MUST_ACT, ended.stderr
    assert f"the model at {model} has the fingerprint sha256:" in ended.stderr
    assert done(store, header) == 0
    body = read(store, heartbeat_key(header.run, "ann"))
    assert body is not None
    assert "fingerprint" in (load(body).error or "")
