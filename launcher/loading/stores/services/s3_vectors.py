"""Amazon S3 Vectors, by PutVectors under the key `id:chunk`: writing a row again changes nothing.

A vector bucket has no aliases: see `stores.common.register`, whose records are vectors of one number in the index
`embedfleet-register` of the bucket. Writes are seen at once (the service is strongly consistent). It has no exact search,
and no count: keys are listed. The metric is the cosine; a packed bit is a number, 1 or -1.
"""

# botocore comes without types
# pyright: reportUnknownMemberType=false, reportUnknownArgumentType=false, reportUnknownVariableType=false
import contextlib
from collections.abc import Collection, Generator, Iterable, Mapping, Sequence
from concurrent.futures import ThreadPoolExecutor
from functools import partial
from typing import Any

import boto3.session
import numpy as np
from botocore.config import Config
from botocore.exceptions import (
    BotoCoreError,
    ClientError,
    HTTPClientError,
    NoCredentialsError,
    NoRegionError,
    UnknownServiceError,
)

from launcher.errors import Problem, Usage
from launcher.loading.contents import Contents
from launcher.loading.stores.common.backpressure import Busy, Limits, Rejected, Throttle, rows_within
from launcher.loading.stores.common.register import Register
from launcher.loading.stores.common.row_names import name_of_key
from launcher.loading.stores.common.signs import numbers_of, stored_of
from launcher.loading.stores.services.s3_vectors_limits import (
    DELETE_ROWS,
    GET_ROWS,
    KEY_BYTES,
    METADATA_BYTES,
    MOST_HITS,
    PAGE_ROWS,
    PUT_ROWS,
    SEGMENTS,
    check_rows,
    check_schema,
    metadata_of,
    plain_columns,
)
from launcher.loading.vector_store import Element, FileId, Guarantee, Key, LoadedFile, Rows, Schema, Vectors
from launcher.sinks.index import IndexSpec
from launcher.sinks.targets import Target
from tasks.protocol.dtypes import Dtype

REQUEST_BYTES = 16 * 2**20  # of JSON; the service takes 20 MiB
JSON_NUMBER = 24  # bytes of a number at most, with its comma
REQUESTS = 8
REGISTER = "embedfleet-register"
FIELD = "record"
BUSY = {
    "TooManyRequestsException",
    "ServiceUnavailableException",
    "InternalServerException",
    "RequestTimeoutException",
    "ThrottlingException",
    "SlowDown",
}
TIMEOUT = 60  # seconds
AGAIN = "run the same command again: rows are written under their keys, so none comes twice"


