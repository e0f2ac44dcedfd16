"""A worker that has to go signs for the beginning of its shard, and nothing of that is done again."""

import signal
import threading
import time
from collections.abc import Callable, Generator, Sequence
from contextlib import contextmanager
from pathlib import Path

import numpy as np
import pytest

from launcher.output.verification.verify import verify
from tasks.engines.base import Vectors, embed
from tasks.engines.checks.engine_check import EngineBroken
from tasks.engines.hash_engine import HashEncoder
from tasks.models.tokenizing.pieces import ChunkSpec
from tasks.protocol import receipt
from tasks.protocol.keys import lease_key
from tasks.protocol.lease import CRASHED, claim
from tasks.protocol.manifest import Header, all_shards
from tasks.protocol.messages.crash_marker import this_place
from tasks.protocol.receipt import PartReceipt, ReceiptFile
from tasks.stores.base import list_all, read
from tasks.stores.folder import FolderStore
from tasks.stores.memory import MemoryStore
from tasks.worker import engine_schedule, pipeline
from tasks.worker.monitoring.signals import Signals, Stopped
from tasks.worker.reading.windows import Window, split_window
from tests.support.runs import NOON, column, corpus, ids_out, launch, receipts_of
from tests.support.workers import make_worker

DOCUMENTS = 400
PATIENCE = 20.0


@pytest.fixture(autouse=True)
def small_engine_calls(monkeypatch: pytest.MonkeyPatch) -> None:
    """The engine takes little at once, so that a small shard is many windows."""
    monkeypatch.setattr(engine_schedule, "FIRST_ENGINE_TOKENS", 640)
    monkeypatch.setattr(engine_schedule, "LEAST_ENGINE_TOKENS", 640)
    monkeypatch.setattr(engine_schedule, "ENGINE_SECONDS", 0.0)


class Counting(HashEncoder):
    """Counts what it embeds, does something before its n-th call, and works at a known pace."""

    def __init__(self, at: int = 0, act: Callable[[], None] = lambda: None, seconds: float = 0.0) -> None:
        super().__init__()
        self.at, self.act, self.seconds = at, act, seconds
        self.calls = self.pieces = 0

    def encode(self, ids: Sequence[Sequence[int]]) -> Vectors:
        self.calls += 1
        if self.calls == self.at:
            self.act()
        time.sleep(self.seconds)
        self.pieces += len(ids)
        return super().encode(ids)


@contextmanager
def told_to_end(signals: Signals) -> Generator[None]:
    """The worker ends with `Stopped`, and the alarm that would raise it again is off."""
    with pytest.raises(Stopped):
        yield
    signals.reset()


def told_twice() -> None:
    """What is nearly done is then not waited for."""
    signal.raise_signal(signal.SIGTERM)
    signal.raise_signal(signal.SIGTERM)


def parts_of(store: FolderStore | MemoryStore) -> list[PartReceipt]:
    bodies = [read(store, entry.key) for entry in list_all(store, "_embedfleet/run-1/parts/")]
    return [receipt.load_part(body) for body in bodies if body]


def vectors_of(store: FolderStore, header: Header) -> Vectors:
    (done,) = receipts_of(store, header)
    return np.concatenate([np.array(column(store.root / key, "vector"), np.float32) for key, _ in done.files])


def stopped_midway(
    store: FolderStore, files: Path, scratch: Path, signals: Signals
) -> tuple[Header, list[str]]:
    """One shard, of which a worker that was told to end has done a part."""
    names = corpus(files, 1, DOCUMENTS)
    header = launch(store, files, 1, ttl=1_000.0)
    encoder = Counting(4, told_twice)
    with pytest.raises(Stopped):
        make_worker(store, header, scratch, encoder, signals=signals).run()
    return header, names


def test_sigterm_commits_a_part(store: FolderStore, files: Path, tmp_path: Path, signals: Signals) -> None:
    stopped_midway(store, files, tmp_path / "s", signals=signals)
    (part,) = parts_of(store)
    assert 0 < part.done == part.documents == part.chunks < DOCUMENTS
    assert [(file.rows, file.worker) for file in part.files] == [(part.done, "ann")]


def test_next_worker_continues_after_the_part(
    store: FolderStore, files: Path, tmp_path: Path, signals: Signals
) -> None:
    header, names = stopped_midway(store, files, tmp_path / "s", signals=signals)
    (part,) = parts_of(store)
    encoder = Counting()
    make_worker(store, header, tmp_path / "t", encoder, name="bob").run()
    assert encoder.pieces == DOCUMENTS - part.done
    assert ids_out(store, header) == names


def test_a_receipt_counts_all_its_files(
    store: FolderStore, files: Path, tmp_path: Path, signals: Signals
) -> None:
    header, _ = stopped_midway(store, files, tmp_path / "s", signals=signals)
    make_worker(store, header, tmp_path / "t", Counting(), name="bob").run()
    (done,) = receipts_of(store, header)
    assert (done.documents, done.chunks, done.generation, len(done.files)) == (DOCUMENTS, DOCUMENTS, 2, 2)
    assert done.output_bytes == sum((store.root / key).stat().st_size for key, _ in done.files)
    assert done.tokens_here < done.tokens


