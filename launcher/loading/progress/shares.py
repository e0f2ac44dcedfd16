"""Which loader writes a file of a load that several share: leases beside the run, as workers have of its shards.

A lease only saves work: were all of them lost, files would be written twice under the same keys. A loader that is killed
stops to renew, and another one writes its files.
"""

import contextlib
import threading
import time
from collections.abc import Callable, Collection, Generator, Sequence
from dataclasses import dataclass
from datetime import timedelta
from typing import Self
from uuid import uuid4

from launcher.vectors.read_dataset import DatasetFile
from tasks.clock import utc
from tasks.protocol.lease import LEASE_SECONDS, Lease, Survey, survey
from tasks.stores.base import Store, create_once
from tasks.worker.leases.lease_renewal import LeaseRenewer

POLL_SECONDS = 2.0  # while others hold what is left
LOOK_SECONDS = 15.0  # for which a listing is used while it gives files to claim
BEGIN = "begin"  # the lease of the loader that makes the collection
END = "end"  # the lease of the loader that deletes, builds the index and says that the load is complete


@dataclass(frozen=True, slots=True)
class _Look:
    written: Collection[str]  # SHA-256
    newest: Survey
    at: float  # by the monotonic clock


class Shares:
    """The leases of one loader. `load`: the identity of the load, which all of its loaders were given.

    Used as a context: leases are renewed inside it.
    """

    def __init__(self, store: Store, run: str, load: str, ttl: float = LEASE_SECONDS) -> None:
        self._store = store
        self._run = run
        self._slab = f"load-{load}"
        self._name = f"loader-{uuid4().hex[:8]}"
        self._ttl = timedelta(seconds=ttl)
        self._renewer = LeaseRenewer(store, ttl)
        self._lock = threading.Lock()
        self._seen: _Look | None = None
        self._tried: set[tuple[str, int]] = (
            set()
        )  # SHA-256 and generation, whether the claim succeeded or not

    def __enter__(self) -> Self:
        self._renewer.start()
        return self

    def __exit__(self, *_error: object) -> None:
        self._renewer.stop()
        for lease in self._renewer.leases:
            self._renewer.give_back(lease)

    def next(
        self,
        files: Sequence[DatasetFile],
        done: Callable[[], Collection[str]],
        stopped: Callable[[], bool],
    ) -> tuple[DatasetFile, Lease] | None:
        """Claim a file that no loader has written or writes; waits while others write the rest. None: all are written."""
        while not stopped():
            with self._lock:
                left = True
                for fresh in (False, True):
                    look = self._look(done, fresh=fresh)
                    for file in files:
                        if file.sha256 in look.written:
                            continue
                        generation = look.newest.next_generation(file.sha256, self._ttl)
                        if generation is None or (file.sha256, generation) in self._tried:
                            continue
                        self._tried.add((file.sha256, generation))
                        if lease := self._claim(file.sha256, generation):
                            return file, lease
                    left = any(file.sha256 not in look.written for file in files)
            if not left:
                return None
            time.sleep(POLL_SECONDS)
        return None

    def _look(self, done: Callable[[], Collection[str]], *, fresh: bool) -> "_Look":
        """What is written and leased; the last look where it will do, because a claim of what is taken just fails."""
        if self._seen is None or fresh or time.monotonic() - self._seen.at > LOOK_SECONDS:
            written = done()
            self._seen = _Look(written, survey(self._store, self._run, self._slab), time.monotonic())
        return self._seen

    def release(self, lease: Lease, *, written: bool) -> None:
        """End a lease: the file is written, or another loader may write it at once."""
        if written:
            self._renewer.drop(lease)
        else:
            self._renewer.give_back(lease)

    def ends(self, complete: Callable[[], bool]) -> bool:
        """Whether this loader is to end the load: True once it holds that lease, False when another one has ended it."""
        while not complete():
            generation = survey(self._store, self._run, self._slab).next_generation(END, self._ttl)
            if generation is not None and self._claim(END, generation):
                return not complete()
            time.sleep(POLL_SECONDS)
        return False

    @contextlib.contextmanager
    def alone(self) -> Generator[None]:
        """A context in which no other loader of this load makes or finds the collection."""
        lease: Lease | None = None
        while lease is None:
            generation = survey(self._store, self._run, self._slab).next_generation(BEGIN, self._ttl)
            lease = None if generation is None else self._claim(BEGIN, generation)
            if lease is None:
                time.sleep(POLL_SECONDS)
        try:
            yield
        finally:
            self._renewer.give_back(lease)

    def _claim(self, what: str, generation: int) -> Lease | None:
        lease = Lease(self._run, self._slab, what, generation, self._name, uuid4().hex, utc())
        if not create_once(self._store, lease.key, lease.body):
            return None
        self._renewer.hold(lease)
        return lease
