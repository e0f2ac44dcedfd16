"""What the README says of reading vectors works in every library that it names, where that is installed."""

import subprocess
import sys
from pathlib import Path

import pytest

from tests.launching import Launching, embedfleet, shards
from tests.test_readme import block

ROWS = {
    "polars": "print(vectors.height, len(vectors['vector'][0]))",
    "duckdb": "print(*duckdb.sql('SELECT count(*), len(any_value(vector)) FROM vectors').fetchone())",
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


@pytest.mark.parametrize("library", sorted(ROWS))
def test_the_example_reads_every_row_once(library: str, run: Launching) -> None:
    pytest.importorskip(library, reason=f"pip install {library}", exc_type=ImportError)
    code = block(library).replace("RUN", run.run) + f"\n{ROWS[library]}\n"
    path = Path(run.folder)
    done = subprocess.run(
        [sys.executable, "-c", code], cwd=path, capture_output=True, text=True, timeout=300, check=False
    )
    assert done.returncode == 0, done.stderr
    assert done.stdout.split()[-2:] == [str(32 * 3), "32"]
