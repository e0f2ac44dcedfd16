"""A bucket of Google Cloud Storage, through google-cloud-storage.

Endpoint and credentials are found by the SDK's own chain. The SDK repeats no write of ours but the pieces of a large
upload: it would take the answer to its second try, "exists", for the fate of a create-only write that its first made.
"""
# google-cloud-storage comes without types
# pyright: reportUnknownMemberType=false, reportUnknownArgumentType=false, reportUnknownVariableType=false

import logging
import os
import re
import threading
from collections.abc import Callable, Container
from contextlib import suppress
from datetime import UTC, datetime
from functools import partial
from pathlib import Path
from typing import Any, BinaryIO, TypeVar

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
)
from tasks.stores.gcs_errors import ERRORS, invalid, no_bucket, status_of, translate
from tasks.stores.range_reader import RangeResponse, open_stream, opening_range, parse_response
from tasks.stores.retry import CONNECT_TIMEOUT, PATIENCE, READ_TIMEOUT, StoreConnection, TransientError

CHUNK_BYTES = 16 * 2**20  # bytes of a piece of a large upload
CHUNK_PATIENCE = 60.0  # seconds for which one piece is sent again; by the SDK, as a piece may be sent twice
SCOPE = "https://www.googleapis.com/auth/devstorage.read_write"
FIELDS = "items(name,size,timeCreated,generation),nextPageToken"
NAME = re.compile(r"[a-z0-9][a-z0-9._-]{1,220}[a-z0-9]")
TYPE = "application/octet-stream"

Result = TypeVar("Result")


