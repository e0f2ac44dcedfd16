"""`embedfleet status`: progress and cost of a run, once or until it ends."""

import time
from argparse import Namespace
from collections.abc import Iterator
from typing import Any

from launcher.cli.console import follow, say, show
from launcher.cli.open_ledger import existing_ledger
from launcher.documents.status import to_json
from launcher.fleet.monitoring.spot_prices import SpotPriceRecorder
from launcher.fleet.monitoring.store_observer import observe_run
from launcher.fleet.status import settle_if_unattended, status_of
from launcher.ledger.records import RunState
from launcher.output.missing import find_missing, output_gone
from launcher.reports.terminal.status import status_text
from tasks.stores.open import open_store

WATCH_SECONDS = 2.0  # between two states of --watch


def status(arguments: Namespace) -> int:
    """Print the state of a run, after recording what became of its machines if no launcher is at work."""
    with existing_ledger(arguments) as ledger:
        run = ledger.runs.find(arguments.run)
        store = open_store(run.output)
        if missing := find_missing(store, run.id, ledger.shards.each_receipt(run.id)):
            if run.state == RunState.DONE or missing.manifest:
                raise output_gone(missing)
            say(f"the output is incomplete: {missing}; embedfleet resume {run.id} embeds it again")
        observer = observe_run(ledger, store, run.id)
        spot_prices = SpotPriceRecorder(ledger, run.id, say)

        def states() -> Iterator[Any]:
            while True:
                settle_if_unattended(ledger, run, observer, arguments.runs / run.id, spot_prices, say)
                report = status_of(ledger, run.id, observer)
                yield to_json(report) if arguments.json else report
                if not arguments.watch or report.state in ("DONE", "STOPPED") or observer is None:
                    return
                time.sleep(WATCH_SECONDS)

        if arguments.watch:
            follow(states(), status_text, as_json=arguments.json)
        else:
            show(next(states()), status_text, as_json=arguments.json)
        return 0
