"""The contract of a store: one suite, run on each of them.

The buckets are on the loopback server; `make e2e-stores` runs it on moto and fake-gcs-server as well.
"""

import os
from collections.abc import Iterator
from concurrent.futures import ThreadPoolExecutor
from datetime import timedelta
from multiprocessing import get_context
from multiprocessing.context import SpawnProcess
from pathlib import Path

import pytest

from tasks.stores.base import PAGE_SIZE, TEMPORARY_PREFIX, Entry, ObjectChanged, Store, list_all, probe, read
from tasks.stores.folder import FolderStore
from tasks.stores.memory import MemoryStore
from tasks.stores.open import open_store
from tasks.stores.range_reader import BLOCK_BYTES
from tests.support.buckets import FAKE, KINDS, OTHERS, Servers, upload_all
from tests.support.races import claim_keys
from tests.support.runs import NOON, Clock

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
    "tab\tstop",
    "nul\0",
    "\x9b31mred",
    "\x1b[31mred",
    f"{TEMPORARY_PREFIX}mine",
    f"a/{TEMPORARY_PREFIX}mine",
)


# Names that no file of a corpus may have; the rest of OUTSIDE may be a file and does not leave the root.
UNREADABLE = [k for k in OUTSIDE if k in ("", "..") or k.startswith(("..", "/")) or "/../" in k or "\0" in k]


def new_url(kind: str, servers: Servers, folder: Path, patch: pytest.MonkeyPatch) -> str:
    """Where a new and empty store of this kind is: a folder, or a prefix in a new bucket."""
    return str(folder / "bucket") if kind == "folder" else f"{servers.bucket(kind, patch)}/some/prefix"


