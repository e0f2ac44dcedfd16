"""Standard output and standard error as any command finds them: closed, or in an encoding that lacks our characters.

Imports little, because every command line starts here.
"""

import codecs
import contextlib
import json
import os
import shutil
import sys
import textwrap
from collections.abc import Generator
from dataclasses import dataclass
from io import TextIOWrapper
from typing import TextIO

from launcher.errors import Problem

ASCII_OF = {
    "\N{HORIZONTAL ELLIPSIS}": "...",
    "\N{EN DASH}": "-",
    "\N{EM DASH}": "-",
    "\N{MINUS SIGN}": "-",
    "\N{MULTIPLICATION SIGN}": "x",
    "\N{MIDDLE DOT}": "-",
    "\N{BULLET}": "*",
    "\N{RIGHTWARDS ARROW}": "->",
    "\N{GREATER-THAN OR EQUAL TO}": ">=",
    "\N{BLACK SQUARE}": "#",
    "\N{NO-BREAK SPACE}": " ",
    "\N{LEFT SINGLE QUOTATION MARK}": "'",
    "\N{RIGHT SINGLE QUOTATION MARK}": "'",
}
LEAST_COLUMNS = 40  # of a terminal for which lines are broken
ERROR_SCHEMA = "embedfleet/error/1"
ERRORS = "embedfleet-nearest"  # the name of our handler of characters that an encoding lacks


@dataclass(slots=True)
class _Printed:
    """What this process has printed to standard output."""

    document: bool = False  # JSON of the command that runs


_printed = _Printed()


def prepare_streams() -> None:
    """Make both streams writable whatever their encoding: a character that it lacks is replaced or escaped."""
    _printed.document = False
    codecs.register_error(ERRORS, _nearest)
    for name in ("stdout", "stderr"):
        stream = getattr(sys, name)
        if stream is None:  # the shell closed it: >&-
            setattr(sys, name, open(os.devnull, "w", encoding="utf-8"))  # noqa: SIM115, PTH123 - to the end
        elif isinstance(stream, TextIOWrapper) and stream.errors != ERRORS:
            stream.reconfigure(errors=ERRORS)


@contextlib.contextmanager
def writing_output() -> Generator[None, None, None]:
    """Turn the error of a full disk into a Problem. A reader that has left stays a BrokenPipeError.

    Raises:
        Problem: standard output cannot be written.
    """
    try:
        yield
    except BrokenPipeError:
        raise
    except OSError as error:
        discard(sys.stdout)
        raise unwritten(error) from error


def note_document() -> None:
    """Remember that the command prints its document, so that no second one follows it."""
    _printed.document = True


def document_printed() -> bool:
    """Whether the command has begun to print its document to standard output."""
    return _printed.document


def print_error(error: str, hint: str, code: int) -> None:
    """Print an error as one line of JSON to standard output (schema embedfleet/error/1)."""
    body = {"schema": ERROR_SCHEMA, "error": error, "try": hint, "code": code}
    print(json.dumps(body), flush=True)  # noqa: T201 - the data


def unwritten(error: OSError) -> Problem:
    """The error for output that cannot be written."""
    return Problem(
        f"cannot write the output: {error.strerror or error}", hint="free some space, or send it elsewhere"
    )


def flush_streams() -> OSError | None:
    """Write what is buffered; return the error of standard output if it cannot be written.

    After an error the stream leads to nowhere, so that the interpreter's own flush at its end has nothing to say.
    """
    found: OSError | None = None
    for stream in (sys.stdout, sys.stderr):
        try:
            stream.flush()
        except OSError as error:
            found = found or (error if stream is sys.stdout else None)
            discard(stream)
    return found


def discard(stream: TextIO) -> None:
    """Let what is written to this stream from now on vanish."""
    with contextlib.suppress(ValueError, OSError):  # it is closed, or has no number, as in a test
        number = stream.fileno()
        null = os.open(os.devnull, os.O_WRONLY)
        os.dup2(null, number)
        os.close(null)


def _nearest(error: UnicodeError) -> tuple[str, int]:
    """The nearest ASCII characters for the first that cannot be encoded, else its escape."""
    if not isinstance(error, UnicodeEncodeError):
        raise error
    first = error.object[error.start]
    return ASCII_OF.get(first) or first.encode("unicode_escape").decode(), error.start + 1


def wrapped_for(stream: TextIO, text: str) -> str:
    """Lines broken between words where the stream is a terminal, which itself breaks them anywhere."""
    if not stream.isatty():
        return text
    columns = max(LEAST_COLUMNS, shutil.get_terminal_size().columns)
    return "\n".join(
        line
        if len(line) <= columns
        else textwrap.fill(line, columns, break_long_words=False, break_on_hyphens=False)
        for line in text.split("\n")
    )
