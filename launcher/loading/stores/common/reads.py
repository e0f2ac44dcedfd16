"""What a load wrote and no read has shown yet, in a store whose reads lag behind its writes."""

import contextlib
import threading
import time
from collections.abc import Callable, Generator, Sequence

from launcher.errors import Problem

PATIENCE = 600.0  # seconds until a write is to be seen
POLL = 0.25  # seconds between looks


class Unseen:
    """Writes of one process that reads may not show yet, shared by all of its threads."""

    def __init__(self) -> None:
        self._lock = threading.Lock()
        self._position: int | None = None
        self._row: tuple[str, Sequence[float]] | None = None
        self._gone: str | None = None

    def written(self, position: int | None, name: str, values: Sequence[float]) -> None:
        """A write, by its position in the store's log, and its last row."""
        with self._lock:
            if position is not None:
                self._position = max(position, self._position or 0)
            self._row = (name, values)
            self._gone = None if self._gone == name else self._gone

    def deleted(self, name: str) -> None:
        """A row that is to be gone."""
        with self._lock:
            self._gone = name
            self._row = None if self._row and self._row[0] == name else self._row

    @contextlib.contextmanager
    def waiting(
        self,
    ) -> Generator[tuple[int | None, tuple[str, Sequence[float]] | None, str | None]]:
        """What is to be waited for; forgotten where the block ends well."""
        with self._lock:
            found = (self._position, self._row, self._gone)
        yield found
        with self._lock:
            if (self._position, self._row, self._gone) == found:
                self._position = self._row = self._gone = None


def until_seen(there: Callable[[], bool], what: str) -> None:
    """Wait until a read shows it.

    Raises:
        Problem: no read does for PATIENCE.
    """
    end = time.monotonic() + PATIENCE
    while not there():
        if time.monotonic() >= end:
            raise Problem(
                f"the store does not show {what} after {PATIENCE:.0f} seconds",
                hint="it is eventually consistent: run the same command again, rows are written under their keys",
            )
        time.sleep(POLL)
