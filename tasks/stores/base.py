"""Where everything that must survive a machine is kept, behind five calls.

`create` (only if absent), `put`, `get`, `list` and `now` (the store's own clock): no compare-and-swap,
so every object store that can create-only will do. Corpora are read through `list` and `get` as well.
Knows nothing of shards, leases or vectors; what keeps the objects is in `tasks.stores`.
"""

import random
import time
import unicodedata
from collections.abc import Callable, Iterator
from contextlib import suppress
from dataclasses import dataclass
from datetime import datetime
from pathlib import Path
from typing import BinaryIO, Protocol
from uuid import uuid4

from tasks.errors import Problem

PAGE_SIZE = 1_000  # entries of one listing; what S3 and GCS give at most
CREATE_ATTEMPTS = 8  # writes whose reply is lost, one after the other, before we give up
FIRST_BACKOFF_SECONDS = 0.1  # seconds before the second try, at most; doubles, with full jitter, to
MAX_BACKOFF_SECONDS = 2.0
TEMPORARY_PREFIX = ".tmp-"  # files that are still being written; never listed

Body = bytes | Path  # a Path is a local file, for what is too large to hold
# Bytes [start, end); end None: to the object's end; start < 0: so many from its end.
Span = tuple[int, int | None]


class OutcomeUnknown(Exception):  # noqa: N818 - a state of knowledge, not an error
    """The reply was lost: the write may or may not have happened. Read the key back."""


class StoreError(Problem):
    """The store cannot be used, and why."""


class StoreUnreachable(StoreError):
    """Nothing answers at its address."""


class Unauthenticated(StoreError):
    """There are no credentials, or the store does not know them (any more)."""


class PermissionDenied(StoreError):
    """The credentials are good, but not for this."""


class ObjectChanged(Problem):
    """An object is not the one that was asked for."""

    def __init__(self, key: str, was: str, now: str | None) -> None:
        self.gone = now is None
        found = f"was {was}, is {now}" if now else "it is gone" if now is None else f"it is no longer {was}"
        super().__init__(
            f"{key} changed after the plan was made ({found})",
            hint="plan and launch again: a changed corpus is a new run",
        )


@dataclass(frozen=True, slots=True)
class Entry:
    """One line of a listing. `modified` is by the store's clock; `version` is another when the object is."""

    key: str
    size: int
    modified: datetime
    version: str = ""


class Store(Protocol):
    """Keys are slash-separated and relative to the path that the store was opened with."""

    def create(self, key: str, body: Body) -> bool:
        """Write `key` unless it exists; whether we wrote it.

        Raises:
            Unsure: the store did not say.
        """
        ...

    def put(self, key: str, body: Body) -> None:
        """Write `key`, over whatever is there, all or nothing."""
        ...

    def get(self, key: str, version: str | None = None, span: Span | None = None) -> BinaryIO | None:
        """A seekable stream of the object, None when there is none. The caller closes it.

        With `span` it stands at the start of the span, and little is fetched that lies beyond its end; positions
        are the object's all the same. However long it is read, it is of one version.

        Raises:
            Changed: it is not of `version`, or another was written while it was read.
        """
        ...

    def list(self, prefix: str, after: str = "") -> list[Entry]:
        """By key, the first PAGE entries that start with `prefix` and sort after `after`; fewer means all."""
        ...

    def now(self) -> datetime:
        """The store's clock, aware UTC: the only one by which leases expire."""
        ...


def read(store: Store, key: str) -> bytes | None:
    """The whole object, None when there is none."""
    stream = store.get(key)
    if stream is None:
        return None
    with stream:
        return stream.read()


def list_all(store: Store, prefix: str) -> Iterator[Entry]:
    """All entries under `prefix`, page after page."""
    after = ""
    while True:
        page = store.list(prefix, after)
        yield from page
        if len(page) < PAGE_SIZE:
            return
        after = page[-1].key


def create_once(store: Store, key: str, body: bytes, wait: Callable[[float], None] = time.sleep) -> bool:
    """Whether `key` is ours: `create`, and a look at what is there when the answer is no or got lost.

    `body` must hold a nonce, so that equal bytes are our own write. Without this read-back, 4-6 % of
    commits were reported lost when replies get lost (docs/architecture.md#the-store-protocol).
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
        f"the store neither took {key!r} nor shows another's, {CREATE_ATTEMPTS} times over",
        hint="see whether the store is healthy, then resume the run: nothing is lost",
    )


def probe(store: Store, key: str, wait: Callable[[float], None] = time.sleep) -> None:
    """Refuse a store that ignores create-only; several servers accept the condition and overwrite.

    Raises:
        Refused: with the reason.
    """
    create_once(store, key, uuid4().hex.encode(), wait)
    first, again = read(store, key), False
    with suppress(OutcomeUnknown):
        again = store.create(key, uuid4().hex.encode())
    if again or read(store, key) != first:
        raise StoreError(
            f"the store overwrote {key!r} although it was told to create it only if absent",
            hint="choose an output path on a store with conditional writes: a local folder, S3 or GCS",
        )
    if not any(entry.key == key for entry in store.list(key)):
        raise StoreError(
            f"the store does not list {key!r}, which it has just written",
            hint="choose an output path on a store whose listings show every write at once",
        )


def span_start(span: Span | None, size: int) -> int:
    """Where a stream with this span begins in an object of so many bytes."""
    start = span[0] if span else 0
    return start if start >= 0 else max(0, size + start)


def check_key(key: str) -> None:
    """Keys that are written come from us, but also from manifests: none may leave the root, or look unfinished.

    Raises:
        ValueError: it is no key.
    """
    parts = key.split("/")
    if any(p in ("", ".", "..") or p.startswith(TEMPORARY_PREFIX) for p in parts) or not key.isprintable():
        raise ValueError(f"not a key: {key!r}")


def check_read_key(key: str) -> None:
    """Keys that are read may be whatever a corpus calls its files, but none leads out of the root or steers a terminal.

    Raises:
        ValueError: it is no key.
    """
    control = any(unicodedata.category(letter) == "Cc" for letter in key)
    if not key or key.startswith("/") or ".." in key.split("/") or control:
        raise ValueError(f"not a key: {key!r}")


def check_prefix(prefix: str) -> None:
    """The same for the beginning of a key."""
    if prefix:
        check_key(prefix.removesuffix("/"))
