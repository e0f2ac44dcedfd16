"""A bucket of S3, or of whatever speaks its language (R2, MinIO), through boto3.

Endpoint, region and credentials are found by the SDK's own chain. The SDK repeats nothing: it would take the answer
to its second try, "exists", for the fate of a create-only write that its first had made.
"""
# botocore comes without types
# pyright: reportUnknownMemberType=false, reportUnknownArgumentType=false, reportUnknownVariableType=false

import logging
import threading
from collections.abc import Callable, Container
from datetime import UTC, datetime
from functools import cache, partial
from pathlib import Path
from typing import Any, BinaryIO, TypeVar

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
    ObjectChanged,
    OutcomeUnknown,
    Span,
    StoreError,
    check_key,
    check_prefix,
    check_read_key,
)
from tasks.stores.range_reader import RangeResponse, open_stream, opening_range, parse_response
from tasks.stores.retry import CONNECT_TIMEOUT, PATIENCE, READ_TIMEOUT, StoreConnection, TransientError
from tasks.stores.s3_errors import NETWORK_ERRORS, code_of, status_of, translate

PART_BYTES = 16 * 2**20  # bytes of a part of a large upload
CONCURRENT_PARTS = 2  # parts of one upload on their way
PART_ATTEMPTS = 8  # of a part; by the SDK, as a part may be sent twice
ERRORS = (ClientError, BotoCoreError, RecursionError, *NETWORK_ERRORS)

Result = TypeVar("Result")