def test_a_shard_of_two_files_is_verified_as_one(
    store: FolderStore, files: Path, tmp_path: Path, signals: Signals
) -> None:
    header, _ = stopped_midway(store, files, tmp_path / "s", signals=signals)
    make_worker(store, header, tmp_path / "t", Counting(), name="bob").run()
    verdict = verify(store, header, 0, embed_again=True, progress=lambda _done, _all: None)
    assert (verdict.faults, verdict.rows, verdict.resampled) == ((), DOCUMENTS, 64)


def test_vectors_equal_those_of_an_undisturbed_run(
    store: FolderStore, files: Path, tmp_path: Path, signals: Signals
) -> None:
    header, names = stopped_midway(store, files, tmp_path / "s", signals=signals)
    make_worker(store, header, tmp_path / "t", Counting(), name="bob").run()
    texts = [" ".join(f"{name}w{w}" for w in range(12)) for name in names]
    assert np.array_equal(vectors_of(store, header), embed(HashEncoder(), texts, ChunkSpec(512)).vectors)


def test_next_worker_takes_the_furthest_part(
    store: FolderStore, files: Path, tmp_path: Path, signals: Signals
) -> None:
    corpus(files, 1, DOCUMENTS)
    header = launch(store, files, 1, ttl=1_000.0)
    for at in (3, 4, 3):
        with told_to_end(signals):
            make_worker(store, header, tmp_path / "s", Counting(at, told_twice), signals=signals).run()
        signals.reset()
    done = [part.done for part in parts_of(store)]
    assert done == sorted(done)
    assert len(set(done)) == 3
    encoder = Counting()
    make_worker(store, header, tmp_path / "t", encoder).run()
    assert encoder.pieces == DOCUMENTS - done[-1]
    assert [len(r.files) for r in receipts_of(store, header)] == [4]


def test_first_generation_lists_no_parts(files: Path, tmp_path: Path) -> None:
    class Listed(MemoryStore):
        def list(self, prefix: str, after: str = "") -> list[object]:  # type: ignore[override]
            asked.append(prefix)
            return super().list(prefix, after)  # pyright: ignore[reportReturnType]

    asked: list[str] = []
    store = Listed()
    corpus(files, 1, 5)
    make_worker(store, launch(store, files, 1), tmp_path / "s", Counting()).run()  # pyright: ignore[reportArgumentType]
    assert [prefix for prefix in asked if "/parts/" in prefix] == []


def test_a_shard_that_is_nearly_done_is_finished_when_told_to_end(
    store: FolderStore, files: Path, tmp_path: Path, signals: Signals
) -> None:
    """At the pace of the engine the rest takes a second: less than SIGTERM leaves."""
    corpus(files, 2, DOCUMENTS)
    header = launch(store, files, 2)
    encoder = Counting(6, lambda: signal.raise_signal(signal.SIGTERM), seconds=0.1)
    with told_to_end(signals):
        make_worker(store, header, tmp_path / "s", encoder, signals=signals).run()
    first = next(r for r in receipts_of(store, header) if r.position == 0)
    assert (first.documents, first.earlier) == (DOCUMENTS, ())


def test_second_sigterm_ends_at_once_with_a_part(
    store: FolderStore, files: Path, tmp_path: Path, signals: Signals
) -> None:
    corpus(files, 1, DOCUMENTS)
    header = launch(store, files, 1)
    with told_to_end(signals):
        make_worker(
            store, header, tmp_path / "s", Counting(6, told_twice, seconds=0.1), signals=signals
        ).run()
    assert receipts_of(store, header) == []
    assert len(parts_of(store)) == 1


