"""A laptop without torch plans rented machines for a real corpus; only this machine's own figures are missing."""

import json
import os
import subprocess
import sys
import sysconfig
from pathlib import Path

import pytest

from tests.support.paths import ROOT

HIDDEN = ("torch", "transformers", "sentence_transformers", "vllm", "peft", "safetensors")


@pytest.fixture(scope="module")
def libraries(tmp_path_factory: pytest.TempPathFactory) -> Path:
    """The packages that are installed here, less those that embed."""
    folder = tmp_path_factory.mktemp("libraries")
    for path in Path(sysconfig.get_path("purelib")).iterdir():
        if path.name.split("-")[0].split(".")[0] not in HIDDEN:
            (folder / path.name).symlink_to(path)
    return folder


def run(libraries: Path, folder: Path, *words: str) -> "subprocess.CompletedProcess[str]":
    env = os.environ | {"PYTHONPATH": f"{ROOT}{os.pathsep}{libraries}", "EMBEDFLEET_PRICES": str(folder)}
    return subprocess.run(
        [sys.executable, "-S", "-m", "launcher.cli", *words],
        cwd=folder,
        env=env,
        capture_output=True,
        text=True,
        check=False,
    )


@pytest.fixture
def job(tmp_path: Path, minilm: str) -> Path:
    (tmp_path / "in").mkdir()
    lines = (json.dumps({"id": str(n), "text": f"a book about number {n}"}) for n in range(20))
    (tmp_path / "in" / "a.jsonl").write_text("\n".join(lines))
    job = tmp_path / "job.yaml"
    job.write_text(f"{{name: books, corpus: {{path: in, id: id}}, model: {minilm}, output: {{path: out}}}}")
    return job


def test_plan_of_a_real_corpus_needs_no_torch(libraries: Path, job: Path) -> None:
    done = run(libraries, job.parent, "plan", str(job), "--offline", "--json")
    assert done.returncode == 0, done.stderr
    plan = json.loads(done.stdout)
    assert plan["profile"]["documents"] == 20
    assert all(group["cloud"] != "local" for group in plan["lots"])
    assert any("torch is not installed here" in item for item in plan["not_priced"])


def test_this_machine_is_refused_by_the_name_of_what_is_missing(libraries: Path, job: Path) -> None:
    done = run(libraries, job.parent, "plan", str(job), "--offline", "--on", "local")
    assert done.returncode == 2
    assert "torch is not installed here" in done.stderr
    assert "pip install 'embedfleet[worker]'" in done.stderr


def test_doctor_says_absent_and_what_this_machine_cannot_do(libraries: Path, job: Path) -> None:
    done = run(libraries, job.parent, "doctor", str(job), "--json")
    checks = {check["name"]: check for check in json.loads(done.stdout)["checks"]}
    assert checks["torch"]["verdict"] == "absent"
    assert checks["engine"]["verdict"] == "warn"
    job.write_text(job.read_text().replace("name: books", "name: books, limits: {clouds: [local]}"))
    done = run(libraries, job.parent, "doctor", str(job), "--json")
    checks = {check["name"]: check for check in json.loads(done.stdout)["checks"]}
    assert checks["engine"]["verdict"] == "fail"
    assert done.returncode == 1
