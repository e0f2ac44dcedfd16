"""A resume that is refused changes nothing of the run."""

import json
import subprocess
from pathlib import Path

from launcher.errors import ConfirmationNeeded, FailedRows
from launcher.ledger.ledger import Ledger
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
    assert "1 shard with failures are tried again" in command("resume", "--retry-failed").stderr
    assert known() != before
