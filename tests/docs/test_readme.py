"""The README says what is there and what works: its map, its tour, its example of reading."""

import os
import re
import subprocess
import sys
from pathlib import Path

from tests.support.paths import ROOT

README = (ROOT / "README.md").read_text(encoding="utf-8")
FOLDERS = ("launcher", "tasks", "pricing", "demo", "benchmarks")


def block(marker: str) -> str:
    """The code after a marker comment."""
    found = re.search(rf"<!-- {marker}: .*?-->\n```\w+\n(.*?)```", README, re.DOTALL)
    assert found, marker
    return found[1]


def test_the_map_names_every_file_once_and_no_other() -> None:
    there = {
        path.relative_to(ROOT).as_posix()
        for folder in FOLDERS
        for path in (ROOT / folder).rglob("*.py")
        if "out" not in path.parts and not (path.name == "__init__.py" and path.parent.parent == ROOT)
    }
    named = re.findall(r"^\| `([\w/]+\.py)` \|", README, re.MULTILINE)
    assert sorted(named) == sorted(there)


def test_every_command_of_the_tour_and_the_example_of_reading_work(tmp_path: Path) -> None:
    path = f"{Path(sys.executable).parent}{os.pathsep}{os.environ['PATH']}"
    environment = os.environ | {"PATH": path, "EMBEDFLEET_RUNS": "runs"}
    done = subprocess.run(
        ["sh", "-euxc", block("tour")],
        cwd=tmp_path,
        env=environment,
        capture_output=True,
        text=True,
        check=False,
    )
    assert done.returncode == 0, done.stderr
    assert "1 rows could not be embedded" in done.stderr
    assert "finished: nothing to do" in done.stderr
    assert (tmp_path / "report.html").read_text(encoding="utf-8").startswith("<!DOCTYPE html>")
    reading = block("reading") + "\nprint(sorted(vectors['id']), len(vectors['vector'].iloc[0]))\n"
    read = subprocess.run(
        [sys.executable, "-c", reading], cwd=tmp_path, capture_output=True, text=True, check=True
    )
    assert read.stdout.strip() == "['r1', 'r2', 'r3'] 32"


def test_every_command_about_plans_works_without_a_corpus_or_a_network(tmp_path: Path) -> None:
    path = f"{Path(sys.executable).parent}{os.pathsep}{os.environ['PATH']}"
    environment = os.environ | {"PATH": path, "EMBEDFLEET_RUNS": "runs", "EMBEDFLEET_PRICES": str(tmp_path)}
    done = subprocess.run(
        ["sh", "-euxc", block("plans")],
        cwd=tmp_path,
        env=environment,
        capture_output=True,
        text=True,
        check=False,
    )
    assert done.returncode == 0, done.stderr
    assert "A100-80GB" in done.stdout
    assert (tmp_path / "what-if.html").read_text(encoding="utf-8").startswith("<!DOCTYPE html>")


def test_every_make_target_that_the_readme_names_is_there() -> None:
    targets = re.findall(r"^([a-z0-9-]+):.*##", (ROOT / "Makefile").read_text(encoding="utf-8"), re.MULTILINE)
    assert set(re.findall(r"`?make ([a-z0-9]+)", README)) <= set(targets)
