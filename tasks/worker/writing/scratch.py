"""The worker's local folder, for files on their way to the store, and for crash markers.

What fails there is the fault of the machine and not of a shard: the worker ends with a message, and blames no shard.
"""

import errno
import tempfile
from collections.abc import Generator, Sequence
from contextlib import contextmanager
from pathlib import Path

from tasks.errors import Problem
from tasks.protocol.lease import Lease
from tasks.protocol.messages import crash_marker

FULL = (errno.ENOSPC, errno.EDQUOT)


def make_scratch(chosen: Path | None) -> Path:
    """Make the chosen folder, or a new one among the temporary files.

    Raises:
        Problem: there is no space, or no permission.
    """
    with writing_in(chosen or Path(tempfile.gettempdir())):
        scratch = chosen or Path(tempfile.mkdtemp(prefix="embedfleet-"))
        scratch.mkdir(parents=True, exist_ok=True)
    return scratch


@contextmanager
def writing_in(scratch: Path, what: str = "files") -> Generator[None, None, None]:
    """Turn errors of the disk into a message that names the folder, and what was to be written.

    Raises:
        Problem: the disk is full, broken, or not writable.
    """
    try:
        yield
    except OSError as error:
        full = error.errno in FULL
        raise Problem(
            f"no space left for {what} in {scratch}"
            if full
            else f"cannot write {what} in {scratch}: {error.strerror or error}",
            hint=f"{'free some space' if full else 'mend that'} there, or name another folder with --scratch;"
            " then resume: nothing is lost",
        ) from error


@contextmanager
def crash_marked(
    scratch: Path, leases: Sequence[Lease], name: str = crash_marker.NAME
) -> Generator[None, None, None]:
    """Mark on disk what the engine, or the reader, has while it has it.

    Raises:
        Problem: the marker cannot be written, or not removed: one that stays would blame its shards for a later crash.
    """
    with writing_in(scratch):
        crash_marker.mark(scratch, leases, name)
    try:
        yield
    finally:
        with writing_in(scratch):
            crash_marker.clear(scratch, name)
