"""Workers as real processes, ended, killed and frozen: no row is lost and none is there twice."""

import os
import signal
import subprocess
import sys
import time
from collections import Counter
from collections.abc import Callable, Iterator
from pathlib import Path

import psutil
import pytest

from tasks.protocol.keys import heartbeat_key
from tasks.protocol.messages.heartbeat import Heartbeat, load
from tasks.stores.base import list_all, read
from tasks.stores.folder import FolderStore
from tests.support.paths import ROOT
from tests.support.runs import (
    corpus,
    done,
    ids_out,
    launch,
    receipts_of,
    write_jsonl,
)

PATIENCE = 30.0  # seconds until a test gives up; a worker starts in 1 to 3

Start = Callable[..., "subprocess.Popen[str]"]


@pytest.fixture
def start(store: FolderStore) -> Iterator[Start]:
    """Starts workers, and sees to it that none outlives its test."""
    started: list[subprocess.Popen[str]] = []

    def begin(name: str, *, run: str = "run-1", seconds: float = 0.0) -> "subprocess.Popen[str]":
        command = [
            sys.executable,
            "-m",
            "tasks.worker",
            "--store",
            str(store.root),
            "--run",
            run,
            "--name",
            name,
        ]
        command += ["--offset", "0", "--heartbeat", "0.3"]
        environment = os.environ | {"EMBEDFLEET_HASH_SECONDS": str(seconds)}
        worker = subprocess.Popen(
            command, cwd=ROOT, env=environment, text=True, stdout=subprocess.PIPE, stderr=subprocess.PIPE
        )
        started.append(worker)
        return worker

    yield begin
    for worker in started:
        worker.kill()
        worker.communicate()


def wait_until(happened: Callable[[], object]) -> None:
    """Real processes keep no clock of ours: look, and look again."""
    end = time.monotonic() + PATIENCE
    while not happened():
        assert time.monotonic() < end, "it did not happen"
        time.sleep(0.02)


def ended(worker: "subprocess.Popen[str]") -> tuple[int, str]:
    """Exit status and what it said on stderr."""
    _, said = worker.communicate(timeout=PATIENCE)
    return worker.returncode, said


def leases(store: FolderStore) -> list[tuple[str, int]]:
    """Shard and generation of every lease that is not empty."""
    found = [e.key.split("/")[-2:] for e in list_all(store, "_embedfleet/run-1/leases/") if e.size]
    return [(shard, int(generation)) for shard, generation in found]


def pulse(store: FolderStore, name: str) -> Heartbeat:
    body = read(store, heartbeat_key("run-1", name))
    assert body is not None
    return load(body)


def test_two_workers_do_every_shard_once(store: FolderStore, files: Path, start: Start) -> None:
    ids = corpus(files, 6, 30)
    header = launch(store, files, 6)
    workers = [start("ann", seconds=0.05), start("bob", seconds=0.05)]
    assert [ended(worker) for worker in workers] == [(0, ""), (0, "")]
    assert [r.position for r in sorted(receipts_of(store, header), key=lambda r: r.position)] == [
        0,
        1,
        2,
        3,
        4,
        5,
    ]
    assert Counter(ids_out(store, header)) == Counter(ids)
    assert [pulse(store, name).state for name in ("ann", "bob")] == ["done", "done"]


def test_first_receipt_of_a_worker_tells_how_it_started(
    store: FolderStore, files: Path, start: Start
) -> None:
    corpus(files, 3, 30)
    header = launch(store, files, 3)
    assert ended(start("ann", seconds=0.2)) == (0, "")
    told = [one.cold_start for one in receipts_of(store, header) if one.cold_start is not None]
    assert [one.keys() for one in told] == [{"process", "load", "first_batch"}]  # nobody set this machine up
    assert told[0]["first_batch"] >= 0.2
    assert pulse(store, "ann").cold_start == told[0]


def test_sigterm_releases_the_lease_at_once(store: FolderStore, files: Path, start: Start) -> None:
    corpus(files, 2, 30)
    header = launch(store, files, 2)
    ann = start("ann", seconds=100)
    wait_until(lambda: leases(store))
    ann.send_signal(signal.SIGTERM)
    told = time.monotonic()
    assert ended(ann) == (0, "")
    assert time.monotonic() - told < 5  # the shard would have taken two minutes
    assert leases(store) == []
    assert done(store, header) == 0
    assert pulse(store, "ann").state == "stopped"
    assert len(pulse(store, "ann").returned) == 1


def test_released_shard_is_taken_without_waiting(store: FolderStore, files: Path, start: Start) -> None:
    ids = corpus(files, 1, 30)
    header = launch(store, files, 1, ttl=1_000.0)
    ann = start("ann", seconds=100)
    wait_until(lambda: leases(store))
    ann.send_signal(signal.SIGTERM)
    ended(ann)
    assert ended(start("bob")) == (0, "")
    assert ids_out(store, header) == ids
    assert [r.generation for r in receipts_of(store, header)] == [2]


