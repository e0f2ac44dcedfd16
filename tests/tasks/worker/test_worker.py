"""Workers: real processes that are told to end, killed and frozen; nothing is lost and nothing is twice."""

import contextlib
import json
import os
import signal
import subprocess
import sys
import tempfile
import time
from collections import Counter
from collections.abc import Callable, Iterator, Sequence
from pathlib import Path

import psutil
import pytest

from tasks.engines.base import Vectors
from tasks.engines.hash_engine import HashEncoder
from tasks.formats.vectors.vector_file import sha256_of
from tasks.protocol import manifest
from tasks.protocol.keys import heartbeat_key, receipt_key
from tasks.protocol.lease import claim
from tasks.protocol.manifest import Header
from tasks.protocol.messages.heartbeat import Heartbeat, load
from tasks.protocol.shard import Shard
from tasks.stores.base import Body, create_once, list_all, read
from tasks.stores.folder import FolderStore
from tasks.stores.memory import MemoryStore
from tasks.worker.monitoring.heartbeat import HeartbeatWriter
from tasks.worker.monitoring.signals import Signals, Stopped
from tasks.worker.worker import Worker
from tests.support.paths import ROOT
from tests.support.runs import (
    NOON,
    corpus,
    done,
    header_of,
    ids_out,
    launch,
    receipts_of,
    shard_of,
    whole,
    write_jsonl,
)

PATIENCE = 30.0  # seconds until a test gives up; a worker starts in 1 to 3

Start = Callable[..., "subprocess.Popen[str]"]


@pytest.fixture
def store(tmp_path: Path) -> FolderStore:
    return FolderStore(tmp_path / "out")


@pytest.fixture
def files(tmp_path: Path) -> Path:
    folder = tmp_path / "corpus"
    folder.mkdir()
    return folder


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


def leases(store: FolderStore | MemoryStore) -> list[tuple[str, int]]:
    """Shard and generation of every lease that is not empty."""
    found = [e.key.split("/")[-2:] for e in list_all(store, "_embedfleet/run-1/leases/") if e.size]
    return [(shard, int(generation)) for shard, generation in found]


def pulse(store: FolderStore | MemoryStore, name: str) -> Heartbeat:
    body = read(store, heartbeat_key("run-1", name))
    assert body is not None
    return load(body)


# --- whole processes


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


# --- one worker, in this process


@pytest.fixture
def signals() -> Iterator[Signals]:
    """Those of a worker, in this process, until the test is over."""
    numbers = (signal.SIGTERM, signal.SIGINT, signal.SIGALRM, signal.SIGUSR1)
    before = {number: signal.getsignal(number) for number in numbers}
    signals = Signals()
    signals.listen()
    yield signals
    signals.ignore_further()
    for number, handler in before.items():
        signal.signal(number, handler)


class Interrupted(MemoryStore):
    """A store during whose `call` on a key with `part` in it SIGTERM arrives, once."""

    def __init__(self, call: str, part: str) -> None:
        super().__init__()
        self.at = [(call, part)]

    def create(self, key: str, body: Body) -> bool:
        answer = super().create(key, body)
        self._interrupt("create", key)
        return answer

    def put(self, key: str, body: Body) -> None:
        super().put(key, body)
        self._interrupt("put", key if isinstance(body, Path) else key + body.decode())

    def _interrupt(self, call: str, what: str) -> None:
        if self.at and call == self.at[0][0] and self.at[0][1] in what:
            self.at.clear()
            signal.raise_signal(signal.SIGTERM)


def hired(
    store: MemoryStore, header: Header, encoder: HashEncoder | None = None, signals: Signals | None = None
) -> Worker:
    """A worker whose heart beats only when told to."""
    heart = HeartbeatWriter(
        store, Heartbeat(run="run-1", worker="ann", host="here", pid=1, started=NOON), 1_000
    )
    scratch = Path(tempfile.mkdtemp(prefix="embedfleet-test-"))
    return Worker(
        store=store,
        header=header,
        name="ann",
        offset=0,
        encoder=encoder or HashEncoder(),
        heartbeat=heart,
        scratch=scratch,
        signals=signals or Signals(),
    )


def ready(store: MemoryStore, files: Path, records: Sequence[object]) -> tuple[Header, Shard]:
    """A run of one shard."""
    write_jsonl(files / "0.jsonl", records)
    shard = shard_of([whole(files, "0.jsonl", "jsonl")])
    header = header_of(files, 1)
    manifest.write(store, header, [shard])
    return header, shard


RECORDS = [{"id": "a", "text": "one"}, {"id": "bad"}, {"id": "b", "text": "two three"}]

