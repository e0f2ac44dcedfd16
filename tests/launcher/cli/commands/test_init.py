"""`init` writes a job that can be planned, asks nothing with --yes, and never overwrites without being told to."""

import json
from pathlib import Path

import pytest

from launcher.jobs.parse import read_job
from tests.support.cli_runs import in_process
from tests.support.runs import write_jsonl

PROSE = "This is the story of a man that was on the way to the sea, and it is not a short one."


@pytest.fixture
def folder(tmp_path: Path) -> Path:
    (tmp_path / "reviews").mkdir()
    write_jsonl(
        tmp_path / "reviews" / "a.jsonl", ({"id": f"r{n}", "body": f"{PROSE} {n}"} for n in range(20))
    )
    return tmp_path


def test_init_writes_a_job_that_can_be_planned(folder: Path) -> None:
    done = in_process("init", "reviews", "--yes", folder=folder)
    assert done.returncode == 0, done.stderr
    assert done.stdout.splitlines()[-1] == "Next     embedfleet plan job.yaml"
    job = folder / "job.yaml"
    first = job.read_text().splitlines()[0]
    assert first.startswith("# yaml-language-server: $schema=file://")
    assert Path(first.partition("file://")[2]).exists()
    job.write_text(job.read_text().replace("model: BAAI/bge-small-en-v1.5", "model: hash"))  # no hub here
    planned = in_process("plan", "job.yaml", "--on", "local", "--probe", 0, "--json", folder=folder)
    assert planned.returncode == 0, planned.stderr
    assert json.loads(planned.stdout)["profile"]["documents"] == 20


def test_init_never_overwrites_unless_told_to(folder: Path) -> None:
    (folder / "job.yaml").write_text("mine")
    refused = in_process("init", "reviews", "--yes", folder=folder)
    assert (refused.returncode, (folder / "job.yaml").read_text()) == (2, "mine")
    assert "job.yaml exists already" in refused.stderr
    assert in_process("init", "reviews", "-o", "other.yaml", folder=folder).returncode == 0
    assert in_process("init", "reviews", "--force", folder=folder).returncode == 0
    assert (folder / "job.yaml").read_text() == (folder / "other.yaml").read_text().replace(
        "other.yaml", "job.yaml"
    )


def test_init_without_a_path_takes_this_folder(folder: Path) -> None:
    done = in_process("init", "--json", folder=folder / "reviews")
    document = json.loads(done.stdout)
    assert (document["corpus"], document["text"], document["id"]) == (".", "body", "id")
    assert document["job"] == (folder / "reviews" / "job.yaml").read_text()


def test_folder_with_nothing_to_read_is_an_error_and_writes_nothing(tmp_path: Path) -> None:
    done = in_process("init", "-y", folder=tmp_path)
    assert done.returncode != 0
    assert not (tmp_path / "job.yaml").exists()


@pytest.mark.parametrize("end", ["\n", "\x85", "\u2028", "\u2029"])
def test_a_hostile_column_adds_no_key_to_the_job(tmp_path: Path, end: str) -> None:
    """YAML takes more characters for the end of a line than JSON escapes."""
    column = f"a{end}limits: {{budget: $999}}{end}#"
    (tmp_path / "c").mkdir()
    write_jsonl(
        tmp_path / "c" / "a.jsonl",
        [{"text": f"some words of text {n}", "id": n, column: "x"} for n in range(9)],
    )
    done = in_process("init", "c", "--json", folder=tmp_path)
    assert done.returncode == 0, done.stderr
    job = read_job(tmp_path / "job.yaml")[0]
    assert job.limits.budget is None
    text = (tmp_path / "job.yaml").read_text(encoding="utf-8").replace("# keep", "keep")
    (tmp_path / "job.yaml").write_text(text, encoding="utf-8")
    kept = read_job(tmp_path / "job.yaml")[0]
    assert kept.output is not None
    assert kept.output.keep == (column,)
