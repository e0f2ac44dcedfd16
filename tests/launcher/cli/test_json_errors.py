"""Errors of commands with --json: one JSON object on stdout, and the same exit status as without."""

import json
from collections.abc import Callable
from pathlib import Path
from typing import Any

import jsonschema
import pytest

from launcher.cli.main import command_of, main
from launcher.cli.options.commands import Handler
from scripts.schemas import ERROR
from tests.support.cli_runs import in_process, records, run_main, write_job
from tests.support.runs import write_jsonl


def error(*words: object, folder: Path, handler_of: Callable[[str], Handler] = command_of) -> dict[str, Any]:
    """The error that a command prints, checked against the schema, its exit status and its text on stderr."""
    done = run_main(words, folder, handler_of=handler_of)
    body = json.loads(done.stdout)
    jsonschema.validate(body, ERROR)
    assert done.returncode == body["code"]
    assert body["error"].splitlines()[0] in done.stderr
    assert body["try"] in done.stderr
    return body


@pytest.mark.parametrize(
    "words",
    [
        ["plan", "job.yaml", "--json", "--on", "moon"],
        ["plan", "--json"],
        ["--json"],
        ["status", "--json", "--no-such-option"],
        ["statsu", "--js"],
        ["launch", "job.yaml", "--json"],
    ],
)
def test_wrong_arguments(words: list[str], tmp_path: Path) -> None:
    assert error(*words, folder=tmp_path)["code"] == 2


@pytest.mark.parametrize("command", ["status", "report", "verify", "down", "finish"])
def test_a_folder_without_runs(command: str, tmp_path: Path) -> None:
    body = error(command, "--json", folder=tmp_path)
    assert body["code"] == 1
    assert body["error"].startswith("no runs are kept in ")


def test_all_mistakes_of_a_job_are_in_one_object(tmp_path: Path) -> None:
    (tmp_path / "job.yaml").write_text("nam: reviews\ncorpus: {pth: in}\nmodel: hash\n")
    body = error("plan", "job.yaml", "--json", folder=tmp_path)
    assert body["code"] == 2
    assert "job.yaml:1: nam" in body["error"]
    assert "job.yaml:2: corpus.pth" in body["error"]


def test_limits_that_cannot_be_met(tmp_path: Path) -> None:
    (tmp_path / "in").mkdir()
    write_jsonl(tmp_path / "in" / "a.jsonl", records("d", [20] * 5))
    job = write_job(tmp_path, limits="{deadline: 0.001s}")
    words = ("plan", job, "--on", "local", "--probe", 0, "--json")
    assert error(*words, folder=tmp_path)["code"] == 3


def interrupted(_command: str) -> Handler:
    raise KeyboardInterrupt


def test_an_interrupt(tmp_path: Path) -> None:
    assert error("status", "--json", folder=tmp_path, handler_of=interrupted)["code"] == 130


def test_a_bug_keeps_its_traceback(capsys: pytest.CaptureFixture[str]) -> None:
    def broken(_name: str) -> Handler:
        raise KeyError("lots")

    with pytest.raises(KeyError):
        main(["status", "--json"], handler_of=broken)
    body = json.loads(capsys.readouterr().out)
    assert (body["code"], body["error"]) == (1, "a bug: KeyError: 'lots'")


def test_without_json_stdout_stays_empty(tmp_path: Path) -> None:
    assert in_process("status", folder=tmp_path).stdout == ""


@pytest.mark.parametrize(
    ("command", "hint"),
    [
        ("plan", "embedfleet plan left nothing running: give it again"),
        ("launch", "embedfleet status shows what still runs, if the run had begun"),
    ],
)
def test_hint_after_an_interrupt_is_that_of_the_command(
    command: str, hint: str, capsys: pytest.CaptureFixture[str]
) -> None:
    assert main([command, "job.yaml"], handler_of=interrupted) == 130
    assert capsys.readouterr().err == f"Error: interrupted\nTry: {hint}\n"
