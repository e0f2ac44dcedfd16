"""`embedfleet doctor`: find what would make a run fail, before anything is spent.

Checks this machine, and what a job or an output path names: model, corpus, store, cloud accounts. It embeds and rents
nothing; all that it writes are two small objects that test the store's conditional writes, and it deletes them.
"""

import argparse
import shutil
import sys

from launcher.cli.console import show, show_text
from launcher.diagnostics import cloud_checks
from launcher.diagnostics.checks import checks_text, to_json, worst
from launcher.diagnostics.local_checks import (
    is_installed,
    library_checks,
    machine_checks,
    named_plan,
    subject_checks,
)

FAILED = 1  # exit status


def run(arguments: argparse.Namespace) -> int:
    """Run every check that applies and print them; return 1 if any failed."""
    found = [*machine_checks(arguments.runs), *library_checks()]
    plan = named_plan(arguments.subject)
    if plan is None and arguments.subject:
        found += subject_checks(arguments.subject)
    rents = plan is not None and any(group.cloud != "local" for group in plan.lots)
    if rents or arguments.orphans or is_installed("skypilot"):
        found += cloud_checks.renting_checks(
            plan if rents else None, arguments.runs / "ledger.db", orphans=arguments.orphans
        )
    if arguments.json:
        show(to_json(found), checks_text, as_json=True)
    else:
        columns = shutil.get_terminal_size().columns if sys.stdout.isatty() else None
        show_text(f"{checks_text(found, columns)}\n")
    return FAILED if worst(found) == "fail" else 0
