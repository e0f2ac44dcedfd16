"""Read and write text files, with errors that say what to do."""

import os
from collections.abc import Iterable
from contextlib import suppress
from pathlib import Path

from launcher.errors import Problem, Usage
from tasks.disk_errors import with_cause

MAX_FILE_BYTES = 64 * 2**20  # of a job file or a plan; the largest plan has a few MiB


def read(path: Path) -> str:
    """Return the text of a file that the user named.

    Raises:
        Usage: it does not exist, is not text in UTF-8, or is larger than any file that commands read whole.
    """
    try:
        with path.open("rb") as file:
            body = file.read(MAX_FILE_BYTES + 1)
        text = body.decode() if len(body) <= MAX_FILE_BYTES else ""
    except FileNotFoundError as error:
        raise Usage(f"no file {path}", hint="name a job file or a plan that is there") from error
    except (OSError, ValueError) as error:
        raise Usage(f"cannot read {path}: {error}", hint="name a readable text file in UTF-8") from error
    if len(body) > MAX_FILE_BYTES:
        raise Usage(
            f"{path} has more than {MAX_FILE_BYTES // 2**20} MiB", hint="name a job file or a plan, not data"
        )
    return text.replace("\r\n", "\n").replace("\r", "\n")


def write(path: Path, text: str | Iterable[str]) -> None:
    """Replace a file by `text`, or by pieces of text, atomically; its folder is made if needed.

    Raises:
        Problem: the file cannot be written.
    """
    temporary = path.with_name(f".{path.name}.{os.getpid()}")
    try:
        path.parent.mkdir(parents=True, exist_ok=True)
        with temporary.open("w", encoding="utf-8") as file:
            file.writelines((text,) if isinstance(text, str) else text)
        temporary.replace(path)
    except OSError as error:
        with suppress(OSError):  # its folder may be what cannot be used
            temporary.unlink(missing_ok=True)
        hint = with_cause(error, "name another place")
        raise Problem(f"cannot write {path}: {error.strerror}", hint=hint) from error
