"""Store: a bucket of Google Cloud Storage, through google-cloud-storage.

The SDK's own chain finds endpoint and credentials. The SDK's retries are off, except for the chunks of a large upload:
when the first attempt of a create-only write succeeds and its reply is lost, a retry would report "exists".
"""
# google-cloud-storage comes without types
# pyright: reportUnknownMemberType=false, reportUnknownArgumentType=false, reportUnknownVariableType=false

import logging
import os
import re
import threading
from collections.abc import Callable
from contextlib import suppress
from datetime import UTC, datetime
from functools import partial
from pathlib import Path
from typing import Any, BinaryIO

import google.auth
import requests
from google.api_core.exceptions import GoogleAPICallError, NotFound
from google.auth.credentials import AnonymousCredentials
from google.auth.transport.requests import AuthorizedSession
from google.cloud.storage import Client
from google.cloud.storage.retry import DEFAULT_RETRY
from requests.adapters import HTTPAdapter

from tasks.stores.base import (
    PAGE_SIZE,
    Body,
    Entry,
    ObjectChanged,
    OutcomeUnknown,
    Span,
    StoreError,
    check_key,
    check_prefix,
    check_read_key,
    size_of,
)
from tasks.stores.bucket_calls import BucketCalls, SdkErrors
from tasks.stores.gcs_errors import ERRORS, bad_bucket_name, no_bucket, status_of, translate
from tasks.stores.range_reader import RangeResponse, parse_response
from tasks.stores.retry import (
    CONNECT_TIMEOUT,
    DEFAULT_TIMEOUTS,
    PATIENCE,
    StoreConnection,
    Timeouts,
    TransientError,
)

CHUNK_BYTES = 16 * 2**20  # bytes of one chunk of a large upload
CHUNK_PATIENCE = 60.0  # seconds for which the SDK retries one chunk; sending a chunk twice is harmless
SCOPE = "https://www.googleapis.com/auth/devstorage.read_write"
FIELDS = "items(name,size,timeCreated,generation),nextPageToken"
NAME = re.compile(r"[a-z0-9][a-z0-9._-]{1,220}[a-z0-9]")
TYPE = "application/octet-stream"


def _status_of_object(error: Exception) -> int | None:
    return status_of(error) if isinstance(error, GoogleAPICallError) and not no_bucket(error) else None


SDK_ERRORS = SdkErrors(ERRORS, _status_of_object, translate)


