"""Entry point of the command line: parse the arguments, run the command, return its exit status.

Data goes to stdout, everything else to stderr. A `Problem` is printed as two lines and gives the exit status; any
other exception is a bug and keeps its traceback.
"""

import argparse
import importlib
import os
import re
import sys
from collections.abc import Sequence
from difflib import get_close_matches
from pathlib import Path
from typing import Any, NoReturn, cast

from launcher import __version__
from launcher.cli.options import COMMANDS, Handler, add_commands
from launcher.errors import NothingNew, Problem

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
        print(f"Error: {message}\nTry: {self.prog} --help", file=sys.stderr)  # noqa: T201 - this is the edge
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
        if action.type is Path:
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
    try:
        arguments = parser().parse_args(words)
        return command_of(arguments.command)(arguments)
    except NothingNew as done:
        print(f"{done}\n{done.hint}", file=sys.stderr)  # noqa: T201 - this is the edge
        return done.code
    except Problem as problem:
        print(f"Error: {problem}\nTry: {problem.hint}", file=sys.stderr)  # noqa: T201 - this is the edge
        return problem.code
    except KeyboardInterrupt:
        print("Error: interrupted\nTry: embedfleet status shows what still runs", file=sys.stderr)  # noqa: T201
        return 130
    except BrokenPipeError:  # the reader of our output closed it early
        os.dup2(os.open(os.devnull, os.O_WRONLY), sys.stdout.fileno())
        return 0


def command_of(command: str) -> Handler:
    """Import the module of a command and return the function that carries it out."""
    module, _, function = COMMANDS[command].partition(":")
    return getattr(importlib.import_module(module), function)
