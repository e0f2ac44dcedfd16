"""A store, an input folder and the signals of a worker, for the tests of workers."""

import signal
from collections.abc import Iterator
from pathlib import Path

import pytest

from tasks.stores.folder import FolderStore
from tasks.worker.monitoring.signals import Signals


@pytest.fixture
def store(tmp_path: Path) -> FolderStore:
    return FolderStore(tmp_path / "out")


@pytest.fixture
def files(tmp_path: Path) -> Path:
    folder = tmp_path / "corpus"
    folder.mkdir()
    return folder


@pytest.fixture
def signals() -> Iterator[Signals]:
    """The signals of a worker in this process, until the test is over."""
    numbers = (signal.SIGTERM, signal.SIGINT, signal.SIGALRM, signal.SIGUSR1)
    before = {number: signal.getsignal(number) for number in numbers}
    signals = Signals()
    signals.listen()
    yield signals
    signals.ignore_further()
    for number, handler in before.items():
        signal.signal(number, handler)
