"""Store: a bucket of S3, or of a service with its API (R2, MinIO), through boto3.

The SDK's own chain finds endpoint, region and credentials. The SDK's retries are off: when the first attempt of a
create-only write succeeds and its reply is lost, a retry would report "exists".
"""
# botocore comes without types
# pyright: reportUnknownMemberType=false, reportUnknownArgumentType=false, reportUnknownVariableType=false

import logging
import threading
from collections.abc import Callable
from datetime import UTC, datetime
from functools import cache, partial
from pathlib import Path
from typing import Any, BinaryIO

import boto3.session
import botocore.loaders
import botocore.session
from boto3.exceptions import S3UploadFailedError
from boto3.s3.transfer import TransferConfig
from botocore.config import Config
from botocore.exceptions import BotoCoreError, ClientError

from tasks.stores.base import (
    PAGE_SIZE,
    Body,
    Entry,
    OutcomeUnknown,
    Span,
    StoreError,
    check_key,
    check_prefix,
    check_read_key,
    endless_listing,
)
from tasks.stores.bucket_calls import BucketCalls, SdkErrors
from tasks.stores.range_reader import RangeResponse, parse_response
from tasks.stores.retry import (
    CONNECT_TIMEOUT,
    DEFAULT_TIMEOUTS,
    PATIENCE,
    StoreConnection,
    Timeouts,
    TransientError,
)
from tasks.stores.s3_errors import NETWORK_ERRORS, code_of, status_of, translate

PART_BYTES = 16 * 2**20  # bytes of one part of a multipart upload
CONCURRENT_PARTS = 2  # parts of one upload at the same time
PART_ATTEMPTS = 8  # by the SDK, for one part; sending a part twice is harmless


def _status_of_object(error: Exception) -> int | None:
    return status_of(error) if isinstance(error, ClientError) and code_of(error) != "NoSuchBucket" else None


SDK_ERRORS = SdkErrors(
    (ClientError, BotoCoreError, RecursionError, *NETWORK_ERRORS), _status_of_object, translate
)


