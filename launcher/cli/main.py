"""Entry point of the command line: parse the arguments, run the command, return its exit status.

Data goes to stdout, everything else to stderr. A `Problem` is printed as two lines and gives the exit status; any
other exception is a bug and keeps its traceback. With --json an error is a JSON object on stdout, too, unless the
command has printed its document before.
"""

import argparse
import contextlib
import importlib
import re
import shlex
import sys
from collections.abc import Callable, Sequence
from difflib import get_close_matches
from typing import Any, NoReturn, cast

from launcher import __version__
from launcher.cli.options.commands import COMMANDS, Handler, add_commands
from launcher.cli.options.types import path
from launcher.cli.streams import (
    discard,
    document_printed,
    flush_streams,
    prepare_streams,
    print_error,
    unwritten,
    wrapped_for,
)
from launcher.errors import Interrupted, NothingNew, Problem, Usage
from tasks.printable import plain

DESCRIPTION = (
    "Embed a large corpus: plan it before it costs anything, recover lost workers, account for every dollar."
)
SHELLS = ("bash", "zsh", "tcsh")
GOING_ON = (
    "launch",
    "resume",
    "pilot",
    "load",
    "stop",
    "down",
)  # commands that may leave machines or workers at work
ENDING = ("finish", "down", "stop")  # commands that end machines or delete files
SLIP = 0.85  # how alike a word must be to one of these
MEANT = {  # what other tools call our commands
    "init": ("new", "create", "setup", "configure", "start-project"),
    "plan": ("estimate", "cost", "costs", "quote", "preview", "optimize"),
    "launch": ("run", "start", "up", "apply", "embed", "submit", "exec", "go"),
    "status": ("watch", "progress", "ps", "top", "queue"),
    "report": ("summary", "show", "results"),
    "runs": ("list", "ls", "jobs", "history", "notes", "note", "tag", "tags", "rm"),
    "search": ("query", "find", "ask", "nearest"),
    "export": ("download", "dump", "save", "get", "convert"),
    "load": ("import", "upsert", "index", "ingest", "push", "sync"),
    "resume": ("continue", "restart", "retry"),
    "verify": ("test", "check-output", "validate"),
    "doctor": ("check", "diagnose", "health"),
    "prices": ("price", "pricing", "gpus", "show-gpus"),
    "bench": ("benchmark", "measure"),
}


class Parser(argparse.ArgumentParser):
    """An argument parser whose usage errors are a `Problem`: what is wrong, and what to try."""

    def error(self, message: str) -> NoReturn:
        """Raise the error, of exit status 2; a misspelt command is answered with the nearest one."""
        wrong = re.match(r"argument COMMAND: invalid choice: '(.*?)'", message)
        if wrong:
            near = nearest_command(wrong[1])
            known = f"did you mean {near}?" if near else f"there are {', '.join(COMMANDS)}"
            message = f"no command {wrong[1]!r}; {known}"
        raise Usage(message, hint=f"{self.prog} --help")


def nearest_command(word: str) -> str | None:
    """The command that a wrong one most likely means, by meaning or by spelling; None: there is no likely one.

    One that ends or deletes something is named only for a slip of the hand: nobody should come to it by a guess.
    """
    meant = next((name for name, words in MEANT.items() if word.lower() in words and name in COMMANDS), None)
    if meant:
        return meant
    safe = [name for name in COMMANDS if name not in ENDING]
    near = get_close_matches(word.lower(), ENDING, n=1, cutoff=SLIP) or get_close_matches(
        word.lower(), safe, n=1
    )
    return near[0] if near else None


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
    for command in _parsers_of(parser).values():
        _complete_paths(command, files)


def _unknown_option(top: argparse.ArgumentParser, words: Sequence[str]) -> Usage | None:
    """The error of the first option that the command does not have, and the nearest that it has; None: it has all."""
    command, *given = words or ("",)
    parsers = _parsers_of(top)
    if command not in parsers:
        return None
    known = [name for name in _option_names(parsers[command]) if name.startswith("--")]
    for word in given[: given.index("--") if "--" in given else None]:
        name = word.partition("=")[0]
        if name.startswith("--") and not any(one.startswith(name) for one in known):
            near = get_close_matches(name, known, n=1)
            meant = f"; did you mean {near[0]}?" if near else ""
            return Usage(f"{command} has no option {name}{meant}", hint=f"embedfleet {command} --help")
    return None