@pytest.fixture(params=[*KINDS, *OTHERS])
def store(
    request: pytest.FixtureRequest, servers: Servers, tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> Store:
    if request.param == "memory":
        return MemoryStore()
    return open_store(new_url(request.param, servers, tmp_path, monkeypatch))


@pytest.fixture(scope="module", params=[*KINDS, *OTHERS])
def full(
    request: pytest.FixtureRequest, servers: Servers, tmp_path_factory: pytest.TempPathFactory
) -> Iterator[Store]:
    """PAGE_SIZE + 5 objects under `many/`, and two others. Read only."""
    names = ("few", "many-too", *(f"many/{n:05d}" for n in reversed(range(PAGE_SIZE + 5))))
    with pytest.MonkeyPatch.context() as patch:
        if request.param == "memory":
            store: Store = MemoryStore()
            url = ""
        else:
            url = new_url(request.param, servers, tmp_path_factory.mktemp("full"), patch)
            store = open_store(url)
        if "://" in url:
            upload_all(servers.address(request.param), url, names)
        elif url:
            for name in names:  # not by `put`, which waits for the disk each time
                path = Path(url) / name
                path.parent.mkdir(parents=True, exist_ok=True)
                path.write_bytes(b"")
        else:
            for name in names:
                store.put(name, b"")
        yield store


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


def test_a_second_create_with_the_same_body_fails(store: Store) -> None:
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


def test_a_stream_survives_a_put(store: Store) -> None:
    store.put("file", b"old" * 10_000)
    stream = store.get("file")
    assert stream is not None
    with stream:
        first = stream.read(3)
        store.put("file", b"new" * 10_000)
        assert first + stream.read() == b"old" * 10_000


SPANS = [
    ((3, 6), 3),
    ((0, None), 0),
    ((4, None), 4),
    ((-4, None), 6),
    ((-40, None), 0),
    ((9, 10), 9),
    ((3, 3), 3),
]


@pytest.mark.parametrize(("span", "start"), SPANS)
def test_a_stream_stands_at_the_start_of_its_span(
    store: Store, span: tuple[int, int | None], start: int
) -> None:
    store.put("file", b"0123456789")
    stream = store.get("file", span=span)
    assert stream is not None
    with stream:
        assert stream.tell() == start
        assert stream.read() == b"0123456789"[start:]  # reading goes on behind the span
        stream.seek(1)
        assert stream.read(2) == b"12"


@pytest.mark.parametrize("span", [(10, 20), (11, None), (30, 31)])
def test_a_span_behind_the_end_is_empty(store: Store, span: tuple[int, int | None]) -> None:
    store.put("file", b"0123456789")
    stream = store.get("file", span=span)
    assert stream is not None
    with stream:
        assert stream.read() == b""
        stream.seek(8)
        assert stream.read() == b"89"


def test_a_large_object_is_read_in_pieces_in_any_order(store: Store) -> None:
    body = os.urandom(2 * BLOCK_BYTES + 1_000)
    store.put("file", body)
    stream = store.get("file", span=(BLOCK_BYTES - 500, BLOCK_BYTES + 500))
    assert stream is not None
    with stream:
        assert stream.read(1_000) == body[BLOCK_BYTES - 500 : BLOCK_BYTES + 500]
        assert stream.seek(-10, 2) == len(body) - 10
        assert stream.read() == body[-10:]
        stream.seek(0)
        assert stream.read() == body


def test_the_version_of_a_listing_is_the_one_that_is_read(store: Store) -> None:
    store.put("file", b"old")
    version = store.list("file")[0].version
    stream = store.get("file", version)
    assert stream is not None
    with stream:
        assert stream.read() == b"old"


def test_another_version_than_asked_for_is_not_read(store: Store) -> None:
    store.put("file", b"old")
    version = store.list("file")[0].version
    store.put("file", b"new!")
    with pytest.raises(ObjectChanged, match=r"file changed after the plan was made") as refusal:
        store.get("file", version)
    assert refusal.value.hint == "plan and launch again: a changed corpus is a new run"


def test_a_version_of_an_object_that_is_gone_reads_as_none(store: Store) -> None:
    store.put("file", b"old")
    version = store.list("file")[0].version
    assert store.get("file2", version) is None


def test_a_version_of_another_kind_of_store_is_not_read(store: Store) -> None:
    store.put("file", b"old")
    with pytest.raises(ObjectChanged):
        store.get("file", "d41d8cd98f00b204e9800998ecf8427e")


def test_two_versions_are_never_read_as_one(store: Store) -> None:
    """A stream goes on with the version that it began with, or says that it cannot."""
    old = b"old" * BLOCK_BYTES
    store.put("file", old)
    stream = store.get("file")
    assert stream is not None
    with stream:
        first = stream.read(3)
        store.put("file", b"new" * BLOCK_BYTES)
        try:
            assert first + stream.read() == old
        except ObjectChanged as error:
            assert "file changed after the plan was made" in str(error)  # noqa: PT017 - either is right


def test_bodies_may_be_empty_and_of_any_bytes(store: Store) -> None:
    store.put("empty", b"")
    store.put("bytes", bytes(range(256)))
    assert read(store, "empty") == b""
    assert read(store, "bytes") == bytes(range(256))


@pytest.mark.parametrize("write", ["create", "put"])
@pytest.mark.parametrize("size", [0, 5, 40_000_000], ids=["empty", "small", "in pieces"])
def test_a_body_may_be_a_local_file(store: Store, tmp_path: Path, write: str, size: int) -> None:
    big = tmp_path / "vectors.parquet"
    big.write_bytes(os.urandom(size))
    getattr(store, write)("data/vectors.parquet", big)
    assert read(store, "data/vectors.parquet") == big.read_bytes()
    assert store.list("data/")[0].size == size


@pytest.mark.parametrize("size", [5, 20_000_000], ids=["small", "in pieces"])
def test_a_local_file_is_created_only_if_absent(
    store: Store, tmp_path: Path, size: int, request: pytest.FixtureRequest
) -> None:
    if FAKE in request.node.name and size > 10_000_000:
        pytest.skip("fake-gcs-server does not heed the condition of uploads in pieces")
    big = tmp_path / "vectors.parquet"
    big.write_bytes(b"x" * size)
    store.put("data/vectors.parquet", b"old")
    assert not store.create("data/vectors.parquet", big)
    assert read(store, "data/vectors.parquet") == b"old"


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


def test_a_listing_has_sizes(store: Store) -> None:
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


def test_reading_the_clock_leaves_no_object(store: Store) -> None:
    store.now()
    assert store.list("") == []


def test_a_put_renews_the_time() -> None:
    clock = Clock()
    memory = MemoryStore(clock)
    memory.put("lease", b"")
    clock.pass_seconds(20)
    memory.put("lease", b"")
    assert memory.list("lease")[0].modified == NOON + timedelta(seconds=20)


def test_a_put_renews_the_time_of_a_file(tmp_path: Path) -> None:
    folder = FolderStore(tmp_path)
    folder.put("lease", b"")
    os.utime(tmp_path / "lease", (1_000, 1_000))
    folder.put("lease", b"")
    assert folder.now() - folder.list("lease")[0].modified < timedelta(minutes=1)


def test_a_page_has_at_most_a_thousand_entries(full: Store) -> None:
    page = full.list("many/")
    assert keys(page) == [f"many/{n:05d}" for n in range(PAGE_SIZE)]


def test_the_next_page_goes_on_after_the_last_key(full: Store) -> None:
    rest = full.list("many/", after=f"many/{PAGE_SIZE - 1:05d}")
    assert keys(rest) == [f"many/{n:05d}" for n in range(PAGE_SIZE, PAGE_SIZE + 5)]


def test_every_entry_comes_once_and_in_order(full: Store) -> None:
    assert keys(list(list_all(full, "many/"))) == [f"many/{n:05d}" for n in range(PAGE_SIZE + 5)]


def test_every_ends_after_a_page_that_is_exactly_full(full: Store) -> None:
    assert len(list(list_all(full, "many/00"))) == PAGE_SIZE


def test_a_prefix_and_a_start_go_together(store: Store) -> None:
    for key in ("a/1", "b/1", "b/2", "b/3", "c/1"):
        store.put(key, b"")
    assert keys(store.list("b/", after="b/1")) == ["b/2", "b/3"]
    assert keys(store.list("b/", after="a/1")) == ["b/1", "b/2", "b/3"]
    assert keys(store.list("b/", after="b/3")) == []


def test_versions_tell_two_puts_apart(store: Store) -> None:
    store.put("file", b"one")
    first = store.list("file")[0].version
    store.put("file", b"other")
    assert first
    assert store.list("file")[0].version not in ("", first)


# --- keys that must not be


@pytest.mark.parametrize("key", OUTSIDE, ids=ascii)
@pytest.mark.parametrize("write", ["create", "put"])
def test_no_write_leaves_the_root(store: Store, key: str, write: str, tmp_path: Path) -> None:
    with pytest.raises(ValueError, match="not a key"):
        getattr(store, write)(key, b"loot")
    assert not list(tmp_path.rglob("*thief*"))


@pytest.mark.parametrize("key", UNREADABLE, ids=ascii)
def test_no_read_leaves_the_root(store: Store, key: str) -> None:
    with pytest.raises(ValueError, match="not a key"):
        store.get(key)


@pytest.mark.parametrize("prefix", ["../", "..", "a/../../", "/etc/", "/", "a//"])
def test_no_listing_leaves_the_root(store: Store, prefix: str) -> None:
    with pytest.raises(ValueError, match="not a key"):
        store.list(prefix)


# --- probe, which every one of them passes


def test_a_good_store_passes_the_probe(store: Store) -> None:
    probe(store, "_embedfleet/probe")


def test_a_good_store_passes_the_probe_again(store: Store) -> None:
    probe(store, "_embedfleet/probe")
    probe(store, "_embedfleet/probe")


# --- the race


@pytest.mark.parametrize(
    ("processes", "threads", "rounds"),
    [(3, 8, 10), pytest.param(8, 25, 50, marks=[pytest.mark.e2e, pytest.mark.slow])],
    ids=["24 claims", "200 claims"],
)
@pytest.mark.parametrize("kind", ["folder", "s3", "gcs", *OTHERS])
def test_of_many_claims_from_many_processes_one_wins(
    kind: str,
    processes: int,
    threads: int,
    rounds: int,
    servers: Servers,
    tmp_path: Path,
    monkeypatch: pytest.MonkeyPatch,
) -> None:
    url = str(tmp_path / "out") if kind == "folder" else f"{servers.bucket(kind, monkeypatch)}/out"
    context = get_context("spawn")
    barrier, won = context.Barrier(processes), context.Queue()
    workers: list[SpawnProcess] = [
        context.Process(target=claim_keys, args=(url, threads, rounds, barrier, won))
        for _ in range(processes)
    ]
    for worker in workers:
        worker.start()
    winners = sorted(one for _ in workers for one in won.get(timeout=500))
    for worker in workers:
        worker.join(30)
    assert [number for number, _ in winners] == list(range(rounds))
    store = open_store(url)
    for number, body in winners:
        assert read(store, f"race/{number:04d}") == body.encode()
