"""Short runs with faults: what `make chaos` does by the thousand, a few times over on each kind of store.

In processes of their own, because workers are forked from the one that makes the faults.
"""

import json
import subprocess
import sys
from typing import Any

import pytest

from tests.chaos.reference import DIMENSIONS, vector
from tests.support.paths import ROOT


def chaos(*words: str) -> tuple[dict[str, Any], str]:
    """The counts of a run with faults, and all that it printed."""
    command = [sys.executable, "-m", "tests.chaos", *words]
    done = subprocess.run(command, cwd=ROOT, capture_output=True, text=True, timeout=400, check=False)
    said = done.stdout + done.stderr
    assert done.stdout.strip(), said
    return json.loads(done.stdout.strip().splitlines()[-1]), said


@pytest.mark.slow
@pytest.mark.parametrize("store", ["folder", "s3", "gcs"])
def test_killed_and_frozen_workers_lose_double_and_change_no_row(store: str) -> None:
    total, said = chaos("--seed", "12", "--store", store, "--shards", "30")
    assert total["bad"] == [], said
    assert (total["lost"], total["doubled"], total["different"], total["changed"]) == (0, 0, 0, 0)
    assert total["rows"] == 30 * 40
    assert total["kills"] + total["zombies"] >= 2, said


def test_without_faults_no_shard_is_done_twice() -> None:
    total, said = chaos("--quiet", "--seed", "4", "--store", "folder", "--shards", "40")
    assert (total["bad"], total["losers"], total["rows"]) == ([], 0, 40 * 40), said


def test_checker_computes_the_vectors_of_the_engine() -> None:
    from tasks.engines.base import embed
    from tasks.engines.hash_engine import HashEncoder
    from tasks.models.tokenizing.pieces import ChunkSpec

    texts = ["one two, three!", "ein Satz: größer", "x"]
    found = embed(HashEncoder(), texts, ChunkSpec(512)).vectors
    assert found.shape == (3, DIMENSIONS)
    assert all((vector(text) == row).all() for text, row in zip(texts, found, strict=True))


@pytest.mark.e2e
def test_the_suite_detects_each_removed_safeguard() -> None:
    command = [sys.executable, "-m", "tests.chaos.mutants"]
    done = subprocess.run(command, cwd=ROOT, capture_output=True, text=True, timeout=1_200, check=False)
    assert done.returncode == 0, done.stdout + done.stderr


@pytest.mark.e2e
def test_full_disk_and_clock_skew_lose_nothing() -> None:
    total, said = chaos("--seed", "105", "--store", "folder")  # a multiple of 5 and of 7: both
    assert "skewed full" in said, said
    assert total["bad"] == [], said


@pytest.mark.e2e
def test_two_laptops_killed_launchers_and_damaged_records_lose_double_and_change_no_row() -> None:
    command = [
        sys.executable,
        "-m",
        "tests.chaos.launcher_storm",
        "--acts",
        "20",
        "--files",
        "12",
        "--seed",
        "3",
    ]
    done = subprocess.run(command, cwd=ROOT, capture_output=True, text=True, timeout=500, check=False)
    assert done.returncode == 0, done.stdout + done.stderr
    found = json.loads(done.stdout)
    assert (found["rows"], found["lost"], found["doubled"], found["different"]) == (12 * 300, 0, 0, 0)
