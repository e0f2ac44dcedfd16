"""What commands print: results on stdout, messages and progress bars on stderr."""

import contextlib
import json
import sys
from collections.abc import Callable, Generator, Iterable
from typing import Any, TypeVar

from rich.console import Console
from rich.live import Live
from rich.progress import BarColumn, MofNCompleteColumn, Progress, TextColumn, TimeRemainingColumn

from launcher.documents.encode import json_value

Document = TypeVar("Document")

WIDTH = 110  # columns of a table that goes to a file or a pipe


def show(body: Any, render: Callable[[Any], Any], *, as_json: bool, stream: Any = None) -> None:
    """Print a result, a document or a JSON value, to `stream` (default stdout): as JSON, or what `render` makes of it."""
    stream = stream or sys.stdout
    if as_json:
        print(json.dumps(json_value(body), indent=1), file=stream)
        return
    # A reader that closes our stderr must not end the work; one that closes our stdout has what it wants.
    closed = contextlib.suppress(BrokenPipeError) if stream is sys.stderr else contextlib.nullcontext()
    with closed:
        Console(file=stream, width=None if stream.isatty() else WIDTH).print(render(body))


def say(text: str) -> None:
    """Print one line about what is being done, to stderr."""
    with contextlib.suppress(BrokenPipeError):  # a reader that closes our stderr must not end the work
        print(text, file=sys.stderr, flush=True)  # noqa: T201 - the edge


def follow(bodies: Iterable[Document], render: Callable[[Document], Any], *, as_json: bool) -> None:
    """Print each document as it comes: redrawn in place on a terminal, else one after another; as JSON one per line."""
    if as_json:
        for body in bodies:
            print(json.dumps(json_value(body)), flush=True)  # noqa: T201 - the data
        return
    console = Console(width=None if sys.stdout.isatty() else WIDTH)
    if not console.is_terminal:
        for body in bodies:
            console.print(render(body))
        return
    with Live(console=console, auto_refresh=False) as live:
        for body in bodies:
            live.update(render(body), refresh=True)


@contextlib.contextmanager
def steps(what: str) -> Generator[Callable[[int, int], None], None, None]:
    """Show a progress bar of counted steps on a terminal, and nothing elsewhere.

    Yields a function that takes how many steps are done and how many there are.
    """
    columns = (TextColumn("{task.description}"), BarColumn(24), MofNCompleteColumn(), TimeRemainingColumn())
    with Progress(*columns, console=Console(stderr=True), disable=not sys.stderr.isatty()) as bar:
        task = bar.add_task(what, total=None)

        def step(done: int, total: int) -> None:
            bar.update(task, completed=done, total=total)

        yield step
