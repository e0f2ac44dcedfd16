"""What a command reads, prints and writes, with an error that says what to do where that fails."""

import contextlib
import json
import os
import sys
from collections.abc import Callable
from decimal import Decimal
from pathlib import Path
from typing import Any

from launcher.errors import Problem, Usage


def read(path: Path) -> str:
    try:
        return path.read_text(encoding="utf-8")
    except FileNotFoundError as error:
        raise Usage(f"no file {path}", hint="name a job file or a plan that is there") from error
    except (OSError, UnicodeDecodeError) as error:
        raise Usage(f"cannot read {path}: {error}", hint="name a readable text file in UTF-8") from error


def write(path: Path, text: str) -> None:
    """All or nothing."""
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


def show(body: Any, render: Callable[[Any], Any], *, as_json: bool, stream: Any = None) -> None:
    stream = stream or sys.stdout
    if as_json:
        print(json.dumps(body, indent=1, default=_plain), file=stream)
        return
    from rich.console import Console  # noqa: PLC0415 - JSON needs no terminal

    lost = contextlib.suppress(BrokenPipeError) if stream is sys.stderr else contextlib.nullcontext()
    with lost:  # whoever reads our progress may leave; the work goes on
        Console(file=stream, width=None if stream.isatty() else 110).print(render(body))


def _plain(value: Any) -> str:
    assert isinstance(value, Decimal)
    return str(value)