MOMENTS = [
    ("create", "/leases/"),  # while the lease is claimed
    ("put", '"state": "working"'),  # between the claim and the work
    ("put", "data/"),  # while the vectors are written
]


@pytest.mark.parametrize(("call", "part"), MOMENTS, ids=["claim", "heartbeat", "vectors"])
def test_sigterm_at_any_moment_leaves_lease_or_receipt(
    files: Path, signals: Signals, call: str, part: str
) -> None:
    store = Interrupted(call, part)
    header, _ = ready(store, files, RECORDS)
    worker = hired(store, header, signals=signals)
    with pytest.raises(Stopped):
        worker.run()
    assert (len(leases(store)), len(receipts_of(store, header))) in ((0, 0), (1, 1))
    assert worker.context.leases.leases == []


def test_sigterm_during_a_commit_completes_it(files: Path, signals: Signals) -> None:
    store = Interrupted("create", "/receipts/")
    header, _ = ready(store, files, RECORDS)
    worker = hired(store, header, signals=signals)
    with pytest.raises(Stopped):
        worker.run()
    assert len(receipts_of(store, header)) == 1
    assert (worker.heartbeat.heartbeat.shards, worker.context.leases.returned) == (1, [])


def test_a_run_without_shards_is_done(files: Path) -> None:
    store = MemoryStore()
    header = header_of(files, 0)
    manifest.write(store, header, [])
    hired(store, header).run()
    assert receipts_of(store, header) == []


def test_receipt_matches_the_stored_file(files: Path, tmp_path: Path) -> None:
    store = MemoryStore()
    header, shard = ready(store, files, RECORDS)
    hired(store, header).run()
    (receipt,) = receipts_of(store, header)
    vectors = read(store, receipt.key or "")
    assert vectors is not None
    copy = tmp_path / "copy.parquet"
    copy.write_bytes(vectors)
    assert (receipt.digest, receipt.output_bytes) == (sha256_of(copy), len(vectors))
    assert (receipt.shard, receipt.position, receipt.worker, receipt.generation) == (shard.id, 0, "ann", 1)
    assert (receipt.documents, receipt.chunks, receipt.tokens, receipt.failed_rows) == (2, 2, 3 + 4, 1)
    assert receipt.stages.keys() == {"read", "tokenise", "engine", "write", "store"}


def test_receipt_names_the_quarantine_file(files: Path) -> None:
    store = MemoryStore()
    header, _ = ready(store, files, RECORDS)
    hired(store, header).run()
    (receipt,) = receipts_of(store, header)
    assert receipt.quarantine is not None
    body = read(store, receipt.quarantine)
    assert body is not None
    assert [json.loads(line)["id"] for line in body.splitlines()] == ["bad"]


def test_a_shard_without_bad_rows_has_no_quarantine(files: Path) -> None:
    store = MemoryStore()
    header, _ = ready(store, files, RECORDS[:1])
    hired(store, header).run()
    assert [r.quarantine for r in receipts_of(store, header)] == [None]


class Swallows(HashEncoder):
    """Clears the exception of the signal handler, as some C code does, and works on."""

    def encode(self, ids: Sequence[Sequence[int]]) -> Vectors:
        with contextlib.suppress(Stopped):
            signal.raise_signal(signal.SIGTERM)
        time.sleep(PATIENCE)
        return super().encode(ids)


def test_swallowed_signal_is_raised_again(files: Path, signals: Signals) -> None:
    store = MemoryStore()
    header, _ = ready(store, files, RECORDS)
    begun = time.monotonic()
    with pytest.raises(Stopped):
        hired(store, header, Swallows(), signals).run()
    assert time.monotonic() - begun < PATIENCE / 2
    assert (leases(store), receipts_of(store, header)) == ([], [])


class Overtaken(HashEncoder):
    """While it works, another takes over the shard and signs for it."""

    def __init__(self, store: MemoryStore, shard: Shard) -> None:
        super().__init__()
        self.store = store
        self.shard = shard

    def encode(self, ids: Sequence[Sequence[int]]) -> Vectors:
        claim(self.store, "run-1", self.shard, 2, "bob", NOON)
        create_once(self.store, receipt_key("run-1", self.shard.slab, self.shard.id), b"bob's")
        return super().encode(ids)


def test_overtaken_worker_discards_its_work(files: Path) -> None:
    store = MemoryStore()
    header, shard = ready(store, files, RECORDS)
    worker = hired(store, header, Overtaken(store, shard))
    worker.run()
    assert read(store, receipt_key("run-1", shard.slab, shard.id)) == b"bob's"
    assert (worker.heartbeat.heartbeat.shards, len(worker.context.leases.returned)) == (0, 1)
