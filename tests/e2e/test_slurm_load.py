"""`load --on` for real: machines of the Slurm cluster load a PostgreSQL, and the loader of one of them is killed.

The rows are counted and compared as psycopg reads them, beside the files as pyarrow reads them.
"""

import json
import os
import signal
from collections.abc import Iterator
from decimal import Decimal
from pathlib import Path

import pytest

from tests.e2e.rental import PATIENCE, Launches, open_to_all, wait
from tests.e2e.test_load import assert_exact
from tests.support.clusters.slurm import Slurm
from tests.support.stores.store_readers import InPostgres
from tests.support.stores.vector_stores import VectorStores
from tests.support.vector_datasets import dataset_of

pytestmark = pytest.mark.e2e

FILES, ROWS, DIMENSIONS = 1_500, 40, 96
BEFORE_KILL = 100  # files that are loaded before a loader is killed
CANARY = "canary-value-of-a-rented-secret"


class RentedLoad(Launches):
    """A finished run whose output path every machine sees."""

    def __init__(self, cluster: Slurm, name: str) -> None:
        super().__init__(cluster.sky, cluster.shared / name, cluster.folder / "worker-env")
        self.settings = {"EMBEDFLEET_LOADER_ENV": str(self.worker_env), "CANARY": CANARY}
        self.output = self.folder / "out"
        dataset_of(self.output, FILES, ROWS, DIMENSIONS)
        open_to_all(self.folder)


def loader_processes() -> Iterator[int]:
    """The loaders of rented machines, which are processes of this machine."""
    for path in Path("/proc").glob("[0-9]*"):
        try:
            words = (path / "cmdline").read_bytes().split(b"\0")
        except OSError:
            continue
        if b"--share" in words and b"launcher.cli" in words and words[0].endswith(b"python"):
            yield int(path.name)


def test_rented_loaders_load_each_row_once_although_one_is_killed(
    cluster: Slurm, stores: VectorStores, tmp_path: Path, capsys: pytest.CaptureFixture[str]
) -> None:
    rented, target = RentedLoad(cluster, "rented-load"), stores.address("pgvector", tmp_path)
    there = InPostgres(target)
    place = ("--on", "slurm/east/ondemand", "--loaders", "2", "--usd-per-hour", "0.10")
    begun = rented.start(
        "load", str(rented.output), "--to", target, *place, "--max-cost", "2", "--yes", "--json",
        "--secret", "CANARY",
    )  # fmt: skip
    wait(lambda: begun.poll() is not None or there.files() >= BEFORE_KILL, pause=0.2)
    assert begun.poll() is None, rented.said()
    before = there.files()
    victim = next(loader_processes())
    os.kill(victim, signal.SIGKILL)
    assert before < FILES
    wait(lambda: begun.poll() is not None, PATIENCE)
    said = rented.said()
    assert begun.returncode == 0, said
    assert_exact(there.rows(), rented.output, FILES * ROWS)
    document = json.loads(said[said.index("{\n") :] if "{\n" in said else said.splitlines()[-1])
    assert document["complete"]
    assert Decimal(document["usd"]) > 0
    assert len(document["loaders"]) == 2
    assert not cluster.allocations()
    kept = [path for path in rented.folder.rglob("*") if path.is_file() and path.suffix != ".parquet"]
    assert not [path for path in kept if CANARY.encode() in path.read_bytes()]
    with capsys.disabled():
        print(f"\n{before} of {FILES} files were loaded before the kill\n{said}")
