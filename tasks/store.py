"""Where everything that must survive a machine is kept, behind five calls.

`create` (only if absent), `put`, `get`, `list` and `now` (the store's own clock): no compare-and-swap,
so every object store that can create-only will do. Knows nothing of shards, leases or vectors.
"""

import contextlib
import errno
import io
import os
import shutil
import threading
from collections.abc import Callable, Generator, Iterator
from dataclasses import dataclass
from datetime import UTC, datetime
from pathlib import Path
from typing import BinaryIO, Protocol
from uuid import uuid4

from tasks.problem import Problem

PAGE = 1_000  # entries of one listing; what S3 and GCS give at most
TRIES = 8  # writes whose reply is lost, one after the other, before we give up
TEMPORARY = ".tmp-"  # files that are still being written; never listed

Body = bytes | Path  # a Path is a local file, for what is too large to hold


class Unsure(Exception):  # noqa: N818 - a state of knowledge, not an error
    """The reply was lost: the write may or may not have happened. Read the key back."""


class Refused(Problem):
    """The store cannot be used, and why."""


@dataclass(frozen=True, slots=True)
class Entry:
    """One line of a listing. `modified` is by the store's clock."""

    key: str
    size: int
    modified: datetime


class Store(Protocol):
    """Keys are slash-separated and relative to the output path."""

    def create(self, key: str, body: Body) -> bool:
        """Write `key` unless it exists; whether we wrote it.

        Raises:
            Unsure: the store did not say.
        """
        ...

    def put(self, key: str, body: Body) -> None:
        """Write `key`, over whatever is there, all or nothing."""
        ...

    def get(self, key: str) -> BinaryIO | None:
        """A seekable stream of the object, None when there is none. The caller closes it."""
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


def every(store: Store, prefix: str) -> Iterator[Entry]:
    """All entries under `prefix`, page after page."""
    after = ""
    while True:
        page = store.list(prefix, after)
        yield from page
        if len(page) < PAGE:
            return
        after = page[-1].key


def create_once(store: Store, key: str, body: bytes) -> bool:
    """Whether `key` is ours: `create`, and a look at what is there when the answer is no or got lost.

    `body` must hold a nonce, so that equal bytes are our own write. Without this read-back, 4-6 % of
    commits were reported lost when replies get lost (DESIGN 7).
    """
    for _ in range(TRIES):
        with contextlib.suppress(Unsure):
            if store.create(key, body):
                return True
        found = read(store, key)
        if found is not None:
            return found == body
    raise Refused(
        f"the store neither took {key!r} nor shows another's, {TRIES} times over",
        hint="see whether the store is healthy, then resume the run: nothing is lost",
    )


def probe(store: Store, key: str) -> None:
    """Refuse a store that ignores create-only; several servers accept the condition and overwrite.

    Raises:
        Refused: with the reason.
    """
    create_once(store, key, uuid4().hex.encode())
    first, again = read(store, key), False
    with contextlib.suppress(Unsure):
        again = store.create(key, uuid4().hex.encode())
    if again or read(store, key) != first:
        raise Refused(
            f"the store overwrote {key!r} although it was told to create it only if absent",
            hint="choose an output path on a store with conditional writes: a local folder, S3 or GCS",
        )
    if not any(entry.key == key for entry in store.list(key)):
        raise Refused(
            f"the store does not list {key!r}, which it has just written",
            hint="choose an output path on a store whose listings show every write at once",
        )


class Memory:
    """A bucket in a dict: what tests use where no process boundary is crossed."""

    def __init__(self, clock: Callable[[], datetime] = lambda: datetime.now(UTC)) -> None:
        self.blobs: dict[str, tuple[bytes, datetime]] = {}
        self.clock = clock
        self.lock = threading.Lock()

    def create(self, key: str, body: Body) -> bool:
        _check(key)
        blob = body if isinstance(body, bytes) else body.read_bytes()
        with self.lock:
            if key in self.blobs:
                return False
            self.blobs[key] = (blob, self.clock())
            return True

    def put(self, key: str, body: Body) -> None:
        _check(key)
        blob = body if isinstance(body, bytes) else body.read_bytes()
        with self.lock:
            self.blobs[key] = (blob, self.clock())

    def get(self, key: str) -> BinaryIO | None:
        _check(key)
        with self.lock:
            found = self.blobs.get(key)
        return io.BytesIO(found[0]) if found else None

    def list(self, prefix: str, after: str = "") -> list[Entry]:
        _check_prefix(prefix)
        with self.lock:
            keys = sorted(k for k in self.blobs if k.startswith(prefix) and k > after)[:PAGE]
            return [Entry(k, len(self.blobs[k][0]), self.blobs[k][1]) for k in keys]

    def now(self) -> datetime:
        return self.clock()


