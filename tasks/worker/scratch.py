"""The worker's local folder, for files on their way to the store.

What fails there is the fault of the machine and not of a shard: the worker ends with a message, and blames no shard.
"""

import errno
import tempfile
from collections.abc import Generator
from contextlib import contextmanager
from pathlib import Path

from tasks.errors import Problem

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
