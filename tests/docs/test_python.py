"""docs/python.md and the notebook are run as they are written."""

import json
import os
import subprocess
import sys
from pathlib import Path

import pytest

from tests.docs.test_readme import block
from tests.support.cli_runs import environment
from tests.support.paths import ROOT
from tests.support.vector_runs import grow

JOB = "name: small\ncorpus: {path: in, text: text, id: id}\nmodel: hash\noutput: {path: vectors}\nlocal: {workers: 1}\n"


def run(code: str, folder: Path) -> str:
    """What a program prints, run in a folder."""
    path = os.pathsep.join(filter(None, (str(ROOT), os.environ.get("PYTHONPATH"))))
    done = subprocess.run(
        [sys.executable, "-c", code], cwd=folder, env=environment(PYTHONPATH=path), capture_output=True, text=True,
        timeout=300, check=False,
    )  # fmt: skip
    assert done.returncode == 0, done.stderr
    return done.stdout


def cells() -> list[str]:
    notebook = json.loads((ROOT / "docs" / "quickstart.ipynb").read_text(encoding="utf-8"))
    assert all(not cell.get("outputs") for cell in notebook["cells"])
    return ["".join(cell["source"]) for cell in notebook["cells"] if cell["cell_type"] == "code"]


def test_example_of_the_page_works(tmp_path: Path) -> None:
    grow(tmp_path, "a", 5)
    (tmp_path / "job.yaml").write_text(JOB)
    assert run(f"{block('python')}\nprint(table.num_rows, len(found))", tmp_path).split()[-2:] == ["5", "3"]


@pytest.mark.slow
def test_notebook_runs_from_top_to_bottom(tmp_path: Path) -> None:
    code = "\n".join(cells())
    said = run(
        f"{code}\nprint(found['id'][0], len(ef.load(report.output, as_='pandas')), len(ef.runs()))", tmp_path
    )
    assert said.split()[-3:] == ["r3", "21", "2"]
