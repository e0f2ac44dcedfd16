"""`embedfleet load` as a user runs it, into Lance, which needs no server: exit statuses, what is said, and JSON."""

import json
import re
from dataclasses import asdict
from pathlib import Path
from typing import Any

import jsonschema
import pytest

from launcher.cli.main import main
from launcher.jobs.job import JobSink
from launcher.planning.saved import plan_file
from scripts.schemas import FOLDER
from tasks.protocol.keys import plan_key
from tests.support import sample_plan
from tests.support.vector_datasets import FINGERPRINT, dataset_of


@pytest.fixture
def output(tmp_path: Path) -> str:
    dataset_of(tmp_path / "out", 3, 20, keep=("title",))
    return str(tmp_path / "out")


def run(*words: str) -> int:
    return main(["load", *words])


def test_load_says_what_it_did_and_that_it_is_right(
    output: str, tmp_path: Path, capsys: pytest.CaptureFixture[str]
) -> None:
    target = str(tmp_path / "docs.lance")
    assert run(output, "--to", target, "--verify") == 0
    said = " ".join(capsys.readouterr().out.split())
    assert "holds run run-1: 60 rows" in said
    assert "60 rows of 3 files" in said
    assert "60 of 60 rows counted, 60 of 60 equal, 60 of 60 find themselves" in said


def test_second_load_is_nothing_new_and_no_error(
    output: str, tmp_path: Path, capsys: pytest.CaptureFixture[str]
) -> None:
    target = str(tmp_path / "docs.lance")
    assert run(output, "--to", target) == 0
    capsys.readouterr()
    for words in ((), ("--dry-run",)):
        assert run(output, "--to", target, *words) == 0
        assert "nothing to load: --verify compares" in capsys.readouterr().out
        assert run(output, "--to", target, "--json", *words) == 0
        name = "load-preview" if words else "load"
        document: dict[str, Any] = json.loads(capsys.readouterr().out)
        jsonschema.validate(document, json.loads((FOLDER / f"{name}.json").read_text(encoding="utf-8")))
        assert (document["schema"], document["action"]) == (f"embedfleet/{name}/1", "nothing")
    assert run(output, "--to", target, "--verify", "--json") == 0
    found: dict[str, Any] = json.loads(capsys.readouterr().out)
    assert (found["action"], found["rows_written"], found["check"]["faults"]) == ("nothing", 0, [])


def test_path_that_lance_refuses_is_named_without_lance_s_own_source(
    output: str, capsys: pytest.CaptureFixture[str]
) -> None:
    assert run(output, "--to", "/proc/docs.lance") == 1
    said = capsys.readouterr().err
    assert said.startswith("Error: Lance cannot use /proc/docs.lance: ")
    assert ".rs:" not in said


def test_preview_writes_nothing(output: str, tmp_path: Path, capsys: pytest.CaptureFixture[str]) -> None:
    target = tmp_path / "docs.lance"
    assert run(output, "--to", str(target), "--dry-run", "--json") == 0
    found: dict[str, Any] = json.loads(capsys.readouterr().out)
    assert (found["action"], found["files"], found["rows"], found["usd"]) == ("create", 3, 60, None)
    assert found["columns"][0] == "id string"
    assert run(output, "--to", str(target), "--dry-run") == 0
    said = capsys.readouterr().out
    assert (
        "index    none: a search goes through all rows\n" in said
    )  # whose memory is not known: nothing is said of it
    assert "nothing was written" in said
    assert not target.exists()


def test_times_of_a_preview_have_their_units(tmp_path: Path, capsys: pytest.CaptureFixture[str]) -> None:
    dataset_of(tmp_path / "out", 1, 6_000)
    assert run(str(tmp_path / "out"), "--to", str(tmp_path / "docs.lance"), "--dry-run") == 0
    said = capsys.readouterr().out
    assert re.search(
        r"^takes    [0-9.]+ s to [0-9.]+ s; the index takes one core of the store [0-9.]+ s to",
        said,
        re.MULTILINE,
    )


def test_another_model_is_refused_with_what_to_do(
    output: str, tmp_path: Path, capsys: pytest.CaptureFixture[str]
) -> None:
    target = str(tmp_path / "docs.lance")
    assert run(output, "--to", target) == 0
    dataset_of(tmp_path / "other", 1, 5, run="run-2", model_fingerprint=FINGERPRINT.replace("1", "2"))
    assert run(str(tmp_path / "other"), "--to", target) == 1
    error, hint = capsys.readouterr().err.splitlines()[-2:]
    assert "holds another model: m, fingerprint sha256:111111111111" in error
    assert hint.startswith("Try: vectors of two models cannot be compared")


@pytest.mark.parametrize(
    ("words", "status", "said"),
    [
        (("--to", "postgresql://ann:s3cret@h/d?table=t"), 2, "the address holds a password"),
        (("--to", "docs.lance", "--index", "ivf"), 2, "no index 'ivf'"),
        (("--to", "docs.lance", "--since", "a", "--replace"), 2, "not allowed with"),
        (("--to", "docs.lance", "--secret", "$"), 2, "the variable is empty here"),
        (("--to", "docs.lance", "--secret", "NOT_SET_HERE"), 2, "the environment has no NOT_SET_HERE"),
        (("--to", "docs.lance", "--keep", "colour"), 1, "keeps no column 'colour'"),
        (("--to", "docs.lance", "--since", "run-7"), 1, "no run of 1 begins with 'run-7'"),
        ((), 2, "--to"),
    ],
)
def test_mistakes_are_two_lines_and_quote_no_secret(
    words: tuple[str, ...],
    status: int,
    said: str,
    output: str,
    tmp_path: Path,
    monkeypatch: pytest.MonkeyPatch,
    capsys: pytest.CaptureFixture[str],
) -> None:
    monkeypatch.chdir(tmp_path)
    assert run(output, *words) == status
    err = capsys.readouterr().err
    assert said in err
    assert "s3cret" not in err
    assert "Traceback" not in err
    assert not (tmp_path / "docs.lance").exists()


def test_folder_that_is_no_dataset_of_ours_is_left_alone(
    output: str, tmp_path: Path, capsys: pytest.CaptureFixture[str]
) -> None:
    target = tmp_path / "docs.lance"
    assert main(["export", output, "--to", str(target)]) == 0
    assert run(output, "--to", str(target)) == 1
    assert "embedfleet load did not make it" in capsys.readouterr().err


def test_without_a_target_the_sink_of_the_job_is_taken(
    output: str, tmp_path: Path, capsys: pytest.CaptureFixture[str]
) -> None:
    assert run(output) == 2
    assert "the job of run run-1 names no sink\nTry: --to TARGET" in capsys.readouterr().err
    body = sample_plan.plan()
    body["work"] |= {"base": str(tmp_path)}
    body["work"]["job"] |= {"sink": asdict(JobSink("docs.lance", keep=()))}
    plan = plan_file.with_digest(plan_file.read_recorded(body))
    (tmp_path / "out" / plan_key("run-1")).write_text(json.dumps(plan_file.dump(plan)))
    assert run(output, "--json") == 0
    found: dict[str, Any] = json.loads(capsys.readouterr().out)
    assert (found["to"], found["rows_written"]) == (str(tmp_path / "docs.lance"), 60)
    assert run(output, "--dry-run", "--to", str(tmp_path / "other.lance"), "--json") == 0
    assert json.loads(capsys.readouterr().out)["to"] == str(tmp_path / "other.lance")
