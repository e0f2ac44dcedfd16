"""Which loader writes a file: each by one, those of a killed loader by another, and one loader ends the load."""

import threading
from pathlib import Path

import pytest

from launcher.loading.progress import shares
from launcher.loading.progress.shares import Shares
from launcher.vectors.read_dataset import DatasetFile
from tasks.stores.folder import FolderStore
from tests.support.vector_datasets import dataset_of

TTL = 1.0  # seconds


@pytest.fixture(autouse=True)
def impatient(monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr(shares, "POLL_SECONDS", 0.05)


@pytest.fixture
def files(tmp_path: Path) -> tuple[DatasetFile, ...]:
    return dataset_of(tmp_path / "out", 4, 5).files


def never() -> bool:
    return False


def test_two_loaders_never_get_one_file(tmp_path: Path, files: tuple[DatasetFile, ...]) -> None:
    store, done = FolderStore(tmp_path / "store"), set[str]()
    with Shares(store, "run-1", "a" * 12) as one, Shares(store, "run-1", "a" * 12) as other:
        for _ in range(2):
            mine, theirs = one.next(files, lambda: done, never), other.next(files, lambda: done, never)
            assert mine is not None
            assert theirs is not None
            for loader, (file, lease) in ((one, mine), (other, theirs)):
                assert file.sha256 not in done
                done.add(file.sha256)
                loader.release(lease, written=True)
        assert one.next(files, lambda: done, never) is None


def test_file_of_a_killed_loader_goes_to_another(tmp_path: Path, files: tuple[DatasetFile, ...]) -> None:
    store = FolderStore(tmp_path / "store")
    killed = Shares(
        store, "run-1", "a" * 12, TTL
    )  # never entered: nothing renews its lease, as of a killed process
    held = killed.next(files[:1], set, never)
    with Shares(store, "run-1", "a" * 12, TTL) as other:
        found = other.next(files[:1], set, never)
    assert held is not None
    assert found is not None
    assert (found[0], found[1].generation) == (held[0], 2)


def test_living_loader_keeps_its_file(tmp_path: Path, files: tuple[DatasetFile, ...]) -> None:
    store, asked = FolderStore(tmp_path / "store"), threading.Event()
    with (
        Shares(store, "run-1", "a" * 12, 3 * TTL) as living,
        Shares(store, "run-1", "a" * 12, 3 * TTL) as other,
    ):
        living.next(files[:1], set, never)
        timer = threading.Timer(9 * TTL, asked.set)  # far beyond its lease
        timer.start()
        assert other.next(files[:1], set, asked.is_set) is None


def test_file_that_is_given_back_is_free_at_once(tmp_path: Path, files: tuple[DatasetFile, ...]) -> None:
    store = FolderStore(tmp_path / "store")
    with Shares(store, "run-1", "a" * 12) as one, Shares(store, "run-1", "a" * 12) as other:
        found = one.next(files[:1], set, never)
        assert found is not None
        one.release(found[1], written=False)
        assert other.next(files[:1], set, never) is not None


def test_one_loader_ends_the_load(tmp_path: Path) -> None:
    store, complete = FolderStore(tmp_path / "store"), threading.Event()
    with Shares(store, "run-1", "a" * 12) as one, Shares(store, "run-1", "a" * 12) as other:
        assert one.ends(complete.is_set)
        timer = threading.Timer(0.3, complete.set)
        timer.start()
        assert not other.ends(complete.is_set)
