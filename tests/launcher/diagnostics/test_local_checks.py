"""Checks of this machine, of a job and of an output path."""

from pathlib import Path

import pytest

from launcher.diagnostics import local_checks
from launcher.diagnostics.local_checks import library_checks, machine_checks, named_plan, subject_checks
from launcher.planning.saved.plan_file import BadPlan
from tests.support.cli_runs import records, write_job, write_plan
from tests.support.runs import write_jsonl


@pytest.fixture
def job(tmp_path: Path) -> Path:
    (tmp_path / "in").mkdir()
    write_jsonl(tmp_path / "in" / "a.jsonl", records("d", [10] * 5))
    return write_job(tmp_path)


def test_machine_checks_are_version_gpu_and_disk(tmp_path: Path) -> None:
    found = {check.name: check for check in machine_checks(tmp_path / "runs")}
    assert list(found) == ["embedfleet", "gpu", "disk"]
    assert "GiB free" in found["disk"].seen
    assert not (tmp_path / "runs").exists()


def test_little_disk_space_is_a_warning(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr(local_checks, "MIN_FREE_DISK_BYTES", 2**80)
    disk = machine_checks(tmp_path)[-1]
    assert (disk.verdict, disk.hint) == (
        "warn",
        "free some space: models and shards in progress are kept here",
    )


def test_missing_library_is_no_failure(monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr(local_checks, "LIBRARIES", {"no-such-distribution": "does nothing"})
    (check,) = library_checks()
    assert (check.verdict, check.seen) == ("absent", "not installed here; does nothing")


def test_job_is_checked_with_model_corpus_and_store(job: Path) -> None:
    found = {check.name: check for check in subject_checks(str(job))}
    assert list(found)[:3] == ["job", "model", "corpus"]
    assert "1 file," in found["corpus"].seen
    assert found["store: write"].verdict == "ok"
    assert {check.verdict for check in found.values()} == {"ok"}


def test_missing_corpus_fails_its_check_alone(tmp_path: Path) -> None:
    found = {check.name: check.verdict for check in subject_checks(str(write_job(tmp_path)))}
    assert (found["job"], found["model"], found["corpus"]) == ("ok", "ok", "fail")


def test_broken_job_is_one_failed_check(tmp_path: Path) -> None:
    path = tmp_path / "job.yaml"
    path.write_text("nam: x\n", encoding="utf-8")
    (check,) = subject_checks(str(path))
    assert (check.name, check.verdict) == ("job", "fail")


def test_output_path_is_checked_as_a_store(tmp_path: Path) -> None:
    assert all(check.name.startswith("store: ") for check in subject_checks(str(tmp_path)))


def test_named_plan_is_read_from_json_alone(job: Path) -> None:
    run = write_plan(job)["run"]
    plan = named_plan(str(job.parent / "plan.json"))
    assert plan is not None
    assert plan.run == run
    assert named_plan(str(job)) is None
    assert named_plan(None) is None


def test_named_plan_that_was_edited_is_refused(job: Path) -> None:
    write_plan(job)
    path = job.parent / "plan.json"
    path.write_text(path.read_text().replace('"workers": 2', '"workers": 3'), encoding="utf-8")
    with pytest.raises(BadPlan, match="digest"):
        named_plan(str(path))