class Folder:
    """A folder of this machine: temporary file + `link` is create-only on every POSIX file system."""

    def __init__(self, root: Path) -> None:
        self.root = root
        try:
            root.mkdir(parents=True, exist_ok=True)
        except OSError as error:
            raise _refusal(error, root) from error

    def create(self, key: str, body: Body) -> bool:
        with self._written(key, body) as (temporary, final):
            try:
                os.link(temporary, final)
            except FileExistsError:
                return False
        _sync_folder(final.parent)
        return True

    def put(self, key: str, body: Body) -> None:
        with self._written(key, body) as (temporary, final):
            temporary.replace(final)
        _sync_folder(final.parent)

    def get(self, key: str) -> BinaryIO | None:
        _check(key)
        try:
            return (self.root / key).open("rb")
        except (FileNotFoundError, NotADirectoryError, IsADirectoryError):
            return None

    def list(self, prefix: str, after: str = "") -> list[Entry]:
        _check_prefix(prefix)
        head, _, _ = prefix.rpartition("/")
        entries = [e for e in self._walk(head) if e.key.startswith(prefix) and e.key > after]
        entries.sort(key=lambda e: e.key)
        return entries[:PAGE]

    def now(self) -> datetime:
        """The file system's clock, which on a network share is the server's, not ours."""
        clock = self.root / f"{TEMPORARY}{uuid4().hex}"
        try:
            with clock.open("xb") as stream:
                return _modified(os.fstat(stream.fileno()))
        except OSError as error:
            raise _refusal(error, self.root) from error
        finally:
            clock.unlink(missing_ok=True)

    @contextlib.contextmanager
    def _written(self, key: str, body: Body) -> Generator[tuple[Path, Path], None, None]:
        """`body` in a temporary file on disk beside its final place, gone afterwards."""
        _check(key)
        final = self.root / key
        temporary = final.parent / f"{TEMPORARY}{uuid4().hex}"
        try:
            final.parent.mkdir(parents=True, exist_ok=True)
            with temporary.open("xb") as stream:
                if isinstance(body, bytes):
                    stream.write(body)
                else:
                    with body.open("rb") as source:
                        shutil.copyfileobj(source, stream, 2**20)
                stream.flush()
                os.fsync(stream.fileno())
            yield temporary, final
        except OSError as error:
            raise _refusal(error, self.root) from error
        finally:
            with contextlib.suppress(NotADirectoryError):  # a part of the key is a file: refused above
                temporary.unlink(missing_ok=True)

    def _walk(self, head: str) -> Iterator[Entry]:
        folders = [head]
        while folders:
            folder = folders.pop()
            try:
                with os.scandir(self.root / folder) as scan:
                    for item in scan:
                        key = f"{folder}/{item.name}" if folder else item.name
                        if item.is_dir(follow_symlinks=False):
                            folders.append(key)
                        elif not item.name.startswith(TEMPORARY):
                            with contextlib.suppress(FileNotFoundError):
                                status = item.stat()
                                yield Entry(key, status.st_size, _modified(status))
            except (FileNotFoundError, NotADirectoryError):
                continue


def open_store(url: str) -> Store:
    """The store behind an output path.

    Raises:
        Refused: no store of this version can serve it.
    """
    scheme, separator, rest = url.partition("://")
    if not separator:
        return Folder(Path(url))
    if scheme == "file":
        return Folder(Path(rest))
    raise Refused(
        f"this version writes to local folders only, not to {scheme}://",
        hint="set output.path to a folder of this machine",
    )


def _check(key: str) -> None:
    """Keys come from us, but also from manifests: none may leave the root, or be taken for unfinished."""
    parts = key.split("/")
    if any(p in ("", ".", "..") or p.startswith(TEMPORARY) for p in parts) or not key.isprintable():
        raise ValueError(f"not a key: {key!r}")


def _check_prefix(prefix: str) -> None:
    if prefix:
        _check(prefix.removesuffix("/"))


def _modified(status: os.stat_result) -> datetime:
    return datetime.fromtimestamp(status.st_mtime_ns / 1e9, UTC)


def _sync_folder(folder: Path) -> None:
    """A new name survives a power cut only when its folder was written, too."""
    descriptor = os.open(folder, os.O_RDONLY)
    try:
        os.fsync(descriptor)
    finally:
        os.close(descriptor)


def _refusal(error: OSError, root: Path) -> Refused:
    if error.errno in (errno.ENOSPC, errno.EDQUOT):
        return Refused(
            f"no space left for {root}", hint="free some space, then resume the run: nothing is lost"
        )
    return Refused(
        f"cannot write to {root}: {error.strerror or error}",
        hint="choose an output path that this user may write to",
    )
