"""What a worker says of itself while it lives. For people and for the ledger: nothing depends on it."""

import threading
from collections.abc import Callable
from contextlib import suppress
from datetime import datetime

from tasks.clock import utc
from tasks.protocol import heartbeat
from tasks.protocol.heartbeat import Heartbeat
from tasks.protocol.keys import heartbeat_key
from tasks.stores.base import Refused, Store, Unsure

HEARTBEAT_SECONDS = 15.0  # seconds between two signs of life
ERROR_CHARACTERS = 500  # characters of an error that are kept, so that a sign of life stays small


class HeartbeatWriter:
    """Writes the pulse now and then until stopped. `look` brings its figures up to date first."""

    def __init__(
        self,
        store: Store,
        pulse: Heartbeat,
        every: float = HEARTBEAT_SECONDS,
        look: Callable[[Heartbeat], None] = lambda _pulse: None,
        clock: Callable[[], datetime] = utc,
    ) -> None:
        self.store = store
        self.pulse = pulse
        self.every = every  # seconds
        self.look = look
        self.clock = clock
        self._lock = threading.Lock()
        self._end = threading.Event()
        self._thread = threading.Thread(target=self._run, name="heart", daemon=True)

    def start(self) -> None:
        self.beat()
        self._thread.start()

    def stop(self) -> None:
        self._end.set()
        if self._thread.is_alive():
            self._thread.join(timeout=10)

    def beat(self) -> None:
        """Write the pulse now."""
        with self._lock:
            self.look(self.pulse)
            self.pulse.at = self.clock()
            self.pulse.error = self.pulse.error and self.pulse.error[:ERROR_CHARACTERS]
            self.store.put(heartbeat_key(self.pulse.run, self.pulse.worker), heartbeat.dump(self.pulse))

    def _run(self) -> None:
        while not self._end.wait(self.every):
            with suppress(Unsure, Refused, OSError):  # a lease that cannot be renewed is what stops a worker
                self.beat()
