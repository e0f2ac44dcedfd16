"""Functions over the five calls, on memory and folder; and which store a URL opens."""

from datetime import datetime
from pathlib import Path
from typing import BinaryIO

import pytest

from tasks.stores.base import (
    CREATE_ATTEMPTS,
    Body,
    Entry,
    OutcomeUnknown,
    Span,
    Store,
    StoreError,
    create_once,
    probe,
    read,
)
from tasks.stores.folder import FolderStore
from tasks.stores.memory import MemoryStore
from tasks.stores.open import open_store


@pytest.fixture(params=["memory", "folder"])
def store(request: pytest.FixtureRequest, tmp_path: Path) -> Store:
    return MemoryStore() if request.param == "memory" else FolderStore(tmp_path / "bucket")


def at_once(seconds: float) -> None:
    """Do not wait."""
    assert seconds >= 0


# --- probe


class Through:
    """A store that wraps another; subclasses add a fault."""

    def __init__(self, inner: Store) -> None:
        self.inner = inner

    def create(self, key: str, body: Body) -> bool:
        return self.inner.create(key, body)

    def put(self, key: str, body: Body) -> None:
        self.inner.put(key, body)

    def get(self, key: str, version: str | None = None, span: Span | None = None) -> BinaryIO | None:
        return self.inner.get(key, version, span)

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
        raise OutcomeUnknown


@pytest.mark.parametrize("kind", [Overwrites, OverwritesAndLies])
def test_a_store_that_overwrites_is_refused(store: Store, kind: type[Through]) -> None:
    with pytest.raises(StoreError, match="overwrote '_embedfleet/probe'") as refusal:
        probe(kind(store), "_embedfleet/probe")
    assert "conditional writes" in refusal.value.hint


def test_a_store_that_lists_late_is_refused(store: Store) -> None:
    with pytest.raises(StoreError, match="does not list '_embedfleet/probe'"):
        probe(ListsLate(store), "_embedfleet/probe")


@pytest.mark.parametrize("done", [True, False])
@pytest.mark.parametrize("lost", [1, 2])
def test_a_good_store_passes_the_probe_although_replies_get_lost(store: Store, lost: int, done: bool) -> None:
    probe(LosesReplies(store, lost, done=done), "_embedfleet/probe", at_once)


# --- create_once


def test_the_first_body_wins(store: Store) -> None:
    assert create_once(store, "receipt", b"nonce-a", at_once)


def test_another_body_loses(store: Store) -> None:
    create_once(store, "receipt", b"nonce-a", at_once)
    assert not create_once(store, "receipt", b"nonce-b", at_once)
    assert read(store, "receipt") == b"nonce-a"


def test_our_own_body_found_by_reading_back_wins(store: Store) -> None:
    create_once(store, "receipt", b"nonce-a", at_once)
    assert create_once(store, "receipt", b"nonce-a", at_once)


@pytest.mark.parametrize("lost", [1, CREATE_ATTEMPTS - 1])
def test_a_write_whose_reply_was_lost_wins(store: Store, lost: int) -> None:
    flaky = LosesReplies(store, lost, done=True)
    assert create_once(flaky, "receipt", b"nonce-a", at_once)
    assert flaky.creates == 1


@pytest.mark.parametrize("lost", [1, CREATE_ATTEMPTS - 1])
def test_a_write_that_was_lost_is_retried(store: Store, lost: int) -> None:
    flaky = LosesReplies(store, lost, done=False)
    assert create_once(flaky, "receipt", b"nonce-a", at_once)
    assert flaky.creates == lost + 1
    assert read(store, "receipt") == b"nonce-a"


@pytest.mark.parametrize("done", [True, False])
def test_a_lost_reply_does_not_win_over_another_body(store: Store, done: bool) -> None:
    store.create("receipt", b"nonce-b")
    assert not create_once(LosesReplies(store, 1, done=done), "receipt", b"nonce-a", at_once)


def test_a_store_that_accepts_no_write_is_refused_after_all_attempts(store: Store) -> None:
    flaky = LosesReplies(store, CREATE_ATTEMPTS, done=False)
    with pytest.raises(StoreError, match=f"in {CREATE_ATTEMPTS} attempts") as refusal:
        create_once(flaky, "receipt", b"nonce-a", at_once)
    assert "resume" in refusal.value.hint


# --- opening


def test_a_path_without_a_scheme_is_a_folder(tmp_path: Path) -> None:
    open_store(str(tmp_path / "out")).put("a", b"1")
    assert (tmp_path / "out" / "a").read_bytes() == b"1"


def test_a_file_url_is_a_folder(tmp_path: Path) -> None:
    open_store(f"file://{tmp_path}/out").put("a", b"1")
    assert (tmp_path / "out" / "a").read_bytes() == b"1"


def test_an_unknown_scheme_is_refused() -> None:
    with pytest.raises(StoreError, match="no store for ftp://"):
        open_store("ftp://host/out")


@pytest.mark.parametrize("url", ["s3://", "s3:///prefix", "gs://", "gs:///prefix"])
def test_a_url_without_a_bucket_is_refused(url: str) -> None:
    with pytest.raises(StoreError, match="names no bucket") as refusal:
        open_store(url)
    assert refusal.value.hint == f"write {url[:2]}://BUCKET/PREFIX"


@pytest.mark.parametrize("url", ["gs://UPPER/x", "gs://a", "gs://-b/x", "gs://a b"])
def test_a_bucket_of_gcs_with_an_impossible_name_is_refused(url: str) -> None:
    with pytest.raises(StoreError, match="has no valid bucket name"):
        open_store(url)
