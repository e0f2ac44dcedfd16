"""The leases in hand, and the thread that renews them, so that no long batch can starve them.

Nothing else runs on that thread: a heartbeat that a slow store holds up does not cost a lease.
"""

import threading
from collections.abc import Callable
from datetime import datetime
from time import monotonic

from tasks.clock import utc
from tasks.errors import Problem
from tasks.protocol.heartbeat import HeldLease, ReturnedLease
from tasks.protocol.lease import Lease, give_back, renew
from tasks.stores.base import Store, Unsure

RETURNED_LEASES_KEPT = 99  # leases without a receipt that are remembered, so that a heartbeat stays small


class LeaseRenewer:
    """Holds leases until they are dropped; says which were lost, and whether the store fails it."""

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
        self._thread = threading.Thread(target=self._run, name="keeper", daemon=True)

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
        """From now on renew this lease."""
        self._held[lease.nonce] = (lease, monotonic())

    def holds(self, lease: Lease) -> bool:
        """Whether the shard is still ours, as far as we know."""
        return lease.nonce in self._held and lease.nonce not in self._lost

    def drop(self, lease: Lease) -> None:
        """The shard has its receipt. Waits for a renewal under way: none comes after."""
        with self._lock:
            self._held.pop(lease.nonce, None)

    def let_go(self, lease: Lease) -> None:
        """Work on this lease ended without a receipt: remember it, for that time was paid for."""
        self.drop(lease)
        self.returned = [
            *self.returned[-RETURNED_LEASES_KEPT:],
            ReturnedLease(*held_lease(lease), self.clock()),
        ]

    def give_back(self, lease: Lease, *, crashed: bool = False) -> None:
        """The same, and the next worker may have the shard at once; `crashed`: our process dies of it."""
        lost = lease.nonce in self._lost
        self.let_go(lease)
        if not lost:
            give_back(self.store, lease, crashed=crashed)

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
        except Unsure:  # the next round says it again
            return
        except Problem as problem:  # the main thread stops on it
            self.broken = problem
        except OSError as error:
            self.broken = Problem(
                f"cannot renew the lease: {error}", hint="see whether the store is healthy, then resume"
            )


def held_lease(lease: Lease) -> HeldLease:
    """A lease as a heartbeat lists it."""
    return HeldLease(lease.slab, lease.shard, lease.generation, lease.claimed)
