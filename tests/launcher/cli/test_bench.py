"""`embedfleet bench`, on this machine with real workers, and its figures on machines that are not here."""

import io
import json
from collections.abc import Mapping
from dataclasses import replace
from datetime import UTC, datetime
from pathlib import Path
from typing import Any

import pytest
from rich.console import Console

from launcher.bench.measure import Found, Subject, body_of, mfu, mistakes, record_of
from launcher.bench.trial_run import Rehearsed, Wanted, rehearse
from launcher.cli.main import main
from launcher.cli.options import MEASURED_TEXT_TOKENS
from launcher.errors import Problem
from launcher.ledger.ledger import Ledger
from launcher.ledger.records import SpeedSeen
from launcher.reports.terminal.benchmark import bench_text
from launcher.throughput import lookup
from launcher.throughput.calibration import Work, recall
from launcher.throughput.local_machine import Asked, Measured, Slots
from launcher.throughput.model_shapes import shape
from launcher.throughput.predict import flops_per_token, predict
from launcher.throughput.spread import Spread
from pricing.gpu import gpu
from tests.support.cli_runs import records, write_job
from tests.support.runs import write_jsonl

NOON = datetime(2026, 3, 1, 12, tzinfo=UTC)
BASE = shape("BAAI/bge-base-en-v1.5")
LENGTHS = ((0.5, 100.0), (0.5, 300.0))


def bench(folder: Path, capsys: pytest.CaptureFixture[str], *words: object) -> dict[str, Any]:
    said = ["bench", *map(str, words), "--runs", str(folder / "runs"), "--json"]
    assert main(said) == 0
    return json.loads(capsys.readouterr().out)


def refused(capsys: pytest.CaptureFixture[str], *words: object) -> tuple[int, str, str]:
    status = main(["bench", *map(str, words)])
    error, hint = capsys.readouterr().err.splitlines()[-2:]
    return status, error.removeprefix("Error: "), hint.removeprefix("Try: ")


def kept(folder: Path) -> list[SpeedSeen]:
    with Ledger.open(folder / "runs" / "ledger.db") as ledger:
        return ledger.speeds()


def screen(body: Mapping[str, Any]) -> str:
    out = io.StringIO()
    Console(file=out, width=110).print(bench_text(body))
    return out.getvalue()


# --- on this machine


