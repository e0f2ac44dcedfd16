"""turbopuffer, by upserts under a UUID of id and chunk: writing a row again changes nothing.

A namespace is made by its first write, and has no aliases: see `stores.common.register`, whose records are documents
of the namespace `embedfleet-register`. A write that is answered is durable, whole, and seen by the next query. A packed
bit is a number, 1 or -1.
"""

# turbopuffer is an extra, and no part of `dev`
# pyright: reportMissingImports=false, reportUnknownVariableType=false, reportUnknownMemberType=false
# pyright: reportUnknownArgumentType=false, reportUnknownParameterType=false, reportUntypedBaseClass=false
import contextlib
import time
from base64 import b64encode
from collections.abc import Collection, Generator, Iterable, Mapping, Sequence
from typing import Any

import numpy as np
from turbopuffer import (
    APIConnectionError,
    APIStatusError,
    AuthenticationError,
    BadRequestError,
    InternalServerError,
    NotFoundError,
    PermissionDeniedError,
    RateLimitError,
    Turbopuffer,
    TurbopufferError,
    UnprocessableEntityError,
)

from launcher.errors import Problem, Usage
from launcher.loading.contents import Contents
from launcher.loading.stores.common import schema_limits
from launcher.loading.stores.common.backpressure import Busy, Limits, Rejected, Throttle, rows_within
from launcher.loading.stores.common.register import Register
from launcher.loading.stores.common.row_names import hint_of_length, uuid_of_key
from launcher.loading.stores.common.signs import numbers_of, stored_of
from launcher.loading.vector_store import Element, FileId, Guarantee, Key, LoadedFile, Rows, Schema, Vectors
from launcher.sinks.index import IndexSpec
from launcher.sinks.targets import Target
from tasks.protocol.dtypes import Dtype

# https://turbopuffer.com/docs/limits, read 2026-11-30
MOST_DIMENSIONS = 10_752
FILTERED_BYTES, PLAIN_BYTES = 4_096, 8 * 2**20  # of a value that can be filtered by, and of another
REQUEST_BYTES, REQUEST_ROWS, REQUESTS = (
    32 * 2**20,
    10_000,
    4,
)  # the service takes 512 MB; large ones cost less
KEYS_AT_ONCE = 200  # whose vectors are read at once
MOST_HITS = 1_200

REGISTER = "embedfleet-register"
FIELD = "record"
ID, CHUNK, VECTOR = "document_id", "chunk", "vector"
OWN_FIELDS = ("id", ID, CHUNK, VECTOR)
METRIC = "cosine_distance"
TIMEOUT = 120.0  # seconds of a request
POLL = 1.0  # seconds between looks at an index that is built
AGAIN = "run the same command again: rows are written under their keys, so none comes twice"


