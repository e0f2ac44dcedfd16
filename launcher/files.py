"""Read and write text files, with errors that say what to do."""

import os
from pathlib import Path

from launcher.errors import Problem, Usage


def read(path: Path) -> str:
    """Return the text of a file that the user named.

    Raises:
        Usage: it does not exist, or is not text in UTF-8.
    """
    try:
        return path.read_text(encoding="utf-8")
    except FileNotFoundError as error:
        raise Usage(f"no file {path}", hint="name a job file or a plan that is there") from error
    except (OSError, UnicodeDecodeError) as error:
        raise Usage(f"cannot read {path}: {error}", hint="name a readable text file in UTF-8") from error


def write(path: Path, text: str) -> None:
    """Replace a file by `text` atomically; its folder is made if needed.

    Raises:
        Problem: the file cannot be written.
    """
    temporary = path.with_name(f".{path.name}.{os.getpid()}")
    try:
        path.parent.mkdir(parents=True, exist_ok=True)
        temporary.write_text(text, encoding="utf-8")
        temporary.replace(path)
    except OSError as error:
        temporary.unlink(missing_ok=True)
        raise Problem(
            f"cannot write {path}: {error.strerror}", hint="free some space or name another place"
        ) from error
