"""The benchmark of GPUs can be tried without one, loses nothing that was had, and goes on where it was."""

import json
import subprocess
import sys
from pathlib import Path
from typing import Any

import numpy as np
import pytest

from benchmarks.gpu import records
from benchmarks.gpu.cell import LONGEST
from benchmarks.gpu.plan import ENGINES, MEANS, Cell, cells
from benchmarks.gpu.shapes import SHAPES, build
from tasks.engines.load import load_encoder
from tests.support.paths import ROOT

START = {"part": "start", "ready_seconds": 1.0}
CELL = Cell("bge-large", "packed", (100, 256), worker=True)


def dry_run(*words: str) -> dict[str, Any]:
    command = [sys.executable, "-m", "benchmarks.gpu", "--dry-run", *words]
    done = subprocess.run(command, cwd=ROOT, capture_output=True, text=True, check=True)
    return json.loads(done.stdout)


def of_cell(*parts: dict[str, Any]) -> list[dict[str, Any]]:
    return [{"model": CELL.model, "engine": CELL.engine} | part for part in parts]


@pytest.mark.slow
def test_dry_run_tries_every_path_and_compares_the_vectors() -> None:
    body = dry_run("--models", "MiniLM-L6", "--engines", "torch,packed,vllm-fp8")
    assert body["missing"] == []
    assert [one["engine"] for one in body["each"]] == ["packed", "torch", "vllm-fp8"]
    for one in body["each"]:
        assert "failed" not in one, one
        assert [rate["asked_mean_tokens"] for rate in one["rates"]] == list(MEANS)
        assert one["rates"][-1]["mean_tokens"] == LONGEST
        assert all(rate["share_of_matmul"] > 0 for rate in one["rates"])
        compiled = {"compile"} if one["engine"] == "packed" else set[str]()
        assert one["start_seconds"].keys() == {"load", "warm_up"} | compiled
        assert one["not_compiled"] is None
        assert one["host_peak_gb"] > 0
        worker = one["worker"]
        assert worker["shards"] >= 3
        assert worker["stages"].keys() >= {"read", "tokenise", "engine", "write", "store"}
        assert worker["share_of_engine"] == pytest.approx(
            worker["tokens_per_second"] / worker["bare_tokens_per_second"], abs=1e-2
        )
    packed, torch, fp8 = body["each"]
    assert packed["min_cosine_with"] == {}
    assert torch["min_cosine_with"]["packed"] > 0.999
    assert 0.9 < fp8["loss"]["cosine_worst"] < 1.0  # emulated, and other vectors than the exact ones
    assert "loss" not in torch


@pytest.mark.slow
def test_a_second_call_measures_what_is_missing_and_nothing_else(tmp_path: Path) -> None:
    file = tmp_path / "results"
    words = ("--models", "MiniLM-L6", "--engines", "torch", "--results", str(file))
    first = dry_run(*words, "--means", "32")
    assert first["missing"] == []
    lines = file.read_text().splitlines()
    file.write_text("\n".join([*lines, '{"part": "rate", "mod']))  # a killed process was writing
    file.write_text(file.read_text() + "\n")
    second = dry_run(*words, "--means", "32,100")
    assert [rate["asked_mean_tokens"] for rate in second["each"][0]["rates"]] == [32, 100]
    added = [json.loads(line) for line in file.read_text().splitlines()[len(lines) + 1 :]]
    assert [one["part"] for one in added] == ["start", "rate", "end"]
    assert dry_run(*words, "--means", "32,100", "--seconds", "0") == second | {"seconds": 0.0}


@pytest.mark.slow
def test_an_engine_that_fails_ends_alone(tmp_path: Path) -> None:
    """A file of results that says so comes from a call in which the process was killed."""
    file = tmp_path / "results"
    body = dry_run(
        "--models", "MiniLM-L6", "--engines", "torch,packed", "--means", "32,-1", "--results", str(file)
    )
    assert [one["engine"] for one in body["each"]] == ["packed", "torch"]
    for one, line in zip(body["each"], body["missing"], strict=True):
        assert [rate["asked_mean_tokens"] for rate in one["rates"]] == [32]
        assert one["failed"] in line
        assert "Error" in one["failed"]


def test_what_tells_most_comes_first() -> None:
    order = list(cells(list(SHAPES), ENGINES, MEANS, dry=False))
    assert [(cell.model, cell.engine) for cell in order[:5]] == [
        ("bge-large", "packed"),
        ("bge-large", "vllm"),
        ("MiniLM-L6", "packed"),
        ("MiniLM-L6", "vllm"),
        ("gte-Qwen2-7B", "packed"),
    ]
    assert [cell.model for cell in order if cell.engine == "vllm-fp8"] == ["bge-large", "gte-Qwen2-7B"]
    assert {cell.model for cell in order} == SHAPES.keys()
    assert len(order) == 3 * len(SHAPES) + 2


def test_records_that_are_had_are_not_measured_again() -> None:
    rate, worker = {"part": "rate", "asked_mean_tokens": 100, "tokens_per_second": 7}, {"part": "worker"}
    assert records.left(CELL, []) == CELL
    assert records.left(CELL, of_cell(START, rate)) == Cell("bge-large", "packed", (256,), worker=True)
    had = of_cell(START, rate, worker, {"part": "failed", "why": "no end within 9 s"})
    (one,), (line,) = records.summary([CELL], had)
    assert one["rates"] == [{"asked_mean_tokens": 100, "tokens_per_second": 7}]
    assert line == "bge-large on packed: texts of 256 tokens: no end within 9 s"
    again = of_cell(
        {"part": "start", "ready_seconds": 9.0}, rate | {"asked_mean_tokens": 256}, {"part": "end"}
    )
    (one,), missing = records.summary([CELL], had + again)
    assert missing == []
    assert one["ready_seconds"] == 1.0
    assert "failed" not in one
    assert records.left(CELL, had + again) is None


def test_what_a_library_prints_is_no_record() -> None:
    assert records.record_of("INFO 12-01 loading") is None
    assert records.record_of("[1, 2]") is None
    assert records.record_of('{"a": 1}') is None
    assert records.record_of(json.dumps(START)) == START


@pytest.mark.slow
@pytest.mark.parametrize("name", SHAPES)
def test_every_shape_is_a_model_that_the_engines_take(name: str, tmp_path: Path) -> None:
    """ModernBERT's padding was beyond the small vocabulary, and of Qwen2's tokens other ones were read than written."""
    build(SHAPES[name], tmp_path / "model", dry=True)
    encoder = load_encoder("packed", str(tmp_path / "model"), tokens=512)
    assert np.isfinite(encoder.encode([list(range(2, 100))])).all()