class TurbopufferNamespace:
    """A namespace of turbopuffer."""

    guarantee: Guarantee = "idempotent"
    exact_search = True

    def __init__(self, target: Target, api_key: str | None = None) -> None:
        self._filter = tuple(name for name in target.options.get("filter", "").split(",") if name)
        self._schema: Schema | None = None
        self._throttle: Throttle | None = None
        self._register = Register(target.collection, self)
        self._client: Any = Turbopuffer(region=target.host, api_key=api_key, timeout=TIMEOUT, telemetry=False)

    # --- limits that are known before anything is written

    def check_schema(self, schema: Schema) -> None:
        """Refuse what a namespace cannot hold."""
        schema_limits.check_schema(
            schema, "turbopuffer", MOST_DIMENSIONS, OWN_FIELDS, schema_limits.begins_with_dollar
        )
        schema_limits.check_filtered(schema, self._filter)

    def check_rows(self, schema: Schema, rows: Rows) -> None:
        """Refuse rows with values that are too long."""
        short = {ID: rows.ids, **{name: rows.kept[name] for name in schema.kept if name in self._filter}}
        long = {name: rows.kept[name] for name in schema.kept if name not in self._filter}
        for most, columns in ((FILTERED_BYTES, short), (PLAIN_BYTES, long)):
            for name, values in columns.items():
                for key, value in zip(rows.keys(), values, strict=True):
                    size = len((value or "").encode())
                    if size > most:
                        raise Problem(
                            f"turbopuffer takes {most:,} bytes of {name}, and id {key.id[:60]!r}, chunk {key.chunk} has "
                            f"{size:,}",
                            hint=hint_of_length(key, most)
                            if name == ID
                            else f"leave {name} out of --keep, or out of ?filter= in the address",
                        )

    # --- the store

    def element(self, dtype: Dtype, dimensions: int) -> Element:
        """float32 or float16, the types there are; int8 becomes float16, exactly enough for one scale a row."""
        del dimensions
        elements: dict[Dtype, Element] = {"float32": "float32", "binary": "bits"}
        return elements.get(dtype, "float16")

    def contents(self) -> Contents | None:
        """The record of the namespace.

        Raises:
            Problem: a namespace of this name is there, and we did not make it.
        """
        with _problems():
            return self._register.contents()

    def prepare(self, contents: Contents, schema: Schema, index: IndexSpec, *, replace: bool) -> Contents:
        """Write the record: the namespace is made with its first rows."""
        del index
        self.check_schema(schema)
        self._schema = schema
        most = rows_within(REQUEST_BYTES, schema.dimensions * 6 + 512, REQUEST_ROWS)
        self._throttle = Throttle(Limits(most, REQUESTS))
        with _problems():
            return self._register.prepare(contents, lambda _name: None, replace=replace)

    def loaded(self, contents: Contents) -> Collection[LoadedFile] | None:
        """None: the store does not record loaded files, so receipts in the output path count."""
        del contents

    def write(self, file: FileId, batches: Iterable[Rows], *, merge: bool) -> Mapping[str, Any]:
        """Upsert columns: a document replaces what is there under its id."""
        del file, merge
        assert self._throttle is not None, "prepare comes first"
        with _problems():
            return self._throttle.send_all(batches, self._register.request(self._upsert))

    def delete(self, keys: Sequence[Key]) -> int:
        """Delete those that are there, counted before."""
        with _problems():
            ids = [str(row.id) for some in _parts(keys) for row in self._rows(list(some), [])]
            for start in range(0, len(ids), REQUEST_ROWS):
                self._register.check_delete()
                self._namespace().write(deletes=ids[start : start + REQUEST_ROWS])
        return len(ids)

    def seal(self, contents: Contents, receipts: Sequence[Mapping[str, Any]]) -> str | None:
        """Wait for the index, which is built behind the writes."""
        del receipts
        with _problems():
            while self.exists(self._register.collection):
                if self._namespace().metadata().index.status == "up-to-date":
                    break
                time.sleep(POLL)
            return self._register.seal(contents)

    def count(self) -> int:
        """Counted, not estimated."""
        with _problems():
            try:
                found = self._namespace().query(aggregate_by={"rows": ("Count", "id")})
            except NotFoundError:
                return 0
        return int(found.aggregations["rows"])

    def fetch(self, keys: Sequence[Key]) -> Mapping[Key, Vectors]:
        """Fetch the vectors of these keys, by their ids."""
        found: dict[Key, Vectors] = {}
        with _problems():
            element = self._element()
            kind = np.float16 if element == "float16" else np.float32
            for some in _parts(keys):
                for row in self._rows(list(some), [VECTOR]):
                    numbers = np.asarray(row.vector, np.float32).astype(kind)
                    found[some[str(row.id)]] = stored_of(numbers, bits=element == "bits")
        return found

    def search(self, vector: Vectors, k: int, *, exact: bool) -> list[Key]:
        """Search by the index; `exact`: through all rows, by a filter that every row passes, which it requires."""
        asked = numbers_of(vector[None, :])[0].tolist()
        with _problems():
            found = self._namespace().query(
                rank_by=(VECTOR, "kNN" if exact else "ANN", asked),
                limit=min(k, MOST_HITS),
                include_attributes=[ID, CHUNK],
                **({"filters": (CHUNK, "Gte", 0)} if exact else {}),
            )
        return [Key(str(row[ID]), int(row[CHUNK])) for row in found.rows or []]

    def read_as(self) -> str:
        """The namespace that clients are to ask."""
        with _problems():
            return self._register.serving()

    def describe_index(self, schema: Schema, index: IndexSpec) -> str:
        """The service has one, without options."""
        del schema, index
        return "the service's own, cosine"

    def columns(self, schema: Schema) -> tuple[str, ...]:
        """The attributes."""
        return tuple(f"{name} {kind}" for name, kind in _types(schema, self._filter).items())

    def close(self) -> None:
        """Close the connections."""
        self._client.close()

    # --- of the register

    def read_record(self, name: str) -> str | None:
        """The record of a name: an attribute of a document."""
        try:
            found = self._client.namespace(REGISTER).query(
                rank_by=("id", "asc"), filters=("id", "Eq", name), limit=1, include_attributes=[FIELD]
            )
        except NotFoundError:
            return None
        return str(found.rows[0][FIELD]) if found.rows else None

    def write_record(self, name: str, text: str) -> None:
        """Write it over the one before."""
        schema = {FIELD: {"type": "string", "filterable": False}}
        self._client.namespace(REGISTER).write(upsert_columns={"id": [name], FIELD: [text]}, schema=schema)

    def exists(self, collection: str) -> bool:
        """Whether the namespace has been written to."""
        try:
            self._client.namespace(collection).metadata()
        except NotFoundError:
            return False
        return True

    def drop(self, collection: str) -> None:
        """Delete a namespace with its rows."""
        with contextlib.suppress(NotFoundError):
            self._client.namespace(collection).delete_all()

    # --- below, errors are those of turbopuffer

    def _namespace(self) -> Any:
        return self._client.namespace(self._register.collection)

    def _upsert(self, rows: Rows) -> None:
        assert self._schema is not None, "prepare comes first"
        columns: dict[str, Any] = {
            "id": list(map(uuid_of_key, rows.keys())),
            VECTOR: [_base64(vector) for vector in numbers_of(rows.vectors)],
            ID: list(rows.ids),
            CHUNK: list(rows.chunks),
            **{name: list(values) for name, values in rows.kept.items()},
        }
        schema = {name: _schema_of(name, kind) for name, kind in _types(self._schema, self._filter).items()}
        try:
            self._namespace().write(upsert_columns=columns, distance_metric=METRIC, schema=schema)
        except (RateLimitError, InternalServerError) as error:
            raise Busy(str(error)) from error
        except (BadRequestError, UnprocessableEntityError) as error:
            raise Rejected(_said(error)) from error

    def _rows(self, ids: list[str], attributes: list[str]) -> list[Any]:
        try:
            found = self._namespace().query(
                rank_by=("id", "asc"),
                filters=("id", "In", ids),
                limit=len(ids),
                include_attributes=attributes,
            )
        except NotFoundError:
            return []
        return found.rows or []

    def _element(self) -> Element:
        if self._schema is not None:
            return self._schema.element
        held = self._register.contents()
        return "float32" if held is None else self.element(held.dtype, held.dimensions)  # pyright: ignore[reportArgumentType]


