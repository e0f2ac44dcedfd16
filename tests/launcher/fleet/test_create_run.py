"""A run is created only of what was planned."""

from dataclasses import replace
from pathlib import Path

import pytest

from launcher.errors import Problem
from launcher.fleet.create_run import check_unchanged_model, create_run
from launcher.jobs.parse import read_job
from launcher.ledger.ledger import Ledger
from launcher.ledger.records import CORPUS_EVENT
from launcher.planning.saved import plan_file
from tasks.models.fingerprint import fingerprint_of
from tests.support.cli_runs import write_job, write_plan
from tests.support.runs import write_jsonl
from tests.support.sample_plan import saved_local


def test_model_that_changed_after_the_plan_is_refused(
    tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setenv("EMBEDFLEET_CACHE", str(tmp_path / "cache"))
    (tmp_path / "m").mkdir()
    (tmp_path / "m" / "model.safetensors").write_bytes(b"weights")
    plan = saved_local()
    model = str(tmp_path / "m")
    plan = replace(plan, work=replace(plan.work, model=model, model_fingerprint=fingerprint_of(model)))
    check_unchanged_model(plan)
    (tmp_path / "m" / "model.safetensors").write_bytes(b"another fine-tune")
    with pytest.raises(Problem, match="the model changed after the plan was made") as raised:
        check_unchanged_model(plan)
    assert "--refresh" in raised.value.hint


def test_plan_of_a_version_without_fingerprints_is_launched() -> None:
    plan = saved_local()
    check_unchanged_model(replace(plan, work=replace(plan.work, model="/nowhere", model_fingerprint=None)))


def test_what_is_odd_about_the_corpus_is_said_and_kept_for_the_report(tmp_path: Path) -> None:
    (tmp_path / "in").mkdir()
    write_jsonl(tmp_path / "in" / "a.jsonl", [{"id": "same", "text": "a text"}] * 3)
    job = write_job(tmp_path)
    plan = plan_file.read_recorded(write_plan(job))
    said: list[str] = []
    with Ledger.open(tmp_path / "ledger.db") as ledger:
        run = create_run(ledger, plan, *read_job(job), say=said.append)
        kept = [event.text for event in ledger.runs.events(run.id) if event.kind == CORPUS_EVENT]
    assert len(kept) == 1
    assert kept[0].startswith("ids are not unique")
    assert kept[0] in said