def test_drain_finishes_the_shard_in_hand(store: FolderStore, files: Path, start: Start) -> None:
    corpus(files, 3, 30)
    header = launch(store, files, 3)
    ann = start("ann", seconds=2)
    wait_until(
        lambda: len(leases(store)) == 2
    )  # the engine has begun with the first: the next is claimed ahead
    ann.send_signal(signal.SIGUSR1)
    assert ended(ann) == (0, "")
    assert [r.position for r in receipts_of(store, header)] == [0]
    assert len(leases(store)) == 1  # that of the shard which is done


def test_shard_of_a_killed_worker_is_taken_over_after_expiry(
    store: FolderStore, files: Path, start: Start
) -> None:
    ids = corpus(files, 2, 30)
    header = launch(store, files, 2, ttl=1.0)
    ann = start("ann", seconds=100)
    wait_until(lambda: leases(store))
    ann.kill()
    assert ended(start("bob")) == (0, "")
    assert Counter(ids_out(store, header)) == Counter(ids)
    generations = {r.generation for r in receipts_of(store, header)}
    assert 2 in generations  # of what ann held: one shard, or the next one as well
    assert generations <= {1, 2}


def test_zombie_worker_does_no_harm(store: FolderStore, files: Path, start: Start) -> None:
    ids = corpus(files, 2, 30)
    header = launch(store, files, 2, ttl=1.0)
    ann = start("ann", seconds=1)
    wait_until(lambda: leases(store))
    ann.send_signal(signal.SIGSTOP)
    wait_until(lambda: psutil.Process(ann.pid).status() == psutil.STATUS_STOPPED)
    held = len(leases(store))  # one shard, or the next one, too
    assert ended(start("bob")) == (0, "")
    before = receipts_of(store, header)
    ann.send_signal(signal.SIGCONT)
    assert ended(ann) == (0, "")
    assert receipts_of(store, header) == before
    assert {r.worker for r in before} == {"bob"}
    assert Counter(ids_out(store, header)) == Counter(ids)
    assert len(pulse(store, "ann").returned) == held  # that time was paid for


def test_lease_is_renewed_during_a_long_shard(store: FolderStore, files: Path, start: Start) -> None:
    corpus(files, 1, 30)
    header = launch(store, files, 1, ttl=1.0)
    ann, bob = start("ann", seconds=3), start("bob", seconds=3)
    assert [ended(ann)[0], ended(bob)[0]] == [0, 0]
    assert [r.generation for r in receipts_of(store, header)] == [1]


def test_an_unknown_run_ends_with_status_3_and_two_lines(start: Start) -> None:
    assert ended(start("ann", run="run-9")) == (
        3,
        "Error: no run 'run-9' under this output path\nTry: see which runs it holds under _embedfleet/\n",
    )


def test_last_heartbeat_is_attempted_when_the_first_fails(
    store: FolderStore, files: Path, start: Start
) -> None:
    corpus(files, 1, 3)
    launch(store, files, 1)
    folder = (store.root / heartbeat_key("run-1", "ann")).parent
    folder.write_text("a file where the folder of heartbeats should be", encoding="utf-8")
    status, said = ended(start("ann"))
    assert status == 3
    assert "Error: cannot write to" in said
    assert "the last heartbeat was not written: cannot write to" in said


def test_a_shard_whose_input_changed_fails_with_the_reason_and_the_others_are_done(
    store: FolderStore, files: Path, start: Start
) -> None:
    ids = corpus(files, 3, 30)
    header = launch(store, files, 3)
    write_jsonl(files / "1.jsonl", [{"id": "a", "text": "other"}])
    assert ended(start("ann")) == (0, "")
    one, changed, other = sorted(receipts_of(store, header), key=lambda r: r.position)
    assert (one.fault, other.fault) == (None, None)
    assert changed.fault is not None
    assert changed.fault.startswith(f"{files}/1.jsonl changed after the plan was made")
    assert (changed.key, changed.digest, changed.chunks, changed.failed_rows) == (None, None, 0, 0)
    assert Counter(ids_out(store, header)) == Counter(ids[:30] + ids[60:])
    assert pulse(store, "ann").error == changed.fault


def test_missing_file_fails_only_its_shard(store: FolderStore, files: Path, start: Start) -> None:
    corpus(files, 2, 30)
    header = launch(store, files, 2)
    (files / "0.jsonl").unlink()
    assert ended(start("ann")) == (0, "")
    assert ["it is gone" in (r.fault or "") for r in receipts_of(store, header)].count(True) == 1


def test_worker_imports_only_what_a_machine_has() -> None:
    code = """
import runpy, sys
sys.argv = ["worker", "--help"]
try:
    runpy.run_module("tasks.worker", run_name="__main__")
except SystemExit:
    pass
foreign = {"launcher", "pricing", "sqlmodel", "sqlalchemy", "yaml", "rich", "sky", "boto3", "torch", "tests"}
print(sorted(foreign & {name.partition(".")[0] for name in sys.modules}), file=sys.stderr)
"""
    found = subprocess.run([sys.executable, "-c", code], cwd=ROOT, capture_output=True, text=True, check=True)
    assert found.stderr == "[]\n"
