"""Open the ledger of the runs folder for a command that needs one to exist."""

from argparse import Namespace
from pathlib import Path

from launcher.errors import Problem
from launcher.ledger.ledger import Ledger


def existing_ledger(arguments: Namespace) -> Ledger:
    """Open `ledger.db` of the folder `--runs`; never create it.

    Raises:
        Problem: the folder has no ledger.
    """
    path: Path = arguments.runs / "ledger.db"
    if not path.exists():
        raise Problem(
            f"no runs are kept in {arguments.runs.absolute()}",
            hint="go to the folder you launched from, or name its runs with --runs",
        )
    return Ledger.open(path)
