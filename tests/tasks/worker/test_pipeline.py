"""Reader, engine and writer beside each other: what is ahead, what waits, and what happens when one of them fails."""

import threading
import time
from collections.abc import Callable, Iterator, Sequence
from pathlib import Path

import pytest

from tasks.engines.base import Vectors
from tasks.engines.checks.engine_check import EngineBroken
from tasks.engines.hash_engine import HashEncoder
from tasks.errors import Problem
from tasks.protocol import manifest
from tasks.protocol.lease import claim, is_free
from tasks.protocol.manifest import Header
from tasks.stores.base import Body, Entry, StoreError, list_all
from tasks.stores.folder import FolderStore
from tasks.stores.memory import MemoryStore
from tasks.worker import engine_schedule, pipeline, reader
from tasks.worker.reading import windows as working
from tasks.worker.worker import Worker
from tests.support.runs import NOON, column, corpus, launch, receipts_of
from tests.support.workers import make_worker

PATIENCE = 20.0


class Gate(HashEncoder):
    """An engine that works on each call until it is let go on."""

    def __init__(self) -> None:
        super().__init__()
        self.calls: list[int] = []  # pieces of each
        self.began = threading.Semaphore(0)
        self.go = threading.Semaphore(0)

    def encode(self, ids: Sequence[Sequence[int]]) -> Vectors:
        self.calls.append(len(ids))
        self.began.release()
        assert self.go.acquire(timeout=PATIENCE)
        return super().encode(ids)


@pytest.fixture
def start(tmp_path: Path) -> Iterator[Callable[[Worker], Callable[[], None]]]:
    """Runs a worker in a thread; what it gives back waits for its end and raises what went wrong."""
    threads: list[threading.Thread] = []

    def begin(worker: Worker) -> Callable[[], None]:
        errors: list[BaseException] = []

        def work() -> None:
            try:
                worker.run()
            except BaseException as error:  # noqa: BLE001
                errors.append(error)

        thread = threading.Thread(target=work)
        threads.append(thread)
        thread.start()

        def end() -> None:
            thread.join(PATIENCE)
            assert not thread.is_alive()
            if errors:
                raise errors[0]

        return end

    yield begin
    for thread in threads:
        thread.join(PATIENCE)


def wait_until(happened: Callable[[], object]) -> None:
    until = time.monotonic() + PATIENCE
    while not happened():
        assert time.monotonic() < until, "it did not happen"
        time.sleep(0.01)


def leases(store: MemoryStore | FolderStore) -> int:
    return sum(1 for entry in list_all(store, "_embedfleet/run-1/leases/") if not is_free(entry))


def launched(store: MemoryStore, files: Path, count: int, documents: int = 5, **changes: object) -> Header:
    corpus(files, count, documents)
    return launch(store, files, count, **changes)  # pyright: ignore[reportArgumentType]


def test_next_shard_is_prefetched_while_the_engine_works(
    files: Path, tmp_path: Path, start: Callable[[Worker], Callable[[], None]]
) -> None:
    store, engine = MemoryStore(), Gate()
    header = launched(store, files, 2)
    worker = make_worker(store, header, tmp_path / "scratch", engine)
    end = start(worker)
    assert engine.began.acquire(timeout=PATIENCE)  # on the first
    wait_until(lambda: leases(store) == 2)
    wait_until(lambda: "read" in worker.context.progress.stages.seconds)
    assert len(receipts_of(store, header)) == 0
    for _ in range(2):
        engine.go.release()
    end()
    assert len(receipts_of(store, header)) == 2


def test_shard_is_committed_while_the_next_is_embedded(
    files: Path, tmp_path: Path, start: Callable[[Worker], Callable[[], None]]
) -> None:
    store, engine = MemoryStore(), Gate()
    header = launched(store, files, 2)
    end = start(make_worker(store, header, tmp_path / "scratch", engine))
    assert engine.began.acquire(timeout=PATIENCE)
    wait_until(lambda: leases(store) == 2)
    engine.go.release()
    assert engine.began.acquire(timeout=PATIENCE)  # on the second
    wait_until(lambda: len(receipts_of(store, header)) == 1)
    engine.go.release()
    end()


