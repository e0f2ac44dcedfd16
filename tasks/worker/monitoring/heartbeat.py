"""The heartbeat of a worker: an object in the store that is overwritten every few seconds.

People and the ledger read it; no work depends on it.
"""

import sys
import threading
from collections.abc import Callable
from contextlib import suppress
from datetime import datetime

from tasks.clock import utc
from tasks.errors import Problem
from tasks.printable import plain
from tasks.protocol.keys import heartbeat_key
from tasks.protocol.messages import heartbeat
from tasks.protocol.messages.heartbeat import Heartbeat
from tasks.stores.base import OutcomeUnknown, Store, StoreError

HEARTBEAT_SECONDS = 15.0  # between two heartbeats
ERROR_CHARACTERS = 500  # of an error that are kept, so that a heartbeat stays small


class HeartbeatWriter:
    """Writes the heartbeat every few seconds until stopped. `update` fills in its present figures first."""

    def __init__(
        self,
        store: Store,
        state: Heartbeat,
        every: float = HEARTBEAT_SECONDS,
        update: Callable[[Heartbeat], None] = lambda _state: None,
        clock: Callable[[], datetime] = utc,
    ) -> None:
        self.store = store
        self.heartbeat = state
        self.every = every  # seconds
        self.update = update
        self.clock = clock
        self._lock = threading.Lock()
        self._end = threading.Event()
        self._thread = threading.Thread(target=self._run, name="heartbeat", daemon=True)

    def start(self) -> None:
        self.write_now()
        self._thread.start()

    def stop(self) -> None:
        self._end.set()
        if self._thread.is_alive():
            self._thread.join(timeout=10)

    def end(self, state: str, error: str | None = None) -> None:
        """Stop, and write the heartbeat once more, with how the worker ended."""
        self.stop()
        self.heartbeat.state, self.heartbeat.error = state, error or self.heartbeat.error
        self.heartbeat.stopping = self.clock()
        try:
            self.write_now()
        except Problem as problem:
            print(f"the last heartbeat was not written: {plain(problem)}", file=sys.stderr)  # noqa: T201

    def write_now(self) -> None:
        """Write the heartbeat now."""
        with self._lock:
            self.update(self.heartbeat)
            self.heartbeat.at = self.clock()
            self.heartbeat.error = self.heartbeat.error and self.heartbeat.error[:ERROR_CHARACTERS]
            self.store.put(
                heartbeat_key(self.heartbeat.run, self.heartbeat.worker), heartbeat.dump(self.heartbeat)
            )

    def _run(self) -> None:
        while not self._end.wait(self.every):
            with suppress(
                OutcomeUnknown, StoreError, OSError
            ):  # only a lease that cannot be renewed stops a worker
                self.write_now()
