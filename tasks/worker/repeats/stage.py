"""The stage before a run's own shards: what a worker needs to take part in the repeats run, and to use its vectors.

A repeats run that cannot be read is passed over: its texts are embedded with their shards.
"""

from collections.abc import Callable, Mapping
from dataclasses import dataclass, replace
from functools import partial

from tasks.engines.base import Vectors
from tasks.printable import plain
from tasks.protocol import documents, manifest
from tasks.protocol.keys import repeats_run, repeats_vectors_key
from tasks.protocol.manifest import Header
from tasks.stores.base import Store
from tasks.worker.context import WorkerContext
from tasks.worker.leases.claims import ShardClaims
from tasks.worker.leases.lease_renewal import LeaseRenewer
from tasks.worker.reading.windows import output_dimensions
from tasks.worker.repeats.shared_vectors import FILE_NAME, SharedVectors
from tasks.worker.writing.commit import Committer


@dataclass(frozen=True, slots=True)
class RepeatsStage:
    """A worker's part in the repeats run."""

    store: Store
    context: WorkerContext
    claims: ShardClaims

    def run(self, work: Callable[[], bool], wait: Callable[[], None]) -> None:
        """Call `work` until it says that it is done, and `wait` in between; a damaged repeats run is passed over.

        Raises:
            Stopped: the worker was told to end.
            Problem: a person must act.
        """
        self.context.leases.start()
        try:
            while not work():
                wait()
        except (documents.BadDocument, manifest.RunNotFound) as damaged:
            print(f"texts that repeat are embedded with their shards: {plain(damaged)}", flush=True)  # noqa: T201 - the worker's log
        finally:
            self.context.leases.stop()

    def shared_vectors(self) -> Mapping[bytes, Vectors]:
        """The vectors of the finished repeats run, copied to this machine's disk."""
        context = self.context
        found = SharedVectors(context.scratch / FILE_NAME, output_dimensions(context.header, context.encoder))
        with context.progress.stages.time("store"):
            found.fill(self.store, context.header, context.scratch)
        return found


def open_stage(
    store: Store, header: Header, claims: ShardClaims, context: WorkerContext
) -> RepeatsStage | None:
    """The stage of a worker whose own run has these claims and this context; None where there is none to take part in."""
    if not header.repeats:
        return None
    try:
        own = manifest.read_header(store, repeats_run(header.run))
    except (manifest.RunNotFound, documents.BadDocument):
        return None
    committer = Committer(
        store, own.run, claims.name, context.committer.start, key_of=partial(repeats_vectors_key, header.run)
    )
    leases = LeaseRenewer(store, own.ttl)  # apart: the ledger knows no shards of a repeats run
    return RepeatsStage(
        store,
        replace(context, header=own, corpus=store, leases=leases, committer=committer, earlier=None),
        ShardClaims(
            store=store,
            header=own,
            name=claims.name,
            offset=claims.offset % max(1, own.shards),
            leases=leases,
        ),
    )
