"""`embedfleet logs`: what the workers of a run wrote, here or on rented machines, once or as it comes."""

from argparse import Namespace

from launcher.cli.console import say, show_text
from launcher.cli.open_ledger import existing_ledger
from launcher.errors import Problem
from launcher.fleet.monitoring.store_observer import observe_run
from launcher.fleet.run_logs import run_logs
from tasks.stores.open import open_store


def logs(arguments: Namespace) -> int:
    """Print the lines of the logs; where there are several workers, each with the name of its worker."""
    with existing_ledger(arguments) as ledger:
        run = ledger.runs.find(arguments.run)
        try:
            observer = observe_run(ledger, open_store(run.output), run.id)
        except Problem as problem:
            say(f"the store cannot be asked: {problem}")
            observer = None
        several = arguments.worker is None and len(ledger.machines.of_run(run.id)) > 1
        printed = False
        for name, line in run_logs(
            ledger,
            run,
            observer,
            arguments.runs / run.id,
            worker=arguments.worker,
            follow=arguments.follow,
            say=say,
        ):
            printed = True
            show_text(f"{name}: {line}\n" if several else f"{line}\n", flush=arguments.follow)
        if not printed:
            say(f"no worker of run {run.id} wrote a line; embedfleet status {run.id} shows its state")
    return 0
