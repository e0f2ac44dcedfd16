"""How many rows a request has and how many requests are under way: less when a store is busy, then slowly more (AIMD).

A store that answers 429, 503 or RESOURCE_EXHAUSTED raises `Busy`. Then both numbers are halved, and the request waits a
random part of a time that doubles, so that loaders do not come back together. A store that refuses a request for what its
rows hold raises `Rejected`: the rows are sent again in halves until the refused ones stand alone. A store that says that
its disk is full, by whatever status, ends the load: waiting does not help, and no row is at fault.
"""

import random
import re
import threading
import time
from collections.abc import Callable, Iterable, Mapping, Sequence
from contextlib import contextmanager
from dataclasses import dataclass
from typing import TYPE_CHECKING, Any

from launcher.errors import Problem
from launcher.loading.vector_store import RefusedRow, Rows, written

if TYPE_CHECKING:
    from collections.abc import Generator

FIRST_WAIT, LONGEST_WAIT = 0.5, 30.0  # seconds
PATIENCE = 600.0  # seconds that a store may be busy for one request
MOST_REFUSED = 1_000  # rows of one load; a store that refuses more does not fit them
ALL_REFUSED = 50  # rows, when none was taken
SHARE = 16  # of the most rows, added after each request that went well
# As servers say it: the system's own words, the watermarks of OpenSearch, Elasticsearch and Weaviate, Milvus's quotas,
# and Qdrant's look before a write.
FULL_DISK = re.compile(
    r"no space left on device|disk (is )?full|flood.?stage watermark|disk usage|disk quota|disk space",
    re.IGNORECASE,
)
SHOWN = 300  # characters of what a store says


class Busy(Exception):  # noqa: N818 - a state of the store
    """The store wants fewer requests, or smaller ones."""


class Rejected(Exception):  # noqa: N818 - a state of the request
    """The store refuses a request for what some row of it holds; it wrote none of them, or may write them again."""


Write = Callable[[Rows], Sequence[RefusedRow] | None]  # one request; returns the rows that it refused alone


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
        self._taken = self._refused = 0  # rows
        self._changed = threading.Condition()

    def send_all(self, batches: Iterable[Rows], write: Write) -> Mapping[str, Any]:
        """Write all rows of a file; returns what its receipt is to hold. See `send`."""
        return written([row for rows in batches for row in self.send(rows, write)])

    def send(self, rows: Rows, write: Write) -> list[RefusedRow]:
        """Write all rows, in as many requests as it takes; returns those that the store refuses.

        Raises:
            Problem: the store was busy for PATIENCE, refuses too many rows, or its disk is full.
        """
        start, refused = 0, list[RefusedRow]()
        while start < len(rows):
            sent, some = self._send_some(rows, start, write)
            start += sent
            refused += some
        return refused

    def _send_some(self, rows: Rows, start: int, write: Write) -> tuple[int, list[RefusedRow]]:
        """How many rows were sent, and which of them the store refused."""
        wait, end = FIRST_WAIT, self._clock() + PATIENCE
        while True:
            some = rows.part(start, start + self.rows)
            with self._turn():
                try:
                    refused = _refused_by(write, some)
                except Busy as busy:
                    reason = str(busy)
                except Rejected as rejected:
                    said = str(rejected)
                    break
                else:
                    self._grow()
                    self._tally(len(some), refused)
                    return len(some), refused
            self._shrink()
            if self._clock() >= end:
                raise Problem(
                    f"the store has been busy for {PATIENCE:.0f} seconds: {reason}",
                    hint="run the same command again later, with a smaller --parallel",
                )
            self._sleep(random.uniform(0, wait))  # noqa: S311 - jitter
            wait = min(LONGEST_WAIT, 2 * wait)
        return len(some), self._halved(some, said, write)

    def _halved(self, rows: Rows, said: str, write: Write) -> list[RefusedRow]:
        """Rows that were refused together, sent in halves."""
        if len(rows) > 1:
            middle = len(rows) // 2
            return self.send(rows.part(0, middle), write) + self.send(rows.part(middle, len(rows)), write)
        refused = [RefusedRow(rows.ids[0], rows.chunks[0], said)]
        self._tally(1, refused)
        return refused

    def _tally(self, sent: int, refused: Sequence[RefusedRow]) -> None:
        with self._changed:
            self._refused += len(refused)
            self._taken += sent - len(refused)
            none_taken = not self._taken and self._refused >= ALL_REFUSED
            too_many = self._refused > MOST_REFUSED or none_taken
        if refused and too_many:
            first = refused[0]
            raise Problem(
                f"the store refused {self._refused:,} rows, such as {first.id[:100]}:{first.chunk}: {first.reason}",
                hint="the rows do not fit this store: --keep leaves columns out, --replace begins anew",
            )

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


def _refused_by(write: Write, rows: Rows) -> list[RefusedRow]:
    """The rows that the store refused, of one request.

    Raises:
        Problem: the store's disk is full.
    """
    try:
        return list(write(rows) or ())
    except Exception as error:
        if not FULL_DISK.search(str(error)):
            raise
        raise Problem(
            f"the store has no room left on its disk: {str(error)[:SHOWN]}",
            hint="make room there; then run the same command again: rows are written by key, so none comes twice",
        ) from error
