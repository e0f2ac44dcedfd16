"""The store interface: five calls to an object store, which keeps everything that must survive a machine.

`create` (only if absent, a conditional write), `put`, `get`, `list` and `now` (the store's own clock). No
compare-and-swap, so every object store with create-only writes will do. Corpora are read through `list` and `get` as
well. Knows nothing of shards, leases or vectors; the implementations are the other modules of `tasks.stores`.
"""

import random
import time
from collections.abc import Callable, Iterator
from contextlib import suppress
from dataclasses import dataclass
from datetime import datetime
from pathlib import Path
from typing import BinaryIO, Protocol, runtime_checkable
from uuid import uuid4

from tasks.errors import Problem

PAGE_SIZE = 1_000  # entries of one listing; the maximum of S3 and GCS
CREATE_ATTEMPTS = 8  # consecutive writes whose reply is lost until `create_once` gives up
FIRST_BACKOFF_SECONDS = (
    0.1  # the longest wait before the second attempt; exponential backoff with full jitter, up to
)
MAX_BACKOFF_SECONDS = 2.0
TEMPORARY_PREFIX = ".tmp-"  # files that are still being written; never listed

Body = bytes | Path  # a Path is a local file, for bodies too large for memory
# Bytes [start, end). end None: to the object's end; start < 0: the last -start bytes.
Span = tuple[int, int | None]


class OutcomeUnknown(Exception):  # noqa: N818 - a state of knowledge, not an error
    """The reply to a write was lost, so it may or may not have happened. Read the key back."""


class StoreError(Problem):
    """The store cannot be used; the message says why."""


class StoreUnreachable(StoreError):  # noqa: N818 - named like the status of gRPC
    """No server answers at the store's address."""


class Unauthenticated(StoreError):  # noqa: N818 - named like the status of gRPC
    """There are no credentials, or the store does not accept them (any more)."""


class PermissionDenied(StoreError):  # noqa: N818 - named like the status of gRPC
    """The store accepts the credentials, but they do not allow this call."""


class ObjectChanged(Problem):
    """An object is gone, or is another version than the one asked for. `gone` says which."""

    def __init__(self, key: str, was: str, now: str | None) -> None:
        self.gone = now is None
        found = f"was {was}, is {now}" if now else "it is gone" if now is None else f"it is no longer {was}"
        super().__init__(
            f"{key} changed after the plan was made ({found})",
            hint="plan and launch again: a changed corpus is a new run",
        )


@dataclass(frozen=True, slots=True)
class Entry:
    """One entry of a listing. `modified` is by the store's clock; `version` changes whenever the object does."""

    key: str
    size: int
    modified: datetime
    version: str = ""


class Store(Protocol):
    """An object store. Keys are slash-separated and relative to the path that the store was opened with."""

    def create(self, key: str, body: Body) -> bool:
        """Write `key` if it is absent; True when this call wrote it.

        Raises:
            OutcomeUnknown: the store's reply was lost.
        """
        ...

    def put(self, key: str, body: Body) -> None:
        """Write or overwrite `key` atomically: a reader sees the old object or the new one. Idempotent."""
        ...

    def get(self, key: str, version: str | None = None, span: Span | None = None) -> BinaryIO | None:
        """A seekable stream of the object; None when there is no object. The caller closes the stream.

        With `span` the stream starts at the start of the span, and little is fetched beyond its end; positions still
        count from the start of the object. All bytes of one stream are of one version.

        Raises:
            ObjectChanged: the object is not of `version`, or was overwritten while it was read.
        """
        ...

    def list(self, prefix: str, after: str = "") -> list[Entry]:
        """The first PAGE_SIZE entries, by key, that start with `prefix` and sort after `after`; fewer means all."""
        ...

    def now(self) -> datetime:
        """The store's clock, in UTC: the only clock by which leases expire."""
        ...


@runtime_checkable
class Eraser(Protocol):
    """A store that can delete an object. Every store of ours can; only `embedfleet finish` and `doctor` do."""

    def erase(self, key: str) -> None:
        """Remove `key` if it is there. Idempotent."""
        ...


@runtime_checkable
class Walker(Protocol):
    """A store that lists all at once: a folder has no index, so each page of a listing would read all of its names."""

    def walk(self, prefix: str, after: str = "") -> Iterator[Entry]:
        """All entries, by key, that start with `prefix` and sort after `after`."""
        ...


