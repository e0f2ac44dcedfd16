"""The command line: words in, exit status out. Each command's work is in `commands`, imported when it is called for.

Data goes to stdout, everything else to stderr. A `Problem` is two lines and its exit status; anything else is a bug
and keeps its traceback.
"""

import argparse
import os
import sys
from collections.abc import Callable, Sequence
from decimal import Decimal, InvalidOperation
from difflib import get_close_matches
from pathlib import Path
from typing import NoReturn

from launcher import __version__
from launcher.cli import bench, doctor, finish, ledger, prices, report, speed
from launcher.errors import NothingNew, Problem

COMMANDS = (
    *("plan", "launch", "status", "report", "compare", "resume", "stop", "down", "verify"),
    *("prices", "speed", "bench", "doctor", "finish", "ledger", "diff"),
)

# Commands whose module waits for its libraries by itself.
OWN: dict[str, Callable[[argparse.Namespace], int]] = {
    "prices": prices.run,
    "speed": speed.run,
    "bench": bench.run,
    "doctor": doctor.run,
    "report": report.report,
    "compare": report.compare,
    "finish": finish.run,
    "ledger": ledger.run,
}

DESCRIPTION = (
    "Embed a large corpus: planned before it costs, recovered when workers go, every dollar accounted for."
)


class Parser(argparse.ArgumentParser):
    """Says what to do, in two lines, where argparse prints its usage."""

    def error(self, message: str) -> NoReturn:
        wrong = next((word for word in sys.argv[1:] if not word.startswith("-")), "")
        near = get_close_matches(wrong, COMMANDS, n=1)
        if "invalid choice" in message and near and wrong not in COMMANDS:
            message = f"no command {wrong!r}; did you mean {near[0]}?"
        print(f"Error: {message}\nTry: {self.prog} --help", file=sys.stderr)  # noqa: T201 - this is the edge
        raise SystemExit(2)


def parser() -> Parser:
    """The whole command line."""
    top = Parser(prog="embedfleet", description=DESCRIPTION)
    top.add_argument("--version", action="version", version=f"embedfleet {__version__}")
    commands = top.add_subparsers(dest="command", required=True, metavar="COMMAND")

    plan = commands.add_parser(
        "plan", help="what it will cost and how long it will take, before anything is spent"
    )
    plan.add_argument("job", type=Path, metavar="JOB.yaml")
    _planning(plan)
    plan.add_argument("--html", type=Path, metavar="FILE", help="write the plan as a page there")
    plan.add_argument("-o", "--output", type=Path, metavar="FILE", help="write the plan there, to launch it")
    _runs(plan)
    _json(plan)

    launch = commands.add_parser("launch", help="carry out a plan, or plan a job and carry that out")
    launch.add_argument("plan", type=Path, metavar="PLAN.json|JOB.yaml")
    _planning(launch)
    launch.add_argument("--refresh", action="store_true", help="plan again when the corpus changed")
    launch.add_argument(
        "--dry-run", action="store_true", help="print the tasks and every call, and rent nothing"
    )
    launch.add_argument("--yes", action="store_true", help="rent without asking; needs --max-cost")
    launch.add_argument(
        "--max-cost", type=_dollars, metavar="$X", help="refuse a plan that may cost more (P90)"
    )
    _driving(launch)
    _runs(launch)

    status = commands.add_parser("status", help="how far a run is")
    _run(status)
    status.add_argument("--watch", action="store_true", help="until it ends (with --json: one object a line)")
    _json(status)

    report.add(commands, _run, _runs)

    resume = commands.add_parser("resume", help="go on with a run, after anything")
    _run(resume)
    resume.add_argument(
        "--budget", type=_dollars, metavar="DOLLARS", help="from now on, instead of the job's limits.budget"
    )
    _driving(resume)

    stop = commands.add_parser("stop", help="let machines finish the shards they hold, then end")
    _run(stop)
    down = commands.add_parser("down", help="cancel everything that a run rented, and take it away")
    _run(down)
    down.add_argument(
        "--verify", action="store_true", help="end nothing; ask SkyPilot and the clouds what is left"
    )
    _json(down)

    verify = commands.add_parser("verify", help="check every receipt, file, id and vector of a run")
    _run(verify)
    verify.add_argument(
        "--seed", type=int, default=0, help="of the sample that is embedded again (default 0)"
    )
    verify.add_argument("--no-embed", action="store_true", help="skip embedding a sample again")
    _json(verify)

    prices.add(commands)
    speed.add(commands)
    bench.add(commands)
    doctor.add(commands)

    finish.add(commands, _run)
    ledger.add(commands, _runs)

    diff = commands.add_parser(
        "diff", help="what is different in another plan, and why it costs more or less"
    )
    diff.add_argument("one", type=Path, metavar="A.json")
    diff.add_argument("other", type=Path, metavar="B.json")
    _json(diff)
    return top


