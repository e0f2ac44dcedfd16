"""The contract of backends on real processes: a name starts one worker, and its end is known or unknown.

A backend joins by a fixture of its own in `BACKENDS`: the backend, and the workers of a run that lasts.
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
from launcher.fleet.scheduling.states import Phase
from tasks.protocol import manifest
from tasks.stores.folder import FolderStore
from tests.support.runs import corpus, done, launch

BACKENDS = ["local"]
PATIENCE = 30.0  # seconds; a worker that starts on a busy machine
SHARDS = 40  # more than a worker has in hand


def wait(until: Callable[[], bool]) -> None:
    end = time.monotonic() + PATIENCE
    while not until():
        assert time.monotonic() < end, "it took too long"
        time.sleep(0.05)


class SlowRun:
    """A backend with a run of slow shards, of one document each; a shard takes `seconds`."""

    def __init__(self, backend: LocalBackend, store: FolderStore, header: manifest.Header) -> None:
        self.backend = backend
        self.store = store
        self.header = header
        self.names: list[str] = []

    def start(self, *extra: str, name: str | None = None) -> tuple[str, str]:
        """A worker's name and handle."""
        name = name or f"w-{uuid4().hex[:12]}"
        self.names.append(name)
        self.backend.options = [
            "--store",
            str(self.store.root),
            "--run",
            self.header.run,
            "--heartbeat",
            "0.2",
            *extra,
        ]
        handle = self.backend.start([LaunchRequest(name, 0)])[name]
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
        status = self.backend.status(handle)
        return status is not None and status.phase == Phase.RUNNING

    def code(self, handle: str) -> int | None:
        status = self.backend.status(handle)
        return status.exit_code if status else None

    def clean(self) -> None:
        for name in self.names:
            handle = self.backend.find(name)
            if handle:
                process = psutil.Process(int(handle.partition(":")[0]))
                process.kill()
        for child in self.backend.children.values():
            child.wait()


def another(backend: LocalBackend) -> LocalBackend:
    """The same backend as a launcher sees it that started none of its workers."""
    return LocalBackend(backend.logs.parent)


@pytest.fixture(params=BACKENDS)
def run(
    request: pytest.FixtureRequest, tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> Generator[SlowRun, None, None]:
    assert request.param == "local"
    monkeypatch.setenv("EMBEDFLEET_HASH_SECONDS", "30")  # of 1,000 tokens: a second for a shard of these
    (tmp_path / "in").mkdir()
    corpus(tmp_path / "in", SHARDS, 1, words=31)
    store = FolderStore(tmp_path / "out")
    found = SlowRun(LocalBackend(tmp_path), store, launch(store, tmp_path / "in", SHARDS))
    yield found
    found.clean()


def test_started_worker_runs(run: SlowRun) -> None:
    _, handle = run.start()
    assert run.runs(handle)


def test_worker_is_found_by_its_name(run: SlowRun) -> None:
    name, handle = run.start()
    wait(lambda: run.backend.find(name) is not None)
    assert run.backend.find(name) == handle
    assert another(run.backend).find(name) == handle


def test_unknown_name_finds_no_worker(run: SlowRun) -> None:
    name, _ = run.start()
    wait(lambda: run.backend.find(name) is not None)
    assert run.backend.find(name[:-1]) is None
    assert run.backend.find("w") is None


def test_worker_exits_0_when_all_is_done(run: SlowRun, monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.delenv("EMBEDFLEET_HASH_SECONDS")
    _, handle = run.start()
    wait(lambda: run.over(handle))
    assert run.code(handle) == 0
    assert done(run.store, run.header) == SHARDS


def test_failed_worker_exits_3_with_an_error(run: SlowRun) -> None:
    name, handle = run.start("--run", "no-such-run")
    wait(lambda: run.over(handle))
    assert run.code(handle) == 3
    assert run.backend.log_tail(name).splitlines() == [
        "Error: no run 'no-such-run' under this output path",
        "Try: see which runs it holds under _embedfleet/",
    ]


def test_crashed_worker_leaves_its_traceback(run: SlowRun, monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setenv("EMBEDFLEET_HASH_SECONDS", "soon")
    name, handle = run.start()
    wait(lambda: run.over(handle))
    assert run.code(handle) == 1
    assert run.backend.log_tail(name).endswith("could not convert string to float: 'soon'")


def test_killed_worker_has_the_signal_as_exit_code(run: SlowRun) -> None:
    _, handle = run.start()
    os.kill(int(handle.partition(":")[0]), signal.SIGKILL)
    wait(lambda: run.over(handle))
    assert run.code(handle) == -signal.SIGKILL


def test_drain_lets_the_shard_be_finished(run: SlowRun) -> None:
    _, handle = run.start()
    wait(
        lambda: done(run.store, run.header) > 0
    )  # the engine has begun the next shard before this one has its receipt
    before = done(run.store, run.header)
    run.backend.drain([handle])
    wait(lambda: run.over(handle))
    assert run.code(handle) == 0
    assert before < done(run.store, run.header) < SHARDS


def test_terminate_gives_the_shard_back(run: SlowRun) -> None:
    name, handle = run.start()
    wait(lambda: run.works(name))
    before = done(run.store, run.header)
    run.backend.terminate([handle])
    wait(lambda: run.over(handle))
    assert run.code(handle) == 0
    assert done(run.store, run.header) - before <= 1
    signed = {path.stem for path in run.store.root.glob(f"_embedfleet/{run.header.run}/receipts/*/*.json")}
    leases = run.store.list(f"_embedfleet/{run.header.run}/leases/")
    given_back = [e.size == 0 for e in leases if e.key.split("/")[-2] not in signed]
    assert given_back  # of what it had in hand, and no lease is left without a receipt
    assert all(given_back)


def test_worker_of_another_launcher_runs_until_it_is_gone(run: SlowRun) -> None:
    name, handle = run.start()
    other = another(run.backend)
    assert other.status(handle) == MachineStatus(Phase.RUNNING)
    os.kill(int(handle.partition(":")[0]), signal.SIGKILL)
    wait(lambda: run.over(handle))
    assert other.status(handle) is None
    assert other.find(name) is None


def test_worker_of_another_launcher_can_be_terminated(run: SlowRun) -> None:
    name, handle = run.start()
    wait(lambda: run.works(name))
    another(run.backend).terminate([handle])
    wait(lambda: run.over(handle))
    assert run.code(handle) == 0


def test_later_process_with_the_same_pid_is_not_the_worker(run: SlowRun) -> None:
    _, handle = run.start()
    pid = handle.partition(":")[0]
    stale = f"{pid}:1.0"
    assert run.backend.status(stale) is None
    run.backend.terminate([stale])
    run.backend.drain([stale])
    assert run.runs(handle)


def test_orders_to_a_gone_worker_do_nothing(run: SlowRun) -> None:
    _, handle = run.start()
    os.kill(int(handle.partition(":")[0]), signal.SIGKILL)
    wait(lambda: run.over(handle))
    run.backend.drain([handle])
    run.backend.terminate([handle])
    assert run.code(handle) == -signal.SIGKILL


def test_unknown_worker_has_no_log(run: SlowRun) -> None:
    assert run.backend.log_tail("w-none") == ""


def test_worker_that_cannot_be_started_is_a_problem(run: SlowRun, tmp_path: Path) -> None:
    (tmp_path / "file").touch()
    with pytest.raises(Problem, match="cannot start a worker: "):
        raise LocalBackend(tmp_path / "file").start([LaunchRequest("w-0", 0)])["w-0"]  # pyright: ignore[reportGeneralTypeIssues]
