"""A finished run, as the tests of its output need it."""

from pathlib import Path

from launcher.output.finished_run import FinishedRun
from tasks.protocol.manifest import Header
from tasks.stores.base import Store
from tests.support.runs import corpus, launch
from tests.support.workers import make_worker


def finished_run(store: Store, folder: Path, run: str = "run-1", shards: int = 3) -> Header:
    """Embed a corpus of a few shards of 10 rows."""
    (folder / "in").mkdir(exist_ok=True)
    corpus(folder / "in", shards, 10)
    header = launch(store, folder / "in", shards, run=run)
    make_worker(store, header, folder / "scratch").run()
    return header


def read_through(store: Store, header: Header) -> FinishedRun:
    """A finished run all of whose receipts were read, as `find_garbage` wants it."""
    run = FinishedRun(store, header)
    for _ in run.receipts():
        pass
    return run
