"""Calls of an SDK to one bucket: bounded in time, with its errors translated, and retried where that is harmless."""

from collections.abc import Callable, Container
from dataclasses import dataclass
from functools import partial
from typing import TypeVar

from tasks.stores.base import StoreError
from tasks.stores.retry import CALL_SECONDS, StoreConnection, TransientError, within

Result = TypeVar("Result")


@dataclass(frozen=True, slots=True)
class SdkErrors:
    """How an SDK tells what went wrong.

    Attributes:
        types: what it raises.
        status: of an error that is the store's answer about the object; None: of any other error.
        translate: the meaning of an error while doing something, such as "write", at a URL.
    """

    types: tuple[type[Exception], ...]
    status: Callable[[Exception], int | None]
    translate: Callable[[Exception, str, str], TransientError | StoreError]


@dataclass(frozen=True, slots=True)
class BucketCalls:
    """Calls to the objects under `root`, a URL that ends with `/`. Thread-safe."""

    root: str
    connection: StoreConnection
    errors: SdkErrors

    def url(self, key: str) -> str:
        return f"{self.root}{key}"

    def retry(
        self,
        doing: str,
        key: str,
        call: Callable[[], Result],
        expected: Container[int] = (),
        seconds: float = CALL_SECONDS,
    ) -> Result:
        """Call until the store answers. Raises what `once` raises, but no TransientError.

        Raises:
            StoreUnreachable: it did not answer for too long.
        """
        return self.connection.retry(partial(self.once, doing, key, call, expected, seconds))

    def once(
        self,
        doing: str,
        key: str,
        call: Callable[[], Result],
        expected: Container[int] = (),
        seconds: float = CALL_SECONDS,
    ) -> Result:
        """Call once and translate the SDK's errors.

        Raises:
            Exception: the SDK's own, for one of the `expected` statuses, about the object.
            TransientError: it is worth a retry, or took longer than so many seconds.
            StoreError: any other error.
        """
        try:
            return within(seconds, call)
        except self.errors.types as error:
            status = self.errors.status(error)
            if status is not None and status in expected:
                raise
            raise self.errors.translate(error, doing, self.url(key)) from error
