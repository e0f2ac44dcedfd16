"""The probe as a process, by the lines that go in and come out."""

import json
import subprocess
import sys
from collections.abc import Sequence
from pathlib import Path
from typing import Any

import pytest

from tasks.engines.hash_engine import HashEncoder
from tasks.probe.__main__ import measure, versions
from tasks.protocol.keys import heartbeat_key
from tasks.protocol.messages.heartbeat import load
from tasks.stores.base import read
from tasks.stores.folder import FolderStore
from tests.support.paths import ROOT
from tests.support.runs import corpus, ids_out, launch, receipts_of


def lines(model: str, *orders: str, words: Sequence[str] = ()) -> list[str]:
    """What it prints, but for the stages of loading."""
    request = {"texts": ["a fine book", "b"], "tokens": None, "overlap": None, "prompt": ""}
    done = subprocess.run(
        [sys.executable, "-m", "tasks.probe", "--model", model, *words],
        input="\n".join([json.dumps(request), *orders, ""]),
        capture_output=True,
        text=True,
        check=True,
        cwd=ROOT,
        timeout=120,
    )
    return [line for line in done.stdout.splitlines() if not line.startswith("stage ")]


def test_a_probe_says_ready_then_what_it_found() -> None:
    ready, body = lines("hash", "measure 0.1")
    found: dict[str, Any] = json.loads(body)
    assert ready == "ready"
    assert (found["engine"], found["device"], found["gpu"]) == ("hash", "cpu", None)
    assert found["versions"]["python"].startswith("3.")


def test_tokens_are_those_of_the_pieces_that_were_embedded() -> None:
    found = json.loads(lines("hash", "measure 0.1")[1])
    assert {length for length, _ in found["lengths"]} == {
        5,
        3,
    }  # two special tokens around three words, and one
    assert found["tokens"] == sum(length * count for length, count in found["lengths"])
    assert found["tokens_per_text"] == 4
    assert found["given"] == [[3, 1], [5, 1]]


def test_an_engine_without_matrices_has_no_ceiling() -> None:
    assert json.loads(lines("hash", "ceiling 0.1")[1]) == {"flops_per_second": None}


def test_a_real_engine_has_a_ceiling(minilm: str) -> None:
    found = lines(minilm, "ceiling 0.1", words=["--threads", "1"])
    assert json.loads(found[1])["flops_per_second"] > 1e8


def test_the_seconds_of_an_engine_that_sleeps_are_no_processor_time(monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setenv("EMBEDFLEET_HASH_SECONDS", "1")
    found = measure(HashEncoder(), [[1, 2, 3]] * 10, 0.1)
    assert found["seconds"] > 0.7
    assert found["cpu_seconds"] < 0.5 * found["seconds"]


def test_libraries_that_are_not_here_have_no_version() -> None:
    found = versions()
    assert "numpy" in found
    assert all(found.values())


def test_probe_that_has_measured_works_in_a_run_with_the_model_it_has(tmp_path: Path) -> None:
    store, files = FolderStore(tmp_path / "out"), tmp_path / "corpus"
    files.mkdir()
    ids = corpus(files, 2, 5)
    header = launch(store, files, 2)
    work = ["--store", str(store.root), "--run", "run-1", "--name", "w0", "--offset", "0"]
    ready, body = lines("hash", "measure 0.1", f"work {json.dumps(work)}")
    assert (ready, json.loads(body)["engine"]) == ("ready", "hash")
    assert sorted(ids_out(store, header)) == sorted(ids)
    assert {one.worker for one in receipts_of(store, header)} == {"w0"}
    beat = load(read(store, heartbeat_key("run-1", "w0")) or b"")
    assert beat.state == "done"
    assert beat.cold_start.keys() == {"first_batch"}  # it loaded nothing


def test_two_orders_measure_twice_with_one_loading() -> None:
    ready, first, second = lines("hash", "measure 0.1", "measure 0.1")
    assert ready == "ready"
    assert json.loads(first)["lengths"]
    assert json.loads(second)["lengths"]
