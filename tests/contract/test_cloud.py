"""The cloud seam on real processes. Every cloud must pass: a name starts one worker, and its end is known or unknown.

A cloud joins by a fixture of its own in `CLOUDS`: the cloud, and the workers of a run that lasts.
"""

import os
import signal
import time
from collections.abc import Callable, Generator
from pathlib import Path
from uuid import uuid4

import psutil
import pytest

from launcher.errors import Problem
from launcher.fleet.backends.base import LaunchRequest, MachineStatus
from launcher.fleet.backends.local import LocalBackend
from launcher.fleet.states import Phase
from tasks.protocol import manifest
from tasks.stores.folder import FolderStore
from tests.support.runs import corpus, done, launch

CLOUDS = ["local"]
PATIENCE = 30.0  # seconds; a worker that starts on a busy machine


def wait(until: Callable[[], bool]) -> None:
    end = time.monotonic() + PATIENCE
    while not until():
        assert time.monotonic() < end, "it took too long"
        time.sleep(0.05)


class Place:
    """A cloud with a run of slow shards, of one document each; a shard takes `seconds`."""

    def __init__(self, cloud: LocalBackend, store: FolderStore, header: manifest.Header) -> None:
        self.cloud = cloud
        self.store = store
        self.header = header
        self.names: list[str] = []

    def start(self, *extra: str, name: str | None = None) -> tuple[str, str]:
        """A worker's name and handle."""
        name = name or f"w-{uuid4().hex[:12]}"
        self.names.append(name)
        self.cloud.options = [
            "--store",
            str(self.store.root),
            "--run",
            self.header.run,
            "--heartbeat",
            "0.2",
            *extra,
        ]
        handle = self.cloud.start([LaunchRequest(name, 0)])[name]
        assert isinstance(handle, str), handle
        return name, handle

    def works(self, name: str) -> bool:
        """Whether it holds a shard."""
        key = f"_embedfleet/{self.header.run}/workers/{name}.json"
        stream = self.store.get(key)
        if stream is None:
            return False
        with stream:
            return b'"working"' in stream.read()

    def over(self, handle: str) -> bool:
        return not self.runs(handle)

    def runs(self, handle: str) -> bool:
        sight = self.cloud.status(handle)
        return sight is not None and sight.phase == Phase.RUNNING

    def code(self, handle: str) -> int | None:
        sight = self.cloud.status(handle)
        return sight.exit_code if sight else None

    def clean(self) -> None:
        for name in self.names:
            handle = self.cloud.find(name)
            if handle:
                process = psutil.Process(int(handle.partition(":")[0]))
                process.kill()
        for child in self.cloud.children.values():
            child.wait()


def another(cloud: LocalBackend) -> LocalBackend:
    """The same cloud as a launcher sees it that started none of its workers."""
    return LocalBackend(cloud.logs.parent)