def open_turbopuffer(target: Target, secret: str | None) -> TurbopufferNamespace:
    """The namespace that a target names. The secret is an API key; TURBOPUFFER_API_KEY holds anyway.

    Raises:
        Usage: there is no key.
    """
    try:
        return TurbopufferNamespace(target, secret)
    except TurbopufferError as error:
        raise Usage(
            f"turbopuffer: {error}"[:200],
            hint="export TURBOPUFFER_API_KEY=..., or name another variable: --secret NAME",
        ) from error


def _parts(keys: Sequence[Key]) -> Generator[dict[str, Key]]:
    for start in range(0, len(keys), KEYS_AT_ONCE):
        yield {uuid_of_key(key): key for key in keys[start : start + KEYS_AT_ONCE]}


def _types(schema: Schema, filtered: Sequence[str]) -> dict[str, str]:
    """The attributes with their types, those last that cannot be filtered by."""
    width = "f16" if schema.element in ("float16", "bits") else "f32"
    kept = {name: "string" if name in filtered else "string, no filter" for name in schema.kept}
    return {"id": "uuid", VECTOR: f"[{schema.dimensions}]{width}", ID: "string", CHUNK: "uint", **kept}


def _schema_of(name: str, kind: str) -> Any:
    """The schema of an attribute as the service takes it."""
    if name == VECTOR:
        return {"type": kind, "ann": True}
    bare, _, plain = kind.partition(", ")
    return {"type": bare, "filterable": not plain} if name != "id" else bare


def _base64(vector: Vectors) -> str:
    """A vector as the service reads it: float32, little-endian, in base64."""
    return b64encode(vector.astype("<f4").tobytes()).decode()


@contextlib.contextmanager
def _problems() -> Generator[None]:
    """Errors of turbopuffer as problems of two lines."""
    try:
        yield
    except (AuthenticationError, PermissionDeniedError) as error:
        raise Problem(
            f"turbopuffer refuses the key: {_said(error)}",
            hint="--secret NAME: the variable holds an API key",
        ) from error
    except APIStatusError as error:
        raise Problem(f"turbopuffer refused: {_said(error)}", hint=AGAIN) from error
    except APIConnectionError as error:
        raise Problem(
            f"turbopuffer cannot be reached: {error.__cause__ or error}",
            hint=f"see the region in the address; {AGAIN}",
        ) from error
    except TurbopufferError as error:
        raise Problem(
            f"turbopuffer answered what its client cannot read: {error}"[:300], hint=AGAIN
        ) from error


def _said(error: APIStatusError) -> str:
    return str(error)[:300]
