"""How many rows a request has and how many requests are under way: less when a store is busy, then slowly more (AIMD).

A store that answers 429, 503 or RESOURCE_EXHAUSTED raises `Busy`. Then both numbers are halved, and the request waits a
random part of a time that doubles, so that loaders do not come back together.
"""

import random
import threading
import time
from collections.abc import Callable
from contextlib import contextmanager
from dataclasses import dataclass
from typing import TYPE_CHECKING

from launcher.errors import Problem
from launcher.loading.vector_store import Rows

if TYPE_CHECKING:
    from collections.abc import Generator

FIRST_WAIT, LONGEST_WAIT = 0.5, 30.0  # seconds
PATIENCE = 600.0  # seconds that a store may be busy for one request
SHARE = 16  # of the most rows, added after each request that went well


class Busy(Exception):  # noqa: N818 - a state of the store
    """The store wants fewer requests, or smaller ones."""


@dataclass(frozen=True, slots=True)
class Limits:
    """The most of each number."""

    rows: int
    requests: int


def rows_within(request_bytes: int, row_bytes: int, most: int) -> int:
    """How many rows a request of so many bytes holds, at least 1."""
    return max(1, min(most, request_bytes // max(1, row_bytes)))


class Throttle:
    """Sends rows in requests, for all threads of a load."""

    def __init__(
        self,
        limits: Limits,
        sleep: Callable[[float], None] = time.sleep,
        clock: Callable[[], float] = time.monotonic,
    ) -> None:
        self._limits = limits
        self._sleep, self._clock = sleep, clock
        self.rows = limits.rows
        self.requests = float(limits.requests)
        self._active = 0
        self._changed = threading.Condition()

    def send(self, rows: Rows, write: Callable[[Rows], None]) -> None:
        """Write all rows, in as many requests as it takes.

        Raises:
            Problem: the store was busy for PATIENCE.
        """
        start = 0
        while start < len(rows):
            start += self._send_some(rows, start, write)

    def _send_some(self, rows: Rows, start: int, write: Callable[[Rows], None]) -> int:
        wait, end = FIRST_WAIT, self._clock() + PATIENCE
        while True:
            some = rows.part(start, start + self.rows)
            with self._turn():
                try:
                    write(some)
                except Busy as busy:
                    reason = str(busy)
                else:
                    self._grow()
                    return len(some)
            self._shrink()
            if self._clock() >= end:
                raise Problem(
                    f"the store has been busy for {PATIENCE:.0f} seconds: {reason}",
                    hint="run the same command again later, with a smaller --parallel",
                )
            self._sleep(random.uniform(0, wait))  # noqa: S311 - jitter
            wait = min(LONGEST_WAIT, 2 * wait)

    @contextmanager
    def _turn(self) -> "Generator[None]":
        with self._changed:
            while self._active >= max(1, int(self.requests)):
                self._changed.wait()
            self._active += 1
        try:
            yield
        finally:
            with self._changed:
                self._active -= 1
                self._changed.notify()

    def _grow(self) -> None:
        with self._changed:
            self.rows = min(self._limits.rows, self.rows + max(1, self._limits.rows // SHARE))
            self.requests = min(float(self._limits.requests), self.requests + 1 / max(1.0, self.requests))
            self._changed.notify()

    def _shrink(self) -> None:
        with self._changed:
            self.rows = max(1, self.rows // 2)
            self.requests = max(1.0, self.requests / 2)
