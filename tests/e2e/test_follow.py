"""Loaders that follow a run are killed with SIGKILL at random moments, while shards come and while they end the load.

What is there is read by the clients of the stores alone, and compared with the files of vectors as pyarrow reads them.
"""

import os
import random
import subprocess
import sys
import time
from pathlib import Path

import pytest

from tests.support.paths import ROOT
from tests.support.run_going_on import GoingOn
from tests.support.stores.store_readers import READERS, InPostgres, wanted
from tests.support.stores.vector_stores import VectorStores

pytestmark = pytest.mark.e2e

KILLS, LAST_KILLS = 8, 4  # while shards come; when all are there
SHARDS, AT_ONCE = 64, 8
PATIENCE = 120.0  # seconds of one loader
SEED = 3
KINDS = ("pgvector", "lance", "redis", "milvus", "qdrant", "chroma")


class LargerShards(GoingOn):
    """Shards whose load takes long enough to be killed in it."""

    rows, dimensions = 1_500, 96


def loader(output: Path, target: str, module: str) -> "subprocess.Popen[bytes]":
    command = [
        sys.executable,
        "-m",
        module,
        "load",
        str(output),
        "--to",
        target,
        "--follow",
        "--parallel",
        "2",
    ]
    environment = os.environ | {"PYTHONPATH": f"{ROOT}:{os.environ.get('PYTHONPATH', '')}"}
    with (output.parent / "said").open("ab") as said:
        return subprocess.Popen(command, cwd=output.parent, env=environment, stdout=said, stderr=said)


def storm(going: GoingOn, target: str, module: str = "launcher.cli") -> int:
    """Commit shards and kill loaders of them, each after it loaded a file; end the run, and kill some more.

    Returns the status of the loader that is left alone.
    """
    dice = random.Random(SEED)
    there = InPostgres(target) if target.startswith("postgresql") else READERS["qdrant"](target, going.folder)
    for kill in range(KILLS + LAST_KILLS):
        process = loader(going.folder, target, module)
        if kill < KILLS:
            before, end = there.files(), time.monotonic() + PATIENCE
            for shard in range(kill * AT_ONCE, (kill + 1) * AT_ONCE):
                going.do(shard)
            while process.poll() is None and there.files() <= before:
                assert time.monotonic() < end, (going.folder.parent / "said").read_text()
                time.sleep(0.002)
            time.sleep(dice.uniform(0, 0.01))
        else:
            if kill == KILLS:
                going.end()
            time.sleep(dice.uniform(0, 4))  # while it starts, loads what is left, or builds the index
        if kill < KILLS:
            assert process.poll() is None, (going.folder.parent / "said").read_text()
        process.kill()
        process.wait()
    return loader(going.folder, target, module).wait(PATIENCE)


@pytest.mark.parametrize("kind", KINDS)
def test_follower_is_killed_at_random_moments(kind: str, stores: VectorStores, tmp_path: Path) -> None:
    going = LargerShards(tmp_path / "out", SHARDS)
    target = stores.address(kind, tmp_path)
    assert storm(going, target) == 0, (tmp_path / "said").read_text()
    there = InPostgres(target) if kind == "pgvector" else READERS[kind](target, going.folder)
    rows, truth = there.rows(), wanted(going.folder)
    assert len(rows) == len(truth) == SHARDS * going.rows  # none doubled
    assert dict(rows) == truth  # none lost, none altered


def test_follower_that_makes_up_keys_does_not_pass(stores: VectorStores, tmp_path: Path) -> None:
    going = LargerShards(tmp_path / "out", SHARDS)
    target = stores.address("redis", tmp_path)
    assert storm(going, target, "tests.support.stores.made_up_keys_loader") == 1
    assert f"rows, and run run-1 has {SHARDS * going.rows:,}" in (tmp_path / "said").read_text()
