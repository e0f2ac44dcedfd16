"""A worker in this process: its receipts, and signals at every moment."""

import contextlib
import json
import signal
import time
from collections.abc import Sequence
from pathlib import Path

import pytest

from tasks.engines.base import Vectors
from tasks.engines.hash_engine import HashEncoder
from tasks.formats.vectors.vector_file import sha256_of
from tasks.protocol import manifest
from tasks.protocol.keys import receipt_key
from tasks.protocol.lease import claim
from tasks.protocol.manifest import Header
from tasks.protocol.shard import Shard
from tasks.stores.base import Body, create_once, list_all, read
from tasks.stores.memory import MemoryStore
from tasks.worker.monitoring.signals import Signals, Stopped
from tests.support.runs import (
    NOON,
    header_of,
    receipts_of,
    shard_of,
    whole,
    write_jsonl,
)
from tests.support.workers import make_worker

PATIENCE = 30.0  # seconds until a test gives up


def leases(store: MemoryStore) -> list[tuple[str, int]]:
    """Shard and generation of every lease that is not empty."""
    found = [e.key.split("/")[-2:] for e in list_all(store, "_embedfleet/run-1/leases/") if e.size]
    return [(shard, int(generation)) for shard, generation in found]


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
    files: Path, signals: Signals, call: str, part: str, tmp_path: Path
) -> None:
    store = Interrupted(call, part)
    header, _ = ready(store, files, RECORDS)
    worker = make_worker(store, header, tmp_path / "scratch", signals=signals)
    with pytest.raises(Stopped):
        worker.run()
    assert (len(leases(store)), len(receipts_of(store, header))) in ((0, 0), (1, 1))
    assert worker.context.leases.leases == []


def test_sigterm_during_a_commit_completes_it(files: Path, signals: Signals, tmp_path: Path) -> None:
    store = Interrupted("create", "/receipts/")
    header, _ = ready(store, files, RECORDS)
    worker = make_worker(store, header, tmp_path / "scratch", signals=signals)
    with pytest.raises(Stopped):
        worker.run()
    assert len(receipts_of(store, header)) == 1
    assert (worker.heartbeat.heartbeat.shards, worker.context.leases.returned) == (1, [])


def test_a_run_without_shards_is_done(files: Path, tmp_path: Path) -> None:
    store = MemoryStore()
    header = header_of(files, 0)
    manifest.write(store, header, [])
    make_worker(store, header, tmp_path / "scratch").run()
    assert receipts_of(store, header) == []


def test_receipt_matches_the_stored_file(files: Path, tmp_path: Path) -> None:
    store = MemoryStore()
    header, shard = ready(store, files, RECORDS)
    make_worker(store, header, tmp_path / "scratch").run()
    (receipt,) = receipts_of(store, header)
    vectors = read(store, receipt.key or "")
    assert vectors is not None
    copy = tmp_path / "copy.parquet"
    copy.write_bytes(vectors)
    assert (receipt.digest, receipt.output_bytes) == (sha256_of(copy), len(vectors))
    assert (receipt.shard, receipt.position, receipt.worker, receipt.generation) == (shard.id, 0, "ann", 1)
    assert (receipt.documents, receipt.chunks, receipt.tokens, receipt.failed_rows) == (2, 2, 3 + 4, 1)
    assert receipt.stages.keys() == {"read", "tokenise", "engine", "write", "store"}


def test_receipt_names_the_quarantine_file(files: Path, tmp_path: Path) -> None:
    store = MemoryStore()
    header, _ = ready(store, files, RECORDS)
    make_worker(store, header, tmp_path / "scratch").run()
    (receipt,) = receipts_of(store, header)
    assert receipt.quarantine is not None
    body = read(store, receipt.quarantine)
    assert body is not None
    assert [json.loads(line)["id"] for line in body.splitlines()] == ["bad"]


def test_a_shard_without_bad_rows_has_no_quarantine(files: Path, tmp_path: Path) -> None:
    store = MemoryStore()
    header, _ = ready(store, files, RECORDS[:1])
    make_worker(store, header, tmp_path / "scratch").run()
    assert [r.quarantine for r in receipts_of(store, header)] == [None]


class Swallows(HashEncoder):
    """Clears the exception of the signal handler, as some C code does, and works on."""

    def encode(self, ids: Sequence[Sequence[int]]) -> Vectors:
        with contextlib.suppress(Stopped):
            signal.raise_signal(signal.SIGTERM)
        time.sleep(PATIENCE)
        return super().encode(ids)


def test_swallowed_signal_is_raised_again(files: Path, signals: Signals, tmp_path: Path) -> None:
    store = MemoryStore()
    header, _ = ready(store, files, RECORDS)
    begun = time.monotonic()
    with pytest.raises(Stopped):
        make_worker(store, header, tmp_path / "scratch", Swallows(), signals=signals).run()
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


def test_overtaken_worker_discards_its_work(files: Path, tmp_path: Path) -> None:
    store = MemoryStore()
    header, shard = ready(store, files, RECORDS)
    worker = make_worker(store, header, tmp_path / "scratch", Overtaken(store, shard))
    worker.run()
    assert read(store, receipt_key("run-1", shard.slab, shard.id)) == b"bob's"
    assert (worker.heartbeat.heartbeat.shards, len(worker.context.leases.returned)) == (0, 1)
