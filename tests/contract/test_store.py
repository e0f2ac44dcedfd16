"""What every store must do: one suite, run on each of them."""

import contextlib
import os
import subprocess
from collections.abc import Callable, Iterator
from concurrent.futures import ThreadPoolExecutor
from datetime import datetime, timedelta
from multiprocessing import get_context
from multiprocessing.context import SpawnProcess
from multiprocessing.queues import Queue
from multiprocessing.synchronize import Barrier
from pathlib import Path
from typing import BinaryIO

import pytest

from tasks.store import (
    PAGE,
    TEMPORARY,
    TRIES,
    Body,
    Entry,
    Refused,
    Store,
    Unsure,
    create_once,
    every,
    open_store,
    probe,
    read,
)
from tasks.stores.folder import Folder
from tasks.stores.memory import Memory
from tests.house import NOON, Clock

# Add a bucket's store here and it is held to the same promises.
STORES: dict[str, Callable[[Path], Store]] = {
    "memory": lambda _folder: Memory(),
    "folder": lambda folder: Folder(folder / "bucket"),
}

OUTSIDE = (
    "",
    "..",
    "../thief",
    "a/../../thief",
    "a/./b",
    "/etc/thief",
    "a//b",
    "a/",
    "line\nbreak",
    "nul\0",
    "\x1b[31mred",
    f"{TEMPORARY}mine",
    f"a/{TEMPORARY}mine",
)


@pytest.fixture(params=STORES)
def store(request: pytest.FixtureRequest, tmp_path: Path) -> Store:
    return STORES[request.param](tmp_path)


@pytest.fixture(scope="module", params=STORES)
def full(request: pytest.FixtureRequest, tmp_path_factory: pytest.TempPathFactory) -> Store:
    """PAGE + 5 objects under `many/`, and two beside it. Read only."""
    store = STORES[request.param](tmp_path_factory.mktemp("full"))
    for key in ("few", "many-too", *(f"many/{n:05d}" for n in reversed(range(PAGE + 5)))):
        store.put(key, b"")
    return store


def keys(entries: list[Entry]) -> list[str]:
    return [entry.key for entry in entries]


# --- create


def test_create_writes_an_absent_key(store: Store) -> None:
    assert store.create("leases/0007", b"worker-a")
    assert read(store, "leases/0007") == b"worker-a"


def test_create_refuses_a_key_that_is_there(store: Store) -> None:
    store.create("leases/0007", b"worker-a")
    assert not store.create("leases/0007", b"worker-b")
    assert read(store, "leases/0007") == b"worker-a"


def test_asking_twice_is_not_winning_twice(store: Store) -> None:
    store.create("leases/0007", b"worker-a")
    assert not store.create("leases/0007", b"worker-a")


def test_create_refuses_a_key_that_was_put_empty(store: Store) -> None:
    store.put("leases/0007", b"")
    assert not store.create("leases/0007", b"worker-b")
    assert read(store, "leases/0007") == b""


def test_a_refused_create_does_not_touch_the_time_of_the_object(store: Store) -> None:
    store.create("leases/0007", b"worker-a")
    before = store.list("leases/")
    store.create("leases/0007", b"worker-b")
    assert store.list("leases/") == before


def test_of_many_threads_one_creates_a_key(store: Store) -> None:
    bodies = (b"a", b"b", b"c", b"d")
    for number in range(50):
        with ThreadPoolExecutor(len(bodies)) as pool:
            asked = [pool.submit(store.create, f"race/{number}", body) for body in bodies]
        won = [body for body, answer in zip(bodies, asked, strict=True) if answer.result()]
        assert won == [read(store, f"race/{number}")]


# --- put and get


def test_put_writes_over_what_is_there(store: Store) -> None:
    store.put("pulse", b"first, and longer")
    store.put("pulse", b"second")
    assert read(store, "pulse") == b"second"


def test_an_absent_key_reads_as_none(store: Store) -> None:
    assert store.get("nothing/here") is None
    assert read(store, "nothing/here") is None


def test_a_key_below_an_object_reads_as_none(store: Store) -> None:
    store.put("a", b"object")
    assert store.get("a/b") is None


