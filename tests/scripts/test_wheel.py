"""The wheel works in an environment of its own, outside the checkout: commands, package data, Python package."""

import json
import os
import subprocess
import sys
import venv
import zipfile
from dataclasses import dataclass
from pathlib import Path

import numpy as np
import pytest

from launcher import __version__
from tests.support.cli_runs import environment
from tests.support.paths import ROOT
from tests.support.runs import write_jsonl

pytestmark = [pytest.mark.slow, pytest.mark.xdist_group("wheel")]
PROSE = "This is the story of a man that was on the way to the sea, and it is not a short one."


@dataclass(frozen=True)
class Installed:
    """An environment with the wheel, and of ours only the libraries that it depends on."""

    wheel: Path
    bin: Path
    folder: Path

    def run(self, *words: str) -> str:
        """What a command prints, run outside the checkout."""
        env = environment() | {"PATH": f"{self.bin}{os.pathsep}/usr/bin:/bin"}
        env.pop("PYTHONPATH", None)
        done = subprocess.run(words, cwd=self.folder, env=env, capture_output=True, text=True, check=False)
        assert done.returncode == 0, done.stderr
        return done.stdout


@pytest.fixture(scope="module")
def installed(tmp_path_factory: pytest.TempPathFactory) -> Installed:
    pytest.importorskip("hatchling", reason="pip install hatchling")
    folder = tmp_path_factory.mktemp("wheel")
    build = [sys.executable, "-m", "hatchling", "build", "-t", "wheel", "-d", str(folder / "dist")]
    subprocess.run(build, cwd=ROOT, check=True, capture_output=True)
    (wheel,) = (folder / "dist").iterdir()
    venv.create(folder / "venv", with_pip=False, symlinks=True)
    python = folder / "venv" / "bin" / "python"
    install = [
        sys.executable,
        "-m",
        "pip",
        "--python",
        str(python),
        "install",
        "-q",
        "--no-deps",
        "--no-index",
    ]
    subprocess.run([*install, str(wheel)], check=True, capture_output=True, cwd=folder)
    (own,) = (folder / "venv" / "lib").glob("python*/site-packages")
    # The dependencies take minutes to install: they are those of this environment. Its .pth files are not read, so that
    # the checkout is not in the way.
    (own / "dependencies.pth").write_text(f"{Path(np.__file__).parents[1]}\n")
    (folder / "work" / "reviews").mkdir(parents=True)
    rows = ({"id": f"r{n}", "text": f"{PROSE} {n}"} for n in range(20))
    write_jsonl(folder / "work" / "reviews" / "a.jsonl", rows)
    return Installed(wheel, python.parent, folder / "work")


def test_wheel_holds_packages_and_their_data(installed: Installed) -> None:
    names = zipfile.ZipFile(installed.wheel).namelist()
    tops = {name.partition("/")[0] for name in names} - {f"embedfleet-{__version__}.dist-info"}
    assert tops == {"embedfleet", "launcher", "tasks", "pricing"}
    assert {"embedfleet/py.typed", "launcher/data/job.schema.json", "launcher/data/models.csv"} <= set(names)


def test_commands_start(installed: Installed) -> None:
    said = f"embedfleet {__version__}\n"
    assert installed.run("embedfleet", "--version") == said
    assert installed.run("python", "-m", "embedfleet", "--version") == said
    where = "import embedfleet, launcher; print(embedfleet.__file__, launcher.__file__)"
    assert str(ROOT) not in installed.run("python", "-c", where)


def test_from_init_to_vectors(installed: Installed) -> None:
    installed.run("embedfleet", "init", "reviews", "--yes")
    job = installed.folder / "job.yaml"
    job.write_text(job.read_text().replace("model: BAAI/bge-small-en-v1.5", "model: hash"))
    plan = json.loads(
        installed.run("embedfleet", "plan", "job.yaml", "--on", "local", "--probe", "0", "--json")
    )
    assert plan["profile"]["documents"] == 20
    installed.run("embedfleet", "launch", "job.yaml", "--on", "local", "--probe", "0")
    code = "import embedfleet as ef; print(ef.load('vectors').read_all().num_rows)"
    assert installed.run("python", "-c", code) == "20\n"
    assert installed.run("embedfleet", "search", f"{PROSE} 7", "-k", "1").split().count("r7") == 1
