"""The README and docs/ say what works: commands, options and job files. For links see `test_documents`."""

import os
import re
import subprocess
import sys
from functools import cache
from pathlib import Path

from launcher.jobs.parse import parse
from tests.support.paths import ROOT

PAGES = {
    path.relative_to(ROOT).as_posix(): path.read_text(encoding="utf-8")
    for path in (ROOT / "README.md", *sorted((ROOT / "docs").glob("*.md")))
}
MISTAKES = "docs/mistakes.md"  # of a user: `scripts.mistakes` makes each of them, and writes what is said
MOST_LINES = 250  # of the README: the rest is in docs/
MARKED_JOB = re.compile(r"<!-- job: .*?-->\n```yaml\n(.*?)```", re.DOTALL)
CODE = re.compile(
    r"^```(\w*)\n(.*?)^```|`([^`\n]+)`", re.DOTALL | re.MULTILINE
)  # a block, or code in a sentence
CALL = re.compile(r"(?:^|(?<!import)[ (|])embedfleet ([a-z]+(?: .*)?)")  # not `import embedfleet as ef`


def block(marker: str) -> str:
    """The code after a marker comment, in whichever page has it."""
    pattern = re.compile(rf"<!-- {marker}: .*?-->\n```\w+\n(.*?)```", re.DOTALL)
    found = [match[1] for text in PAGES.values() for match in pattern.finditer(text)]
    assert len(found) == 1, f"{len(found)} blocks are marked {marker}"
    return found[0]


def run_in_shell(code: str, folder: Path, **more: str) -> "subprocess.CompletedProcess[str]":
    path = f"{Path(sys.executable).parent}{os.pathsep}{os.environ['PATH']}"
    environment = os.environ | {"PATH": path, "EMBEDFLEET_RUNS": "runs"} | more
    return subprocess.run(
        ["sh", "-euxc", code], cwd=folder, env=environment, capture_output=True, text=True, check=False
    )


def test_the_tour_and_the_pandas_example_work(tmp_path: Path) -> None:
    done = run_in_shell(block("tour"), tmp_path)
    assert done.returncode == 0, done.stderr
    assert "1 row could not be embedded" in done.stderr
    assert "finished: nothing to do" in done.stderr
    assert (tmp_path / "report.html").read_text(encoding="utf-8").startswith("<!DOCTYPE html>")
    reading = block("reading") + "\nprint(sorted(vectors['id']), len(vectors['vector'].iloc[0]))\n"
    read = subprocess.run(
        [sys.executable, "-c", reading], cwd=tmp_path, capture_output=True, text=True, check=True
    )
    assert read.stdout.strip() == "['r1', 'r2', 'r3'] 32"


def test_the_commands_about_plans_work_without_a_corpus_or_a_network(tmp_path: Path) -> None:
    done = run_in_shell(block("plans"), tmp_path, EMBEDFLEET_PRICES=str(tmp_path))
    assert done.returncode == 0, done.stderr
    assert "A100-80GB" in done.stdout
    assert (tmp_path / "what-if.html").read_text(encoding="utf-8").startswith("<!DOCTYPE html>")


def test_the_job_files_can_be_parsed() -> None:
    jobs = [match[1] for text in PAGES.values() for match in MARKED_JOB.finditer(text)]
    assert len(jobs) >= 5
    for job in jobs:
        assert parse(job).name


def test_every_command_and_option_that_is_written_exists() -> None:
    calls = [
        (name, call.split())
        for name, text in PAGES.items()
        if name != MISTAKES
        for found in CODE.finditer(text)
        if found[1] in (None, "", "sh", "text")
        for line in (found[2] or found[3]).splitlines()
        for call in CALL.findall(line.partition("#")[0])
    ]
    assert len(calls) > 50
    for name, words in calls:
        command = tuple(words[:2]) if words[1:2] in (["rebuild"], ["refresh"]) else (words[0],)
        known = set(re.findall(r"--?[a-z][a-z-]*", help_of(command)))
        options = {word.partition("=")[0] for word in words if re.match(r"--?[a-z]", word)}
        assert options <= known, f"{name}: embedfleet {' '.join(words)}"


@cache
def help_of(command: tuple[str, ...]) -> str:
    words = [str(Path(sys.executable).parent / "embedfleet"), *command, "--help"]
    done = subprocess.run(words, capture_output=True, text=True, check=False)
    assert done.returncode == 0, f"{command}: {done.stderr}"
    return done.stdout


def test_the_readme_is_short() -> None:
    assert PAGES["README.md"].count("\n") <= MOST_LINES