class GcsStore:
    """The objects of `bucket` under `prefix`. Construction sends no request. Thread-safe."""

    def __init__(
        self,
        bucket: str,
        prefix: str = "",
        patience: float = PATIENCE,
        timeouts: Timeouts = DEFAULT_TIMEOUTS,
    ) -> None:
        if not NAME.fullmatch(bucket):
            raise bad_bucket_name(f"gs://{bucket}")
        self.bucket = bucket
        self.root = f"{prefix.strip('/')}/" if prefix.strip("/") else ""
        self._connection = StoreConnection(f"gs://{bucket}", patience)
        self._calls = BucketCalls(f"gs://{bucket}/{self.root}", self._connection, SDK_ERRORS, timeouts.call)
        self._timeout = (CONNECT_TIMEOUT, timeouts.read)  # seconds to connect, and between two bytes
        self._lock = threading.Lock()
        self._made: Any = None
        self._last = (
            threading.local()
        )  # headers of each thread's last response: the SDK keeps too few of them

    def create(self, key: str, body: Body) -> bool:
        check_key(key)
        try:
            write = partial(self._write, key, body, None, if_generation_match=0)
            self._calls.once("create", key, write, (409, 412), size_of(body))
        except TransientError as error:
            raise OutcomeUnknown(str(error)) from error
        except GoogleAPICallError as error:
            if status_of(error) == 412:
                return False
            raise OutcomeUnknown("create was answered 409") from error
        return True

    def put(self, key: str, body: Body) -> None:
        check_key(key)
        again = (
            None
            if isinstance(body, bytes)
            else DEFAULT_RETRY.with_timeout(min(CHUNK_PATIENCE, self._connection.patience))
        )
        write = partial(self._write, key, body, again)
        self._calls.retry("write", key, write, upload_bytes=size_of(body))

    def get(self, key: str, version: str | None = None, span: Span | None = None) -> BinaryIO | None:
        check_read_key(key)
        if version is not None and not version.isdecimal():  # a version of another kind of store
            raise ObjectChanged(self._calls.url(key), version, "")
        return self._calls.open(key, version, span, self._part, self._empty)

    def list(self, prefix: str, after: str = "") -> list[Entry]:
        check_prefix(prefix)
        start = self.root + after

        def page() -> list[Entry]:
            found: list[Entry] = []
            for blob in self._listing(
                prefix=self.root + prefix, start_offset=start or None, page_size=PAGE_SIZE, fields=FIELDS
            ):
                if blob.name != start:  # the listing begins at `start`, not after it
                    found.append(self._entry(blob))
                if len(found) == PAGE_SIZE:
                    break
            return found

        return self._calls.retry("list", prefix, page)

    def erase(self, key: str) -> None:
        """Remove `key` if it is there. Idempotent."""
        check_key(key)
        with suppress(NotFound):
            self._calls.retry(
                "remove",
                key,
                lambda: self._blob(key).delete(timeout=self._timeout, retry=None),
                (404,),
            )

    def now(self) -> datetime:
        known = self._connection.now()
        if (
            known is None
        ):  # not by a request for the bucket itself, which many who may read and write in it may not make
            self._calls.retry("look at", "", lambda: list(self._listing(prefix=self.root, max_results=1)))
            known = self._connection.now()
        if known is None:
            raise StoreError(
                f"gs://{self.bucket} does not say what time it is: its responses have no Date header",
                hint="choose an output path on another store: leases expire by the store's clock",
            )
        return known

    def _write(self, key: str, body: Body, retry: Any, **condition: int) -> None:
        blob = self._blob(
            key, CHUNK_BYTES if isinstance(body, Path) and body.stat().st_size > CHUNK_BYTES else None
        )
        fields: dict[str, Any] = {
            "content_type": TYPE,
            "timeout": self._timeout,
            "retry": retry,
            **condition,
        }
        if isinstance(body, bytes):
            blob.upload_from_string(body, **fields)
        else:
            blob.upload_from_filename(str(body), **fields)

    def _part(self, key: str, version: str | None, first: int, last: int | None) -> RangeResponse:
        condition = {"if_generation_match": int(version)} if version is not None else {}
        body: bytes = self._blob(key).download_as_bytes(
            start=first,
            end=last,
            raw_download=True,  # do not decompress: sizes and ranges are those of the stored bytes
            timeout=self._timeout,
            retry=None,
            **condition,
        )
        headers = self._last.headers
        return parse_response(body, headers.get("Content-Range"), headers["X-Goog-Generation"])

    def _empty(self, key: str, version: str | None) -> RangeResponse:
        """The response for a range that begins behind the end of the object."""
        condition = {"if_generation_match": int(version)} if version is not None else {}
        blob = self._blob(key)
        ask = partial(blob.reload, timeout=self._timeout, retry=None, **condition)
        try:
            self._calls.retry("read", key, ask, (404, 412))
        except GoogleAPICallError as error:
            raise ObjectChanged(
                self._calls.url(key), version or "", None if status_of(error) == 404 else ""
            ) from error
        return RangeResponse(b"", 0, int(blob.size), str(blob.generation))

    def _listing(self, **fields: Any) -> Any:
        return self._client().list_blobs(self.bucket, timeout=self._timeout, retry=None, **fields)

    def _entry(self, blob: Any) -> Entry:
        # In whole seconds, as the Date header is: so no object has a negative age.
        made = blob.time_created.astimezone(UTC).replace(microsecond=0)
        return Entry(str(blob.name).removeprefix(self.root), int(blob.size), made, str(blob.generation))

    def _blob(self, key: str, piece: int | None = None) -> Any:
        return self._client().bucket(self.bucket).blob(self.root + key, chunk_size=piece)

    def _client(self) -> Any:
        """One client for all threads. Made at first use, because that reads files."""
        with self._lock:
            if self._made is None:
                self._made = self._calls.once("open", "", partial(_client, self._on_response))
            return self._made

    def _on_response(self, response: requests.Response, *_: Any, **__: Any) -> None:
        self._last.headers = response.headers
        self._connection.record_date(response.headers.get("Date"))


def _client(on_response: Callable[..., None]) -> Any:
    # At DEBUG they log tokens and upload addresses.
    for name in ("google", "urllib3.connectionpool"):
        logging.getLogger(name).setLevel(logging.INFO)
    # By default the SDK asks for the bucket after every "not found": one more request, and one more permission.
    os.environ.setdefault("DISABLE_GCS_PYTHON_CLIENT_OTEL_BUCKET_METADATA", "true")
    if os.environ.get("STORAGE_EMULATOR_HOST"):  # as the SDK's own client does
        credentials: Any = AnonymousCredentials()
    else:
        credentials, _ = google.auth.default(scopes=[SCOPE])
    session = AuthorizedSession(credentials)
    for scheme in ("http://", "https://"):
        session.mount(scheme, HTTPAdapter(pool_maxsize=32))
    session.hooks["response"].append(on_response)
    return Client(project=None, credentials=credentials, _http=session)