def _parsers_of(parser: argparse.ArgumentParser) -> dict[str, argparse.ArgumentParser]:
    """The parser of each command that a parser has."""
    found: dict[str, argparse.ArgumentParser] = {}
    for action in parser._actions:  # noqa: SLF001 - argparse gives no other way to list them
        if action.nargs == argparse.PARSER:
            found |= cast("dict[str, argparse.ArgumentParser]", action.choices)
    return found


def _option_names(parser: argparse.ArgumentParser) -> list[str]:
    """The options of a command and of those below it."""
    own = [name for action in parser._actions for name in action.option_strings]  # noqa: SLF001 - as above
    return own + [name for below in _parsers_of(parser).values() for name in _option_names(below)]


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


def parse(words: Sequence[str] | None = None) -> argparse.Namespace:
    """The arguments of a command line (default: `sys.argv`), and the line itself as `command_line`."""
    given = sys.argv[1:] if words is None else words
    top = parser()
    try:
        arguments, rest = top.parse_known_args(given)
    except Usage as wrong:  # an unknown option's value was taken for something else
        raise _unknown_option(top, given) or wrong from None
    if rest:
        raise _unknown_option(top, given) or Usage(
            f"unrecognized arguments: {' '.join(rest)}", hint=f"embedfleet {arguments.command} --help"
        )
    arguments.command_line = shlex.join(["embedfleet", *given])
    return arguments


def command_of(command: str) -> Handler:
    """Import the module of a command and return the function that carries it out."""
    module, _, function = COMMANDS[command].partition(":")
    return getattr(importlib.import_module(module), function)


def main(words: Sequence[str] | None = None, *, handler_of: Callable[[str], Handler] = command_of) -> int:
    """Run one command and return its exit status.

    `words`: the arguments (default: `sys.argv`). `handler_of`: the function that carries out a command of this name.
    """
    prepare_streams()
    words = sys.argv[1:] if words is None else words
    try:
        status = _run(words, handler_of)
    except SystemExit as end:  # of argparse: --help or --version
        flush_streams()
        raise end from None
    failed = flush_streams()
    if failed is None or isinstance(failed, BrokenPipeError):  # a reader that has left has what it wants
        return status
    problem = unwritten(failed)
    _print_last(problem.two_lines())
    return status or problem.code


def _run(words: Sequence[str], handler_of: Callable[[str], Handler]) -> int:
    as_json = _wants_json(words)
    try:
        arguments = parse(words)
        return handler_of(arguments.command)(arguments)
    except NothingNew as done:
        return _failed(done, f"{plain(done)}\n{plain(done.hint)}", as_json=as_json)
    except Problem as problem:
        return _failed(problem, problem.two_lines(), as_json=as_json)
    except KeyboardInterrupt:
        interrupted = Interrupted("interrupted", hint=_after_interrupt(words))
        return _failed(interrupted, interrupted.two_lines(), as_json=as_json)
    except BrokenPipeError:  # the reader of our output closed it early
        discard(sys.stdout)
        return 0
    except Exception as error:  # the process ends here: its traceback follows on stderr
        if as_json:
            bug = Problem(
                f"a bug: {type(error).__name__}: {error}", hint="report it with the traceback on stderr"
            )
            _print_error(bug)
        raise


def _after_interrupt(words: Sequence[str]) -> str:
    """What to do after Ctrl-C: only some commands leave work that goes on."""
    command = next(iter(words), "")
    if command in GOING_ON:
        return "embedfleet status shows what still runs, if the run had begun"
    return f"embedfleet {command} left nothing running: give it again"


def _wants_json(words: Sequence[str]) -> bool:
    """Whether --json, which argparse also takes abbreviated, is among the arguments, also where these are wrong."""
    before = words[: words.index("--")] if "--" in words else words
    return any(word.startswith("--j") and "--json".startswith(word) for word in before)


def _failed(problem: Problem, text: str, *, as_json: bool) -> int:
    """Print an error and return the exit status."""
    if as_json:
        _print_error(problem)
    _print_last(text)
    return problem.code


def _print_error(problem: Problem) -> None:
    """Print an error to stdout as JSON, unless the command has printed its document: a script reads one."""
    if not document_printed():
        with contextlib.suppress(OSError):
            print_error(str(problem), problem.hint, problem.code)


def _print_last(text: str) -> None:
    """Print the last words of a command to stderr, which may be closed."""
    with contextlib.suppress(OSError):
        print(wrapped_for(sys.stderr, text), file=sys.stderr)  # noqa: T201 - this is the edge
