"""Options that several commands have."""

import argparse
import os
from typing import Protocol

from launcher.cli.options.types import dollars, path, probe_seconds, variable

STEERS = ("autopilot", "static", "on-demand")  # of `launcher.jobs.keys`, which is not imported here


class Commands(Protocol):
    """What `ArgumentParser.add_subparsers` returns."""

    def add_parser(self, name: str, *, help: str) -> argparse.ArgumentParser: ...  # noqa: A002 - argparse's name


def add_planning(command: argparse.ArgumentParser) -> None:
    """Add the options of every command that plans."""
    command.add_argument("--on", choices=["local", "cloud"], help="use this machine alone, or never")
    command.add_argument(
        "--steer",
        choices=STEERS,
        help="how rented machines are steered to deadline and budget, instead of the job's `steer`",
    )
    add_price_book(command)
    command.add_argument(
        "--probe",
        type=probe_seconds,
        default=6.0,
        metavar="SECONDS",
        help="how long to measure this machine (default 6)",
    )
    command.add_argument(
        "--measure-loss",
        type=probe_seconds,
        metavar="SECONDS",
        help="with `precision: fp8`: how long to measure its loss on texts of the corpus (default 60 for a folder; "
        "the weights of a hub id are downloaded only when this is given; 0: not)",
    )


def add_price_book(command: argparse.ArgumentParser) -> None:
    """Add the choice of a price book."""
    book = command.add_mutually_exclusive_group()
    book.add_argument("--price-book", type=path, metavar="FILE.csv", help="read prices from this file alone")
    book.add_argument(
        "--offline",
        action="store_true",
        help="plan by the snapshot of prices that came with this version; take a plan's prices as they are",
    )


def add_cost(command: argparse.ArgumentParser, limits: str = "--max-cost") -> None:
    """Add what may be spent; `limits` names the options that --yes needs."""
    command.add_argument("--yes", action="store_true", help=f"rent without asking; needs {limits}")
    command.add_argument(
        "--max-cost",
        type=dollars,
        metavar="$X",
        help="never spend more on this run in all; refuse what may cost more (P90)",
    )
    command.add_argument(
        "--allow-unknown-price",
        action="store_true",
        help="rent machines without a known price although there is a limit; only known prices count",
    )


def add_driving(command: argparse.ArgumentParser) -> None:
    """Add how machines are driven."""
    leaving = command.add_mutually_exclusive_group()
    leaving.add_argument(
        "--detach", action="store_true", help="leave as soon as all machines have been requested"
    )
    leaving.add_argument(
        "--pilot",
        action="store_true",
        help="drive the run from a small machine beside the fleet, so that this one may close; needs a limit",
    )
    command.add_argument(
        "--secret",
        type=variable,
        action="append",
        default=[],
        metavar="NAME",
        help="pass this environment variable to the machines, as a secret",
    )
    command.add_argument("--json", action="store_true", help="print how it ended as JSON")


def add_run(command: argparse.ArgumentParser, metavar: str = "RUN") -> None:
    """Add the argument RUN, and the folder of runs."""
    path = ", or its output path, to read it from anywhere" if "OUTPUT" in metavar else ""
    command.add_argument(
        "run", nargs="?", metavar=metavar, help=f"its name or the beginning of it (default: the newest){path}"
    )
    add_runs_folder(command)


def add_runs_folder(
    command: argparse.ArgumentParser,
    what: str = "where runs and their ledger are kept",
    *,
    again: bool = False,
) -> None:
    """Add the folder of runs; `what` is what the command reads or writes there.

    `again`: for an action below a command that has the option; its default must not undo what stands before it.
    """
    command.add_argument(
        "--runs",
        type=path,
        # Text, so that its `~` is read, too.
        default=argparse.SUPPRESS if again else os.environ.get("EMBEDFLEET_RUNS", "runs"),
        metavar="FOLDER",
        help=f"{what} (default $EMBEDFLEET_RUNS, else ./runs)",
    )


def add_json(command: argparse.ArgumentParser) -> None:
    """Add --json."""
    command.add_argument("--json", action="store_true", help="print JSON")