def test_a_prefix_is_not_an_object(store: Store) -> None:
    store.put("a/b", b"object")
    assert store.get("a") is None


def test_get_gives_a_stream_that_seeks(store: Store) -> None:
    store.put("file", b"0123456789")
    stream = store.get("file")
    assert stream is not None
    with stream:
        stream.seek(-3, 2)
        assert stream.read() == b"789"
        stream.seek(2)
        assert stream.read(3) == b"234"


def test_a_stream_goes_on_over_a_put(store: Store) -> None:
    store.put("file", b"old" * 10_000)
    stream = store.get("file")
    assert stream is not None
    with stream:
        first = stream.read(3)
        store.put("file", b"new" * 10_000)
        assert first + stream.read() == b"old" * 10_000


def test_bodies_may_be_empty_and_of_any_bytes(store: Store) -> None:
    store.put("empty", b"")
    store.put("bytes", bytes(range(256)))
    assert read(store, "empty") == b""
    assert read(store, "bytes") == bytes(range(256))


@pytest.mark.parametrize("write", ["create", "put"])
def test_a_body_may_be_a_local_file(store: Store, tmp_path: Path, write: str) -> None:
    big = tmp_path / "vectors.parquet"
    big.write_bytes(bytes(range(256)) * 16_384)  # 4 MiB
    getattr(store, write)("data/vectors.parquet", big)
    assert read(store, "data/vectors.parquet") == big.read_bytes()
    assert store.list("data/")[0].size == 4 * 2**20


def test_a_file_that_became_an_object_stays_where_it_was(store: Store, tmp_path: Path) -> None:
    local = tmp_path / "vectors.parquet"
    local.write_bytes(b"vectors")
    store.put("data/vectors.parquet", local)
    local.write_bytes(b"changed")
    assert read(store, "data/vectors.parquet") == b"vectors"


def test_keys_may_hold_letters_of_any_language_and_spaces(store: Store) -> None:
    store.put("données/ведро 1/桶.json", b"x")
    assert keys(store.list("données/")) == ["données/ведро 1/桶.json"]
    assert read(store, "données/ведро 1/桶.json") == b"x"


# --- list and every


def test_a_listing_is_in_the_order_of_whole_keys(store: Store) -> None:
    for key in ("a-b", "a.b", "a0", "a/b0", "B", "a/b/c0", "é"):
        store.put(key, b"")
    assert keys(store.list("")) == ["B", "a-b", "a.b", "a/b/c0", "a/b0", "a0", "é"]


def test_a_prefix_need_not_end_at_a_slash(store: Store) -> None:
    for key in ("data/00-a", "data/00-b", "data/01-a", "database"):
        store.put(key, b"")
    assert keys(store.list("data/00")) == ["data/00-a", "data/00-b"]


def test_a_prefix_may_be_a_whole_key(store: Store) -> None:
    store.put("a/probe", b"")
    assert keys(store.list("a/probe")) == ["a/probe"]


def test_nothing_is_listed_where_nothing_is(store: Store) -> None:
    store.put("file", b"")
    assert store.list("absent/") == []
    assert store.list("file/") == []


def test_a_listing_starts_after_a_key_that_need_not_exist(store: Store) -> None:
    for key in ("a", "c", "e"):
        store.put(key, b"")
    assert keys(store.list("", after="c")) == ["e"]
    assert keys(store.list("", after="b")) == ["c", "e"]


def test_a_listing_tells_sizes(store: Store) -> None:
    for size in (0, 1, 70_000):
        store.put(f"{size:05d}", b"x" * size)
    assert [entry.size for entry in store.list("")] == [0, 1, 70_000]


def test_times_are_aware_and_not_later_than_the_clock_of_the_store(store: Store) -> None:
    store.put("file", b"")
    entry = store.list("")[0]
    assert entry.modified.utcoffset() == timedelta(0)
    assert timedelta(0) <= store.now() - entry.modified < timedelta(minutes=1)


def test_the_clock_of_the_store_is_aware(store: Store) -> None:
    assert store.now().utcoffset() == timedelta(0)


