"""docs/tutorial.md works as it is written: its blocks run one after the other, in an empty folder."""

import os
import subprocess
import sys
from pathlib import Path

import pytest

from tests.docs.test_readme import block, run_in_shell
from tests.support.stores.postgres import running_postgres

STEPS = (
    "tutorial",
    "tutorial-model",
    "tutorial-plan",
    "tutorial-launch",
    "tutorial-search",
    "tutorial-lance",
)


@pytest.fixture(scope="module")
def done(tmp_path_factory: pytest.TempPathFactory) -> Path:
    """The folder in which the steps were done."""
    tmp_path = tmp_path_factory.mktemp("tutorial")
    said = ""
    for step in STEPS:
        ran = run_in_shell(block(step), tmp_path)
        assert ran.returncode == 0, f"{step}: {ran.stdout}{ran.stderr}"
        said += ran.stdout + ran.stderr
    assert "4 documents" in said
    assert "find themselves" in said
    assert (tmp_path / "notes.parquet").exists()
    return tmp_path


@pytest.mark.slow
def test_the_tutorial_works(done: Path) -> None:
    read = subprocess.run(
        [sys.executable, "-c", block("tutorial-python") + "\nprint(len(vectors), len(hits))"],
        cwd=done,
        capture_output=True,
        text=True,
        check=False,
    )
    assert read.returncode == 0, read.stderr
    assert read.stdout.splitlines()[-1] == "4 2"


@pytest.mark.slow
def test_lance_finds_the_nearest_notes(done: Path) -> None:
    command = [sys.executable, "-c", block("tutorial-lance-python")]
    read = subprocess.run(command, cwd=done, capture_output=True, text=True, check=False)
    assert read.returncode == 0, read.stderr
    assert read.stdout.count("'_distance'") == 2


@pytest.mark.slow
def test_sql_finds_the_nearest_notes(done: Path, tmp_path: Path) -> None:
    with running_postgres(tmp_path) as server:
        place = {"PGHOST": "127.0.0.1", "PGPORT": str(server.port), "PGUSER": "postgres"}
        path = f"{Path(sys.executable).parent}:{server.binaries}:{os.environ['PATH']}"
        ran = run_in_shell(block("tutorial-pgvector"), done, PATH=path, **place)
    assert ran.returncode == 0, ran.stdout + ran.stderr
    assert "4 of 4 equal" in ran.stdout
    assert "garden.rst" in ran.stdout
    assert "(2 rows)" in ran.stdout