@pytest.fixture(params=CLOUDS)
def place(
    request: pytest.FixtureRequest, tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> Generator[Place, None, None]:
    assert request.param == "local"
    monkeypatch.setenv("EMBEDFLEET_HASH_SECONDS", "30")  # of 1,000 tokens: a second for a shard of these
    (tmp_path / "in").mkdir()
    corpus(tmp_path / "in", 4, 1, words=31)
    store = FolderStore(tmp_path / "out")
    found = Place(LocalBackend(tmp_path), store, launch(store, tmp_path / "in", 4))
    yield found
    found.clean()


def test_a_worker_that_was_started_runs(place: Place) -> None:
    _, handle = place.start()
    assert place.runs(handle)


def test_a_worker_is_found_by_its_name(place: Place) -> None:
    name, handle = place.start()
    wait(lambda: place.cloud.find(name) is not None)
    assert place.cloud.find(name) == handle
    assert another(place.cloud).find(name) == handle


def test_no_worker_is_found_by_a_name_that_nobody_has(place: Place) -> None:
    name, _ = place.start()
    wait(lambda: place.cloud.find(name) is not None)
    assert place.cloud.find(name[:-1]) is None
    assert place.cloud.find("w") is None


def test_a_worker_that_has_nothing_to_do_ends_with_0(place: Place, monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.delenv("EMBEDFLEET_HASH_SECONDS")
    _, handle = place.start()
    wait(lambda: place.over(handle))
    assert place.code(handle) == 0
    assert done(place.store, place.header) == 4


def test_a_worker_that_cannot_work_ends_with_3_and_says_why(place: Place) -> None:
    name, handle = place.start("--run", "no-such-run")
    wait(lambda: place.over(handle))
    assert place.code(handle) == 3
    assert place.cloud.log_tail(name).splitlines() == [
        "Error: no run 'no-such-run' under this output path",
        "Try: see which runs it holds under _embedfleet/",
    ]


def test_a_worker_that_crashes_leaves_its_traceback(place: Place, monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setenv("EMBEDFLEET_HASH_SECONDS", "soon")
    name, handle = place.start()
    wait(lambda: place.over(handle))
    assert place.code(handle) == 1
    assert place.cloud.log_tail(name).endswith("could not convert string to float: 'soon'")


def test_a_worker_that_was_killed_has_the_signal_as_its_status(place: Place) -> None:
    _, handle = place.start()
    os.kill(int(handle.partition(":")[0]), signal.SIGKILL)
    wait(lambda: place.over(handle))
    assert place.code(handle) == -signal.SIGKILL


def test_draining_lets_the_shard_in_hand_be_finished(place: Place) -> None:
    name, handle = place.start()
    wait(lambda: place.works(name))
    place.cloud.drain([handle])
    wait(lambda: place.over(handle))
    assert place.code(handle) == 0
    assert 1 <= done(place.store, place.header) < 4


def test_ending_gives_the_shard_in_hand_back(place: Place) -> None:
    name, handle = place.start()
    wait(lambda: place.works(name))
    before = done(place.store, place.header)
    place.cloud.terminate([handle])
    wait(lambda: place.over(handle))
    assert place.code(handle) == 0
    assert done(place.store, place.header) - before <= 1
    leases = place.store.list(f"_embedfleet/{place.header.run}/leases/")
    assert [e.size for e in leases].count(0) == 1


def test_a_worker_of_another_launcher_runs_until_it_is_gone(place: Place) -> None:
    name, handle = place.start()
    other = another(place.cloud)
    assert other.status(handle) == MachineStatus(Phase.RUNNING)
    os.kill(int(handle.partition(":")[0]), signal.SIGKILL)
    wait(lambda: place.over(handle))
    assert other.status(handle) is None
    assert other.find(name) is None


def test_a_worker_of_another_launcher_can_be_ended(place: Place) -> None:
    name, handle = place.start()
    wait(lambda: place.works(name))
    another(place.cloud).terminate([handle])
    wait(lambda: place.over(handle))
    assert place.code(handle) == 0


def test_a_later_process_of_the_same_number_is_not_the_worker(place: Place) -> None:
    _, handle = place.start()
    pid = handle.partition(":")[0]
    stale = f"{pid}:1.0"
    assert place.cloud.status(stale) is None
    place.cloud.terminate([stale])
    place.cloud.drain([stale])
    assert place.runs(handle)


def test_a_worker_that_is_gone_can_be_told_anything(place: Place) -> None:
    _, handle = place.start()
    os.kill(int(handle.partition(":")[0]), signal.SIGKILL)
    wait(lambda: place.over(handle))
    place.cloud.drain([handle])
    place.cloud.terminate([handle])
    assert place.code(handle) == -signal.SIGKILL


def test_a_worker_that_never_was_has_no_last_words(place: Place) -> None:
    assert place.cloud.log_tail("w-none") == ""


def test_a_worker_that_cannot_be_started_is_a_problem(place: Place, tmp_path: Path) -> None:
    (tmp_path / "file").touch()
    with pytest.raises(Problem, match="cannot start a worker: "):
        raise LocalBackend(tmp_path / "file").start([LaunchRequest("w-0", 0)])["w-0"]  # pyright: ignore[reportGeneralTypeIssues]
