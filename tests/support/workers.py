"""A worker in this process, that writes no heartbeat by itself."""

from pathlib import Path

from tasks.engines.base import Encoder
from tasks.engines.hash_engine import HashEncoder
from tasks.protocol.manifest import Header
from tasks.protocol.messages.heartbeat import Heartbeat
from tasks.stores.base import Store
from tasks.worker.monitoring.heartbeat import HeartbeatWriter
from tasks.worker.monitoring.signals import Signals
from tasks.worker.worker import Worker
from tests.support.runs import NOON


def make_worker(
    store: Store,
    header: Header,
    scratch: Path,
    encoder: Encoder | None = None,
    corpus: Store | None = None,
    *,
    signals: Signals | None = None,
    name: str = "ann",
) -> Worker:
    """A worker of this run, which begins at its first shard and reads the run's corpus, or `corpus`."""
    scratch.mkdir(exist_ok=True)
    pulse = Heartbeat(run=header.run, worker=name, host="here", pid=1, started=NOON)
    return Worker(
        store=store,
        header=header,
        name=name,
        offset=0,
        encoder=encoder or HashEncoder(),
        heartbeat=HeartbeatWriter(store, pulse, 1_000),
        scratch=scratch,
        signals=signals or Signals(),
        corpus=corpus,
    )
