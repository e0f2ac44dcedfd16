"""A run goes on only with the corpus and the model that its plan saw."""

from dataclasses import replace
from pathlib import Path

import pytest

from launcher.fleet.recovery.planned_inputs import check_planned_inputs
from tasks.models.fingerprint import ModelChanged, fingerprint_of
from tasks.protocol.manifest import Header, RunNotFound
from tasks.stores.folder import FolderStore
from tests.support.runs import corpus, launch
from tests.support.sample_plan import saved, saved_local


@pytest.fixture
def header(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> Header:
    monkeypatch.setenv("EMBEDFLEET_CACHE", str(tmp_path / "cache"))
    for name in ("in", "m"):
        (tmp_path / name).mkdir()
    corpus(tmp_path / "in", 1, 3)
    (tmp_path / "m" / "model.safetensors").write_bytes(b"weights")
    model = str(tmp_path / "m")
    found = launch(FolderStore(tmp_path / "out"), tmp_path / "in", 1)
    return replace(found, model=model, model_fingerprint=fingerprint_of(model))


def test_what_was_planned_passes(header: Header) -> None:
    check_planned_inputs(saved_local(), header)


def test_model_that_changed_is_refused(header: Header) -> None:
    (Path(header.model) / "model.safetensors").write_bytes(b"another fine-tune")
    for plan in (saved_local(), saved()):  # a folder of ours goes to rented machines
        with pytest.raises(ModelChanged):
            check_planned_inputs(plan, header)


def test_what_only_rented_machines_read_is_theirs_to_check(header: Header) -> None:
    elsewhere = replace(header, corpus="/nowhere/corpus", model="/nowhere/model")
    check_planned_inputs(saved(), elsewhere)
    with pytest.raises(RunNotFound):
        check_planned_inputs(saved_local(), elsewhere)
    with pytest.raises(ModelChanged):
        check_planned_inputs(saved_local(), replace(header, model="/nowhere/model"))