def size_of(body: Body) -> int:
    """How many bytes a body has."""
    return len(body) if isinstance(body, bytes) else body.stat().st_size


def read(store: Store, key: str) -> bytes | None:
    """The bytes of the whole object; None when there is no object."""
    stream = store.get(key)
    if stream is None:
        return None
    with stream:
        return stream.read()


def list_all(store: Store, prefix: str) -> Iterator[Entry]:
    """All entries that start with `prefix`, by key: in one pass where the store can, else page after page."""
    if isinstance(store, Walker):
        yield from store.walk(prefix)
        return
    after = ""
    while True:
        page = store.list(prefix, after)
        if after and page and page[0].key <= after:  # a server that ignores where to go on
            raise endless_listing(prefix)
        yield from page
        if len(page) < PAGE_SIZE:
            return
        after = page[-1].key


def endless_listing(where: str) -> StoreError:
    """The error of a listing that gives the same again and again."""
    return StoreError(
        f"the store's listing of {where!r} does not end: it repeats itself",
        hint="use another store, or report this to who runs it",
    )


def create_once(store: Store, key: str, body: bytes, wait: Callable[[float], None] = time.sleep) -> bool:
    """Create `key`; True when the object there is ours. Idempotent: a lost reply is settled by reading the key back.

    `body` must hold a nonce, so that equal bytes prove our own write. Retries with backoff. Without the read-back,
    4-6 % of commits were reported lost when replies get lost (docs/architecture.md#the-store-protocol).

    Raises:
        StoreError: the store neither takes the object nor shows another one.
    """
    for number in range(CREATE_ATTEMPTS):
        if number:
            wait(random.uniform(0, min(MAX_BACKOFF_SECONDS, FIRST_BACKOFF_SECONDS * 2**number)))  # noqa: S311 - jitter, not a secret
        with suppress(OutcomeUnknown):
            if store.create(key, body):
                return True
        found = read(store, key)
        if found is not None:
            return found == body
    raise StoreError(
        f"the store neither accepted {key!r} nor shows another object there, in {CREATE_ATTEMPTS} attempts",
        hint="check whether the store is healthy, then resume the run: nothing is lost",
    )


def probe(store: Store, key: str, wait: Callable[[float], None] = time.sleep) -> None:
    """Check that the store honours create-only writes: several servers accept the condition and overwrite.

    Raises:
        StoreError: it does not, or its listings do not show new objects.
    """
    create_once(store, key, uuid4().hex.encode(), wait)
    first, again = read(store, key), False
    with suppress(OutcomeUnknown):
        again = store.create(key, uuid4().hex.encode())
    if again or read(store, key) != first:
        raise StoreError(
            f"the store overwrote {key!r} although it was asked to create it only if absent",
            hint="choose an output path on a store with conditional writes: a local folder, S3 or GCS",
        )
    if not any(entry.key == key for entry in store.list(key)):
        raise StoreError(
            f"the store does not list {key!r}, which it has just written",
            hint="choose an output path on a store whose listings show every write at once",
        )


def span_start(span: Span | None, size: int) -> int:
    """The position at which a stream with this span begins, in an object of `size` bytes."""
    start = span[0] if span else 0
    return start if start >= 0 else max(0, size + start)


def check_key(key: str) -> None:
    """Check a key that is to be written. Keys come from manifests, too: none may leave the root or look unfinished.

    Raises:
        ValueError: it is not a key.
    """
    parts = key.split("/")
    if any(p in ("", ".", "..") or p.startswith(TEMPORARY_PREFIX) for p in parts) or not key.isprintable():
        raise ValueError(f"not a key: {key!r}")


def check_read_key(key: str) -> None:
    """Check a key that is to be read: any file name of a corpus, unless it leaves the root.

    Raises:
        ValueError: it is not a key.
    """
    if not key or key.startswith("/") or ".." in key.split("/") or "\0" in key:
        raise ValueError(f"not a key: {key!r}")


def check_prefix(prefix: str) -> None:
    """Check the beginning of a key, as `check_key` does."""
    if prefix:
        check_key(prefix.removesuffix("/"))
