"""`launch --json` and `resume --json`: one document on stdout, whatever the run becomes; progress on stderr."""

import json
from datetime import timedelta
from decimal import Decimal
from pathlib import Path
from typing import Any

import jsonschema
import pytest

from launcher.ledger.ledger import Ledger
from scripts.schemas import FOLDER
from tasks.clock import utc
from tests.support.cli_runs import in_process, records, write_job
from tests.support.runs import write_jsonl


def prepared(folder: Path, rows: list[dict[str, str]], **changes: str) -> Path:
    """A folder with a corpus, and a job for this machine."""
    (folder / "in").mkdir()
    write_jsonl(folder / "in" / "0.jsonl", rows)
    write_job(folder, **{"local": "{workers: 1, usd_per_hour: 36}"} | changes)
    return folder


def document(*words: object, folder: Path, schema: str = "launch") -> dict[str, Any]:
    """The document that a command prints and nothing beside it, checked against the schema."""
    done = in_process(*words, "--json", folder=folder)
    body = json.loads(done.stdout)
    jsonschema.validate(body, json.loads((FOLDER / f"{schema}.json").read_text()))
    assert done.returncode == body.get("code", 0)
    return body | {"stderr": done.stderr}


def test_a_job_that_is_planned_and_done(tmp_path: Path) -> None:
    prepared(tmp_path, records("d", [40] * 5))
    words = ("launch", "job.yaml", "--on", "local", "--probe", 0)
    done = document(*words, folder=tmp_path)
    assert (done["outcome"], done["state"], done["message"]) == ("done", "DONE", None)
    assert (done["documents"], done["shards_done"], done["failed_rows"]) == (5, done["shards"], 0)
    assert json.loads(Path(done["report"]).read_text())["run"] == done["run"]
    assert Path(done["page"]).exists()
    assert done["load"].startswith("import embedfleet as ef")
    assert "100 %" in done["stderr"]  # progress, and the plan, are for people
    status = json.loads(in_process("status", "--json", folder=tmp_path).stdout)
    for key in ("tokens", "seconds", "tokens_per_second"):
        assert done[key] == status[key], key
    for key in ("usd", "usd_known", "usd_per_million_tokens"):
        assert Decimal(done[key]) == Decimal(status[key]), key


def test_resume_of_a_finished_run(tmp_path: Path) -> None:
    prepared(tmp_path, records("d", [40]))
    first = document("launch", "job.yaml", "--on", "local", "--probe", 0, folder=tmp_path)
    again = document("resume", folder=tmp_path, schema="resume")
    assert "nothing to do" in again["stderr"]
    for key in ("run", "outcome", "tokens", "usd"):
        assert again[key] == first[key], key


def test_rows_that_failed_are_in_the_document_and_the_exit_status(tmp_path: Path) -> None:
    prepared(tmp_path, [{"id": "good", "text": "a text"}, {"id": "bad"}])
    done = document("launch", "job.yaml", "--on", "local", "--probe", 0, folder=tmp_path)
    assert (done["outcome"], done["code"], done["failed_rows"]) == ("failed_rows", 6, 1)
    assert "1 row could not be embedded" in done["message"]
    assert done["run"] in done["hint"]
    assert "Error: 1 row could not be embedded" in done["stderr"]


def test_a_missed_deadline_is_in_the_document_and_the_exit_status(tmp_path: Path) -> None:
    prepared(tmp_path, records("d", [40]))
    document("launch", "job.yaml", "--on", "local", "--probe", 0, folder=tmp_path)
    with Ledger.open(tmp_path / "runs" / "ledger.db") as ledger:
        run = ledger.runs.find().id
        finished = ledger.shards.progress(run).last_finished
        assert finished is not None
        ledger.steering.set_deadline(run, finished - timedelta(minutes=35), utc())
    late = document("resume", folder=tmp_path, schema="resume")
    assert (late["outcome"], late["code"], late["documents"]) == ("late", 7, 1)
    assert "35 min after its deadline" in late["message"]


@pytest.mark.parametrize("words", [("--dry-run",), ("--dry-run", "--max-cost", "100")])
def test_what_would_be_launched(words: tuple[str, ...], tmp_path: Path) -> None:
    prepared(tmp_path, records("d", [40]))
    shown = document(
        "launch", "job.yaml", "--on", "local", "--probe", 0, *words, folder=tmp_path, schema="launch-preview"
    )
    assert (shown["rented"], shown["tasks"], shown["refused"]) == (False, [], None)
    assert not (tmp_path / "runs").exists()


def test_a_launch_that_is_refused(tmp_path: Path) -> None:
    prepared(tmp_path, records("d", [40]), limits="{budget: 1}")
    refused = document(
        "launch", "job.yaml", "--on", "local", "--probe", 0, "--max-cost", "0.0001",
        folder=tmp_path, schema="error",
    )  # fmt: skip
    assert refused["code"] == 4
    assert "--max-cost" in refused["error"]
