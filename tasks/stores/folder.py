"""Store: a folder of this machine. A temporary file and `link` are create-only on every POSIX file system."""

import contextlib
import errno
import os
import shutil
from collections.abc import Generator, Iterator
from datetime import UTC, datetime
from itertools import islice
from pathlib import Path
from typing import BinaryIO
from uuid import uuid4

from tasks.disk_errors import FULL, with_cause
from tasks.stores.base import (
    PAGE_SIZE,
    TEMPORARY_PREFIX,
    Body,
    Entry,
    ObjectChanged,
    Span,
    StoreError,
    check_key,
    check_prefix,
    check_read_key,
    span_start,
)


class FolderStore:
    """Objects are files. The folder is created with the first of them."""

    def __init__(self, root: Path) -> None:
        self.root = root

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

    def get(self, key: str, version: str | None = None, span: Span | None = None) -> BinaryIO | None:
        check_read_key(key)
        try:
            stream = (self.root / key).open("rb")
        except (FileNotFoundError, NotADirectoryError, IsADirectoryError):
            return None
        except OSError as error:
            raise _refusal(error, self.root / key, "read") from error
        status = os.fstat(stream.fileno())
        if version is not None and version != version_of(status):
            stream.close()
            raise ObjectChanged(str(self.root / key), version, version_of(status))
        stream.seek(span_start(span, status.st_size))
        return stream

    def list(self, prefix: str, after: str = "") -> list[Entry]:
        return list(islice(self.walk(prefix, after), PAGE_SIZE))

    def walk(self, prefix: str, after: str = "") -> Iterator[Entry]:
        """All entries, by key, that start with `prefix` and sort after `after`.

        Each folder is read once, when its turn comes; its names are in memory meanwhile, about 100 bytes each.
        """
        check_prefix(prefix)
        head, _, _ = prefix.rpartition("/")
        return self._walk(head, prefix, after)

    def erase(self, key: str) -> None:
        """Remove `key` if it is there. Idempotent."""
        check_key(key)
        try:
            (self.root / key).unlink(missing_ok=True)
        except OSError as error:
            raise _refusal(error, self.root / key, "remove") from error

    def now(self) -> datetime:
        """The clock of the file system; on a network share that is the server's clock."""
        clock = self.root / f"{TEMPORARY_PREFIX}{uuid4().hex}"
        try:
            self.root.mkdir(parents=True, exist_ok=True)
            with clock.open("xb") as stream:
                return _modified(os.fstat(stream.fileno()))
        except OSError as error:
            raise _refusal(error, self.root) from error
        finally:
            with contextlib.suppress(OSError):
                clock.unlink(missing_ok=True)

    @contextlib.contextmanager
    def _written(self, key: str, body: Body) -> Generator[tuple[Path, Path], None, None]:
        """Write `body` to a temporary file next to its final path and flush it to disk; remove it afterwards."""
        check_key(key)
        final = self.root / key
        temporary = final.parent / f"{TEMPORARY_PREFIX}{uuid4().hex}"
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
            with contextlib.suppress(OSError):  # such as a disk that became read-only: raised above
                temporary.unlink(missing_ok=True)

    def _walk(self, folder: str, prefix: str, after: str) -> Iterator[Entry]:
        parent = f"{folder}/" if folder else ""
        for name in _names(self.root, folder):
            key = parent + name
            # Everything below a folder sorts after its own key, and before `after` where that lies behind the folder.
            if not key.startswith(prefix) or (
                key <= after and not (name[-1] == "/" and after.startswith(key))
            ):
                continue
            if name[-1] == "/":
                yield from self._walk(key[:-1], prefix, after)
            elif status := _status(self.root / key):
                yield Entry(key, status.st_size, _modified(status), version_of(status))


def version_of(status: os.stat_result) -> str:
    """The version of a file: size and time of modification."""
    return f"{status.st_size}-{status.st_mtime_ns}"


def _names(root: Path, folder: str) -> list[str]:
    """What is in a folder, in the order of its keys; folders end in a slash, as their keys go on with one."""
    try:
        with os.scandir(root / folder) as scan:
            found = [
                f"{item.name}/" if item.is_dir(follow_symlinks=False) else item.name
                for item in scan
                if not item.name.startswith(TEMPORARY_PREFIX) or item.is_dir(follow_symlinks=False)
            ]
    except (FileNotFoundError, NotADirectoryError):
        return []
    except PermissionError as error:
        raise _refusal(error, root / folder, "read") from error
    found.sort()
    return found


def _status(path: Path) -> os.stat_result | None:
    """The status of a file, through links; None where it is gone, or a link leads nowhere or in a circle."""
    try:
        return path.stat()
    except OSError as error:
        if error.errno in (errno.ENOENT, errno.ELOOP):
            return None
        raise


def _modified(status: os.stat_result) -> datetime:
    return datetime.fromtimestamp(status.st_mtime_ns / 1e9, UTC)


def _sync_folder(folder: Path) -> None:
    """Flush a folder to disk: a new name survives a power cut only then."""
    descriptor = os.open(folder, os.O_RDONLY)
    try:
        os.fsync(descriptor)
    finally:
        os.close(descriptor)


def _refusal(error: OSError, place: Path, doing: str = "write to") -> StoreError:
    if error.errno in FULL:
        return StoreError(
            f"no space left for {place}", hint="free some space, then resume the run: nothing is lost"
        )
    if error.errno == errno.ENOTDIR:
        return StoreError(
            f"cannot {doing} {place}: {error.strerror}",
            hint="a file is where a folder should be: move it away, or choose another path",
        )
    hint = f"choose a path that this user may {doing}"
    if doing == "write to":
        hint = with_cause(
            error,
            "set output.path to a folder on a disk that this user may write to, or to s3://BUCKET/PREFIX",
        )
    return StoreError(f"cannot {doing} {place}: {error.strerror or error}", hint=hint)