def test_small_ready_shards_share_an_engine_call(
    files: Path, tmp_path: Path, start: Callable[[Worker], Callable[[], None]]
) -> None:
    store, engine = MemoryStore(), Gate()
    header = launched(store, files, 6)
    worker = make_worker(store, header, tmp_path / "scratch", engine)
    end = start(worker)
    assert engine.began.acquire(timeout=PATIENCE)
    engine.go.release()  # now its speed is known, and so is how much it has left
    assert engine.began.acquire(timeout=PATIENCE)
    wait_until(lambda: leases(store) == 6)
    for _ in range(6):
        engine.go.release()
    end()
    assert sum(engine.calls) == 30
    assert len(engine.calls) < 6
    assert len(receipts_of(store, header)) == 6


def test_shards_in_hand_are_limited(
    files: Path,
    tmp_path: Path,
    start: Callable[[Worker], Callable[[], None]],
    monkeypatch: pytest.MonkeyPatch,
) -> None:
    monkeypatch.setattr(reader, "MAX_SHARDS_IN_HAND", 2)
    store, engine = MemoryStore(), Gate()
    end = start(make_worker(store, launched(store, files, 5), tmp_path / "scratch", engine))
    assert engine.began.acquire(timeout=PATIENCE)
    wait_until(lambda: leases(store) == 2)
    time.sleep(0.3)
    assert leases(store) == 2
    for _ in range(5):
        engine.go.release()
    end()


def test_long_batch_keeps_the_lease(
    files: Path, tmp_path: Path, start: Callable[[Worker], Callable[[], None]]
) -> None:
    """The engine works five times as long as a lease lasts."""
    store, engine = MemoryStore(), Gate()
    header = launched(store, files, 1, ttl=0.2)
    worker = make_worker(store, header, tmp_path / "scratch", engine)
    end = start(worker)
    assert engine.began.acquire(timeout=PATIENCE)
    first = worker.context.leases.leases[0]
    then = next(iter(list_all(store, first.key))).modified
    wait_until(lambda: (next(iter(list_all(store, first.key))).modified - then).total_seconds() > 1)
    engine.go.release()
    end()
    assert [r.generation for r in receipts_of(store, header)] == [1]


