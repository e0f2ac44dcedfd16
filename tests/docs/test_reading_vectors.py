"""The examples of docs/reading-vectors.md work in every library that they name, where that is installed."""

import os
import subprocess
import sys

import pytest

from tests.docs.test_readme import block
from tests.support.cli_runs import Launching, embedfleet, shards

ROWS = {
    "polars": "print(vectors.height, len(vectors['vector'][0]))",
    "duckdb": "print(*duckdb.sql('SELECT count(*), len(any_value(vector)) FROM vectors').fetchall()[0])",
    "ray": "print(vectors.count(), len(vectors.take(1)[0]['vector']))",
}


@pytest.fixture(scope="module")
def run(tmp_path_factory: pytest.TempPathFactory) -> Launching:
    """A finished run with a loser's file beside its own."""
    folder = tmp_path_factory.mktemp("run")
    shards(folder, 3)
    laptop = Launching(folder, output="{path: vectors}")
    assert embedfleet("launch", "plan.json", folder=folder).returncode == 0
    good = next((folder / "vectors" / "data").iterdir())
    (good.parent / "0123456789abcdef-feedfeedfeed.parquet").write_bytes(good.read_bytes())
    return laptop


HEAVY = pytest.param("ray", marks=pytest.mark.e2e)  # a cluster of its own
# Of this machine alone, and it tells nobody.
BEFORE = {"ray": "import ray\nray.init(num_cpus=1, include_dashboard=False, _node_ip_address='127.0.0.1')\n"}


@pytest.mark.parametrize("library", ["duckdb", "polars", HEAVY])
def test_the_example_reads_every_row_once(library: str, run: Launching) -> None:
    pytest.importorskip(library, reason=f"pip install {library}", exc_type=ImportError)
    code = f"{BEFORE.get(library, '')}{block(library).replace('RUN', run.run)}\n{ROWS[library]}\n"
    done = subprocess.run(
        [sys.executable, "-c", code],
        cwd=run.folder,
        env=os.environ | {"RAY_USAGE_STATS_ENABLED": "0"},
        capture_output=True,
        text=True,
        timeout=600,
        check=False,
    )
    assert done.returncode == 0, done.stderr
    assert done.stdout.split()[-2:] == [str(32 * 3), "32"]
