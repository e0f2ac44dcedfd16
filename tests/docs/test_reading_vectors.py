"""The examples of docs/reading-vectors.md give every row once, after an incremental run and beside a loser's file."""

import os
import subprocess
import sys
from dataclasses import dataclass
from pathlib import Path

import pytest

from launcher.vectors.find_dataset import find_dataset
from tasks.stores.open import open_store
from tests.docs.test_readme import block, run_in_shell
from tests.support.paths import ROOT
from tests.support.vector_runs import incremental_run

ROWS = {
    "reading": "print(len(vectors), len(vectors['vector'].iloc[0]))",
    "polars": "print(vectors.height, len(vectors['vector'][0]))",
    "duckdb": "print(*vectors.aggregate('count(*), len(any_value(vector))').fetchall()[0])",
    "arrow": "print(vectors.num_rows, len(vectors['vector'][0]))",
    "by-hand": "print(len(vectors), len(vectors['vector'].iloc[0]))",
    "by-hand-duckdb": "print(*duckdb.sql('SELECT count(*), len(any_value(vector)) FROM vectors').fetchall()[0])",
    "ray": "print(vectors.count(), len(vectors.take(1)[0]['vector']))",
}
LIBRARIES = {"reading": "pandas", "by-hand": "pandas", "by-hand-duckdb": "duckdb", "arrow": "pyarrow"}
HEAVY = pytest.param("ray", marks=pytest.mark.e2e)  # a cluster of its own
# Of this machine alone, and it tells nobody.
BEFORE = {"ray": "import ray\nray.init(num_cpus=1, include_dashboard=False, _node_ip_address='127.0.0.1')\n"}


@dataclass(frozen=True)
class Runs:
    """Two runs under one output path: the second embedded one new file."""

    folder: Path
    newest: str
    ids: list[str]


@pytest.fixture(scope="module")
def runs(tmp_path_factory: pytest.TempPathFactory) -> Runs:
    folder = tmp_path_factory.mktemp("run")
    ids = incremental_run(folder)
    (folder / "vectors").symlink_to("out")
    return Runs(folder, find_dataset(open_store(str(folder / "out")), "out"), ids)


@pytest.mark.parametrize("example", [name for name in ROWS if name != "ray"] + [HEAVY])
def test_the_example_reads_every_row_once(example: str, runs: Runs) -> None:
    library = LIBRARIES.get(example, example)
    pytest.importorskip(library, reason=f"pip install {library}", exc_type=ImportError)
    code = block(example).replace("RUN", runs.newest)
    if example == "by-hand-duckdb":
        code = f"import duckdb\nduckdb.sql({code!r})"
    done = subprocess.run(
        [sys.executable, "-c", f"{BEFORE.get(example, '')}{code}\n{ROWS[example]}\n"],
        cwd=runs.folder,
        env=os.environ | {"RAY_USAGE_STATS_ENABLED": "0", "PYTHONPATH": str(ROOT)},
        capture_output=True,
        text=True,
        timeout=600,
        check=False,
    )
    assert done.returncode == 0, done.stderr
    assert done.stdout.split()[-2:] == [str(len(runs.ids)), "32"]


def test_the_exports_have_every_row_once(runs: Runs) -> None:
    done = run_in_shell(block("export"), runs.folder, PYTHONPATH=str(ROOT))
    assert done.returncode == 0, done.stderr
    assert done.stdout.count(f"{len(runs.ids)} vectors of 32 dimensions, float32") == 3