class S3Vectors:
    """A vector index of a vector bucket."""

    guarantee: Guarantee = "idempotent"
    exact_search = False

    def __init__(self, target: Target) -> None:
        self._bucket = target.host or ""
        self._filter = tuple(name for name in target.options.get("filter", "").split(",") if name)
        self._replace = False
        self._schema: Schema | None = None
        self._throttle: Throttle | None = None
        self._register = Register(target.collection, self)
        self._client: Any = _client()

    # --- limits that are known before anything is written

    def check_schema(self, schema: Schema) -> None:
        """Refuse what an index cannot hold."""
        check_schema(schema, self._filter)

    def check_rows(self, schema: Schema, rows: Rows) -> None:
        """Refuse rows whose metadata is too long."""
        del schema
        check_rows(rows, self._filter)

    # --- the store

    def element(self, dtype: Dtype, dimensions: int) -> Element:
        """float32, the only type there is; it holds half precision and int8 exactly."""
        del dimensions
        return "bits" if dtype == "binary" else "float32"

    def contents(self) -> Contents | None:
        """The record of the index.

        Raises:
            Problem: an index of this name is there, and we did not make it.
        """
        with _problems():
            self._check_bucket()
            return self._register.contents()

    def prepare(self, contents: Contents, schema: Schema, index: IndexSpec, *, replace: bool) -> Contents:
        """Make the index."""
        del index
        self.check_schema(schema)
        self._schema, self._replace = schema, replace
        most = rows_within(REQUEST_BYTES, schema.dimensions * JSON_NUMBER + METADATA_BYTES, PUT_ROWS)
        self._throttle = Throttle(Limits(most, REQUESTS))
        with _problems():
            return self._register.prepare(contents, partial(self._create, schema), replace=replace)

    def loaded(self, contents: Contents) -> Collection[LoadedFile] | None:
        """None: the store does not record loaded files, so receipts in the output path count."""
        del contents

    def write(self, file: FileId, batches: Iterable[Rows], *, merge: bool) -> Mapping[str, Any]:
        """Put vectors: each replaces what is there under its key."""
        del file, merge
        assert self._throttle is not None, "prepare comes first"
        with _problems():
            return self._throttle.send_all(batches, self._register.request(self._put))

    def delete(self, keys: Sequence[Key]) -> int:
        """Count those that are there, because the service does not say how many it deleted."""
        with _problems():
            there = list(self._keys_there(keys))
            for start in range(0, len(there), DELETE_ROWS):
                self._register.check_delete()
                some = [_name(key) for key in there[start : start + DELETE_ROWS]]
                self._call("delete_vectors", indexName=self._register.collection, keys=some)
        return len(there)

    def seal(self, contents: Contents, receipts: Sequence[Mapping[str, Any]]) -> str | None:
        """Say what it holds; the service builds its index by itself."""
        del receipts
        with _problems():
            return self._register.seal(contents)

    def count(self) -> int:
        """Count rows by listing all keys, several segments at a time."""
        with _problems(), ThreadPoolExecutor(SEGMENTS) as pool:
            return sum(pool.map(self._count_segment, range(SEGMENTS)))

    def fetch(self, keys: Sequence[Key]) -> Mapping[Key, Vectors]:
        """Fetch the vectors of these keys."""
        found: dict[Key, Vectors] = {}
        with _problems():
            bits = self._holds_bits()
            for some, answer in self._get(keys, returnData=True):
                for one in answer:
                    numbers = np.asarray(one["data"]["float32"], np.float32)
                    found[some[one["key"]]] = stored_of(numbers, bits=bits)
        return found

    def search(self, vector: Vectors, k: int, *, exact: bool) -> list[Key]:
        """Search by the service's own index; `exact` is ignored, because it has no exact search."""
        del exact
        asked = {"float32": numbers_of(vector[None, :])[0].tolist()}
        with _problems():
            found = self._call(
                "query_vectors",
                indexName=self._register.collection,
                queryVector=asked,
                topK=min(k, MOST_HITS),
                returnMetadata=True,
            )
        return [Key(str(one["metadata"]["id"]), int(one["metadata"]["chunk"])) for one in found["vectors"]]

    def read_as(self) -> str:
        """The index that clients are to ask."""
        with _problems():
            return self._register.serving()

    def describe_index(self, schema: Schema, index: IndexSpec) -> str:
        """The service has one, without options."""
        del schema, index
        return "the service's own, cosine"

    def columns(self, schema: Schema) -> tuple[str, ...]:
        """The key, the vector and its metadata."""
        kept = (f"{name} string{' (filter)' if name in self._filter else ''}" for name in schema.kept)
        signs = ", 1 or -1 a bit" if schema.element == "bits" else ""
        return (
            "key",
            f"vector float32 ({schema.dimensions}{signs})",
            "id string (filter)",
            "chunk number (filter)",
            *kept,
        )

    def close(self) -> None:
        """Close the connections."""
        self._client.close()

    # --- of the register

    def read_record(self, name: str) -> str | None:
        """The record of a name: metadata of a vector."""
        try:
            found = self._call("get_vectors", indexName=REGISTER, keys=[name], returnMetadata=True)["vectors"]
        except ClientError as error:
            if _code(error) == "NotFoundException":
                return None
            raise
        return str(found[0]["metadata"][FIELD]) if found else None

    def write_record(self, name: str, text: str) -> None:
        """Write it, and make the index of records first."""
        if not self.exists(REGISTER):
            self._create_index(REGISTER, 1, [FIELD])
        one = {"key": name, "data": {"float32": [1.0]}, "metadata": {FIELD: text}}
        self._call("put_vectors", indexName=REGISTER, vectors=[one])

    def exists(self, collection: str) -> bool:
        """Whether there is such an index."""
        try:
            self._call("get_index", indexName=collection)
        except ClientError as error:
            if _code(error) == "NotFoundException":
                return False
            raise
        return True

    def drop(self, collection: str) -> None:
        """Delete an index with its vectors."""
        try:
            self._call("delete_index", indexName=collection)
        except ClientError as error:
            if _code(error) != "NotFoundException":
                raise

    # --- below, errors are those of botocore

    def _call(self, operation: str, **parameters: Any) -> Any:
        return getattr(self._client, operation)(vectorBucketName=self._bucket, **parameters)

    def _check_bucket(self) -> None:
        try:
            self._call("get_vector_bucket")
        except ClientError as error:
            if _code(error) != "NotFoundException":
                raise
            raise Problem(
                f"there is no vector bucket {self._bucket} in {self._client.meta.region_name}",
                hint=f"aws s3vectors create-vector-bucket --vector-bucket-name {self._bucket} makes one",
            ) from error

    def _create(self, schema: Schema, name: str) -> None:
        self._create_index(name, schema.dimensions, plain_columns(schema, self._filter))

    def _create_index(self, name: str, dimensions: int, plain: Sequence[str]) -> None:
        """Make an index; leave one of this name that is there, which the register knows."""
        more = {"metadataConfiguration": {"nonFilterableMetadataKeys": list(plain)}} if plain else {}
        try:
            self._call(
                "create_index",
                indexName=name,
                dataType="float32",
                dimension=dimensions,
                distanceMetric="cosine",
                **more,
            )
        except ClientError as error:
            if _code(error) != "ConflictException":
                raise

    def _put(self, rows: Rows) -> None:
        vectors = [
            {"key": _name(key), "data": {"float32": numbers.tolist()}, "metadata": metadata_of(rows, row)}
            for row, (key, numbers) in enumerate(zip(rows.keys(), numbers_of(rows.vectors), strict=True))
        ]
        try:
            self._call("put_vectors", indexName=self._register.collection, vectors=vectors)
        except ClientError as error:
            if _code(error) in BUSY:
                raise Busy(str(error)) from error
            if _code(error) == "ValidationException":
                raise Rejected(str(error)) from error
            raise

    def _get(
        self, keys: Sequence[Key], **asked: bool
    ) -> Generator[tuple[dict[str, Key], list[dict[str, Any]]]]:
        for start in range(0, len(keys), GET_ROWS):
            some = {_name(key): key for key in keys[start : start + GET_ROWS]}
            found = self._call("get_vectors", indexName=self._register.collection, keys=list(some), **asked)
            yield some, found["vectors"]

    def _keys_there(self, keys: Sequence[Key]) -> Generator[Key]:
        for some, answer in self._get(keys):
            yield from (some[one["key"]] for one in answer)

    def _count_segment(self, segment: int) -> int:
        pages = self._client.get_paginator("list_vectors").paginate(
            vectorBucketName=self._bucket,
            indexName=self._register.collection,
            segmentCount=SEGMENTS,
            segmentIndex=segment,
            PaginationConfig={"PageSize": PAGE_ROWS},
        )
        return sum(len(page["vectors"]) for page in pages)

    def _holds_bits(self) -> bool:
        if self._schema is not None:
            return self._schema.element == "bits"
        held = self._register.contents()
        return held is not None and held.dtype == "binary"


