"""Faults that a server of ours does when it is told: busy, failing, half done, done but unheard."""

from collections import deque
from threading import Lock
from typing import Literal

# busy: 429. unavailable: 503. lost: done, and the connection ends without an answer. partial: half of the rows, then 500.
Fault = Literal["busy", "unavailable", "lost", "partial"]


class Faults:
    """Those that the next writes are to meet, in order."""

    def __init__(self) -> None:
        self._lock = Lock()
        self._waiting: deque[Fault] = deque()
        self.met: list[Fault] = []

    def add(self, *faults: Fault) -> None:
        with self._lock:
            self._waiting.extend(faults)

    def take(self) -> Fault | None:
        """The fault of this write."""
        with self._lock:
            if not self._waiting:
                return None
            fault = self._waiting.popleft()
            self.met.append(fault)
            return fault

    def left(self) -> int:
        with self._lock:
            return len(self._waiting)
