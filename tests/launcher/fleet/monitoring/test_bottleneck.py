"""The bottleneck of a fleet: from heartbeats to a stage and advice."""

from collections.abc import Mapping
from dataclasses import replace

import pytest
from hypothesis import given
from hypothesis import strategies as st

from launcher.fleet.monitoring.bottleneck import (
    ADVICE,
    BACKGROUND_STAGES,
    ENGINE_STAGES,
    WorkerHealth,
    find_bottleneck,
)

STEADY = {"read": 40.0, "tokenise": 55.0, "engine": 97.0, "write": 8.0, "store": 20.0, "wait": 3.0}


def sign(
    worker: str = "w0", *, state: str = "working", age: float | None = 5.0, **stages: float
) -> WorkerHealth:
    """A worker of 100 seconds on an L4, steady but for these stages."""
    return busy(worker, stages, state, age)


def busy(
    worker: str, stages: Mapping[str, float], state: str = "working", age: float | None = 5.0
) -> WorkerHealth:
    """The same."""
    return WorkerHealth(
        worker, state, age, 100_000, 100.0, 1_000.0, STEADY | dict(stages), {"gpu": "L4"}, "cuda"
    )


def test_engine_that_hardly_waits_is_the_bottleneck() -> None:
    found = find_bottleneck([sign()])
    assert found.slowest == "engine"
    assert found.advice == [
        "the engines are the bottleneck, as it should be: only more or faster GPUs make it faster"
    ]


def test_shares_are_of_the_fleets_time() -> None:
    found = find_bottleneck([sign(), sign("w1", engine=57.0, wait=23.0, idle=20.0)])
    assert found.stages == pytest.approx(
        {
            "read": 0.4,
            "tokenise": 0.55,
            "write": 0.08,
            "store": 0.2,
            "engine": 0.77,
            "wait": 0.13,
            "idle": 0.1,
        }
    )


@pytest.mark.parametrize("stage", BACKGROUND_STAGES)
def test_waiting_is_attributed_to_the_busiest_stage(stage: str) -> None:
    found = find_bottleneck([busy("w0", {"engine": 60.0, "wait": 40.0, stage: 99.0})])
    assert found.slowest == stage
    assert found.advice == [ADVICE[stage]]


def test_stage_with_most_attributed_waiting_is_the_bottleneck() -> None:
    far = sign("far", engine=30.0, wait=70.0, read=95.0)
    crowded = [sign(f"w{n}", engine=80.0, wait=20.0, tokenise=98.0) for n in range(3)]
    assert find_bottleneck([far, *crowded]).slowest == "read"
    assert (
        find_bottleneck([far, *crowded, sign("w3", engine=80.0, wait=20.0, tokenise=98.0)]).slowest
        == "tokenise"
    )


def test_busy_stage_costs_nothing_while_the_engine_does_not_wait() -> None:
    assert find_bottleneck([sign(read=99.0)]).slowest == "engine"


def test_waiting_without_a_busy_stage_is_reported_as_wait() -> None:
    few = sign(engine=20.0, wait=80.0, read=5.0, tokenise=5.0, write=5.0, store=5.0)
    assert find_bottleneck([few]).slowest == "wait"


def test_idle_workers_mean_too_few_shards() -> None:
    found = find_bottleneck([sign(engine=40.0, wait=2.0, idle=58.0)])
    assert found.slowest == "idle"
    assert found.advice[0].endswith("cut the corpus into smaller shards, or rent fewer machines")


def test_less_than_half_a_minute_of_work_has_no_bottleneck() -> None:
    found = find_bottleneck([sign(engine=1.0, wait=20.0, read=20.0)])
    assert (found.slowest, found.advice) == (None, [])
    assert found.stages["wait"] == pytest.approx(20 / 21)


def test_no_workers_is_no_error() -> None:
    found = find_bottleneck([])
    assert (found.stages, found.slowest, found.advice) == ({}, None, [])


