"""docs/tutorial.md works as it is written: its blocks run one after the other, in an empty folder."""

import json
import os
import re
import socket
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
        with socket.create_server(("127.0.0.1", 0)) as free:
            port = str(free.getsockname()[1])
        query = "trap 'kill $! 2> /dev/null || :' EXIT\n" + block("tutorial-query").replace("8000", port)
        asked = run_in_shell(query, done, PATH=path, **place)
        search = run_in_shell("embedfleet search 'how do I repair my bike?' -k 2 --json", done)
    assert ran.returncode == 0, ran.stdout + ran.stderr
    assert "4 of 4 equal" in ran.stdout
    assert "garden.rst" in ran.stdout
    assert "(2 rows)" in ran.stdout
    assert asked.returncode == 0, asked.stdout + asked.stderr
    hits = [(hit["id"], hit["score"]) for hit in json.loads(search.stdout)["hits"]]
    rows = re.findall(r"^ (\S+) *\| +([-\d.]+)$", asked.stdout, re.MULTILINE)
    assert [(one, round(float(cosine), 4)) for one, cosine in rows] == [
        (one, round(cosine, 4)) for one, cosine in hits
    ]
