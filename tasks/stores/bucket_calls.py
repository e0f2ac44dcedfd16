"""Calls of an SDK to one bucket: bounded in time, with its errors translated, and retried where that is harmless.

Reads by range are here too, because they are the same for every SDK: which statuses mean that an object is absent, or
that it changed while it was read.
"""

from collections.abc import Callable, Container
from dataclasses import dataclass
from functools import partial
from typing import BinaryIO, Protocol, TypeVar

from tasks.stores.base import ObjectChanged, Span, StoreError
from tasks.stores.range_reader import RangeResponse, open_stream, opening_range
from tasks.stores.retry import CALL_SECONDS, LEAST_BYTES_PER_SECOND, StoreConnection, TransientError, within

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


class ReadRange(Protocol):
    """Send one range request for bytes `first` to `last`, both included, of an object.

    `first` below 0 asks for the last bytes. `version` None: whatever version is there.
    """

    def __call__(self, key: str, version: str | None, first: int, last: int | None, /) -> RangeResponse: ...


class ReadEmpty(Protocol):
    """The response for a range that begins behind the end of an object: no bytes, its size and its version."""

    def __call__(self, key: str, version: str | None, /) -> RangeResponse: ...


@dataclass(frozen=True, slots=True)
class BucketCalls:
    """Calls to the objects under `root`, a URL that ends with `/`. Thread-safe."""

    root: str
    connection: StoreConnection
    errors: SdkErrors
    call_seconds: float = CALL_SECONDS  # of one whole call, at most; an upload has more

    def url(self, key: str) -> str:
        return f"{self.root}{key}"

    def retry(
        self,
        doing: str,
        key: str,
        call: Callable[[], Result],
        expected: Container[int] = (),
        upload_bytes: int = 0,
    ) -> Result:
        """Call until the store answers. Raises what `once` raises, but no TransientError.

        Raises:
            StoreUnreachable: it did not answer for too long.
        """
        return self.connection.retry(partial(self.once, doing, key, call, expected, upload_bytes))

    def once(
        self,
        doing: str,
        key: str,
        call: Callable[[], Result],
        expected: Container[int] = (),
        upload_bytes: int = 0,
    ) -> Result:
        """Call once and translate the SDK's errors.

        Raises:
            Exception: the SDK's own, for one of the `expected` statuses, about the object.
            TransientError: it is worth a retry, or took longer than `call_seconds`
                and the time that `upload_bytes` may take.
            StoreError: any other error.
        """
        try:
            return within(self.call_seconds + upload_bytes / LEAST_BYTES_PER_SECOND, call)
        except self.errors.types as error:
            status = self.errors.status(error)
            if status is not None and status in expected:
                raise
            raise self.errors.translate(error, doing, self.url(key)) from error

    def open(
        self, key: str, version: str | None, span: Span | None, read_range: ReadRange, read_empty: ReadEmpty
    ) -> BinaryIO | None:
        """A stream of one version of an object; None where there is no object.

        Raises:
            ObjectChanged: another version is there than `version`. The stream's reads raise it too.
            StoreError: the store refuses, or cannot be reached.
        """
        ask = partial(read_range, key, version, *opening_range(span))
        try:
            first = self.retry("read", key, ask, (404, 412, 416))
        except self.errors.types as error:
            status = self.errors.status(error)
            if status == 404:
                return None
            if status == 412:
                raise ObjectChanged(self.url(key), version or "", "") from error
            if status != 416:
                raise
            first = read_empty(key, version)  # the range begins behind the object's end
        if version is not None and first.version != version:  # a store that ignores the condition
            raise ObjectChanged(self.url(key), version, first.version)
        return open_stream(partial(self._fetch, read_range, key, first.version), first, span)

    def _fetch(self, read_range: ReadRange, key: str, version: str, start: int, end: int) -> bytes:
        """Bytes [start, end) of this version."""
        ask = partial(read_range, key, version, start, end - 1)
        try:
            found = self.retry("read", key, ask, (404, 412, 416))
        except self.errors.types as error:
            absent = self.errors.status(error) == 404
            raise ObjectChanged(self.url(key), version, None if absent else "") from error
        if found.version != version:
            raise ObjectChanged(self.url(key), version, found.version)
        return found.between(start, end)
