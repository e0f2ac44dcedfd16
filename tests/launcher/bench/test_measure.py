"""What `bench` derives from measurements, for machines with GPUs that are not here."""

import io
from dataclasses import replace
from datetime import UTC, datetime
from typing import Any

import pytest
from rich.console import Console

from launcher.bench.measure import BenchResult, BenchSubject, document, implausible, mfu, speed_record
from launcher.bench.trial_run import TrialResult
from launcher.documents.bench import BenchDocument
from launcher.ledger.records import MeasuredSpeed
from launcher.reports.terminal.benchmark import bench_text
from launcher.throughput import lookup
from launcher.throughput.calibration import WorkerTime
from launcher.throughput.local_machine import LocalSpeed, ProbeRequest, WorkerSlots
from launcher.throughput.model_shapes import shape
from launcher.throughput.predict import flops_per_token, predict
from launcher.throughput.spread import Spread
from pricing.gpu import gpu

NOON = datetime(2026, 3, 1, 12, tzinfo=UTC)
BASE = shape("BAAI/bge-base-en-v1.5")
LENGTHS = ((0.5, 100.0), (0.5, 300.0))


def screen(bench: BenchDocument) -> str:
    out = io.StringIO()
    Console(file=out, width=110).print(bench_text(bench))
    return out.getvalue()


def h200(gpus: int = 2, tokens_per_second: float = 1e6, **changes: Any) -> BenchResult:
    """BERT base on H200, as probes of such a machine would have it."""
    bare = LocalSpeed(
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
    workers = {f"w{n}": WorkerTime(round(30 * 0.96 * tokens_per_second / gpus), 30.0) for n in range(gpus)}
    stages = {"engine": 57.0, "wait": 2.0, "idle": 1.0, "read": 3.0}
    pipeline = TrialResult(0.96 * tokens_per_second, workers, stages, 60.0, 12, round(30 * tokens_per_second))
    asked = ProbeRequest(BASE.name, "vllm", ["a"], 512, None, "")
    subject = BenchSubject(asked, WorkerSlots(gpus, None, gpus), "made up", BASE)
    return replace(BenchResult(subject, bare, pipeline, "box", NOON), **changes)


def seen_of(found: BenchResult) -> MeasuredSpeed:
    seen = speed_record(found)
    assert seen is not None
    return seen


def test_speed_of_several_gpus_is_recorded_per_gpu_from_the_workers() -> None:
    seen = seen_of(h200())
    assert (seen.gpu, seen.source) == ("H200", "bench on box H200")
    assert (seen.low, seen.mid, seen.high) == pytest.approx((384_000, 480_000, 576_000))


def test_recorded_speed_is_used_for_the_same_gpu() -> None:
    seen = seen_of(h200())
    found = lookup.speed_of(BASE, gpu("H200"), "vllm", LENGTHS, seen=[seen])
    assert found is not None
    assert found.tokens_per_second.mid == pytest.approx(480_000)
    assert found.source == "measured 2026-03-01: bench on box H200"


def test_speed_in_fp8_is_not_that_of_the_usual_precision() -> None:
    found = h200()
    asked = replace(found.subject.asked, precision="fp8")
    bare = replace(found.bare, dtype="fp8", flops_per_second=None)
    reduced = replace(found, bare=bare, subject=replace(found.subject, asked=asked))
    seen = seen_of(reduced)
    usual = lookup.speed_of(BASE, gpu("H200"), "vllm", LENGTHS, seen=[seen])
    fp8 = lookup.speed_of(BASE, gpu("H200"), "vllm", LENGTHS, seen=[seen], precision="fp8")
    assert usual is not None
    assert "bench on box" not in usual.source
    assert fp8 is not None
    assert fp8.tokens_per_second.mid == pytest.approx(480_000)
    predicted, plain = (
        document(reduced).predicted_tokens_per_second,
        document(found).predicted_tokens_per_second,
    )
    assert predicted is not None
    assert plain is not None
    assert predicted > plain


def test_mfu_is_useful_flops_over_measured_matmul_flops() -> None:
    each = (100 * flops_per_token(BASE, 100) + 300 * flops_per_token(BASE, 300)) / 400
    assert mfu(h200()) == pytest.approx(each * 1e6 / 1_400e12)


def test_predicted_speed_is_of_all_gpus() -> None:
    predicted = predict(BASE, gpu("H200"), "vllm", LENGTHS, "bfloat16")
    assert predicted is not None
    share = document(h200()).share_of_predicted
    assert share == pytest.approx(1e6 / (2 * predicted.tokens_per_second.mid))


def test_mfu_above_one_is_implausible() -> None:
    wrong = implausible(h200(tokens_per_second=9e6))
    assert len(wrong) == 1
    assert "MFU 1.1" in wrong[0] or "MFU 1.2" in wrong[0]


def test_more_than_the_data_sheets_peak_is_implausible() -> None:
    found = h200(tokens_per_second=12e6)
    high = replace(found, bare=replace(found.bare, flops_per_second=1e19))
    wrong = implausible(high)
    assert len(wrong) == 1
    assert "of the peak of H200" in wrong[0]
    assert wrong[0] in screen(document(high)).replace("\n", " ").replace("  ", " ")


def test_plausible_figures_give_no_sentence() -> None:
    assert implausible(h200()) == []


def test_gpu_name_of_the_user_goes_before_the_drivers() -> None:
    found = h200()
    assert seen_of(replace(found, subject=replace(found.subject, gpu="H100"))).gpu == "H100"


def test_speed_of_different_gpus_is_measured_and_not_recorded() -> None:
    found = h200()
    mixed = replace(found, bare=replace(found.bare, gpu=None))
    assert speed_record(mixed) is None
    assert document(mixed).kept is None
    assert "not alike" in screen(document(mixed))


def test_unknown_mfu_is_question_mark() -> None:
    found = h200()
    bare = replace(found.bare, flops_per_second=None)
    unknown = replace(found, bare=bare, subject=replace(found.subject, shape=None))
    found = document(unknown)
    assert (found.mfu, found.flops_per_token, found.share_of_predicted) == (None, None, None)
    lines = screen(found).splitlines()
    assert next(line for line in lines if line.startswith("MFU")).split()[-1] == "?"


def test_text_shows_share_of_time_that_the_engine_waited() -> None:
    lines = screen(document(h200())).splitlines()
    waited = next(line for line in lines if line.startswith("the engine waited"))
    assert waited.split()[-4:] == ["2.0", "s", "3.4", "%"]  # of 59 s: the last second had no shard left