def test_a_worker_tells_how_far_its_shard_is(
    files: Path, tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    """So that progress moves within a shard; a shard with a receipt is not counted twice."""
    for module in (working, pipeline, engine_schedule):
        monkeypatch.setattr(module, "WINDOW_TOKENS", 200)
    seen: list[int] = []

    class Watched(HashEncoder):
        def encode(self, ids: Sequence[Sequence[int]]) -> Vectors:
            worker._update_heartbeat(worker.heartbeat.heartbeat)  # pyright: ignore[reportPrivateUsage]
            seen.append(sum(worker.heartbeat.heartbeat.tokens_open.values()))
            return super().encode(ids)

    store = MemoryStore()
    header = launched(store, files, 1, documents=500)
    worker = make_worker(store, header, tmp_path / "scratch", Watched())
    worker.run()
    (receipt,) = receipts_of(store, header)
    assert seen == sorted(seen)
    assert 0 < seen[-1] < receipt.tokens
    worker._update_heartbeat(worker.heartbeat.heartbeat)  # pyright: ignore[reportPrivateUsage]
    assert worker.heartbeat.heartbeat.tokens_open == {}


def test_reader_waits_when_the_queue_is_full(
    files: Path,
    tmp_path: Path,
    start: Callable[[Worker], Callable[[], None]],
    monkeypatch: pytest.MonkeyPatch,
) -> None:
    for module in (working, pipeline, engine_schedule):
        monkeypatch.setattr(module, "WINDOW_TOKENS", 200)
    read_so_far: list[int] = []

    class Watched(HashEncoder):
        def encode(self, ids: Sequence[Sequence[int]]) -> Vectors:
            if not read_so_far:
                time.sleep(0.3)  # time enough to read it all
                read_so_far.append(made[0])
            return super().encode(ids)

    made = [0]
    add = working.Window.add

    def counted(self: working.Window, *arguments: object) -> None:
        made[0] += 1
        add(self, *arguments)  # pyright: ignore[reportArgumentType]

    monkeypatch.setattr(working.Window, "add", counted)
    store = MemoryStore()
    header = launched(store, files, 1, documents=500)
    make_worker(store, header, tmp_path / "scratch", Watched()).run()
    assert [r.documents for r in receipts_of(store, header)] == [500]
    assert read_so_far[0] < 100


class Full(MemoryStore):
    """A store that takes no vectors."""

    def put(self, key: str, body: Body) -> None:
        if key.startswith("data/"):
            raise StoreError("no space left", hint="free some")
        super().put(key, body)


def test_failing_upload_ends_the_worker_and_releases_leases(files: Path, tmp_path: Path) -> None:
    store = Full()
    header = launched(store, files, 3)
    worker = make_worker(store, header, tmp_path / "scratch")
    with pytest.raises(Problem, match="no space left"):
        worker.run()
    assert (leases(store), receipts_of(store, header)) == (0, [])
    assert list((tmp_path / "scratch").iterdir()) == []


def test_failing_engine_releases_leases(files: Path, tmp_path: Path) -> None:
    class Broken(HashEncoder):
        def encode(self, ids: Sequence[Sequence[int]]) -> Vectors:
            raise RuntimeError("CUDA out of memory")

    store = MemoryStore()
    header = launched(store, files, 3)
    with pytest.raises(EngineBroken, match="out of memory"):
        make_worker(store, header, tmp_path / "scratch", Broken()).run()
    assert (leases(store), receipts_of(store, header)) == (0, [])


def test_failing_reader_ends_the_worker(files: Path, tmp_path: Path) -> None:
    class Forgetful(MemoryStore):
        def list(self, prefix: str, after: str = "") -> list[Entry]:
            raise StoreError("denied", hint="ask for the right to list")

    store = MemoryStore()
    header = launched(store, files, 1)
    blind = Forgetful()
    blind.blobs, blind.versions = store.blobs, store.versions
    with pytest.raises(StoreError, match="denied"):
        make_worker(blind, header, tmp_path / "scratch").run()


def test_rows_keep_the_order_of_the_corpus(files: Path, tmp_path: Path) -> None:
    store = FolderStore(tmp_path / "out")
    names = corpus(files, 4, 50, words=9)
    header = launch(store, files, 4)
    make_worker(store, header, tmp_path / "scratch").run()
    signed = sorted(receipts_of(store, header), key=lambda r: r.position)
    assert [name for r in signed for name in column(store.root / (r.key or ""), "id")] == names


def test_engine_and_wait_are_separate_stages(files: Path, tmp_path: Path) -> None:
    class Slow(HashEncoder):
        def encode(self, ids: Sequence[Sequence[int]]) -> Vectors:
            time.sleep(0.2)
            return super().encode(ids)

    store = MemoryStore()
    worker = make_worker(store, launched(store, files, 3), tmp_path / "scratch", Slow())
    worker.run()
    found = worker.context.progress.stages.seconds
    assert found["engine"] >= 0.2
    assert found.keys() >= {"read", "tokenise", "engine", "write", "store", "wait"}


def test_lost_shard_is_dropped_and_others_continue(files: Path, tmp_path: Path) -> None:
    """Another takes the first shard over and does nothing with it: it comes back when that lease has run out."""
    store = MemoryStore()
    header = launched(store, files, 2, ttl=0.12)
    first = next(iter(manifest.all_shards(store, header)))

    class Overtaken(HashEncoder):
        def encode(self, ids: Sequence[Sequence[int]]) -> Vectors:
            held = next((lease for lease in worker.context.leases.leases if lease.shard == first.id), None)
            if held and held.generation == 1:
                claim(store, "run-1", first, 2, "bob", NOON)
                wait_until(lambda: not worker.context.leases.holds(held))
            return super().encode(ids)

    worker = make_worker(store, header, tmp_path / "scratch", Overtaken())
    worker.run()
    signed = sorted(receipts_of(store, header), key=lambda r: r.position)
    assert [(r.generation, r.chunks) for r in signed] == [(3, 5), (1, 5)]
    assert [entry[1] for entry in worker.context.leases.returned] == [first.id]
