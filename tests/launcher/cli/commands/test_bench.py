"""`embedfleet bench` on this machine, with real workers."""

import io
import json
from collections.abc import Mapping
from pathlib import Path
from typing import Any

import msgspec
import pytest
from rich.console import Console

from launcher.cli.main import main
from launcher.cli.options.planning import MEASURED_TEXT_TOKENS
from launcher.documents.bench import BenchDocument
from launcher.ledger.ledger import Ledger
from launcher.ledger.records import MeasuredSpeed
from launcher.reports.terminal.benchmark import bench_text
from launcher.throughput import local_machine
from launcher.throughput.calibration import recent_bench
from launcher.throughput.local_machine import WorkerSlots
from launcher.throughput.model_shapes import shape
from launcher.throughput.predict import flops_per_token
from launcher.throughput.spread import Spread
from tests.support.cli_runs import records, write_job
from tests.support.runs import write_jsonl


def bench(folder: Path, capsys: pytest.CaptureFixture[str], *words: object) -> dict[str, Any]:
    said = ["bench", *map(str, words), "--runs", str(folder / "runs"), "--json"]
    assert main(said) == 0
    return json.loads(capsys.readouterr().out)


def refused(capsys: pytest.CaptureFixture[str], *words: object) -> tuple[int, str, str]:
    status = main(["bench", *map(str, words)])
    error, hint = capsys.readouterr().err.splitlines()[-2:]
    return status, error.removeprefix("Error: "), hint.removeprefix("Try: ")


def recorded(folder: Path) -> list[MeasuredSpeed]:
    with Ledger.open(folder / "runs" / "ledger.db") as ledger:
        return ledger.speeds.matching()


def screen(body: Mapping[str, Any]) -> str:
    out = io.StringIO()
    Console(file=out, width=110).print(bench_text(msgspec.convert(body, BenchDocument)))
    return out.getvalue()


# --- on this machine