def test_asking_for_the_time_leaves_nothing_behind(store: Store) -> None:
    store.now()
    assert store.list("") == []


def test_a_put_renews_the_time() -> None:
    clock = Clock()
    memory = Memory(clock)
    memory.put("lease", b"")
    clock.pass_seconds(20)
    memory.put("lease", b"")
    assert memory.list("lease")[0].modified == NOON + timedelta(seconds=20)


def test_a_put_renews_the_time_of_a_file(tmp_path: Path) -> None:
    folder = Folder(tmp_path)
    folder.put("lease", b"")
    os.utime(tmp_path / "lease", (1_000, 1_000))
    folder.put("lease", b"")
    assert folder.now() - folder.list("lease")[0].modified < timedelta(minutes=1)


def test_a_page_has_at_most_a_thousand_entries(full: Store) -> None:
    page = full.list("many/")
    assert keys(page) == [f"many/{n:05d}" for n in range(PAGE)]


def test_the_next_page_goes_on_after_the_last_key(full: Store) -> None:
    rest = full.list("many/", after=f"many/{PAGE - 1:05d}")
    assert keys(rest) == [f"many/{n:05d}" for n in range(PAGE, PAGE + 5)]


def test_every_entry_comes_once_and_in_order(full: Store) -> None:
    assert keys(list(every(full, "many/"))) == [f"many/{n:05d}" for n in range(PAGE + 5)]


def test_every_ends_after_a_page_that_is_exactly_full(full: Store) -> None:
    assert len(list(every(full, "many/00"))) == PAGE


# --- keys that must not be


@pytest.mark.parametrize("key", OUTSIDE, ids=ascii)
@pytest.mark.parametrize("write", ["create", "put"])
def test_no_write_leaves_the_root(store: Store, key: str, write: str, tmp_path: Path) -> None:
    with pytest.raises(ValueError, match="not a key"):
        getattr(store, write)(key, b"loot")
    assert not list(tmp_path.rglob("*thief*"))


@pytest.mark.parametrize("key", OUTSIDE, ids=ascii)
def test_no_read_leaves_the_root(store: Store, key: str) -> None:
    with pytest.raises(ValueError, match="not a key"):
        store.get(key)


@pytest.mark.parametrize("prefix", ["../", "..", "a/../../", "/etc/", "/", "a//"])
def test_no_listing_leaves_the_root(store: Store, prefix: str) -> None:
    with pytest.raises(ValueError, match="not a key"):
        store.list(prefix)


# --- probe


class Through:
    """A store over another; what it does wrong is said by its children."""

    def __init__(self, inner: Store) -> None:
        self.inner = inner

    def create(self, key: str, body: Body) -> bool:
        return self.inner.create(key, body)

    def put(self, key: str, body: Body) -> None:
        self.inner.put(key, body)

    def get(self, key: str) -> BinaryIO | None:
        return self.inner.get(key)

    def list(self, prefix: str, after: str = "") -> list[Entry]:
        return self.inner.list(prefix, after)

    def now(self) -> datetime:
        return self.inner.now()


class Overwrites(Through):
    """Accepts the condition, ignores it, and says so with a 200."""

    def create(self, key: str, body: Body) -> bool:
        self.inner.put(key, body)
        return True


class OverwritesAndLies(Through):
    """Says that the key exists, and overwrites it all the same."""

    def create(self, key: str, body: Body) -> bool:
        absent = self.inner.create(key, body)
        self.inner.put(key, body)
        return absent


class ListsLate(Through):
    """An eventually consistent listing."""

    def list(self, prefix: str, after: str = "") -> list[Entry]:
        return []


class LosesReplies(Through):
    """The first `lost` creates end without an answer, done or not."""

    def __init__(self, inner: Store, lost: int, *, done: bool) -> None:
        super().__init__(inner)
        self.lost = lost
        self.done = done
        self.creates = 0

    def create(self, key: str, body: Body) -> bool:
        self.creates += 1
        if self.creates > self.lost:
            return self.inner.create(key, body)
        if self.done:
            self.inner.create(key, body)
        raise Unsure


