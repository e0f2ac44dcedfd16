"""The small run of `bench`, with real workers on this machine."""

import pytest

from launcher.bench.trial_run import TrialSize, run_trial
from launcher.errors import Problem
from launcher.throughput.local_machine import ProbeRequest, WorkerSlots
from launcher.throughput.probes import loaded_probes


def test_error_of_a_dead_worker_is_raised() -> None:
    asked = ProbeRequest("hash", "hash", ["a fine book"] * 9, None, None, "")
    with (
        loaded_probes(asked, WorkerSlots(1, 1, 0)) as probes,
        pytest.raises(Problem, match="32 dimensions") as caught,
    ):
        run_trial(asked, probes.use, TrialSize(0.1, 1_000, 5, dimensions=64), probes.work)
    assert "a worker died" in str(caught.value)


def test_slow_machine_gets_smaller_shards() -> None:
    asked = ProbeRequest("hash", "hash", ["a fine book"] * 9, None, None, "")
    with loaded_probes(asked, WorkerSlots(1, 1, 0)) as probes:
        found = run_trial(asked, probes.use, TrialSize(1.0, 30.0, 5.0), probes.work)
    assert (found.shards, found.tokens) == (3, 30)
