"""`embedfleet status`: progress and cost of a run, once or until it ends."""

import time
from argparse import Namespace
from collections.abc import Iterator
from typing import Any

from launcher.cli.console import show
from launcher.cli.open_ledger import existing_ledger
from launcher.cli.progress import follow, say
from launcher.fleet.monitoring.spot_prices import SpotPriceRecorder
from launcher.fleet.status import observer_of, settle_if_unattended, status_of
from launcher.reports.terminal.plan import status_text
from tasks.stores.open import open_store


def status(arguments: Namespace) -> int:
    with existing_ledger(arguments) as ledger:
        run = ledger.find(arguments.run)
        store = open_store(run.output)
        eye = observer_of(ledger, store, run)
        history = SpotPriceRecorder(ledger, run.id, say)

        def looks() -> Iterator[dict[str, Any]]:
            while True:
                settle_if_unattended(ledger, run, eye, arguments.runs / run.id, history, say)
                body = status_of(ledger, run.id, eye)
                yield body
                if not arguments.watch or body["state"] in ("DONE", "STOPPED") or eye is None:
                    return
                time.sleep(2)

        if arguments.watch:
            follow(looks(), status_text, as_json=arguments.json)
        else:
            show(next(looks()), status_text, as_json=arguments.json)
        return 0
