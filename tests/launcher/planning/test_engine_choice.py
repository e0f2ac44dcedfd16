"""`engine: auto` on rented machines: the engine that was measured to be faster, else the usual one."""

from dataclasses import replace
from datetime import UTC, datetime
from pathlib import Path

import pytest

from launcher.jobs import parse
from launcher.ledger.records import MeasuredSpeed
from launcher.planning import planner
from launcher.planning.plan import Plan
from launcher.planning.request import PlanOptions
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
