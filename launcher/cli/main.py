"""Entry point of the command line: parse the arguments, run the command, return its exit status.

Data goes to stdout, everything else to stderr. A `Problem` is printed as two lines and gives the exit status; any
other exception is a bug and keeps its traceback.
"""

import argparse
import contextlib
import importlib
import re
import sys
from collections.abc import Sequence
from difflib import get_close_matches
from typing import Any, NoReturn, cast

from launcher import __version__
from launcher.cli.option_types import path
from launcher.cli.options import COMMANDS, Handler, add_commands
from launcher.cli.streams import discard, flush_streams, prepare_streams, unwritten
from launcher.errors import NothingNew, Problem
from tasks.printable import plain

DESCRIPTION = (
    "Embed a large corpus: plan it before it costs anything, recover lost workers, account for every dollar."
)
SHELLS = ("bash", "zsh", "tcsh")


class Parser(argparse.ArgumentParser):
    """An argument parser whose usage errors are two lines: what is wrong, and what to try."""

    def error(self, message: str) -> NoReturn:
        """Print the error and exit with status 2; a misspelt command is answered with the nearest one."""
        wrong = re.match(r"argument COMMAND: invalid choice: '(.*?)'", message)
        near = get_close_matches(wrong[1], COMMANDS, n=1) if wrong else []
        if wrong and near:
            message = f"no command {wrong[1]!r}; did you mean {near[0]}?"
        print(f"Error: {plain(message)}\nTry: {self.prog} --help", file=sys.stderr)  # noqa: T201 - the edge
        raise SystemExit(2)


class PrintCompletion(argparse.Action):
    """`--print-completion SHELL`: print the script that completes our commands in that shell, and exit."""

    def __call__(
        self,
        parser: argparse.ArgumentParser,
        namespace: argparse.Namespace,
        values: Any,
        option: str | None = None,
    ) -> None:
        """Print the script to stdout."""
        del namespace, option
        import shtab  # noqa: PLC0415 - needed for this one option; every other command line goes without

        _complete_paths(parser, shtab.FILE)
        print(shtab.complete(parser, shell=values))  # noqa: T201 - the data
        parser.exit()


def _complete_paths(parser: argparse.ArgumentParser, files: object) -> None:
    """Mark the options that take a path, in `parser` and all its commands, so that shtab completes file names there."""
    for action in parser._actions:  # noqa: SLF001 - argparse gives no other way to list the options
        if action.type is path:
            vars(action)["complete"] = files  # where shtab looks for it
        if action.nargs == argparse.PARSER:  # the commands
            for command in cast("dict[str, argparse.ArgumentParser]", action.choices).values():
                _complete_paths(command, files)


def parser() -> Parser:
    """Build the parser of the whole command line."""
    top = Parser(prog="embedfleet", description=DESCRIPTION)
    top.add_argument("--version", action="version", version=f"embedfleet {__version__}")
    top.add_argument(
        "--print-completion",
        action=PrintCompletion,
        choices=SHELLS,
        metavar="SHELL",
        help="print the completion script for bash, zsh or tcsh, and exit",
    )
    add_commands(top.add_subparsers(dest="command", required=True, metavar="COMMAND"))
    return top


def main(words: Sequence[str] | None = None) -> int:
    """Run one command and return its exit status. `words` are the arguments (default: `sys.argv`)."""
    prepare_streams()
    try:
        status = _run(words)
    except SystemExit as end:  # of argparse: --help, --version or a usage error
        flush_streams()
        raise end from None
    failed = flush_streams()
    if failed is None or isinstance(failed, BrokenPipeError):  # a reader that has left has what it wants
        return status
    problem = unwritten(failed)
    _print_last(problem.two_lines())
    return status or problem.code


def _run(words: Sequence[str] | None) -> int:
    try:
        arguments = parser().parse_args(words)
        return command_of(arguments.command)(arguments)
    except NothingNew as done:
        _print_last(f"{plain(done)}\n{plain(done.hint)}")
        return done.code
    except Problem as problem:
        _print_last(problem.two_lines())
        return problem.code
    except KeyboardInterrupt:
        _print_last("Error: interrupted\nTry: embedfleet status shows what still runs")
        return 130
    except BrokenPipeError:  # the reader of our output closed it early
        discard(sys.stdout)
        return 0


def _print_last(text: str) -> None:
    """Print the last words of a command to stderr, which may be closed."""
    with contextlib.suppress(OSError):
        print(text, file=sys.stderr)  # noqa: T201 - this is the edge


def command_of(command: str) -> Handler:
    """Import the module of a command and return the function that carries it out."""
    module, _, function = COMMANDS[command].partition(":")
    return getattr(importlib.import_module(module), function)
