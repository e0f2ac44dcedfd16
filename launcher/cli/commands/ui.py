"""`embedfleet ui`: the runs of this ledger in a browser, renewed while they go on."""

import tempfile
import threading
import time
import webbrowser
from argparse import Namespace
from collections.abc import Generator, Iterable
from contextlib import contextmanager
from dataclasses import dataclass, replace
from datetime import datetime
from pathlib import Path

from launcher.cli.commands.report import current_report
from launcher.cli.console import say
from launcher.cli.open_ledger import existing_ledger
from launcher.fleet.monitoring.store_observer import observe_run
from launcher.fleet.status import status_of
from launcher.fleet.steering.deadline import current_deadline
from launcher.jobs.job import load
from launcher.ledger.ledger import Ledger
from launcher.ledger.records import Run
from launcher.pilot.news import is_handed_over, news_of_pilot
from launcher.reports.assemble import readable_plan
from launcher.reports.document import VectorHealth
from launcher.reports.html.live import LiveRun, live_files, live_page, redirect_page, runs_page
from launcher.reports.lists.run_list import list_runs
from launcher.reports.report import Report
from launcher.reports.report_json import report_document
from launcher.reports.sections.vector_health import look_at_vectors
from launcher.ui.server import Answer, UiServer
from launcher.ui.snapshots import Snapshots
from tasks.clock import utc
from tasks.protocol.receipt import Receipt
from tasks.stores.base import Store
from tasks.stores.open import open_store

LOOK_SECONDS = 60.0  # between two looks at the vectors of a run that goes on
LOOK_REST = 20.0  # times what looking took
LIST = ""  # the name of the list of runs among the pages


def ui(arguments: Namespace) -> int:
    """Serve the pages on 127.0.0.1 until Ctrl-C, and open the first one in the browser."""
    with existing_ledger(arguments) as ledger:
        run = ledger.runs.find(arguments.run).id if arguments.run else None
    server = UiServer(RunPages(arguments), arguments.port)
    address = f"{server.url}run/{run}/" if run else server.url
    say(f"live page: {address}")
    say("only this machine reaches it, and only with this address; Ctrl-C ends it")
    serving = threading.Thread(target=server.serve_forever, kwargs={"poll_interval": 0.2}, daemon=True)
    serving.start()
    try:
        with _redirect(address) as page:
            if arguments.open:
                webbrowser.open(page.as_uri())
            serving.join()
    except KeyboardInterrupt:
        say("ended; runs go on without this page")
    finally:
        server.shutdown()
        server.server_close()
    return 0


@contextmanager
def _redirect(address: str) -> Generator[Path, None, None]:
    """A file of the user's own that leads to the address: a command line would show the token to other users."""
    with tempfile.TemporaryDirectory(prefix="embedfleet-ui-") as folder:
        page = Path(folder) / "open.html"
        page.write_text(redirect_page(address), encoding="utf-8")
        yield page


@dataclass(frozen=True, slots=True)
class _Look:
    """What the vectors of a run looked like when so many shards were done."""

    shards: int
    again: float  # by the monotonic clock
    found: VectorHealth | None


class RunPages:
    """The site of the server: the list of runs, the page of each, and what these load."""

    def __init__(self, arguments: Namespace) -> None:
        self._arguments = arguments
        self._files = live_files()
        self._pages = Snapshots(self._page)
        self._looks: dict[str, _Look] = {}

    def answer(self, path: str) -> Answer | None:
        """The answer for a path below the first page; None: there is no such page."""
        if path in self._files:
            return Answer(*self._files[path])
        if path == LIST:
            return Answer(self._pages.page(LIST))
        folder, _, rest = path.partition("/")
        run, slash, beyond = rest.partition("/")
        if folder != "run" or not slash or beyond:
            return None
        with existing_ledger(self._arguments) as ledger:
            known = ledger.runs.get(run) is not None
        return Answer(self._pages.page(run)) if known else None

    def _page(self, name: str) -> bytes:
        with existing_ledger(self._arguments) as ledger:
            if name == LIST:
                return runs_page(list_runs(ledger, None, utc())).encode()
            return live_page(self._live_run(ledger, ledger.runs.find(name))).encode()

    def _live_run(self, ledger: Ledger, run: Run) -> LiveRun:
        """The run now. As `status` does, this reads news from the store into the ledger; nothing is started or ended."""
        store = open_store(run.output)
        news = news_of_pilot(ledger, store, run.id, say) if is_handed_over(ledger, run.id) else None
        ours = news is None or not news.drives
        report = current_report(
            ledger, ledger.runs.find(run.id), self._arguments.runs, prices=False, vectors=False, settle=ours
        )
        vectors = self._look(store, report, ledger.shards.all_receipts(run.id))
        return LiveRun(
            status=status_of(
                ledger,
                run.id,
                observe_run(ledger, store, run.id),
                self._arguments.runs / run.id,
                pilot=None if news is None else news.status,
            ),
            report=replace(report_document(report), vectors=vectors),
            deadline=_deadline(ledger, run),
        )

    def _look(self, store: Store, report: Report, receipts: Iterable[Receipt]) -> VectorHealth | None:
        """The vectors as they looked last; they are looked at again when shards were done since, and not often."""
        known = self._looks.get(report.run)
        now = time.monotonic()
        if known is None or (known.shards != report.shards_done and now >= known.again):
            found = look_at_vectors(store, report.run, receipts)
            again = time.monotonic() + max(LOOK_SECONDS, LOOK_REST * (time.monotonic() - now))
            known = self._looks[report.run] = _Look(report.shards_done, again, found)
        return known.found


def _deadline(ledger: Ledger, run: Run) -> datetime | None:
    """When the run must be finished; None: no deadline, or its plan cannot be read."""
    plan = readable_plan(run)
    return None if plan is None else current_deadline(ledger, run, load(plan.work.job))
