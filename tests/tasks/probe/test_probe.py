"""The probe as a process, by the lines that go in and come out."""

import json
import subprocess
import sys
from typing import Any

import pytest

from tasks.engines.hash_engine import HashEncoder
from tasks.probe.__main__ import measure, versions
from tests.support.paths import ROOT


def lines(model: str, *words: str, texts: list[str] | None = None) -> list[str]:
    order = {"texts": texts or ["a fine book", "b"], "tokens": None, "overlap": None, "prompt": ""}
    command = [sys.executable, "-m", "tasks.probe", "--model", model, "--seconds", "0.1", *words]
    done = subprocess.run(
        command,
        input=json.dumps(order) + "\ngo\ngo\n",
        capture_output=True,
        text=True,
        check=True,
        cwd=ROOT,
        timeout=120,
    )
    return done.stdout.splitlines()


def test_a_probe_says_ready_then_what_it_found() -> None:
    ready, body = lines("hash")
    found: dict[str, Any] = json.loads(body)
    assert ready == "ready"
    assert (found["engine"], found["device"], found["gpu"]) == ("hash", "cpu", None)
    assert found["versions"]["python"].startswith("3.")


def test_tokens_are_those_of_the_pieces_that_were_embedded() -> None:
    found = json.loads(lines("hash")[1])
    assert {length for length, _ in found["lengths"]} == {
        5,
        3,
    }  # two special tokens around three words, and one
    assert found["tokens"] == sum(length * count for length, count in found["lengths"])
    assert found["tokens_per_text"] == 4
    assert found["given"] == [[3, 1], [5, 1]]


def test_an_engine_without_matrices_has_no_ceiling() -> None:
    assert json.loads(lines("hash", "--ceiling", "0.1")[2]) == {"flops_per_second": None}


def test_a_real_engine_has_a_ceiling(minilm: str) -> None:
    found = lines(minilm, "--ceiling", "0.1", "--threads", "1")
    assert json.loads(found[2])["flops_per_second"] > 1e8


def test_the_seconds_of_an_engine_that_sleeps_are_no_processor_time(monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setenv("EMBEDFLEET_HASH_SECONDS", "1")
    found = measure(HashEncoder(), [[1, 2, 3]] * 10, 0.1)
    assert found["seconds"] > 0.7
    assert found["cpu_seconds"] < 0.5 * found["seconds"]


def test_libraries_that_are_not_here_have_no_version() -> None:
    found = versions()
    assert "numpy" in found
    assert all(found.values())
