"""Call a command of the command line from Python: the same code, the same checks, failures as exceptions.

What a command prints to standard output is left out; its messages go to standard error, as on a terminal.
"""

import contextlib
import io
from os import PathLike, fspath
from typing import cast

from launcher.cli.main import command_of, parse

Path = str | PathLike[str]


def call(command: str, *words: object, said: str | None = None) -> str:
    """Run a command and return what it printed to standard output. `said` is what the run records as its command.

    Raises:
        Problem: as the command line would say it; `.hint` is what to try.
    """
    arguments = parse([command, *map(_word, words)])
    if said is not None:
        arguments.command_line = said
    with contextlib.redirect_stdout(io.StringIO()) as printed:
        command_of(command)(arguments)
    return printed.getvalue()


def options(**given: object) -> list[str]:
    """Options of a command line: `max_cost=5` becomes `--max-cost 5`, True a flag; None and False are left out."""
    words: list[str] = []
    for name, value in given.items():
        if value is None or value is False:
            continue
        option = f"--{name.replace('_', '-')}"
        words += [option] if value is True else [option, _word(value)]
    return words


def _word(value: object) -> str:
    return fspath(cast("PathLike[str]", value)) if isinstance(value, PathLike) else str(value)