def test_a_good_store_passes_the_probe(store: Store) -> None:
    probe(store, "_embedfleet/probe")


def test_a_good_store_passes_the_probe_again(store: Store) -> None:
    probe(store, "_embedfleet/probe")
    probe(store, "_embedfleet/probe")


@pytest.mark.parametrize("kind", [Overwrites, OverwritesAndLies])
def test_a_store_that_overwrites_is_refused(store: Store, kind: type[Through]) -> None:
    with pytest.raises(Refused, match="overwrote '_embedfleet/probe'") as refusal:
        probe(kind(store), "_embedfleet/probe")
    assert "conditional writes" in refusal.value.hint


def test_a_store_that_lists_late_is_refused(store: Store) -> None:
    with pytest.raises(Refused, match="does not list '_embedfleet/probe'"):
        probe(ListsLate(store), "_embedfleet/probe")


@pytest.mark.parametrize("done", [True, False])
@pytest.mark.parametrize("lost", [1, 2])
def test_a_good_store_passes_the_probe_although_replies_get_lost(store: Store, lost: int, done: bool) -> None:
    probe(LosesReplies(store, lost, done=done), "_embedfleet/probe")


# --- create_once


def test_the_first_body_wins(store: Store) -> None:
    assert create_once(store, "receipt", b"nonce-a")


def test_another_body_loses(store: Store) -> None:
    create_once(store, "receipt", b"nonce-a")
    assert not create_once(store, "receipt", b"nonce-b")
    assert read(store, "receipt") == b"nonce-a"


def test_our_own_body_found_again_has_won(store: Store) -> None:
    create_once(store, "receipt", b"nonce-a")
    assert create_once(store, "receipt", b"nonce-a")


@pytest.mark.parametrize("lost", [1, TRIES - 1])
def test_a_write_whose_reply_was_lost_has_won(store: Store, lost: int) -> None:
    flaky = LosesReplies(store, lost, done=True)
    assert create_once(flaky, "receipt", b"nonce-a")
    assert flaky.creates == 1


@pytest.mark.parametrize("lost", [1, TRIES - 1])
def test_a_write_that_was_lost_is_tried_again(store: Store, lost: int) -> None:
    flaky = LosesReplies(store, lost, done=False)
    assert create_once(flaky, "receipt", b"nonce-a")
    assert flaky.creates == lost + 1
    assert read(store, "receipt") == b"nonce-a"


@pytest.mark.parametrize("done", [True, False])
def test_a_lost_reply_does_not_win_over_another_body(store: Store, done: bool) -> None:
    store.create("receipt", b"nonce-b")
    assert not create_once(LosesReplies(store, 1, done=done), "receipt", b"nonce-a")


def test_a_store_that_takes_nothing_is_refused_in_the_end(store: Store) -> None:
    flaky = LosesReplies(store, TRIES, done=False)
    with pytest.raises(Refused, match=f"{TRIES} times over") as refusal:
        create_once(flaky, "receipt", b"nonce-a")
    assert "resume" in refusal.value.hint


# --- what only a folder can do wrong


def test_files_that_are_being_written_are_not_listed(tmp_path: Path) -> None:
    folder = Folder(tmp_path)
    folder.put("data/done.parquet", b"")
    (tmp_path / "data" / f"{TEMPORARY}0123").write_bytes(b"half")
    assert keys(folder.list("")) == ["data/done.parquet"]
    assert keys(folder.list("data/")) == ["data/done.parquet"]


def test_writes_leave_no_temporary_file(tmp_path: Path) -> None:
    folder = Folder(tmp_path)
    folder.create("data/a", b"1")
    folder.create("data/a", b"2")
    folder.put("data/a", b"3")
    assert [path.name for path in tmp_path.rglob("*") if path.is_file()] == ["a"]


def test_a_folder_is_made_with_its_parents(tmp_path: Path) -> None:
    Folder(tmp_path / "a" / "b").put("c", b"")
    assert (tmp_path / "a" / "b" / "c").is_file()


def test_a_file_in_the_place_of_the_folder_is_refused(tmp_path: Path) -> None:
    (tmp_path / "output").write_bytes(b"")
    with pytest.raises(Refused, match="cannot write to"):
        Folder(tmp_path / "output")


