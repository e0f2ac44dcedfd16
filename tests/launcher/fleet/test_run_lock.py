"""The lock of a run: one holder at a time, free again when it is released."""

import os
from pathlib import Path

import pytest

from launcher.errors import Problem
from launcher.fleet.run_lock import RunLocked, run_lock


def test_second_holder_is_refused_and_told_who_holds_it(tmp_path: Path) -> None:
    with (
        run_lock(tmp_path / "r1", "r1"),
        pytest.raises(RunLocked, match=f"being driven by process {os.getpid()}$"),
        run_lock(tmp_path / "r1", "r1", tries=0),
    ):
        raise AssertionError


def test_lock_is_free_after_its_holder(tmp_path: Path) -> None:
    for _ in range(2):
        with run_lock(tmp_path / "r1", "r1", tries=0):
            assert (tmp_path / "r1" / "launcher.lock").read_text() == str(os.getpid())


def test_runs_have_locks_of_their_own(tmp_path: Path) -> None:
    with run_lock(tmp_path / "r1", "r1", tries=0), run_lock(tmp_path / "r2", "r2", tries=0):
        pass


def test_a_folder_in_the_place_of_the_lock_is_a_message(tmp_path: Path) -> None:
    (tmp_path / "r1" / "launcher.lock").mkdir(parents=True)
    with (
        pytest.raises(Problem, match=r"the lock .*launcher\.lock cannot be opened") as caught,
        run_lock(tmp_path / "r1", "r1"),
    ):
        raise AssertionError
    assert caught.value.hint.startswith("a folder is where the file should be: move away what is there")