class S3Store:
    """The objects of `bucket` under `prefix`. Made without a request; any thread may use it."""

    def __init__(self, bucket: str, prefix: str = "", patience: float = PATIENCE) -> None:
        self.bucket = bucket
        self.root = f"{prefix.strip('/')}/" if prefix.strip("/") else ""
        self._contact = StoreConnection(f"s3://{bucket}", patience)
        self._lock = threading.Lock()
        self._clients: dict[int, Any] = {}

    def create(self, key: str, body: Body) -> bool:
        check_key(key)
        put: Callable[..., Any] = partial(self._put, key, IfNoneMatch="*")
        try:
            if isinstance(body, bytes):
                self._ask("create", key, partial(put, body), expected=(409, 412))
            else:  # in one piece: not every store heeds the condition when pieces are put together
                with body.open("rb") as stream:
                    self._ask("create", key, partial(put, stream), expected=(409, 412))
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
            self._insist("write", key, partial(self._put, key, body))
        else:
            self._insist("write", key, partial(self._upload, key, body))

    def get(self, key: str, version: str | None = None, span: Span | None = None) -> BinaryIO | None:
        check_read_key(key)
        try:
            first = self._insist(
                "read", key, partial(self._part, key, version, *opening_range(span)), (404, 412, 416)
            )
        except ClientError as error:
            if status_of(error) == 404:
                return None
            if status_of(error) == 412:
                raise ObjectChanged(self._url(key), version or "", "") from error
            first = self._insist("read", key, partial(self._empty, key, version))
        if version is not None and first.version != version:  # a store that does not heed the condition
            raise ObjectChanged(self._url(key), version, first.version)
        return open_stream(partial(self._fetch, key, first.version), first, span)

    def list(self, prefix: str, after: str = "") -> list[Entry]:
        check_prefix(prefix)
        found: list[Entry] = []
        fields: dict[str, Any] = {"Prefix": self.root + prefix}
        if self.root + after:  # without `after` it leaves out the object that some tools make for the folder
            fields["StartAfter"] = self.root + after
        while True:
            asked = fields | {"MaxKeys": PAGE_SIZE - len(found)}
            page = self._insist("list", prefix, partial(self._listing, **asked))
            found += [self._entry(line) for line in page.get("Contents", ())]
            if len(found) >= PAGE_SIZE or not page.get("IsTruncated"):
                return found
            fields["ContinuationToken"] = page["NextContinuationToken"]

    def erase(self, key: str) -> None:
        """Remove `key`, where it is there."""
        check_key(key)
        where = {"Bucket": self.bucket, "Key": self.root + key}
        self._insist("remove", key, lambda: self._client().delete_object(**where))

    def now(self) -> datetime:
        known = self._contact.now()
        if known is None:
            # Not by HEAD, whose answers give no reason; and where a policy has it, only this prefix may be listed.
            ask = partial(self._listing, Prefix=self.root, MaxKeys=1)
            self._insist("look at", "", ask)
            known = self._contact.now()
        if known is None:
            raise StoreError(
                f"s3://{self.bucket} does not tell its time: its answers have no Date",
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
            if code_of(error.__context__) == "NoSuchUpload":  # the answer to its end was lost: write it again
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
        """Of an object that ends before the bytes asked for."""
        condition = {"IfMatch": f'"{version}"'} if version is not None else {}
        reply = self._client().head_object(Bucket=self.bucket, Key=self.root + key, **condition)
        return RangeResponse(b"", 0, reply["ContentLength"], reply["ETag"].strip('"'))

    def _fetch(self, key: str, version: str, start: int, end: int) -> bytes:
        try:
            found = self._insist(
                "read", key, partial(self._part, key, version, start, end - 1), (404, 412, 416)
            )
        except ClientError as error:
            raise ObjectChanged(self._url(key), version, None if status_of(error) == 404 else "") from error
        if found.version != version:
            raise ObjectChanged(self._url(key), version, found.version)
        return found.cut(start, end)

    def _entry(self, line: dict[str, Any]) -> Entry:
        key: str = line["Key"]
        modified = line["LastModified"].astimezone(UTC)
        return Entry(key.removeprefix(self.root), line["Size"], modified, line["ETag"].strip('"'))

    def _insist(
        self, doing: str, key: str, call: Callable[[], Result], expected: Container[int] = ()
    ) -> Result:
        return self._contact.ask(partial(self._ask, doing, key, call, expected))

    def _ask(self, doing: str, key: str, call: Callable[[], Result], expected: Container[int] = ()) -> Result:
        """Ask once.

        Raises:
            ClientError: one of the `expected` statuses, about the object.
            Silent: no answer.
            Refused: any other.
        """
        try:
            return call()
        except ERRORS as error:
            if (
                isinstance(error, ClientError)
                and status_of(error) in expected
                and code_of(error) != "NoSuchBucket"
            ):
                raise
            raise translate(error, doing, self._url(key)) from error

    def _url(self, key: str) -> str:
        return f"s3://{self.bucket}/{self.root}{key}"

    def _client(self, tries: int = 1) -> Any:
        """One client for all threads, and another for uploads. Made at first use, as that reads files."""
        with self._lock:
            if tries not in self._clients:
                try:
                    self._clients[tries] = client = _client(tries)
                except ValueError:  # which quotes the endpoint, and whatever password it holds
                    raise StoreError(
                        f"cannot open s3://{self.bucket}: its endpoint is no URL",
                        hint="mend AWS_ENDPOINT_URL_S3 (or AWS_ENDPOINT_URL, or endpoint_url in ~/.aws/config)",
                    ) from None
                client.meta.events.register("after-call.s3", self._heard)
            return self._clients[tries]

    def _heard(self, http_response: Any, **_: Any) -> None:
        self._contact.heard(http_response.headers.get("Date"))


@cache
def _descriptions() -> Any:
    """The SDK's own descriptions of services: read once, as every client for itself takes 60 ms of CPU for it."""
    return botocore.loaders.create_loader()


def _client(tries: int) -> Any:
    # At DEBUG it writes session tokens down, whoever asked for DEBUG.
    logging.getLogger("botocore").setLevel(logging.INFO)
    core = botocore.session.Session()
    core.register_component("data_loader", _descriptions())
    session = boto3.session.Session(botocore_session=core)
    config = Config(
        connect_timeout=CONNECT_TIMEOUT,
        read_timeout=READ_TIMEOUT,
        tcp_keepalive=True,
        max_pool_connections=32,
        retries={"total_max_attempts": tries, "mode": "standard"},
        response_checksum_validation="when_required",  # we read ranges, and their checksums are not told
    )
    client: Any = session.client("s3", config=config)
    host = str(client.meta.endpoint_url)
    if ".amazonaws." in host:
        return client
    # Others do not know the new checksums; boto3 sends them unasked.
    plain = config.merge(Config(request_checksum_calculation="when_required"))
    return session.client("s3", config=plain)
