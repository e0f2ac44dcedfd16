"""Talking to a bucket over a network: asking again while it does not answer, and knowing its time.

Says nothing of what an answer means: a store raises `Silent` for what is worth asking again. Only calls that may be
done twice belong here, so never a create-only write.
"""

import time
from collections.abc import Callable
from datetime import UTC, datetime, timedelta
from email.utils import parsedate_to_datetime
from typing import TypeVar

from tenacity import RetryCallState, Retrying, retry_if_exception_type, wait_random_exponential

from tasks.stores.base import StoreUnreachable

PATIENCE = 120.0  # seconds without an answer until we give up; longer than most brown-outs of a region
FIRST_CONTACT_PATIENCE = (
    20.0  # the same for a store that never answered us: a mistyped address is likelier than an outage
)
FIRST_BACKOFF_SECONDS = 0.2  # seconds before the second try, at most; doubles, with full jitter, to
MAX_BACKOFF_SECONDS = 15.0
CONNECT_TIMEOUT = 10.0  # seconds to reach it
READ_TIMEOUT = 30.0  # seconds between two bytes
CLOCK_FRESH_SECONDS = 3.0  # seconds for which the time of an answer may be carried on by our own clock

Result = TypeVar("Result")


class TransientError(Exception):  # noqa: N818 - a state of the line, not an error
    """No answer that settles anything: overloaded, broken off, or none at all."""


class StoreConnection:
    """What we know of the line to one store. Any thread may use it."""

    def __init__(
        self,
        name: str,
        patience: float = PATIENCE,
        clock: Callable[[], float] = time.monotonic,
        sleep: Callable[[float], None] = time.sleep,
    ) -> None:
        self.name = name  # for messages
        self.patience = patience
        self._clock = clock
        self._sleep = sleep
        self._heard: tuple[datetime, float] | None = None  # one value, so that threads see both halves of it

    def ask(self, call: Callable[[], Result]) -> Result:
        """The answer, asked for until it comes.

        Raises:
            Unreachable: none came in all that time, and what came instead.
        """
        first: list[float] = []  # when the first silence ended: a long upload may take its time

        def enough(state: RetryCallState) -> bool:
            ended = self._clock()
            first.append(ended)
            return ended + state.upcoming_sleep - first[0] > self._patience()

        retrying = Retrying(
            retry=retry_if_exception_type(TransientError),
            wait=wait_random_exponential(multiplier=FIRST_BACKOFF_SECONDS, max=MAX_BACKOFF_SECONDS),
            stop=enough,
            sleep=self._sleep,
            reraise=True,
        )
        try:
            return retrying(call)
        except TransientError as error:
            raise StoreUnreachable(
                f"{self.name} has not answered for {self._patience():g} s: {error}",
                hint="see whether the address is right and store and network are healthy, then resume the run: "
                "nothing is lost",
            ) from error

    def heard(self, date: str | None) -> None:
        """An answer came, with this Date header."""
        if date:
            self._heard = parsedate_to_datetime(date).astimezone(UTC), self._clock()

    def now(self) -> datetime | None:
        """The store's clock, None when too long ago. It lags by what the answer took, and never runs ahead."""
        if self._heard is None:
            return None
        date, at = self._heard
        age = self._clock() - at
        return date + timedelta(seconds=age) if age <= CLOCK_FRESH_SECONDS else None

    def _patience(self) -> float:
        return self.patience if self._heard else min(self.patience, FIRST_CONTACT_PATIENCE)