class S3Store:
    """The objects of `bucket` under `prefix`. Construction sends no request. Thread-safe."""

    def __init__(
        self,
        bucket: str,
        prefix: str = "",
        patience: float = PATIENCE,
        timeouts: Timeouts = DEFAULT_TIMEOUTS,
    ) -> None:
        self.bucket = bucket
        self.root = f"{prefix.strip('/')}/" if prefix.strip("/") else ""
        self._connection = StoreConnection(f"s3://{bucket}", patience)
        self._calls = BucketCalls(f"s3://{bucket}/{self.root}", self._connection, SDK_ERRORS, timeouts.call)
        self._read_timeout = timeouts.read
        self._lock = threading.Lock()
        self._clients: dict[int, Any] = {}

    def create(self, key: str, body: Body) -> bool:
        check_key(key)
        put: Callable[..., Any] = partial(self._put, key, IfNoneMatch="*")
        try:
            if isinstance(body, bytes):
                self._calls.once("create", key, partial(put, body), expected=(409, 412))
            else:  # in one request: not every store honours the condition at the end of a multipart upload
                with body.open("rb") as stream:
                    size = body.stat().st_size
                    self._calls.once("create", key, partial(put, stream), (409, 412), size)
        except TransientError as error:
            raise OutcomeUnknown(str(error)) from error
        except ClientError as error:
            if status_of(error) == 412:
                return False
            raise OutcomeUnknown(f"create was answered 409 {code_of(error)}") from error
        return True

    def put(self, key: str, body: Body) -> None:
        check_key(key)
        if isinstance(body, bytes):
            self._calls.retry("write", key, partial(self._put, key, body))
        else:
            size = body.stat().st_size
            self._calls.retry("write", key, partial(self._upload, key, body), upload_bytes=size)

    def get(self, key: str, version: str | None = None, span: Span | None = None) -> BinaryIO | None:
        check_read_key(key)
        return self._calls.open(key, version, span, self._part, self._empty)

    def list(self, prefix: str, after: str = "") -> list[Entry]:
        check_prefix(prefix)
        found: list[Entry] = []
        fields: dict[str, Any] = {"Prefix": self.root + prefix}
        if (
            self.root + after
        ):  # without `after` this leaves out the object that some tools make for the folder
            fields["StartAfter"] = self.root + after
        while True:
            asked = fields | {"MaxKeys": PAGE_SIZE - len(found)}
            page = self._calls.retry("list", prefix, partial(self._listing, **asked))
            found += [self._entry(line) for line in page.get("Contents", ())]
            if len(found) >= PAGE_SIZE or not page.get("IsTruncated"):
                return found
            if fields.get("ContinuationToken") == page.get("NextContinuationToken"):
                raise endless_listing(self._calls.url(prefix))
            fields["ContinuationToken"] = page["NextContinuationToken"]

    def erase(self, key: str) -> None:
        """Remove `key` if it is there. Idempotent."""
        check_key(key)
        where = {"Bucket": self.bucket, "Key": self.root + key}
        self._calls.retry("remove", key, lambda: self._client().delete_object(**where))

    def now(self) -> datetime:
        known = self._connection.now()
        if known is None:
            # Not by HEAD, whose responses give no reason. A policy may allow to list this prefix only.
            ask = partial(self._listing, Prefix=self.root, MaxKeys=1)
            self._calls.retry("look at", "", ask)
            known = self._connection.now()
        if known is None:
            raise StoreError(
                f"s3://{self.bucket} does not say what time it is: its responses have no Date header",
                hint="choose an output path on another store: leases expire by the store's clock",
            )
        return known

    def _listing(self, **fields: Any) -> dict[str, Any]:
        return self._client().list_objects_v2(Bucket=self.bucket, **fields)

    def _put(self, key: str, body: bytes | BinaryIO, **condition: str) -> None:
        self._client().put_object(Bucket=self.bucket, Key=self.root + key, Body=body, **condition)

    def _upload(self, key: str, path: Path) -> None:
        config = TransferConfig(
            multipart_threshold=PART_BYTES,
            multipart_chunksize=PART_BYTES,
            max_concurrency=CONCURRENT_PARTS,
            preferred_transfer_client="classic",
        )
        try:
            self._client(PART_ATTEMPTS).upload_file(str(path), self.bucket, self.root + key, Config=config)
        except S3UploadFailedError as error:
            if not isinstance(error.__context__, ClientError):
                raise
            if (
                code_of(error.__context__) == "NoSuchUpload"
            ):  # the reply to its completion was lost: write it again
                raise TransientError("the upload ended without an answer") from error
            raise error.__context__ from error

    def _part(self, key: str, version: str | None, first: int, last: int | None) -> RangeResponse:
        condition = {"IfMatch": f'"{version}"'} if version is not None else {}
        wanted = f"bytes={first}" if first < 0 else f"bytes={first}-{last}"
        reply = self._client().get_object(Bucket=self.bucket, Key=self.root + key, Range=wanted, **condition)
        with reply["Body"] as stream:
            body: bytes = stream.read()
        return parse_response(body, reply.get("ContentRange"), reply["ETag"].strip('"'))

    def _empty(self, key: str, version: str | None) -> RangeResponse:
        """The response for a range that begins behind the end of the object."""
        condition = {"IfMatch": f'"{version}"'} if version is not None else {}
        head = partial(self._client().head_object, Bucket=self.bucket, Key=self.root + key, **condition)
        reply: dict[str, Any] = self._calls.retry("read", key, head)
        return RangeResponse(b"", 0, reply["ContentLength"], reply["ETag"].strip('"'))

    def _entry(self, line: dict[str, Any]) -> Entry:
        key: str = line["Key"]
        modified = line["LastModified"].astimezone(UTC)
        return Entry(key.removeprefix(self.root), line["Size"], modified, line["ETag"].strip('"'))

    def _client(self, tries: int = 1) -> Any:
        """One client for all threads, and another for uploads. Made at first use, because that reads files."""
        with self._lock:
            if tries not in self._clients:
                try:
                    self._clients[tries] = client = _client(tries, self._read_timeout)
                except ValueError:  # its message quotes the endpoint, which may hold a password
                    raise StoreError(
                        f"cannot open s3://{self.bucket}: its endpoint is not a URL",
                        hint="correct AWS_ENDPOINT_URL_S3 (or AWS_ENDPOINT_URL, or endpoint_url in ~/.aws/config)",
                    ) from None
                client.meta.events.register("after-call.s3", self._on_response)
            return self._clients[tries]

    def _on_response(self, http_response: Any, **_: Any) -> None:
        self._connection.record_date(http_response.headers.get("Date"))


@cache
def _descriptions() -> Any:
    """The SDK's descriptions of services, read once: every client would spend 60 ms of CPU on its own."""
    return botocore.loaders.create_loader()


def _client(tries: int, read_timeout: float) -> Any:
    # At DEBUG it logs session tokens.
    logging.getLogger("botocore").setLevel(logging.INFO)
    core = botocore.session.Session()
    core.register_component("data_loader", _descriptions())
    session = boto3.session.Session(botocore_session=core)
    config = Config(
        connect_timeout=CONNECT_TIMEOUT,
        read_timeout=read_timeout,
        tcp_keepalive=True,
        max_pool_connections=32,
        retries={"total_max_attempts": tries, "mode": "standard"},
        response_checksum_validation="when_required",  # we read ranges, for which the store sends no checksum
    )
    client: Any = session.client("s3", config=config)
    host = str(client.meta.endpoint_url)
    if ".amazonaws." in host:
        return client
    # Other services do not know the new checksums, which boto3 sends by default.
    plain = config.merge(Config(request_checksum_calculation="when_required"))
    return session.client("s3", config=plain)