def _planning(command: argparse.ArgumentParser) -> None:
    command.add_argument("--on", choices=["local"], help="use this machine, not a cloud")
    book = command.add_mutually_exclusive_group()
    book.add_argument("--price-book", type=Path, metavar="FILE.csv", help="prices from this file alone")
    book.add_argument(
        "--offline", action="store_true", help="prices of the snapshot that came with this version"
    )
    command.add_argument(
        "--probe",
        type=_seconds,
        default=6.0,
        metavar="SECONDS",
        help="measure this machine for so long (default 6)",
    )


def _driving(command: argparse.ArgumentParser) -> None:
    command.add_argument(
        "--detach", action="store_true", help="leave once all rented machines were asked for"
    )
    command.add_argument(
        "--secret",
        action="append",
        default=[],
        metavar="NAME",
        help="pass this variable to machines, as a secret",
    )


def _dollars(word: str) -> Decimal:
    try:
        usd = Decimal(word.removeprefix("$"))
    except InvalidOperation:
        usd = Decimal(0)
    if not usd.is_finite() or usd <= 0:
        raise argparse.ArgumentTypeError(f"give dollars above 0, such as 25 or 25.50, not {word!r}")
    return usd


def _seconds(word: str) -> float:
    seconds = float(word)
    if not 0 <= seconds <= 600:
        raise argparse.ArgumentTypeError(f"give 0 to 600 seconds, not {word}")
    return seconds


def _runs(command: argparse.ArgumentParser) -> None:
    command.add_argument(
        "--runs",
        type=Path,
        default=Path(os.environ.get("EMBEDFLEET_RUNS", "runs")),
        metavar="FOLDER",
        help="where runs and their ledger are kept (default $EMBEDFLEET_RUNS, else ./runs)",
    )


def _run(command: argparse.ArgumentParser) -> None:
    command.add_argument(
        "run", nargs="?", metavar="RUN", help="its name or the beginning of it (default: the newest)"
    )
    _runs(command)


def _json(command: argparse.ArgumentParser) -> None:
    command.add_argument("--json", action="store_true", help="print JSON")


def main(words: Sequence[str] | None = None) -> int:
    """Run one command; its exit status."""
    arguments = parser().parse_args(words)
    try:
        return command_of(arguments.command)(arguments)
    except NothingNew as done:
        print(f"{done}\n{done.hint}", file=sys.stderr)  # noqa: T201 - this is the edge
        return done.code
    except Problem as problem:
        print(f"Error: {problem}\nTry: {problem.hint}", file=sys.stderr)  # noqa: T201 - this is the edge
        return problem.code
    except KeyboardInterrupt:
        print("Error: interrupted\nTry: embedfleet status says what runs, if anything does", file=sys.stderr)  # noqa: T201
        return 130
    except BrokenPipeError:  # the reader of our output had enough
        os.dup2(os.open(os.devnull, os.O_WRONLY), sys.stdout.fileno())
        return 0


def command_of(command: str) -> Callable[[argparse.Namespace], int]:
    """What carries a command out. Imported when it is called for: `--help` must not wait for the libraries."""
    match command:
        case _ if command in OWN:
            return OWN[command]
        case "plan" | "diff":
            from launcher.cli import plan  # noqa: PLC0415

            return plan.plan if command == "plan" else plan.diff
        case _:
            from launcher.cli import launch  # noqa: PLC0415

            return launch.RUN[command]