def open_s3_vectors(target: Target, secret: str | None) -> S3Vectors:
    """The index that a target names. Credentials and region are those of the AWS SDK.

    Raises:
        Usage: a secret was named.
    """
    if secret is not None:
        raise Usage(
            "an address of S3 Vectors has no secret",
            hint="leave --secret out: credentials come from AWS_PROFILE, AWS_ACCESS_KEY_ID or the machine's role",
        )
    with _problems():
        return S3Vectors(target)


def _client() -> Any:
    options = Config(
        retries={"mode": "standard", "total_max_attempts": 3},
        connect_timeout=TIMEOUT,
        read_timeout=TIMEOUT,
        max_pool_connections=SEGMENTS,
    )
    return boto3.session.Session().client("s3vectors", config=options)


def _name(key: Key) -> str:
    return name_of_key(key, KEY_BYTES, only_ascii=False)


def _code(error: ClientError) -> str:
    return str(error.response.get("Error", {}).get("Code", ""))


@contextlib.contextmanager
def _problems() -> Generator[None]:
    """Errors of botocore as problems of two lines."""
    try:
        yield
    except UnknownServiceError as error:
        raise Usage(
            "this boto3 does not know S3 Vectors", hint="pip install 'embedfleet[s3vectors]'"
        ) from error
    except NoRegionError as error:
        raise Usage(
            "no region is set for S3 Vectors", hint="export AWS_DEFAULT_REGION=us-east-1, say"
        ) from error
    except NoCredentialsError as error:
        raise Problem(
            "there are no credentials of AWS", hint="aws configure, or export AWS_PROFILE"
        ) from error
    except ClientError as error:
        if _code(error) in ("AccessDeniedException", "UnrecognizedClientException", "ExpiredTokenException"):
            raise Problem(
                f"S3 Vectors refuses: {error}",
                hint="it needs s3vectors: GetVectorBucket, CreateIndex, GetIndex, DeleteIndex, PutVectors, GetVectors, "
                "ListVectors, DeleteVectors and QueryVectors",
            ) from error
        raise Problem(f"S3 Vectors refused: {error}", hint=AGAIN) from error
    except HTTPClientError as error:
        raise Problem(f"S3 Vectors cannot be reached: {error}", hint=AGAIN) from error
    except BotoCoreError as error:
        raise Problem(f"the AWS SDK failed: {error}", hint=AGAIN) from error