class GcsStore:
    """The objects of `bucket` under `prefix`. Made without a request; any thread may use it."""

    def __init__(self, bucket: str, prefix: str = "", patience: float = PATIENCE) -> None:
        if not NAME.fullmatch(bucket):
            raise invalid(f"gs://{bucket}")
        self.bucket = bucket
        self.root = f"{prefix.strip('/')}/" if prefix.strip("/") else ""
        self._contact = StoreConnection(f"gs://{bucket}", patience)
        self._lock = threading.Lock()
        self._made: Any = None
        self._last = (
            threading.local()
        )  # the headers of the last answer to a thread: the SDK keeps too few of them

    def create(self, key: str, body: Body) -> bool:
        check_key(key)
        try:
            self._ask("create", key, partial(self._write, key, body, None, if_generation_match=0), (409, 412))
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
            else DEFAULT_RETRY.with_timeout(min(CHUNK_PATIENCE, self._contact.patience))
        )
        self._insist("write", key, partial(self._write, key, body, again))

    def get(self, key: str, version: str | None = None, span: Span | None = None) -> BinaryIO | None:
        check_read_key(key)
        if version is not None and not version.isdecimal():  # it was another kind of store that gave it
            raise ObjectChanged(self._url(key), version, "")
        ask = partial(self._part, key, version, *opening_range(span))
        try:
            first = self._insist("read", key, ask, (404, 412, 416))
        except GoogleAPICallError as error:
            if status_of(error) == 404:
                return None
            if status_of(error) == 412:
                raise ObjectChanged(self._url(key), version or "", "") from error
            first = self._empty(key, version)
        if version is not None and first.version != version:  # a store that does not heed the condition
            raise ObjectChanged(self._url(key), version, first.version)
        return open_stream(partial(self._fetch, key, first.version), first, span)

    def list(self, prefix: str, after: str = "") -> list[Entry]:
        check_prefix(prefix)
        start = self.root + after

        def page() -> list[Entry]:
            found: list[Entry] = []
            for blob in self._listing(
                prefix=self.root + prefix, start_offset=start or None, page_size=PAGE_SIZE, fields=FIELDS
            ):
                if blob.name != start:  # it begins at `start`, not after it
                    found.append(self._entry(blob))
                if len(found) == PAGE_SIZE:
                    break
            return found

        return self._insist("list", prefix, page)

    def erase(self, key: str) -> None:
        """Remove `key`, where it is there."""
        check_key(key)
        with suppress(NotFound):
            self._insist(
                "remove",
                key,
                lambda: self._blob(key).delete(timeout=(CONNECT_TIMEOUT, READ_TIMEOUT), retry=None),
                (404,),
            )

    def now(self) -> datetime:
        known = self._contact.now()
        if (
            known is None
        ):  # not by looking at the bucket itself, which many who may read and write in it may not
            self._insist("look at", "", lambda: list(self._listing(prefix=self.root, max_results=1)))
            known = self._contact.now()
        if known is None:
            raise StoreError(
                f"gs://{self.bucket} does not tell its time: its answers have no Date",
                hint="choose an output path on another store: leases expire by the store's clock",
            )
        return known

    def _write(self, key: str, body: Body, retry: Any, **condition: int) -> None:
        blob = self._blob(
            key, CHUNK_BYTES if isinstance(body, Path) and body.stat().st_size > CHUNK_BYTES else None
        )
        fields: dict[str, Any] = {
            "content_type": TYPE,
            "timeout": (CONNECT_TIMEOUT, READ_TIMEOUT),
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
            raw_download=True,  # what was stored compressed stays so: sizes and ranges are of what is stored
            timeout=(CONNECT_TIMEOUT, READ_TIMEOUT),
            retry=None,
            **condition,
        )
        headers = self._last.headers
        return parse_response(body, headers.get("Content-Range"), headers["X-Goog-Generation"])

    def _empty(self, key: str, version: str | None) -> RangeResponse:
        """Of an object that ends before the bytes asked for."""
        condition = {"if_generation_match": int(version)} if version is not None else {}
        blob = self._blob(key)
        ask = partial(blob.reload, timeout=(CONNECT_TIMEOUT, READ_TIMEOUT), retry=None, **condition)
        try:
            self._insist("read", key, ask, (404, 412))
        except GoogleAPICallError as error:
            raise ObjectChanged(
                self._url(key), version or "", None if status_of(error) == 404 else ""
            ) from error
        return RangeResponse(b"", 0, int(blob.size), str(blob.generation))

    def _fetch(self, key: str, version: str, start: int, end: int) -> bytes:
        try:
            found = self._insist(
                "read", key, partial(self._part, key, version, start, end - 1), (404, 412, 416)
            )
        except GoogleAPICallError as error:
            raise ObjectChanged(self._url(key), version, None if status_of(error) == 404 else "") from error
        if found.version != version:
            raise ObjectChanged(self._url(key), version, found.version)
        return found.cut(start, end)

    def _listing(self, **fields: Any) -> Any:
        return self._client().list_blobs(
            self.bucket, timeout=(CONNECT_TIMEOUT, READ_TIMEOUT), retry=None, **fields
        )

    def _entry(self, blob: Any) -> Entry:
        # In whole seconds, as the clock of the Date header is: an object is never younger than nothing.
        made = blob.time_created.astimezone(UTC).replace(microsecond=0)
        return Entry(str(blob.name).removeprefix(self.root), int(blob.size), made, str(blob.generation))

    def _insist(
        self, doing: str, key: str, call: Callable[[], Result], expected: Container[int] = ()
    ) -> Result:
        return self._contact.ask(partial(self._ask, doing, key, call, expected))

    def _ask(self, doing: str, key: str, call: Callable[[], Result], expected: Container[int] = ()) -> Result:
        """Ask once.

        Raises:
            GoogleAPICallError: one of the `expected` statuses, about the object.
            Silent: no answer.
            Refused: any other.
        """
        try:
            return call()
        except ERRORS as error:
            if (
                isinstance(error, GoogleAPICallError)
                and status_of(error) in expected
                and not no_bucket(error)
            ):
                raise
            raise translate(error, doing, self._url(key)) from error

    def _url(self, key: str) -> str:
        return f"gs://{self.bucket}/{self.root}{key}"

    def _blob(self, key: str, piece: int | None = None) -> Any:
        return self._client().bucket(self.bucket).blob(self.root + key, chunk_size=piece)

    def _client(self) -> Any:
        """One client for all threads. Made at first use, as that reads files."""
        with self._lock:
            if self._made is None:
                self._made = self._ask("open", "", partial(_client, self._heard))
            return self._made

    def _heard(self, response: requests.Response, *_: Any, **__: Any) -> None:
        self._last.headers = response.headers
        self._contact.heard(response.headers.get("Date"))


def _client(heard: Callable[..., None]) -> Any:
    # At DEBUG they write tokens and the addresses of uploads down, whoever asked for DEBUG.
    for name in ("google", "urllib3.connectionpool"):
        logging.getLogger(name).setLevel(logging.INFO)
    # Unasked, it looks at the bucket after every "not found", which is a request more and needs a right more.
    os.environ.setdefault("DISABLE_GCS_PYTHON_CLIENT_OTEL_BUCKET_METADATA", "true")
    if os.environ.get("STORAGE_EMULATOR_HOST"):  # as the SDK's own client has it
        credentials: Any = AnonymousCredentials()
    else:
        credentials, _ = google.auth.default(scopes=[SCOPE])
    session = AuthorizedSession(credentials)
    for scheme in ("http://", "https://"):
        session.mount(scheme, HTTPAdapter(pool_maxsize=32))
    session.hooks["response"].append(heard)
    return Client(project=None, credentials=credentials, _http=session)
