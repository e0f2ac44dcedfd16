"""A resume that is refused changes nothing of the run."""

import json
import subprocess
from datetime import timedelta
from pathlib import Path

from launcher.errors import ConfirmationNeeded, DeadlineMissed, FailedRows, Usage
from launcher.ledger.ledger import Ledger
from tasks.clock import utc
from tests.support.cli_runs import in_process, write_job
from tests.support.runs import write_jsonl


def test_a_retry_is_agreed_to_before_anything_is_put_back(tmp_path: Path) -> None:
    def command(*words: object) -> "subprocess.CompletedProcess[str]":
        return in_process(*words, folder=tmp_path)

    (tmp_path / "in").mkdir()
    write_jsonl(tmp_path / "in" / "0.jsonl", [{"id": "good", "text": "a text"}, {"id": "bad"}])
    write_job(tmp_path, local="{workers: 1, usd_per_hour: 36}")
    planned = command("plan", "job.yaml", "--on", "local", "--probe", "0.1", "-o", "plan.json")
    assert planned.returncode == 0, planned.stderr
    assert command("launch", "plan.json").returncode == FailedRows.code
    of_run = next((tmp_path / "out" / "_embedfleet").iterdir())
    quarantine = next(of_run.rglob("quarantine/**/*.jsonl"))
    passing = [json.loads(line) | {"retry": True} for line in quarantine.read_text().splitlines()]
    quarantine.write_text("".join(f"{json.dumps(row)}\n" for row in passing))

    def known() -> tuple[object, ...]:
        with Ledger.open(tmp_path / "runs" / "ledger.db") as ledger:
            run = ledger.runs.find()
            kinds = [event.kind for event in ledger.runs.events(run.id)]
            return run.state, ledger.shards.progress(run.id), kinds, sorted(of_run.rglob("*"))

    before = known()
    refused = command("resume", "--retry-failed", "--max-cost", "0.0001")
    assert refused.returncode == ConfirmationNeeded.code, refused.stderr
    assert known() == before
    assert "1 shard with failures is tried again" in command("resume", "--retry-failed").stderr
    assert known() != before


def test_a_budget_for_a_finished_run_changes_nothing_and_says_so(tmp_path: Path) -> None:
    (tmp_path / "in").mkdir()
    write_jsonl(tmp_path / "in" / "0.jsonl", [{"id": "one", "text": "a text"}])
    write_job(tmp_path, local="{workers: 1, usd_per_hour: 36}")
    for words in (
        ("plan", "job.yaml", "--on", "local", "--probe", "0.1", "-o", "plan.json"),
        ("launch", "plan.json"),
    ):
        done = in_process(*words, folder=tmp_path)
        assert done.returncode == 0, done.stderr

    def known() -> tuple[object, ...]:
        with Ledger.open(tmp_path / "runs" / "ledger.db") as ledger:
            run = ledger.runs.find()
            return ledger.costs.budget(run.id), list(ledger.runs.events(run.id))

    before = known()
    again = in_process("resume", "--budget", "77", folder=tmp_path)
    assert again.returncode == 0
    assert "is finished and costs nothing more: its budget stays as it was" in again.stderr
    assert known() == before


def _done_run(folder: Path) -> None:
    """A run of one text on this machine that is finished."""
    (folder / "in").mkdir()
    write_jsonl(folder / "in" / "0.jsonl", [{"id": "one", "text": "a text"}])
    write_job(folder, local="{workers: 1, usd_per_hour: 36}")
    for words in (
        ("plan", "job.yaml", "--on", "local", "--probe", "0.1", "-o", "plan.json"),
        ("launch", "plan.json"),
    ):
        done = in_process(*words, folder=folder)
        assert done.returncode == 0, done.stderr


def test_a_run_that_ended_after_its_deadline_has_a_status_of_its_own(tmp_path: Path) -> None:
    _done_run(tmp_path)
    with Ledger.open(tmp_path / "runs" / "ledger.db") as ledger:
        run = ledger.runs.find()
        finished = ledger.shards.progress(run.id).last_finished
        assert finished is not None
        ledger.steering.set_deadline(run.id, finished - timedelta(minutes=35), utc())
    late = in_process("resume", folder=tmp_path)
    assert late.returncode == DeadlineMissed.code == 7
    assert f"run {run.id} is done, 35 min after its deadline" in late.stderr
    with Ledger.open(tmp_path / "runs" / "ledger.db") as ledger:
        ledger.steering.set_deadline(run.id, finished + timedelta(seconds=1), utc())
    assert in_process("resume", folder=tmp_path).returncode == 0


def test_a_deadline_in_the_past_is_refused_and_changes_nothing(tmp_path: Path) -> None:
    _done_run(tmp_path)
    refused = in_process("resume", "--deadline", "2026-01-31T18:00", folder=tmp_path)
    assert refused.returncode == Usage.code
    assert "--deadline 2026-01-31 18:00 UTC is in the past" in refused.stderr
    with Ledger.open(tmp_path / "runs" / "ledger.db") as ledger:
        assert ledger.steering.deadline(ledger.runs.find().id) is None
