"""What commands print: results on stdout, messages and progress bars on stderr."""

import contextlib
import json
import os
import sys
from collections.abc import Callable, Generator, Iterable
from typing import Any, TextIO, TypeVar

from rich.console import Console, ConsoleOptions, RenderableType
from rich.segment import Segment

from launcher.cli.streams import note_document, wrapped_for, writing_output
from launcher.documents.encode import json_pieces, json_value
from tasks.printable import plain, plain_lines

Document = TypeVar("Document")

WIDTH = 100  # columns of what goes to a file or a pipe, where COLUMNS does not say
LEAST_WIDTH = 40  # below it no table can be read


def show(body: Any, render: Callable[[Any], Any], *, as_json: bool, stream: Any = None) -> None:
    """Print a result, a document or a JSON value, to `stream` (default stdout): as JSON, or what `render` makes of it."""
    stream = stream or sys.stdout
    if as_json:
        show_json(body, stream)
        return
    # A reader that closes our stderr must not end the work; one that closes our stdout has what it wants.
    closed = contextlib.suppress(BrokenPipeError) if stream is sys.stderr else contextlib.nullcontext()
    with closed, writing_output():
        console(stream, width=output_width(stream)).print(render(body))


def show_json(body: Any, stream: Any = None) -> None:
    """Print a document or a JSON value to `stream` (default stdout) as the one document of the command."""
    stream = stream or sys.stdout
    note_document()
    with writing_output():
        stream.writelines(json_pieces(body))
    stream.write("\n")


def show_text(text: str, *, flush: bool = False) -> None:
    """Print a result that is text already to stdout, without control characters but line breaks."""
    with writing_output():
        print(plain_lines(text), end="", flush=flush)  # noqa: T201 - the data


def output_width(stream: TextIO) -> int | None:
    """The columns of what is printed to a stream; None: those of its terminal, which the console asks for."""
    if stream.isatty():
        return None
    said = os.environ.get("COLUMNS", "")
    return max(LEAST_WIDTH, int(said)) if said.isascii() and said.isdigit() and int(said) else WIDTH


def console(stream: TextIO, width: int | None = None) -> Console:
    """Make a console to print on that reads no markup in text and passes on no control character of it."""
    return _PlainConsole(file=stream, width=width, markup=False, emoji=False)


class _PlainConsole(Console):
    """A console whose own control codes are the only ones: foreign text may hold others."""

    def render(self, renderable: RenderableType, options: ConsoleOptions | None = None) -> Iterable[Segment]:
        """Escape control characters in whatever is rendered. Reports escape them before, so that columns stay even."""
        for segment in super().render(renderable, options):
            text = segment.text
            if segment.control or text.isprintable() or (shown := plain_lines(text)) == text:
                yield segment
            else:
                yield Segment(shown, segment.style)

    def on_broken_pipe(self) -> None:
        """Leave a reader that has gone to `main`, as for any other output."""
        raise BrokenPipeError


def say(text: str) -> None:
    """Print one line about what is being done, to stderr; on a terminal it breaks between words.

    A line break in the text is escaped: it comes from the name of a file or from what somebody else says.
    """
    with contextlib.suppress(BrokenPipeError):  # a reader that closes our stderr must not end the work
        print(wrapped_for(sys.stderr, plain(text)), file=sys.stderr, flush=True)  # noqa: T201 - the edge


def follow(bodies: Iterable[Document], render: Callable[[Document], Any], *, as_json: bool) -> None:
    """Print each document as it comes: redrawn in place on a terminal, else one after another; as JSON one per line."""
    if as_json:
        for body in bodies:
            print(json.dumps(json_value(body)), flush=True)  # noqa: T201 - the data
        return
    screen = console(sys.stdout, width=output_width(sys.stdout))
    if not screen.is_terminal:
        for body in bodies:
            screen.print(render(body))
        return
    from rich.live import Live  # noqa: PLC0415 - few commands show what changes

    with Live(console=screen, auto_refresh=False) as live:
        for body in bodies:
            live.update(render(body), refresh=True)


@contextlib.contextmanager
def steps(what: str) -> Generator[Callable[[int, int], None], None, None]:
    """Show a progress bar of counted steps on a terminal, and nothing elsewhere.

    Yields a function that takes how many steps are done and how many there are.
    """
    from rich.progress import (  # noqa: PLC0415 - as above
        BarColumn,
        MofNCompleteColumn,
        Progress,
        TextColumn,
        TimeRemainingColumn,
    )

    columns = (
        TextColumn("{task.description}", markup=False),
        BarColumn(24),
        MofNCompleteColumn(),
        TimeRemainingColumn(),
    )
    with Progress(*columns, console=console(sys.stderr), disable=not sys.stderr.isatty()) as bar:
        task = bar.add_task(what, total=None)

        def step(done: int, total: int) -> None:
            bar.update(task, completed=done, total=total)

        yield step
