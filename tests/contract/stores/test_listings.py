"""The contract of a store: its listings, times and versions."""

import os
from datetime import timedelta
from pathlib import Path

from tasks.stores.base import PAGE_SIZE, Store, list_all
from tasks.stores.folder import FolderStore
from tasks.stores.memory import MemoryStore
from tests.contract.stores.new_stores import keys
from tests.support.runs import NOON, Clock


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
