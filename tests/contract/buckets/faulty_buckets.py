"""How the tests of buckets open one, and what they call."""

from collections.abc import Callable

from tasks.stores.base import Store
from tasks.stores.gcs import GcsStore
from tasks.stores.retry import DEFAULT_TIMEOUTS, Timeouts
from tasks.stores.s3 import S3Store

SHORT = 0.7  # seconds of patience, for tests in which it runs out
LONG = 30.0  # seconds, for tests in which it does not
CALLS: dict[str, Callable[[Store], object]] = {
    "create": lambda store: store.create("k", b"1"),
    "put": lambda store: store.put("k", b"1"),
    "get": lambda store: store.get("k"),
    "list": lambda store: store.list(""),
    "now": lambda store: store.now(),
}


def at_once(_seconds: float) -> None:
    """Do not wait."""


def opened(
    kind: str, patience: float = LONG, bucket: str = "bucket", timeouts: Timeouts = DEFAULT_TIMEOUTS
) -> Store:
    of_kind = S3Store if kind == "s3" else GcsStore
    return of_kind(bucket, "out", patience, timeouts)


def url(kind: str, key: str = "", bucket: str = "bucket") -> str:
    return f"{'s3' if kind == 's3' else 'gs'}://{bucket}/out/{key}"
