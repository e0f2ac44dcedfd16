"""The Dockerfiles: hadolint (also in `make check`), what it does not know, and a build where a builder answers."""

import re
import shlex
import shutil
import subprocess
import sys
from collections.abc import Iterator
from pathlib import Path

import pytest

from tests.support.paths import ROOT

FILES = sorted((ROOT / "docker").glob("*.Dockerfile"))
HADOLINT = Path(sys.executable).with_name("hadolint")
BUILDERS = ("docker", "podman", "buildah")


def instructions(path: Path) -> Iterator[tuple[str, str]]:
    """Each instruction and its words, with continued lines joined and comments left out."""
    text = re.sub(r"\\\n", " ", path.read_text(encoding="utf-8"))
    for line in text.splitlines():
        if line.strip() and not line.startswith("#"):
            name, _, words = line.strip().partition(" ")
            yield name, words.strip()


def of(path: Path, name: str) -> list[str]:
    return [words for found, words in instructions(path) if found == name]


def test_both_sides_have_one() -> None:
    assert [path.name for path in FILES] == ["laptop.Dockerfile", "worker.Dockerfile"]


def test_hadolint_finds_nothing() -> None:
    done = subprocess.run([HADOLINT, "--no-color", *FILES], capture_output=True, text=True, check=False)
    assert done.returncode == 0, done.stdout + done.stderr


@pytest.mark.parametrize("path", FILES, ids=lambda path: path.name)
def test_base_image_has_an_exact_version(path: Path) -> None:
    (image,) = of(path, "FROM")
    assert re.fullmatch(r"[\w./-]+:\d+\.\d+\.\d+-[\w.-]+", image)


@pytest.mark.parametrize("path", FILES, ids=lambda path: path.name)
def test_copied_files_exist_and_nothing_is_fetched_by_url(path: Path) -> None:
    assert of(path, "ADD") == []
    ignored = (ROOT / ".dockerignore").read_text(encoding="utf-8").split()
    for words in of(path, "COPY"):
        *sources, _ = words.split()
        for source in sources:
            assert (ROOT / source).exists(), source
            assert source.strip("/") not in ignored


@pytest.mark.parametrize("path", FILES, ids=lambda path: path.name)
def test_what_pip_installs_is_pinned(path: Path) -> None:
    installs = [words for words in of(path, "RUN") if "pip install" in words]
    assert installs
    assert all("--require-hashes" in words or "-c /src/constraints.txt" in words for words in installs)


@pytest.mark.parametrize("path", FILES, ids=lambda path: path.name)
def test_it_does_not_run_as_root(path: Path) -> None:
    names = [name for name, _ in instructions(path)]
    assert of(path, "USER") == ["10001"]
    assert "RUN" not in names[names.index("USER") :]
    assert any("useradd" in words and "--uid 10001" in words for words in of(path, "RUN"))


@pytest.mark.parametrize("path", FILES, ids=lambda path: path.name)
def test_entry_point_is_a_list_of_words(path: Path) -> None:
    (entry,) = of(path, "ENTRYPOINT")
    assert re.fullmatch(r'\[("[^"]+"(, )?)+\]', entry)


def test_locks_that_the_worker_may_name_exist() -> None:
    for lock in ("hash", "torch", "vllm"):
        assert (ROOT / "tasks" / "requirements" / f"{lock}.txt").exists()


@pytest.mark.parametrize("path", FILES, ids=lambda path: path.name)
def test_commands_in_the_comments_name_the_file(path: Path) -> None:
    text = path.read_text(encoding="utf-8")
    builds = re.findall(r"^#\s+(docker build .*)$", text, re.MULTILINE)
    assert builds
    assert all(f"docker/{path.name}" in shlex.split(command) for command in builds)


@pytest.mark.e2e
@pytest.mark.parametrize("path", FILES, ids=lambda path: path.name)
def test_it_builds_where_a_builder_answers(path: Path) -> None:
    builder = next((name for name in BUILDERS if shutil.which(name)), None)
    if builder is None or subprocess.run([builder, "info"], capture_output=True, check=False).returncode:
        pytest.skip("no builder of images answers here")
    command = [
        builder,
        "build",
        "-f",
        str(path),
        "-t",
        f"embedfleet-test-{path.stem.lower()}",
        "--build-arg",
        "LOCK=hash",
    ]
    done = subprocess.run([*command, str(ROOT)], capture_output=True, text=True, check=False)
    assert done.returncode == 0, done.stderr[-2_000:]


def test_a_folder_that_is_mounted_is_written_to_as_the_caller() -> None:
    """The image's own user may not write into the folder of another one: no plan, run or vector could be kept."""
    lines = FILES[0].read_text(encoding="utf-8").splitlines()
    runs = [line for line in lines if "docker run" in line and "-v " in line]
    assert runs
    assert all('--user "$(id -u):$(id -g)" -e HOME=/tmp ' in line for line in runs)
