"""Open the ledger of the runs folder for a command that needs one to exist."""

from argparse import Namespace
from pathlib import Path

from launcher.errors import Problem
from launcher.ledger.ledger import Ledger


def existing_ledger(arguments: Namespace) -> Ledger:
    """Open `ledger.db` of the folder of runs; never create it.

    Raises:
        Problem: the folder has no ledger.
    """
    path: Path = arguments.runs / "ledger.db"
    if not path.exists():
        option = getattr(arguments, "runs_option", "--runs")  # of `simulate` --runs is a number
        raise Problem(
            f"no runs are kept in {arguments.runs.absolute()}",
            hint=f"go to the folder you launched from, or name its runs with {option}",
        )
    return Ledger.open(path)