def test_made_up_texts_are_measured_by_engine_and_workers_and_kept(
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
    (seen,) = kept(tmp_path)
    assert (seen.model, seen.gpu, seen.engine) == ("hash", "cpu", "hash")
    assert seen.mid == pytest.approx(body["pipeline"]["tokens_per_second"])
    assert seen.detail["lengths"] == [[1.0, 256.0]]


def test_what_is_kept_is_found_by_a_plan_for_this_machine(
    tmp_path: Path, capsys: pytest.CaptureFixture[str]
) -> None:
    bench(tmp_path, capsys, "--model", "hash", "--workers", 1, "--seconds", 0.5, "--tokens", 50)
    (seen,) = kept(tmp_path)
    use = Slots(1, seen.detail["threads"], 0)
    found = recall([seen], "hash", "hash", use, seen.detail["host"], [], [(1.0, 50.0)], seen.at)
    assert found is not None
    assert found[0].tokens_per_second == Spread(seen.low, seen.mid, seen.high)


def planned_here(folder: Path, job: Path, capsys: pytest.CaptureFixture[str]) -> dict[str, Any]:
    words = ["plan", str(job), "--on", "local", "--probe", "0.1", "--offline", "--json"]
    assert main([*words, "--runs", str(folder / "runs")]) == 0
    (lot,) = json.loads(capsys.readouterr().out)["lots"]
    return lot


def test_a_plan_of_the_job_on_this_machine_takes_it_instead_of_measuring_again(
    tmp_path: Path, capsys: pytest.CaptureFixture[str]
) -> None:
    (tmp_path / "in").mkdir()
    write_jsonl(tmp_path / "in" / "a.jsonl", records("d", [8, 48, 300] * 20))
    job = write_job(tmp_path, local="{workers: 1}")
    assert planned_here(tmp_path, job, capsys)["speed_source"].startswith("measured here, hash")
    body = bench(tmp_path, capsys, job, "--seconds", 0.5)
    lot = planned_here(tmp_path, job, capsys)
    assert lot["speed_source"].startswith(f"measured here {body['at'][:10]} by bench, hash float32, 1 worker")
    assert lot["tokens_per_second"] == pytest.approx(body["kept"]["mid"], rel=0.01)
    longer = write_job(tmp_path, "longer.yaml", local="{workers: 1}", chunk="{truncate: 50}")
    assert planned_here(tmp_path, longer, capsys)["speed_source"].startswith("measured here, hash")


def test_a_real_model_tells_what_of_the_hardware_it_uses(
    tmp_path: Path, capsys: pytest.CaptureFixture[str], minilm: str
) -> None:
    body = bench(tmp_path, capsys, "--model", minilm, "--tokens", 64, "--workers", 1, "--seconds", 2)
    assert body["flops_per_token"] == flops_per_token(shape(minilm), 64)
    share = body["flops_per_token"] * body["tokens_per_second"]["mid"] / body["flops_per_second"]
    assert body["mfu"] == pytest.approx(share)
    assert body["share_of_predicted"] is None  # nobody knows the ceiling of these processors
    assert "MFU, of these" in screen(body)


def test_a_job_is_measured_on_its_own_texts_cut_its_own_way(
    tmp_path: Path, capsys: pytest.CaptureFixture[str]
) -> None:
    (tmp_path / "in").mkdir()
    write_jsonl(tmp_path / "in" / "a.jsonl", records("d", [8, 48, 300] * 20))
    job = write_job(tmp_path, local="{workers: 1}", chunk="{truncate: 100}")
    body = bench(tmp_path, capsys, job, "--seconds", 0.5)
    assert body["texts"] == "60 of the corpus of small"
    assert body["workers"] == 1
    assert {round(tokens) for _, tokens in body["lengths"]} <= {10, 50, 100}


def test_a_corpus_that_is_only_declared_is_made_up(
    tmp_path: Path, capsys: pytest.CaptureFixture[str]
) -> None:
    job = write_job(tmp_path, corpus="{documents: 1e6, tokens_per_document: 40}", local="{workers: 1}")
    body = bench(tmp_path, capsys, job, "--seconds", 0.5)
    assert body["lengths"] == [[1.0, 40.0]]


def test_a_text_longer_than_the_model_takes_is_cut_and_said_to_be(
    tmp_path: Path, capsys: pytest.CaptureFixture[str]
) -> None:
    body = bench(tmp_path, capsys, "--model", "hash", "--workers", 1, "--seconds", 0.2, "--tokens", 9_999)
    assert body["tokens"] == 512
    assert "not 9999" in body["texts"]


def test_a_worker_that_cannot_work_says_why() -> None:
    asked = Asked("hash", "hash", ["a fine book"] * 9, None, None, "")
    with pytest.raises(Problem, match="32 dimensions") as caught:
        rehearse(asked, Slots(1, 1, 0), Wanted(0.1, 1_000, 5, dimensions=64))
    assert "a worker died" in str(caught.value)


def test_a_machine_too_slow_for_a_shard_of_a_plan_gets_smaller_ones() -> None:
    asked = Asked("hash", "hash", ["a fine book"] * 9, None, None, "")
    found = rehearse(asked, Slots(1, 1, 0), Wanted(1.0, 30.0, 5.0))
    assert (found.shards, found.tokens) == (3, 30)


# --- mistakes


def test_nothing_to_measure_is_a_mistake(capsys: pytest.CaptureFixture[str]) -> None:
    assert refused(capsys) == (2, "nothing to measure", "name a job file, or a model with --model")


@pytest.mark.parametrize("words", [("--model", "hash"), ("--tokens", "9")])
def test_a_job_has_its_own_model_and_lengths(
    words: tuple[str, str], tmp_path: Path, capsys: pytest.CaptureFixture[str]
) -> None:
    status, error, _ = refused(capsys, write_job(tmp_path), *words)
    assert (status, error) == (2, f"{words[0]} beside a job file, which has its own")


def test_a_gpu_nobody_knows_is_named_with_the_nearest(capsys: pytest.CaptureFixture[str]) -> None:
    status, error, hint = refused(capsys, "--model", "hash", "--gpu", "A100-81GB")
    assert (status, error) == (2, "--gpu: no GPU 'A100-81GB' is known")
    assert "A100-80GB" in hint


def test_processors_are_not_kept_as_a_gpu(
    capsys: pytest.CaptureFixture[str], monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setenv("CUDA_VISIBLE_DEVICES", "")
    status, error, _ = refused(capsys, "--model", "hash", "--gpu", "L4")
    assert (status, error) == (2, "--gpu L4: this machine has no GPU that we may use")


def test_an_engine_nobody_has_is_a_mistake(capsys: pytest.CaptureFixture[str]) -> None:
    assert refused(capsys, "--model", "hash", "--engine", "onnx")[0] == 2


# --- on machines that are not here


def h200(gpus: int = 2, tokens_per_second: float = 1e6, **changes: Any) -> Found:
    """BERT base on H200, as probes of such a machine would have it."""
    bare = Measured(
        Spread(tokens_per_second * 0.8, tokens_per_second, tokens_per_second * 1.2),
        load_seconds=40.0,
        engine="vllm",
        device="cuda",
        dtype="bfloat16",
        dimensions=768,
        seconds=30.0,
        gpu="H200",
        lengths=LENGTHS,
        given=LENGTHS,
        texts_per_second=tokens_per_second / 200,
        cpu_seconds=60.0,
        tokens=round(30 * tokens_per_second),
        tokens_per_text=200.0,
        each=(Spread(tokens_per_second * 0.4, tokens_per_second / 2, tokens_per_second * 0.6),) * 2,
        flops_per_second=gpus * 700e12,
    )
    workers = {f"w{n}": Work(round(30 * 0.96 * tokens_per_second / gpus), 30.0) for n in range(gpus)}
    stages = {"engine": 57.0, "wait": 2.0, "idle": 1.0, "read": 3.0}
    pipeline = Rehearsed(0.96 * tokens_per_second, workers, stages, 60.0, 12, round(30 * tokens_per_second))
    asked = Asked(BASE.name, "vllm", ["a"], 512, None, "")
    subject = Subject(asked, Slots(gpus, None, gpus), "made up", BASE)
    return replace(Found(subject, bare, pipeline, "box", NOON), **changes)


def seen_of(found: Found) -> SpeedSeen:
    seen = record_of(found)
    assert seen is not None
    return seen


def test_of_a_machine_of_gpus_the_speed_of_one_is_kept_and_it_is_the_workers_own() -> None:
    seen = seen_of(h200())
    assert (seen.gpu, seen.source) == ("H200", "bench on box H200")
    assert (seen.low, seen.mid, seen.high) == pytest.approx((384_000, 480_000, 576_000))


def test_a_plan_for_such_gpus_goes_by_it() -> None:
    seen = seen_of(h200())
    found = lookup.choose(BASE, gpu("H200"), "vllm", LENGTHS, seen=[seen])
    assert found is not None
    assert found.tokens_per_second.mid == pytest.approx(480_000)
    assert found.source == "measured 2026-03-01: bench on box H200"


def test_mfu_is_useful_arithmetic_over_measured_products() -> None:
    each = (100 * flops_per_token(BASE, 100) + 300 * flops_per_token(BASE, 300)) / 400
    assert mfu(h200()) == pytest.approx(each * 1e6 / 1_400e12)


def test_the_predicted_speed_is_of_all_gpus() -> None:
    predicted = predict(BASE, gpu("H200"), "vllm", LENGTHS, "bfloat16")
    assert predicted is not None
    share = body_of(h200())["share_of_predicted"]
    assert share == pytest.approx(1e6 / (2 * predicted.tokens_per_second.mid))


def test_an_mfu_above_one_is_a_mistake() -> None:
    wrong = mistakes(h200(tokens_per_second=9e6))
    assert len(wrong) == 1
    assert "MFU 1.1" in wrong[0] or "MFU 1.2" in wrong[0]


def test_more_than_a_data_sheet_allows_is_a_mistake() -> None:
    found = h200(tokens_per_second=12e6)
    high = replace(found, bare=replace(found.bare, flops_per_second=1e19))
    wrong = mistakes(high)
    assert len(wrong) == 1
    assert "of the peak of H200" in wrong[0]
    assert wrong[0] in screen(body_of(high)).replace("\n", " ").replace("  ", " ")


def test_nothing_is_wrong_with_what_can_be() -> None:
    assert mistakes(h200()) == []


def test_the_user_may_know_the_gpu_better() -> None:
    found = h200()
    assert seen_of(replace(found, subject=replace(found.subject, gpu="H100"))).gpu == "H100"


def test_gpus_that_are_not_alike_are_measured_and_not_kept() -> None:
    found = h200()
    mixed = replace(found, bare=replace(found.bare, gpu=None))
    assert record_of(mixed) is None
    assert body_of(mixed)["kept"] is None
    assert "not alike" in screen(body_of(mixed))


def test_what_is_unknown_is_a_question_mark() -> None:
    found = h200()
    bare = replace(found.bare, flops_per_second=None)
    unknown = replace(found, bare=bare, subject=replace(found.subject, shape=None))
    body = body_of(unknown)
    assert (body["mfu"], body["flops_per_token"], body["share_of_predicted"]) == (None, None, None)
    lines = screen(body).splitlines()
    assert next(line for line in lines if line.startswith("MFU")).split()[-1] == "?"


def test_the_screen_shows_what_the_workers_waited_for() -> None:
    lines = screen(body_of(h200())).splitlines()
    waited = next(line for line in lines if line.startswith("the engine waited"))
    assert waited.split()[-4:] == ["2.0", "s", "3.4", "%"]  # of 59 s: the last second had no shard left