def test_synthetic_texts_are_measured_and_the_speed_is_recorded(
    tmp_path: Path, capsys: pytest.CaptureFixture[str], monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setenv("EMBEDFLEET_HASH_SECONDS", "0.02")  # 50,000 tokens a second
    body = bench(tmp_path, capsys, "--model", "hash", "--workers", 2, "--seconds", 2)
    assert body["schema"] == "embedfleet/measured/1"
    assert (body["gpu"], body["engine"], body["workers"], body["tokens"]) == (
        "cpu",
        "hash",
        2,
        MEASURED_TEXT_TOKENS,
    )
    assert "256 tokens each" in body["texts"]
    assert 0 < body["tokens_per_second"]["mid"] <= 100_000
    assert len(body["each"]) == 2
    assert (body["flops_per_token"], body["flops_per_second"], body["mfu"]) == (None, None, None)
    stages = body["pipeline"]["stages"]
    assert stages["engine"] > 0
    assert {"read", "tokenise", "write", "store"} <= stages.keys()
    assert body["pipeline"]["shards"] >= 6
    (seen,) = recorded(tmp_path)
    assert (seen.model, seen.gpu, seen.engine) == ("hash", "cpu", "hash")
    assert seen.mid == pytest.approx(body["pipeline"]["tokens_per_second"])
    assert seen.detail["lengths"] == [[1.0, 256.0]]


def test_recorded_speed_is_recalled_for_this_machine(
    tmp_path: Path, capsys: pytest.CaptureFixture[str]
) -> None:
    bench(tmp_path, capsys, "--model", "hash", "--workers", 1, "--seconds", 0.5, "--tokens", 50)
    (seen,) = recorded(tmp_path)
    use = WorkerSlots(1, seen.detail["threads"], 0)
    found = recent_bench(
        [seen],
        model="hash",
        engine="hash",
        use=use,
        host=seen.detail["host"],
        gpus=[],
        lengths=[(1.0, 50.0)],
        now=seen.at,
    )
    assert found is not None
    assert found[0].tokens_per_second == Spread(seen.low, seen.mid, seen.high)


def planned_here(folder: Path, job: Path, capsys: pytest.CaptureFixture[str]) -> dict[str, Any]:
    words = ["plan", str(job), "--on", "local", "--probe", "0.1", "--offline", "--json"]
    assert main([*words, "--runs", str(folder / "runs")]) == 0
    (group,) = json.loads(capsys.readouterr().out)["lots"]
    return group


def test_plan_of_this_machine_uses_the_recorded_speed(
    tmp_path: Path, capsys: pytest.CaptureFixture[str]
) -> None:
    (tmp_path / "in").mkdir()
    write_jsonl(tmp_path / "in" / "a.jsonl", records("d", [8, 48, 300] * 20))
    job = write_job(tmp_path, local="{workers: 1}")
    assert planned_here(tmp_path, job, capsys)["speed_source"].startswith("measured here, hash")
    body = bench(tmp_path, capsys, job, "--seconds", 0.5)
    group = planned_here(tmp_path, job, capsys)
    assert group["speed_source"].startswith(
        f"measured here {body['at'][:10]} by bench, hash float32, 1 worker"
    )
    assert group["tokens_per_second"] == pytest.approx(body["kept"]["mid"], rel=0.01)
    longer = write_job(tmp_path, "longer.yaml", local="{workers: 1}", chunk="{truncate: 50}")
    assert planned_here(tmp_path, longer, capsys)["speed_source"].startswith("measured here, hash")


@pytest.mark.slow
def test_real_model_has_mfu(tmp_path: Path, capsys: pytest.CaptureFixture[str], minilm: str) -> None:
    body = bench(tmp_path, capsys, "--model", minilm, "--tokens", 64, "--workers", 1, "--seconds", 2)
    assert body["flops_per_token"] == flops_per_token(shape(minilm), 64)
    share = body["flops_per_token"] * body["tokens_per_second"]["mid"] / body["flops_per_second"]
    assert body["mfu"] == pytest.approx(share)
    assert body["share_of_predicted"] is None  # the ceiling of these processors is unknown
    assert "MFU, of these" in screen(body)


def test_job_is_measured_with_its_own_texts_and_chunking(
    tmp_path: Path, capsys: pytest.CaptureFixture[str]
) -> None:
    (tmp_path / "in").mkdir()
    write_jsonl(tmp_path / "in" / "a.jsonl", records("d", [8, 48, 300] * 20))
    job = write_job(tmp_path, local="{workers: 1}", chunk="{truncate: 100}")
    body = bench(tmp_path, capsys, job, "--seconds", 0.5)
    assert body["texts"] == "60 of the corpus of small"
    assert body["workers"] == 1
    assert {round(tokens) for _, tokens in body["lengths"]} <= {10, 50, 100}


def test_declared_corpus_is_measured_with_synthetic_texts(
    tmp_path: Path, capsys: pytest.CaptureFixture[str]
) -> None:
    job = write_job(tmp_path, corpus="{documents: 1e6, tokens_per_document: 40}", local="{workers: 1}")
    body = bench(tmp_path, capsys, job, "--seconds", 0.5)
    assert body["lengths"] == [[1.0, 40.0]]


def test_text_longer_than_the_models_maximum_is_truncated(
    tmp_path: Path, capsys: pytest.CaptureFixture[str]
) -> None:
    body = bench(tmp_path, capsys, "--model", "hash", "--workers", 1, "--seconds", 0.2, "--tokens", 9_999)
    assert body["tokens"] == 512
    assert "not 9999" in body["texts"]


# --- usage errors


def test_neither_job_nor_model_is_usage_error(capsys: pytest.CaptureFixture[str]) -> None:
    assert refused(capsys) == (2, "nothing to measure", "name a job file, or a model with --model")


@pytest.mark.parametrize("words", [("--model", "hash"), ("--tokens", "9")])
def test_model_and_tokens_next_to_a_job_are_usage_errors(
    words: tuple[str, str], tmp_path: Path, capsys: pytest.CaptureFixture[str]
) -> None:
    status, error, _ = refused(capsys, write_job(tmp_path), *words)
    assert (status, error) == (2, f"{words[0]} is given, and the job file has its own")


def test_unknown_gpu_is_usage_error_with_the_nearest_name(capsys: pytest.CaptureFixture[str]) -> None:
    status, error, hint = refused(capsys, "--model", "hash", "--gpu", "A100-81GB")
    assert (status, error) == (2, "--gpu: no GPU 'A100-81GB' is known")
    assert "A100-80GB" in hint


def test_gpu_name_without_gpu_is_usage_error(
    capsys: pytest.CaptureFixture[str], monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setenv("CUDA_VISIBLE_DEVICES", "")
    status, error, _ = refused(capsys, "--model", "hash", "--gpu", "L4")
    assert (status, error) == (2, "--gpu L4: this machine has no GPU that embedfleet may use")


def test_unknown_engine_is_usage_error(capsys: pytest.CaptureFixture[str]) -> None:
    assert refused(capsys, "--model", "hash", "--engine", "onnx")[0] == 2


def test_unknown_precision_is_usage_error(capsys: pytest.CaptureFixture[str]) -> None:
    status, error, hint = refused(capsys, "--model", "hash", "--precision", "int8")
    assert (status, error) == (2, "--precision: no precision 'int8' is known")
    assert hint == "pass --precision auto or fp8"


def test_precision_that_this_machine_lacks_is_usage_error(
    capsys: pytest.CaptureFixture[str], monkeypatch: pytest.MonkeyPatch, tmp_path: Path
) -> None:
    monkeypatch.setattr(local_machine, "NVIDIA_GPUS", tmp_path)
    for words in (
        ("--model", "hash", "--precision", "fp8"),
        (write_job(tmp_path, precision="fp8", engine="vllm"),),
    ):
        status, error, hint = refused(capsys, *words)
        assert status == 2
        assert error.startswith("fp8 needs a GPU of compute capability 8.9")
        assert hint.startswith("pass --precision auto")


def test_engine_that_does_not_compute_in_the_precision_is_usage_error(
    capsys: pytest.CaptureFixture[str], monkeypatch: pytest.MonkeyPatch
) -> None:
    def it_does(_precision: str) -> None: ...

    monkeypatch.setattr("launcher.cli.commands.bench.why_not_here", it_does)
    status, error, _ = refused(capsys, "--model", "hash", "--precision", "fp8", "--engine", "torch")
    assert (status, error) == (2, "--engine torch: fp8 is computed by the engine vllm alone")


def test_model_is_loaded_once_and_its_loading_is_said(
    tmp_path: Path, capsys: pytest.CaptureFixture[str], minilm: str, monkeypatch: pytest.MonkeyPatch
) -> None:
    starts = tmp_path / "starts"
    # Each interpreter that imports torch writes a line: one worker, and none for what measures beside it.
    hook = "import sys\nif 'tasks.probe' in ' '.join(sys.orig_argv) or 'tasks.worker' in ' '.join(sys.orig_argv):\n"
    hook += f"    open({str(starts)!r}, 'a').write('started\\n')\n"
    (tmp_path / "sitecustomize.py").write_text(hook, encoding="utf-8")
    monkeypatch.setenv("PYTHONPATH", str(tmp_path))
    words = ["--model", minilm, "--tokens", "16", "--workers", "1", "--seconds", "0.5"]
    assert main(["bench", *words, "--runs", str(tmp_path / "runs"), "--json"]) == 0
    said = capsys.readouterr().err
    assert starts.read_text(encoding="utf-8").splitlines() == ["started"]
    assert "loading the model" in said
    assert "warming up" in said