@pytest.mark.parametrize("write", ["create", "put"])
def test_a_key_below_a_file_is_refused(tmp_path: Path, write: str) -> None:
    folder = Folder(tmp_path)
    folder.put("a", b"")
    with pytest.raises(Refused, match="cannot write to"):
        getattr(folder, write)("a/b", b"")


def test_a_key_that_is_too_long_is_refused(tmp_path: Path) -> None:
    with pytest.raises(Refused, match="name too long"):
        Folder(tmp_path).put("x" * 300, b"")


@pytest.fixture
def tiny(tmp_path: Path) -> Iterator[Path]:
    """A file system of 64 KiB."""
    mount = ["mount", "-t", "tmpfs", "-o", "size=64k", "none", str(tmp_path)]
    try:
        made = subprocess.run(mount, capture_output=True, check=False).returncode == 0
    except FileNotFoundError:
        made = False
    if not made:
        pytest.skip("a full disk needs a small file system, and mounting one needs root")
    yield tmp_path
    subprocess.run(["umount", str(tmp_path)], check=True)


@pytest.mark.parametrize("write", ["create", "put"])
def test_a_full_disk_is_refused_with_a_hint(tiny: Path, write: str) -> None:
    folder = Folder(tiny)
    with pytest.raises(Refused, match="no space left") as refusal:
        getattr(folder, write)("data/big", b"x" * 100_000)
    assert refusal.value.hint == "free some space, then resume the run: nothing is lost"


@pytest.mark.parametrize("write", ["create", "put"])
def test_a_full_disk_leaves_no_half_file(tiny: Path, write: str) -> None:
    folder = Folder(tiny)
    with contextlib.suppress(Refused):
        getattr(folder, write)("data/big", b"x" * 100_000)
    assert [path for path in tiny.rglob("*") if path.is_file()] == []
    folder.put("data/small", b"x" * 10_000)  # and the space is free again


def test_a_full_disk_keeps_the_old_object(tiny: Path) -> None:
    folder = Folder(tiny)
    folder.put("pulse", b"old")
    with contextlib.suppress(Refused):
        folder.put("pulse", b"x" * 100_000)
    assert read(folder, "pulse") == b"old"


ROUNDS = 150


def _race(root: Path, worker: int, barrier: Barrier, won: "Queue[tuple[int, list[int]]]") -> None:
    """Try for every key at the same moment as the others."""
    folder = Folder(root)
    rounds: list[int] = []
    for number in range(ROUNDS):
        barrier.wait(30)
        if folder.create(f"race/{number:04d}", str(worker).encode()):
            rounds.append(number)
    won.put((worker, rounds))


def test_of_many_processes_one_creates_a_key(tmp_path: Path) -> None:
    context = get_context("spawn")
    barrier, won = context.Barrier(4), context.Queue()
    workers: list[SpawnProcess] = [
        context.Process(target=_race, args=(tmp_path, worker, barrier, won)) for worker in range(4)
    ]
    for worker in workers:
        worker.start()
    found = dict(won.get(timeout=60) for _ in workers)
    for worker in workers:
        worker.join(30)
    winners = sorted((number, worker) for worker, rounds in found.items() for number in rounds)
    assert [number for number, _ in winners] == list(range(ROUNDS))
    for number, worker in winners:
        assert read(Folder(tmp_path), f"race/{number:04d}") == str(worker).encode()


# --- opening


def test_a_path_without_a_scheme_is_a_folder(tmp_path: Path) -> None:
    open_store(str(tmp_path / "out")).put("a", b"1")
    assert (tmp_path / "out" / "a").read_bytes() == b"1"


def test_a_file_url_is_a_folder(tmp_path: Path) -> None:
    open_store(f"file://{tmp_path}/out").put("a", b"1")
    assert (tmp_path / "out" / "a").read_bytes() == b"1"


def test_a_scheme_that_nobody_serves_is_refused() -> None:
    with pytest.raises(Refused, match="not to ftp://"):
        open_store("ftp://host/out")
