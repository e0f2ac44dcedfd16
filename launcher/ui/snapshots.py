"""Pages that are made when somebody asks for them, and not more often than they are worth.

Making the page of a large run reads much: it is made again after AGE_SECONDS at the earliest, and after REST times the
time that making it took. Readers that come meanwhile get the last one; without readers nothing is made.
"""

import time
from collections.abc import Callable
from dataclasses import dataclass, field
from threading import Lock

AGE_SECONDS = 4.0  # a little less than the page waits before it asks again
REST = 4.0  # times what making it took
MAX_PAGES = 16  # kept; the one that was made longest ago goes first


@dataclass(frozen=True, slots=True)
class _Made:
    page: bytes
    fresh_until: float  # by the monotonic clock


@dataclass(slots=True)
class Snapshots:
    """Keeps the last page under each name. One is made at a time: they read the same ledger."""

    make: Callable[[str], bytes]
    clock: Callable[[], float] = time.monotonic
    _made: dict[str, _Made] = field(default_factory=dict[str, _Made])
    _making: Lock = field(default_factory=Lock)

    def page(self, name: str) -> bytes:
        """The page of this name, at most as old as it is worth.

        Raises:
            Problem: it cannot be made; the next call tries again.
        """
        known = self._made.get(name)
        if known and self.clock() < known.fresh_until:
            return known.page
        if (
            not self._making.acquire(blocking=known is None) and known
        ):  # another reader's request makes one now
            return known.page
        try:
            return self._make(name)
        finally:
            self._making.release()

    def _make(self, name: str) -> bytes:
        known = self._made.get(name)
        if known and self.clock() < known.fresh_until:  # made while this reader waited
            return known.page
        began = self.clock()
        page = self.make(name)
        now = self.clock()
        self._made.pop(name, None)
        if len(self._made) >= MAX_PAGES:
            self._made.pop(next(iter(self._made)))
        self._made[name] = _Made(page, now + max(AGE_SECONDS, REST * (now - began)))
        return page
