"""`embedfleet status`: progress and cost of a run, once or until it ends; also as metrics for Prometheus."""

import contextlib
import time
from argparse import Namespace
from collections.abc import Generator, Iterator
from dataclasses import dataclass
from pathlib import Path
from typing import Any

from launcher.cli.console import follow, say, show
from launcher.cli.watched_run import watched_run
from launcher.documents.status import StatusReport, to_json
from launcher.documents.status_metrics import status_metrics
from launcher.files import write
from launcher.fleet.monitoring.spot_prices import recorder_of
from launcher.fleet.monitoring.store_observer import observe_run
from launcher.fleet.recovery.rebuild_ledger import watch_again
from launcher.fleet.status import settle_if_unattended, status_of
from launcher.ledger.ledger import Ledger
from launcher.ledger.records import Run, RunState
from launcher.output.missing import find_missing, output_gone
from launcher.pilot.news import news_of_pilot
from launcher.reports.terminal.runs.status import status_text
from tasks.metrics.exposition import render
from tasks.metrics.server import MetricsServer, is_loopback
from tasks.stores.base import Store
from tasks.stores.open import open_store

WATCH_SECONDS = 2.0  # between two states of --watch
LAST_SCRAPE_SECONDS = 60.0  # the last state of a run is served for so long, or until it was read once


@dataclass(slots=True)
class MetricsOutput:
    """Where the metrics of each state go: to a file, to a server, or nowhere."""

    file: Path | None
    server: MetricsServer | None = None
    page: str = ""

    def publish(self, report: StatusReport) -> None:
        """Replace the metrics by those of this state."""
        if self.file is None and self.server is None:
            return
        self.page = render(status_metrics(report))
        if self.file is not None:
            write(self.file, self.page)

    def linger(self) -> None:
        """Keep the last state until it was read once: a run may end between two scrapes."""
        if self.server is None:
            return
        seen, end = self.server.scrapes, time.monotonic() + LAST_SCRAPE_SECONDS
        say(
            f"the run has ended: its last metrics stay until they are read, at most {LAST_SCRAPE_SECONDS:.0f} s"
        )
        while self.server.scrapes == seen and time.monotonic() < end:
            time.sleep(0.1)


@contextlib.contextmanager
def metrics_output(arguments: Namespace) -> Generator[MetricsOutput, None, None]:
    """The outputs that --textfile and --listen ask for.

    Raises:
        Problem: the address cannot be listened on.
    """
    found = MetricsOutput(arguments.textfile)
    if arguments.listen is None:
        yield found
        return
    host, port = arguments.listen
    found.server = MetricsServer(lambda: found.page, port, host)
    say(f"metrics: {found.server.url}")
    if not is_loopback(host):
        say(
            f"{host} is not this machine alone: whoever reaches the port reads the run's progress and dollars"
        )
    try:
        yield found
    finally:
        found.server.close()


def _check_output(ledger: Ledger, store: Store, run: Run) -> None:
    """Say what of the output is gone.

    Raises:
        Problem: the run is done, or its manifest is gone, too.
    """
    if missing := find_missing(store, run.id, ledger.shards.each_receipt(run.id)):
        if run.state == RunState.DONE or missing.manifest:
            raise output_gone(missing, finished=run.state == RunState.DONE)
        say(f"the output is incomplete: {missing}; embedfleet resume {run.id} embeds it again")


def _over(report: StatusReport) -> bool:
    """Whether nothing will change: an output path alone does not show whether a launcher is about to go on."""
    return report.state == "DONE" or (report.state == "STOPPED" and report.launcher_known)


def status(arguments: Namespace) -> int:
    """Print the state of a run.

    What became of its machines is recorded first if no launcher is at work; not of a run that is read by its output.
    """
    with watched_run(arguments, say_pilot=arguments.json) as watched, metrics_output(arguments) as metrics:
        ledger, run = watched.ledger, watched.run
        store = open_store(run.output)
        _check_output(ledger, store, run)
        observer = observe_run(ledger, store, run.id)
        spot_prices = recorder_of(ledger, run, say)
        watch = arguments.watch or metrics.server is not None

        def states() -> Iterator[StatusReport]:
            news = watched.pilot
            while True:
                if watched.ours:
                    settle_if_unattended(ledger, run, observer, watched.folder, spot_prices, say)
                folder = watched.folder if watched.ours else None
                known = watched.ours or news is not None
                pilot = None if news is None else news.status
                report = status_of(ledger, run.id, observer, folder, pilot=pilot, launcher_known=known)
                metrics.publish(report)
                yield report
                if not watch or observer is None or _over(report):
                    return
                time.sleep(WATCH_SECONDS)
                news = news and news_of_pilot(ledger, store, run.id, say)
                if not known:
                    observer.read_receipts()
                    watch_again(observer, run.output)

        def documents() -> Iterator[Any]:
            for report in states():
                yield to_json(report) if arguments.json else report

        if watch:
            follow(documents(), status_text, as_json=arguments.json)
            metrics.linger()
        else:
            show(next(documents()), status_text, as_json=arguments.json)
        return 0