def test_straggler_is_named() -> None:
    fleet = [sign(f"w{n}") for n in range(4)] + [replace(sign("w4"), recent=310.0)]
    assert "far below the median of 1,000 tokens/s on L4 here: w4 (310)" in find_bottleneck(fleet).advice


def test_slower_gpu_type_is_no_straggler() -> None:
    fleet = [sign(f"w{n}") for n in range(4)] + [replace(sign("w4"), recent=310.0, machine={"gpu": "T4"})]
    assert len(find_bottleneck(fleet).advice) == 1


def test_silent_worker_is_named_with_its_age() -> None:
    fleet = [sign(), sign("w1", age=240.0), sign("w2", age=61.0), sign("w3", age=None)]
    assert "no heartbeat for over 60 s: w1 (240 s), w2 (61 s)" in find_bottleneck(fleet).advice


@pytest.mark.parametrize("state", ["done", "stopped", "failed", "lost"])
def test_ended_worker_is_not_silent(state: str) -> None:
    assert len(find_bottleneck([sign(), sign("w1", state=state, age=9_000.0)]).advice) == 1


def test_at_most_three_errors_are_shown() -> None:
    fleet = [replace(sign(f"w{n}"), error="out of memory") for n in range(5)]
    assert find_bottleneck(fleet).advice[1] == (
        "last errors: w0: out of memory; w1: out of memory; w2: out of memory and 2 more"
    )


@pytest.mark.parametrize(
    ("figures", "expected"),
    [
        ({"gpu_percent": 41}, "engines are busy and yet GPUs only 41 %"),
        ({"memory_used_bytes": 95, "memory_total_bytes": 100}, "memory is nearly used up: w0"),
        ({"gpu_memory_used_bytes": 99, "gpu_memory_total_bytes": 100}, "GPU memory is nearly used up: w0"),
        ({"disk_free_bytes": 1_000_000_000}, "less than 2 GB of scratch disk left: w0"),
    ],
)
def test_machine_figures_add_remarks(figures: dict[str, float], expected: str) -> None:
    (_, remark) = find_bottleneck([replace(sign(), machine={"gpu": "L4"} | figures)]).advice
    assert remark.startswith(expected)


def test_unknown_figures_add_no_remark() -> None:
    machine = dict.fromkeys(["gpu", "gpu_percent", "memory_used_bytes", "load", "disk_free_bytes"])
    assert len(find_bottleneck([replace(sign(), machine=machine)]).advice) == 1


def test_worker_without_tokens_has_no_speed() -> None:
    fresh = WorkerHealth("w0", "starting", 1.0, 0, 0.0, None, {}, {})
    assert (fresh.rate, fresh.waiting) == (None, None)


SECONDS = st.floats(0, 10_000)
SIGNS = st.builds(
    WorkerHealth,
    worker=st.text(max_size=5),
    state=st.sampled_from(["starting", "working", "waiting", "done", "stopped", "failed", "lost"]),
    age=st.none() | st.floats(-10, 1e6),
    tokens=st.integers(0, 10**12),
    seconds=SECONDS,
    recent=st.none() | SECONDS,
    stages=st.dictionaries(st.sampled_from([*BACKGROUND_STAGES, *ENGINE_STAGES, "other"]), SECONDS),
    machine=st.dictionaries(
        st.sampled_from(["gpu", "load", "cores", "gpu_percent", "memory_used_bytes", "memory_total_bytes"]),
        st.none() | SECONDS | st.just("L4"),
    ),
    error=st.none() | st.text(max_size=20),
)


@given(st.lists(SIGNS, max_size=8))
def test_engine_wait_and_idle_add_up_to_one(fleet: list[WorkerHealth]) -> None:
    found = find_bottleneck(fleet)
    assert not found.stages or sum(found.stages[stage] for stage in ENGINE_STAGES) == pytest.approx(1)
    assert found.slowest is None or found.advice[0] == ADVICE[found.slowest]