def test_notice_period_is_used_up(
    store: FolderStore, files: Path, tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    """The whole would take four seconds; the machine goes in two."""
    monkeypatch.setattr(pipeline, "RESERVE_SECONDS", 0.5)
    corpus(files, 1, DOCUMENTS)
    header = launch(store, files, 1, ttl=1_000.0)
    signals = Signals()
    encoder = Counting(3, lambda: signals.warn("the cloud takes it", 2.0), seconds=0.4)
    worker = make_worker(store, header, tmp_path / "s", encoder, signals=signals)
    begun = time.monotonic()
    assert not worker.pipeline().run()
    assert time.monotonic() - begun < 3.5
    (part,) = parts_of(store)
    assert 60 < part.done < DOCUMENTS
    assert worker.context.leases.leases == []


def test_withdrawn_notice_continues_the_work(
    store: FolderStore, files: Path, tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    from tasks.worker import worker as working

    monkeypatch.setattr(working, "WITHDRAWN_SECONDS", 0.3)
    names = corpus(files, 3, 50)
    header = launch(store, files, 3, ttl=1_000.0)
    signals = Signals()
    make_worker(
        store, header, tmp_path / "s", Counting(1, lambda: signals.warn("perhaps", 0.1)), signals=signals
    ).run()
    assert sorted(ids_out(store, header)) == sorted(names)


def test_zombie_with_a_part_doubles_no_row(store: FolderStore, files: Path, tmp_path: Path) -> None:
    """Ann is frozen while another takes over and finishes; what she then signs for changes nothing."""
    names = corpus(files, 1, DOCUMENTS)
    header = launch(store, files, 1, ttl=0.3)
    (shard,) = all_shards(store, header)
    frozen, thawed = threading.Event(), threading.Event()

    def freeze() -> None:
        ann.signals.drain = True  # a frozen process claims nothing
        frozen.set()
        assert thawed.wait(PATIENCE)

    ann = make_worker(store, header, tmp_path / "s", Counting(4, freeze))
    thread = threading.Thread(target=ann.run)
    thread.start()
    assert frozen.wait(PATIENCE)
    assert claim(store, "run-1", shard, 2, "bob", NOON)  # and dies
    bob = make_worker(store, header, tmp_path / "t", Counting(), name="carl")
    bob.run()
    thawed.set()
    thread.join(PATIENCE)
    assert ids_out(store, header) == names
    assert [r.worker for r in receipts_of(store, header)] == ["carl"]


# --- shards that processes die of


class Deadly(Counting):
    """Dies of one text, and of nothing else."""

    def __init__(self, word: str) -> None:
        super().__init__()
        self.poison = self.tokenizer.ids([word])[0][0]
        self.dead = False

    def encode(self, ids: Sequence[Sequence[int]]) -> Vectors:
        self.dead = self.dead or any(self.poison in piece for piece in ids)
        if self.dead:
            raise RuntimeError("CUDA error: device-side assert triggered")
        return super().encode(ids)


def test_shard_that_crashed_three_workers_is_set_aside(
    store: FolderStore, files: Path, tmp_path: Path
) -> None:
    names = corpus(files, 3, 50)
    header = launch(store, files, 3, ttl=1_000.0)
    deaths = 0
    for _ in range(10):
        try:
            make_worker(store, header, tmp_path / "s", Deadly("1-17w3")).run()
            break
        except EngineBroken:
            deaths += 1
    assert deaths == 3
    faults = {r.position: r.fault for r in receipts_of(store, header)}
    assert faults == {0: None, 1: "set aside: 3 worker processes died of it", 2: None}
    assert sorted(ids_out(store, header)) == sorted(names[:50] + names[100:])


def test_other_shards_in_hand_are_not_blamed_for_a_crash(
    store: FolderStore, files: Path, tmp_path: Path
) -> None:
    corpus(files, 4, 50)
    header = launch(store, files, 4, ttl=1_000.0)
    for _ in range(2):
        with pytest.raises(EngineBroken):
            make_worker(store, header, tmp_path / "s", Deadly("0-3w3")).run()
    shards = list(all_shards(store, header))
    again = read(store, lease_key("run-1", "00000", shards[0].id, 2))
    assert again == CRASHED + this_place().encode()
    others = [e for e in list_all(store, "_embedfleet/run-1/leases/") if shards[0].id not in e.key]
    assert [e.size for e in others if e.key.endswith("000002")] in ([], [0] * 3)


def test_suspect_shard_commits_every_window(store: FolderStore, files: Path, tmp_path: Path) -> None:
    corpus(files, 1, DOCUMENTS)
    header = launch(store, files, 1, ttl=1_000.0)
    store.put(lease_key("run-1", "00000", next(iter(all_shards(store, header))).id, 1), CRASHED)
    make_worker(store, header, tmp_path / "s", Counting()).run()
    assert len(parts_of(store)) >= 5
    verdict = verify(store, header, 0, embed_again=True, progress=lambda _done, _all: None)
    assert verdict.faults == ()


# --- values


def test_a_part_reads_as_it_was_written() -> None:
    file = ReceiptFile("data/a.parquet", "ab", 10, 3, 30, None, "ann", NOON, NOON)
    part = PartReceipt("run-1", "0" * 16, 2, 4, 3, 3, 30, 1, 0, 1, (file, file))
    assert receipt.load_part(receipt.dump_part(part)) == part


def test_window_is_split_between_documents() -> None:
    from tasks.formats.rows import BadRow, Document
    from tasks.models.tokenizing.pieces import TextPieces

    window = Window()
    for n in range(6):
        if n in (0, 3):
            window.fail(BadRow("f", 100 + n, "no text"))
        window.add(Document(str(n), "", "f", n), TextPieces(([1] * 10,), 0), [()])
    window.fail(BadRow("f", 200, "no text"))
    first, rest = split_window(window, 35)
    assert ([d.id for d in first.documents], [b.position for b in first.bad]) == (["0", "1", "2"], [100])
    assert ([d.id for d in rest.documents], [b.position for b in rest.bad]) == (["3", "4", "5"], [103, 200])
    assert (first.tokens, rest.tokens, first.rows + rest.rows) == (30, 30, window.rows)
