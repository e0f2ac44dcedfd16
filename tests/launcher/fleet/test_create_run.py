"""A run is created only of what was planned."""

from dataclasses import replace
from pathlib import Path

import pytest

from launcher.errors import Problem
from launcher.fleet.create_run import check_unchanged_model
from tasks.models.fingerprint import fingerprint_of
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
