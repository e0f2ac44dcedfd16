"""`engine: auto`, on rented machines and on this one: the engine that was measured to be faster, else the usual one."""

import socket
from dataclasses import replace
from datetime import UTC, datetime
from pathlib import Path

import pytest

from launcher.corpus.inspect import inspect_corpus
from launcher.jobs import parse
from launcher.ledger.records import MeasuredSpeed
from launcher.planning import planner
from launcher.planning.plan import Plan
from launcher.planning.request import PlanOptions
from launcher.throughput.calibration import BENCH
from launcher.throughput.local_machine import worker_slots
from tests.support.offers import L4

NOW = datetime(2026, 11, 23, 12, tzinfo=UTC)
MODEL = "BAAI/bge-large-en-v1.5"


def job(extra: str = "") -> str:
    return (
        f"name: a\ncorpus: {{documents: 10M, tokens_per_document: 200}}\nmodel: {MODEL}\n"
        f"limits: {{clouds: [aws]}}\n{extra}"
    )


def measured(engine: str, rate: float, gpu: str = "L4") -> MeasuredSpeed:
    detail = {"lengths": [[1.0, 200.0]]}
    return MeasuredSpeed(MODEL, gpu, engine, 0.9 * rate, rate, 1.1 * rate, "run r1", NOW, detail)


def plan(tmp_path: Path, *speeds: MeasuredSpeed, extra: str = "") -> tuple[Plan, list[str]]:
    said: list[str] = []
    offers = (L4,)
    options = PlanOptions(on=None, probe_seconds=0.1, offers=offers, speeds=speeds)
    return planner.make_plan(parse.parse(job(extra)), tmp_path, options, NOW, said.append), said


def test_the_usual_engine_is_vllm(tmp_path: Path) -> None:
    made, said = plan(tmp_path, measured("vllm", 40_000))
    assert made.work.engine == "vllm"
    assert said == []


def test_an_engine_that_was_measured_to_be_faster_is_taken_at_its_measured_speed(tmp_path: Path) -> None:
    made, said = plan(tmp_path, measured("packed", 90_000), measured("vllm", 40_000))
    assert made.work.engine == "packed"
    (group,) = made.chosen.allocations
    assert group.candidate.tokens_per_second.mid == pytest.approx(90_000)
    (line,) = said
    assert line.startswith(
        "engine packed: on L4 it was measured at 90,000 tokens/s (P10 81,000), vllm has 40,000"
    )


@pytest.mark.parametrize(
    "others",
    [
        (measured("vllm", 80_000),),  # the ranges overlap
        (measured("vllm", 40_000), measured("packed", 30_000, "A100"), measured("vllm", 90_000, "A100")),
    ],
)
def test_it_must_be_faster_beyond_doubt_wherever_it_was_measured(
    tmp_path: Path, others: tuple[MeasuredSpeed, ...]
) -> None:
    made, said = plan(tmp_path, measured("packed", 90_000), *others)
    assert made.work.engine == "vllm"
    assert said == []


def test_a_prediction_of_the_usual_engine_is_beaten_by_its_fast_end(tmp_path: Path) -> None:
    assert plan(tmp_path, measured("packed", 1_000))[0].work.engine == "vllm"
    assert plan(tmp_path, measured("packed", 10_000_000))[0].work.engine == "packed"


def test_a_speed_of_another_model_or_precision_says_nothing(tmp_path: Path) -> None:
    other = replace(measured("packed", 90_000), model="BAAI/bge-m3")
    fp8 = replace(measured("packed", 90_000), detail={"precision": "fp8"})
    assert plan(tmp_path, other, fp8, measured("vllm", 40_000))[0].work.engine == "vllm"


def test_an_engine_that_the_job_names_stays(tmp_path: Path) -> None:
    speeds = measured("packed", 90_000), measured("vllm", 40_000)
    assert plan(tmp_path, *speeds, extra="engine: vllm")[0].work.engine == "vllm"


def on_this_machine(tmp_path: Path, model: Path, engines: dict[str, float], said: list[str]) -> Plan:
    """A plan for this machine, whose `bench` found these tokens a second of each engine a minute ago."""
    (tmp_path / "corpus").mkdir()
    (tmp_path / "corpus" / "a.txt").write_text("the cat sat on the mat " * 20, encoding="utf-8")
    text = (
        f"name: a\ncorpus: {{path: corpus/}}\nmodel: {model}\noutput: {{path: out/}}\nlocal: {{workers: 1}}\n"
    )
    asked = parse.parse(text)
    use = worker_slots(1, 1)
    lengths = inspect_corpus(asked, tmp_path, str(model), None, said.append).profile.lengths
    speeds = tuple(
        MeasuredSpeed(
            str(model),
            "cpu",
            engine,
            rate / 1.2,
            rate,
            rate * 1.2,
            "bench",
            NOW,
            detail={
                "of": BENCH,
                "host": socket.gethostname(),
                "workers": use.workers,
                "threads": use.threads,
                "given": lengths,
                "load_seconds": 5.0,
                "device": "cpu",
                "dtype": "float32",
                "dimensions": 32,
                "seconds": 60.0,
            },
        )
        for engine, rate in engines.items()
    )
    options = PlanOptions(on="local", probe_seconds=0.1, offers=(L4,), speeds=speeds)
    said.clear()
    return planner.make_plan(asked, tmp_path, options, NOW, said.append)


def test_this_machine_takes_the_engine_that_bench_found_to_be_faster(tmp_path: Path, minilm: str) -> None:
    said: list[str] = []
    made = on_this_machine(tmp_path, Path(minilm), {"torch": 1_000, "packed": 1_300}, said)
    assert made.work.engine == "packed"
    assert "engine packed: bench measured it here at 1,300 tokens/s, torch at 1,000" in said


@pytest.mark.parametrize("engines", [{"torch": 1_000, "packed": 1_050}, {"torch": 1_000, "absent": 9_000}])
def test_this_machine_keeps_its_usual_engine_where_none_is_clearly_faster(
    tmp_path: Path, minilm: str, engines: dict[str, float]
) -> None:
    assert on_this_machine(tmp_path, Path(minilm), engines, []).work.engine == "torch"
