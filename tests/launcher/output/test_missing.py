"""A finished run whose output is gone is noticed."""

import os
import shutil
from pathlib import Path

import pytest

from launcher.output.missing import check_output_there, find_missing, output_gone
from tasks.errors import Problem
from tasks.stores.folder import FolderStore
from tests.support.finished_run import finished_run
from tests.support.runs import receipts_of


def test_a_missing_file_and_a_missing_output_are_named(tmp_path: Path) -> None:
    store = FolderStore(tmp_path / "out")
    header = finished_run(store, tmp_path)
    receipts = receipts_of(store, header)
    check_output_there(store, header.run, receipts)
    key = receipts[0].key
    assert key
    (store.root / key).unlink()
    with pytest.raises(Problem, match=f"1 of {len(receipts)} files are missing, the first is {key}"):
        check_output_there(store, header.run, receipts)
    shutil.rmtree(store.root)
    with pytest.raises(Problem, match="its output is gone"):
        check_output_there(store, header.run, receipts)


def test_a_file_of_another_size_is_named(tmp_path: Path) -> None:
    store = FolderStore(tmp_path / "out")
    header = finished_run(store, tmp_path)
    receipts = receipts_of(store, header)
    key = receipts[0].key
    assert key
    os.truncate(store.root / key, (store.root / key).stat().st_size - 1)
    with pytest.raises(
        Problem,
        match=f"1 of {len(receipts)} files are longer or shorter than their receipts say, the first is {key}",
    ):
        check_output_there(store, header.run, receipts)


def test_a_run_that_was_never_started_is_not_called_finished(tmp_path: Path) -> None:
    missing = find_missing(FolderStore(tmp_path / "out"), "run-1", [])
    assert "was not started" in str(output_gone(missing, finished=False))
    assert "was finished" in str(output_gone(missing))
