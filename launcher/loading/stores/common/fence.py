"""Fencing: a loader that was away, frozen or cut off, writes nothing more once its load is over.

Meanwhile another loader may have ended its load, and a later load may have changed rows or deleted some: what it still
sends would bring back the rows of before. A store that compares a name or a value with each write refuses it (a write
alias, a transaction), and then the record of the collection says why. In other stores the record is read again where
so long a time has passed that another load may have ended. What is under way at that moment can still be written there;
the load then ends with an error that says so.
"""

import time
from collections.abc import Callable, Sequence
from contextlib import contextmanager
from typing import TYPE_CHECKING

from launcher.errors import Problem
from launcher.loading.contents import Contents
from launcher.loading.stores.common.backpressure import Busy, Write
from launcher.loading.vector_store import RefusedRow, Rows

if TYPE_CHECKING:
    from collections.abc import Generator

LOOK_SECONDS = 5.0  # without a look at the record


def _is_whole(now: Contents) -> bool:
    return now.complete and now.following is None


def clock() -> float:
    """Seconds, which go on while a machine sleeps where the system knows them."""
    known = getattr(time, "CLOCK_BOOTTIME", None)
    return time.monotonic() if known is None else time.clock_gettime(known)


class Fence:
    """The fence of one load into one collection, shared by all its threads.

    Args:
        contents: what the collection says since this load began.
        record: reads what it says now; None: it is gone.
        where: its name.
        clock: seconds.
    """

    def __init__(
        self,
        contents: Contents,
        record: Callable[[], Contents | None],
        where: str,
        clock: Callable[[], float] = clock,
    ) -> None:
        self._contents, self._record, self._where, self._clock = contents, record, where, clock
        self._seen = clock()

    def is_over(self) -> bool:
        """Whether another loader has ended this load, so that all of its rows are there.

        Raises:
            Problem: a later load has begun, or the collection is gone.
        """
        now, at = self._record(), self._clock()
        mine = self._contents
        if now is not None and (now.collection, now.load) == (mine.collection, mine.load):
            self._seen = at
            return _is_whole(now)
        run = mine.following or mine.run
        if now is None:
            raise Problem(
                f"{self._where} is gone, into which run {run} was being loaded",
                hint=f"embedfleet load {run} begins anew, if that run is to serve",
            )
        raise Problem(
            f"{self._where} holds run {now.following or now.run} by a load that began later than this one of run {run}: "
            "it is left as it is",
            hint=f"embedfleet load {run} --replace, if that run is to serve",
        )

    def is_mine(self, now: Contents | None) -> bool:
        """Whether a record says that this load is under way."""
        mine = (self._contents.collection, self._contents.load)
        return now is not None and (now.collection, now.load) == mine and not _is_whole(now)

    def request(self, write: Write) -> Write:
        """The same request for a store that compares nothing by itself: the record is looked at every LOOK_SECONDS."""

        def send(rows: Rows) -> Sequence[RefusedRow] | None:
            if self._is_due() and self.is_over():
                return None
            with self._checked_after(f"{len(rows):,} rows, {rows.ids[0]!r} to {rows.ids[-1]!r}"):
                return self.refused_late(write)(rows)

        return send

    @contextmanager
    def alone(self) -> "Generator[None]":
        """A context in which the rows of a file are written in one commit."""
        if self._is_due():
            self.is_over()
        with self._checked_after("the rows of a file"):
            yield

    def refused_late(self, write: Write) -> Write:
        """The same request for a store that refuses it when the load is over: then the record says why."""

        def send(rows: Rows) -> Sequence[RefusedRow] | None:
            try:
                refused = write(rows)
            except Busy:
                raise
            except Exception:
                if self.is_over():
                    return None
                raise
            return None if refused and self.is_over() else refused

        return send

    def check_delete(self) -> None:
        """Check that rows may be deleted, for a store that compares nothing by itself.

        Raises:
            Problem: see `is_over`.
        """
        if self._is_due():
            self.is_over()

    def _is_due(self) -> bool:
        return self._clock() - self._seen >= LOOK_SECONDS

    @contextmanager
    def _checked_after(self, what: str) -> "Generator[None]":
        """A context for a write that may take so long that a later load begins meanwhile, which these rows then spoil.

        Raises:
            Problem: a later load has begun.
        """
        begun = self._clock()
        yield
        if self._clock() - begun < LOOK_SECONDS:
            return
        try:
            self.is_over()
        except Problem as problem:
            raise Problem(
                f"{problem}, but for what was being written: {what}",
                hint=f"the run that is there is to be loaded again with --replace; {problem.hint}",
            ) from problem
