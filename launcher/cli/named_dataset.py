"""The dataset or the run that a command line names: by a run of the ledger, or by an output path."""

from argparse import Namespace
from pathlib import Path

from launcher.cli.open_ledger import existing_ledger
from launcher.cli.options.types import location
from launcher.errors import Problem
from launcher.vectors.read_dataset import Dataset, open_dataset
from tasks.protocol.keys import RUNS_PREFIX, manifest_header_key
from tasks.protocol.runs import runs_of
from tasks.stores.open import open_store


def named_dataset(arguments: Namespace) -> Dataset:
    """The dataset of `arguments.run`: an output path, or a run of this laptop; None: the newest run.

    Raises:
        Problem: there is no such run, or it has no dataset.
    """
    name: str | None = arguments.run
    if name is not None and _is_output(name):
        return open_dataset(location(name), getattr(arguments, "of", None))
    with existing_ledger(arguments) as ledger:
        run = ledger.runs.find(name)
    return open_dataset(run.output, run.id)


def named_run(arguments: Namespace) -> tuple[str, str]:
    """Output path and name of the run of `arguments.run`, which may go on; of an output path, the newest run there.

    Raises:
        Problem: there is no such run.
    """
    name: str | None = arguments.run
    if name is None or not _is_output(name):
        with existing_ledger(arguments) as ledger:
            run = ledger.runs.find(name)
        return run.output, run.id
    output = location(name)
    store = open_store(output)
    begun = [
        (entry.modified, run) for run in runs_of(store) for entry in store.list(manifest_header_key(run))[:1]
    ]
    if not begun:
        raise Problem(f"no run under {output}", hint="name the output.path of a job that was launched")
    return output, max(begun)[1]


def _is_output(name: str) -> bool:
    return "://" in name or (Path(name) / RUNS_PREFIX).is_dir()
