"""The run that a command reads: of this laptop's ledger, or of an output path alone, as seen from another laptop.

An output path is read into a ledger that is thrown away afterwards: nothing is written to it, and nothing is kept here.
"""

import contextlib
import tempfile
from argparse import Namespace
from collections.abc import Generator
from dataclasses import dataclass
from pathlib import Path

from launcher.cli.console import say
from launcher.cli.open_ledger import existing_ledger
from launcher.errors import Problem
from launcher.fleet.recovery.rebuild_ledger import rebuild
from launcher.ledger.ledger import Ledger
from launcher.ledger.records import Run
from launcher.pilot.news import OVER, PilotNews, is_handed_over, news_of_pilot
from launcher.reports.sections.course_text import pilot_text
from tasks.protocol.runs import runs_of
from tasks.stores.base import Store
from tasks.stores.open import open_store


@dataclass(frozen=True, slots=True)
class WatchedRun:
    """A run and the ledger that holds it. `ours`: it is this laptop's, which may settle what became of it.

    `pilot`: the last word of the pilot that drives the run elsewhere; None: it has none.
    """

    ledger: Ledger
    run: Run
    folder: Path
    ours: bool
    pilot: PilotNews | None = None


@contextlib.contextmanager
def watched_run(arguments: Namespace, *, say_pilot: bool = True) -> Generator[WatchedRun, None, None]:
    """The run that the argument RUN names: by its name or, where that is an output path, the newest run there.

    `say_pilot`: how old what its pilot wrote is, is said here; else the caller shows it.

    Raises:
        Problem: there is no such run.
    """
    word: str | None = arguments.run
    if word is None or not is_output(word):
        with existing_ledger(arguments) as ledger:
            run = ledger.runs.find(word)
            news = None
            if is_handed_over(ledger, run.id):
                news = _told(ledger, run.id, open_store(run.output), say_pilot=say_pilot)
                run = ledger.runs.find(run.id)
            ours = news is None or not news.drives
            yield WatchedRun(ledger, run, arguments.runs / run.id, ours=ours, pilot=news)
        return
    output = word if "://" in word else str(Path(word).absolute())
    store = open_store(output)
    names = list(runs_of(store))
    if not names:
        raise Problem(f"no run under {output}", hint="name the output.path of a job that was launched")
    with (
        tempfile.TemporaryDirectory(prefix="embedfleet-") as folder,
        Ledger.open(Path(folder) / "ledger.db") as ledger,
    ):
        failed: Problem | None = None
        for name in names:
            try:
                rebuild(ledger, store, output, name)
            except Problem as problem:
                failed = problem
                say(f"run {name} cannot be read: {problem}")
        if not ledger.runs.all() and failed is not None:
            raise failed
        run = ledger.runs.find()
        news = _told(ledger, run.id, store, say_pilot=say_pilot)
        run = ledger.runs.find(run.id)
        others = f"; the newest of {len(names)} runs there" if len(names) > 1 else ""
        if news is None:
            say(
                f"by the output path alone{others}: time and speed are those of the workers, dollars those that "
                "launchers recorded there"
            )
        yield WatchedRun(ledger, run, Path(folder) / run.id, ours=False, pilot=news)


def _told(ledger: Ledger, run: str, store: Store, *, say_pilot: bool) -> PilotNews | None:
    """What the run's pilot wrote last, said if it is not over."""
    news = news_of_pilot(ledger, store, run, say)
    if say_pilot and news is not None and ledger.runs.find(run).state not in OVER:
        say(pilot_text(news.status, run))
    return news


def is_output(word: str) -> bool:
    """Whether the word is an output path: a URL, or a folder that holds runs."""
    return "://" in word or (Path(word) / "_embedfleet").is_dir()
