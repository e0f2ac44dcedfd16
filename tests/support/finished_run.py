"""A finished run, as the tests of its output need it."""

from pathlib import Path

from tasks.engines.hash_engine import HashEncoder
from tasks.protocol.heartbeat import Heartbeat
from tasks.protocol.manifest import Header
from tasks.stores.base import Store
from tasks.worker.heartbeat import HeartbeatWriter
from tasks.worker.signals import Signals
from tasks.worker.worker import Worker
from tests.support.runs import NOON, corpus, launch


def finished_run(store: Store, folder: Path, run: str = "run-1", shards: int = 3) -> Header:
    """Embed a corpus of a few shards of 10 rows."""
    (folder / "in").mkdir(exist_ok=True)
    corpus(folder / "in", shards, 10)
    header = launch(store, folder / "in", shards, run=run)
    scratch = folder / "scratch"
    scratch.mkdir(exist_ok=True)
    heart = HeartbeatWriter(store, Heartbeat(run=run, worker="ann", host="here", pid=1, started=NOON), 1_000)
    Worker(
        store=store,
        header=header,
        name="ann",
        offset=0,
        encoder=HashEncoder(),
        heartbeat=heart,
        scratch=scratch,
        signals=Signals(),
    ).run()
    return header
