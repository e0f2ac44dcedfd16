"""What the reader, the engine loop and the writer of one worker share."""

from collections.abc import Callable, Mapping
from contextlib import AbstractContextManager, nullcontext
from dataclasses import dataclass, field
from pathlib import Path

from tasks.engines.base import Encoder, Vectors
from tasks.protocol.manifest import Header
from tasks.stores.base import Store
from tasks.worker.leases.lease_renewal import LeaseRenewer
from tasks.worker.monitoring.signals import Signals
from tasks.worker.monitoring.stage_timer import WorkerProgress
from tasks.worker.reading.earlier_vectors import EarlierVectors
from tasks.worker.writing.commit import Committer


@dataclass(frozen=True, slots=True)
class WorkerContext:
    """The parts of a worker that all three threads use. Each is safe to use from any of them.

    Attributes:
        header: the run's header, which says what is read and written.
        corpus: where the input files are.
        leases: holds the leases of this worker and renews them.
        committer: writes files, parts and receipts to the output.
        scratch: local folder for files on their way to the store.
        watch: a block that reads input, and ends the worker when that hangs.
        earlier: vectors of earlier runs; None: there are none.
        shared: vectors of texts that the corpus repeats, by the hash of what the model reads.
    """

    header: Header
    corpus: Store
    encoder: Encoder
    leases: LeaseRenewer
    committer: Committer
    progress: WorkerProgress
    signals: Signals
    scratch: Path
    watch: Callable[[], AbstractContextManager[None]] = nullcontext
    earlier: EarlierVectors | None = None
    shared: Mapping[bytes, Vectors] = field(default_factory=dict[bytes, Vectors])
