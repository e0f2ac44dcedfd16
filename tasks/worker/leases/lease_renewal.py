"""Lease renewal: the leases that this worker holds, and the thread that renews them.

Nothing else runs on that thread, so neither a long batch nor a heartbeat that waits for a slow store costs a lease.
"""

import threading
from collections.abc import Callable
from datetime import datetime
from time import monotonic

from tasks.clock import utc
from tasks.errors import Problem
from tasks.protocol.lease import Lease, give_back, renew
from tasks.protocol.messages.crash_marker import this_place
from tasks.protocol.messages.heartbeat import HeldLease, ReturnedLease
from tasks.stores.base import OutcomeUnknown, Store

RETURNED_LEASES_KEPT = 99  # without a receipt, the latest of them, so that a heartbeat stays small


class LeaseRenewer:
    """Renews leases until they are dropped, and knows which were lost.

    Attributes:
        broken: why leases cannot be renewed at all; the main thread raises it.
        returned: leases that ended without a receipt.
    """

    def __init__(self, store: Store, ttl: float, clock: Callable[[], datetime] = utc) -> None:
        self.store = store
        self.every = ttl / 3
        self.clock = clock
        self.broken: Problem | None = None
        self.returned: list[ReturnedLease] = []
        self._held: dict[str, tuple[Lease, float]] = {}  # by nonce, with the time of the last renewal
        self._lost: set[str] = set()
        self._lock = threading.Lock()
        self._end = threading.Event()
        self._thread = threading.Thread(target=self._run, name="lease-renewal", daemon=True)

    @property
    def leases(self) -> list[Lease]:
        return [lease for lease, _ in list(self._held.values())]

    def start(self) -> None:
        self._thread.start()

    def stop(self) -> None:
        self._end.set()
        if self._thread.is_alive():
            self._thread.join(timeout=10)

    def hold(self, lease: Lease) -> None:
        """Start to renew this lease."""
        self._held[lease.nonce] = (lease, monotonic())

    def holds(self, lease: Lease) -> bool:
        """Whether this worker still holds the lease, as far as it knows."""
        return lease.nonce in self._held and lease.nonce not in self._lost

    def drop(self, lease: Lease) -> None:
        """Stop renewing: the shard has its receipt. Waits for a renewal under way; none follows."""
        with self._lock:
            self._held.pop(lease.nonce, None)

    def drop_unfinished(self, lease: Lease) -> None:
        """Stop renewing a lease that ended without a receipt, and record it: its time was paid for."""
        self.drop(lease)
        self.returned = [
            *self.returned[-RETURNED_LEASES_KEPT:],
            ReturnedLease(*held_lease(lease), self.clock()),
        ]

    def give_back(self, lease: Lease, *, crashed: bool = False, unreadable: bool = False) -> None:
        """Release a lease, so that the next worker may claim the shard at once.

        `crashed`: this process crashes on it; `unreadable`: it could not read its input.
        """
        lost = lease.nonce in self._lost
        self.drop_unfinished(lease)
        if not lost:
            give_back(self.store, lease, died_at=this_place() if crashed else None, unreadable=unreadable)

    def _run(self) -> None:
        while not self._end.wait(self.every / 4):
            for lease, at in list(self._held.values()):
                if monotonic() - at >= self.every and not self._end.is_set():
                    self._renew(lease)

    def _renew(self, lease: Lease) -> None:
        begun = monotonic()
        try:
            with self._lock:
                if lease.nonce not in self._held or lease.nonce in self._lost:
                    return
                if not renew(self.store, lease):
                    self._lost.add(lease.nonce)
                self._held[lease.nonce] = (lease, begun)
        except OutcomeUnknown:  # the next round tries again
            return
        except Problem as problem:  # the main thread raises it
            self.broken = problem
        except OSError as error:
            self.broken = Problem(
                f"cannot renew the lease: {error}", hint="check that the store can be reached, then resume"
            )


def held_lease(lease: Lease) -> HeldLease:
    """A lease as a heartbeat lists it."""
    return HeldLease(lease.slab, lease.shard, lease.generation, lease.claimed)
