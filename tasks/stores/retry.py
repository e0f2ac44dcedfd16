"""Retry with exponential backoff and jitter for calls to a bucket over a network, and the store's clock.

A store decides what an answer means and raises `TransientError` for what is worth a retry. Only idempotent calls may be
retried here, so never a create-only write.
"""

import threading
import time
from collections.abc import Callable
from dataclasses import dataclass
from datetime import UTC, datetime, timedelta
from email.utils import parsedate_to_datetime
from typing import TypeVar

from tenacity import RetryCallState, Retrying, retry_if_exception_type, wait_random_exponential

from tasks.stores.base import StoreUnreachable

PATIENCE = 120.0  # seconds of failures until a call gives up; longer than most brown-outs of a region
FIRST_CONTACT_PATIENCE = (
    20.0  # the same for a store that never answered: a mistyped address is likelier than an outage
)
FIRST_BACKOFF_SECONDS = (
    0.2  # the longest wait before the second attempt; exponential backoff with full jitter, up to
)
MAX_BACKOFF_SECONDS = 15.0
CONNECT_TIMEOUT = 10.0  # seconds to connect
READ_TIMEOUT = 30.0  # seconds between two bytes
CALL_SECONDS = 300.0  # seconds for one whole call: a server may send a byte now and then for ever
LEAST_BYTES_PER_SECOND = 32 * 2**10  # of an upload, which may take longer by its size
CLOCK_FRESH_SECONDS = 3.0  # seconds for which our own clock may extrapolate the time of an answer

Result = TypeVar("Result")


@dataclass(frozen=True, slots=True)
class Timeouts:
    """How long one call of a store may take, in seconds.

    Attributes:
        read: between two bytes.
        call: one whole call; an upload has more, by its size.
    """

    read: float = READ_TIMEOUT
    call: float = CALL_SECONDS


DEFAULT_TIMEOUTS = Timeouts()


class TransientError(Exception):
    """No answer that settles the call: the store is overloaded, the connection broke, or nothing came. Retry."""


def within(seconds: float, call: Callable[[], Result]) -> Result:
    """The result of a call, on a thread of its own that is left alone where it takes longer.

    Timeouts of sockets count from one byte to the next, so they do not bound a call.

    Raises:
        TransientError: it took longer.
    """
    results: list[Result] = []
    errors: list[BaseException] = []

    def run() -> None:
        try:
            results.append(call())
        except BaseException as error:  # noqa: BLE001 - it is raised where it belongs
            errors.append(error)

    thread = threading.Thread(target=run, name="store-call", daemon=True)
    thread.start()
    thread.join(seconds)
    if errors:
        raise errors[0]
    if not results:
        raise TransientError(f"no whole answer within {seconds:g} s")
    return results[0]


class StoreConnection:
    """Retries calls to one store and keeps its clock. Thread-safe."""

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
        self._last_date: tuple[datetime, float] | None = None  # one value, so that threads see both halves

    def retry(self, call: Callable[[], Result]) -> Result:
        """Call until it succeeds, with backoff, and return its result.

        Raises:
            StoreUnreachable: it raised TransientError for too long; the message names the last one.
        """
        first: list[float] = []  # when the first attempt failed: a long upload may take its time

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
                hint="check the address, the store and the network, then resume the run: nothing is lost",
            ) from error

    def record_date(self, date: str | None) -> None:
        """Keep the Date header of an answer."""
        if date:
            self._last_date = parsedate_to_datetime(date).astimezone(UTC), self._clock()

    def now(self) -> datetime | None:
        """The store's clock; None when the last answer is too old. It lags by the transit and is never ahead."""
        if self._last_date is None:
            return None
        date, at = self._last_date
        age = self._clock() - at
        return date + timedelta(seconds=age) if age <= CLOCK_FRESH_SECONDS else None

    def _patience(self) -> float:
        return self.patience if self._last_date else min(self.patience, FIRST_CONTACT_PATIENCE)
