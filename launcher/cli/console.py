"""What a command reads, prints and writes, with an error that says what to do where that fails."""

import contextlib
import json
import sys
from collections.abc import Callable
from decimal import Decimal
from typing import Any


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
