"""The dataset that a command line names: by a run of the ledger, or by an output path."""

from argparse import Namespace
from pathlib import Path

from launcher.cli.open_ledger import existing_ledger
from launcher.cli.options.types import location
from launcher.vectors.read_dataset import Dataset, open_dataset
from tasks.protocol.keys import RUNS_PREFIX


def named_dataset(arguments: Namespace) -> Dataset:
    """The dataset of `arguments.run`: an output path, or a run of this laptop; None: the newest run.

    Raises:
        Problem: there is no such run, or it has no dataset.
    """
    name: str | None = arguments.run
    if name is not None and _is_output(name):
        return open_dataset(location(name))
    with existing_ledger(arguments) as ledger:
        run = ledger.runs.find(name)
    return open_dataset(run.output, run.id)


def _is_output(name: str) -> bool:
    return "://" in name or (Path(name) / RUNS_PREFIX).is_dir()
