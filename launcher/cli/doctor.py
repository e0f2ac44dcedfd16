"""`embedfleet doctor`: what a run would trip over, found before anything is spent.

Looks at this machine, and at what a job or an output path names: model, corpus, bucket. Embeds nothing and rents
nothing; the only thing that it writes is one small object, where the store has to show what it does with conditions.
"""

import argparse
import os
from pathlib import Path
from typing import Any

from launcher.diagnostics.checks import checks_text, to_json, worst
from launcher.diagnostics.local_checks import installed, libraries, machine, plan_of, subject

FAILED = 1  # exit status


def add(commands: Any) -> None:
    """The subcommand and its flags; `commands` is what `add_subparsers` returns."""
    command = commands.add_parser("doctor", help="what a run would trip over: this machine, a job, a bucket")
    command.add_argument(
        "subject",
        nargs="?",
        metavar="JOB|PATH",
        help="a job file, a plan, or an output path such as s3://bucket/vectors, whose store is tried",
    )
    command.add_argument(
        "--orphans", action="store_true", help="find rented machines of runs that this laptop does not know"
    )
    command.add_argument(
        "--runs",
        type=Path,
        default=Path(os.environ.get("EMBEDFLEET_RUNS", "runs")),
        metavar="FOLDER",
        help="where runs are kept (default $EMBEDFLEET_RUNS, else ./runs)",
    )
    command.add_argument("--json", action="store_true", help="print JSON")


def run(arguments: argparse.Namespace) -> int:
    """Look, and show what was seen; 1 where anything failed."""
    from launcher.cli.console import show  # noqa: PLC0415 - `--help` must not wait for it

    found = [*machine(arguments.runs), *libraries()]
    plan = plan_of(arguments.subject)
    if plan is None and arguments.subject:
        found += subject(arguments.subject)
    rents = plan is not None and any(lot["cloud"] != "local" for lot in plan["lots"])
    if rents or arguments.orphans or installed("skypilot"):
        from launcher.diagnostics import cloud_checks  # noqa: PLC0415 - only where machines may be rented

        found += cloud_checks.checks(
            plan if rents else None, arguments.runs / "ledger.db", orphans=arguments.orphans
        )
    if arguments.json:
        show(to_json(found), checks_text, as_json=True)
    else:
        print(checks_text(found))  # noqa: T201 - the data
    return FAILED if worst(found) == "fail" else 0
