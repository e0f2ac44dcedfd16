"""Pinecone, by upserts under the id `id:chunk`: writing a row again changes nothing.

The index is the user's, with dimensions, cloud and region; a target is a namespace of it, which its first write makes.
Namespaces have no aliases: see `launcher.loading.stores.common.register`, whose records are vectors of the namespace
`embedfleet-register`. Reads lag behind writes: what this process wrote is waited for, by the position in Pinecone's log
and by the last row, before anything is read. A packed bit is a number, 1 or -1.
"""

# pinecone is an extra, and no part of `dev`
# pyright: reportMissingImports=false, reportUnknownVariableType=false, reportUnknownMemberType=false
# pyright: reportUnknownArgumentType=false, reportUnknownParameterType=false
import contextlib
import time
from collections.abc import Collection, Iterable, Mapping, Sequence
from typing import Any

import numpy as np
from pinecone.errors.exceptions import (
    ApiError,
    NotFoundError,
    PayloadTooLargeError,
    RateLimitError,
    ServiceError,
)

from launcher.errors import Problem
from launcher.loading.contents import Contents
from launcher.loading.stores.common.backpressure import Busy, Limits, Rejected, Throttle, rows_within
from launcher.loading.stores.common.reads import Unseen, until_seen
from launcher.loading.stores.common.register import Register
from launcher.loading.stores.common.signs import numbers_of, stored_of
from launcher.loading.stores.services.pinecone_client import connected, problems
from launcher.loading.stores.services.pinecone_rows import (
    check_columns,
    check_rows,
    metadata_of,
    parts_of,
    row_id,
)
from launcher.loading.vector_store import Element, FileId, Guarantee, Key, LoadedFile, Rows, Schema, Vectors
from launcher.sinks.index import IndexSpec
from launcher.sinks.targets import Target
from tasks.protocol.dtypes import Dtype

# https://docs.pinecone.io/reference/api/database-limits/operation-limits, read 2026-11-30
REQUEST_BYTES, REQUEST_ROWS, REQUESTS = 1_900_000, 1_000, 8  # of JSON; the service takes 2 MB
DELETE_ROWS = 1_000
MOST_HITS = 10_000
JSON_NUMBER = 23  # bytes of a number at most, with its comma

REGISTER = "embedfleet-register"
FIELD = "record"
SETTLED = 30.0  # seconds without a change after which a count is taken as it is
POLL = 0.25  # seconds between looks
LOOK_AGAIN = 1.0  # seconds until a namespace that is not seen is looked for again


class PineconeNamespace:
    """A namespace of an index."""

    guarantee: Guarantee = "idempotent"
    exact_search = False

    def __init__(self, target: Target, api_key: str | None = None) -> None:
        self._schema: Schema | None = None
        self._throttle: Throttle | None = None
        self._seen = Unseen()
        self._register = Register(target.collection, self)
        self._index: Any = connected(target, api_key)
        self._dimensions: int | None = None

    # --- limits that are known before anything is written

    def check_schema(self, schema: Schema) -> None:
        """Refuse what the index cannot hold."""
        with problems():
            held = self._dimensions_of_index()
        if held is not None and schema.dimensions != held:
            raise Problem(
                f"the index has {held:,} dimensions, and these vectors {schema.dimensions:,}",
                hint=f"make an index of {schema.dimensions} dimensions with the metric cosine, and name it",
            )
        check_columns(schema)

    def check_rows(self, schema: Schema, rows: Rows) -> None:
        """Refuse rows whose metadata is too long."""
        del schema
        check_rows(rows)

    # --- the store

    def element(self, dtype: Dtype, dimensions: int) -> Element:
        """float32, the only type there is; it holds half precision and int8 exactly."""
        del dimensions
        return "bits" if dtype == "binary" else "float32"

    def contents(self) -> Contents | None:
        """The record of the namespace.

        Raises:
            Problem: a namespace of this name is there, and we did not make it.
        """
        with problems():
            return self._register.contents()

    def prepare(self, contents: Contents, schema: Schema, index: IndexSpec, *, replace: bool) -> Contents:
        """Write the record: the namespace is made with its first rows."""
        del index
        self.check_schema(schema)
        self._schema = schema
        row_bytes = schema.dimensions * JSON_NUMBER + 512 + (2_000 if schema.kept else 0)
        self._throttle = Throttle(Limits(rows_within(REQUEST_BYTES, row_bytes, REQUEST_ROWS), REQUESTS))
        with problems():
            return self._register.prepare(contents, lambda _name: None, replace=replace)

    def loaded(self, contents: Contents) -> Collection[LoadedFile] | None:
        """None: the store does not record loaded files, so receipts in the output path count."""
        del contents

    def write(self, file: FileId, batches: Iterable[Rows], *, merge: bool) -> Mapping[str, Any]:
        """Upsert: a row replaces what is there under its id."""
        del file, merge
        assert self._throttle is not None, "prepare comes first"
        with problems():
            return self._throttle.send_all(batches, self._register.request(self._upsert))

    def delete(self, keys: Sequence[Key]) -> int:
        """Count those that are there, because Pinecone does not say how many it deleted."""
        there = list(self.fetch(keys))
        with problems():
            for start in range(0, len(there), DELETE_ROWS):
                self._register.check_delete()
                ids = [row_id(key) for key in there[start : start + DELETE_ROWS]]
                self._index.delete(ids=ids, namespace=self._namespace)
                self._seen.deleted(ids[-1])
            self._wait_until_seen()
        return len(there)

    def seal(self, contents: Contents, receipts: Sequence[Mapping[str, Any]]) -> str | None:
        """Wait until all rows are seen, and say what it holds; the index is Pinecone's own."""
        del receipts
        with problems():
            self._wait_until_seen()
            self._wait_for_count((contents.rows or 0) - contents.refused)
            return self._register.seal(contents)

    def count(self) -> int:
        """Count rows, as Pinecone counts the namespace."""
        with problems():
            self._wait_until_seen()
            return self._count_now()

    def fetch(self, keys: Sequence[Key]) -> Mapping[Key, Vectors]:
        """Fetch the vectors of these keys, by their ids."""
        found: dict[Key, Vectors] = {}
        with problems():
            self._wait_until_seen()
            bits = self._holds_bits()
            for some in parts_of(keys):
                answer = self._index.fetch(ids=list(some), namespace=self._namespace)
                for name, row in answer.vectors.items():
                    found[some[name]] = stored_of(np.asarray(row.values, np.float32), bits=bits)
        return found

    def search(self, vector: Vectors, k: int, *, exact: bool) -> list[Key]:
        """Search by Pinecone's own index; `exact` is ignored, because it has no exact search."""
        del exact
        with problems():
            self._wait_until_seen()
            found = self._index.query(
                top_k=min(k, MOST_HITS),
                vector=numbers_of(vector[None, :])[0].tolist(),
                namespace=self._namespace,
                include_metadata=True,
            )
        return [Key(str(one.metadata["id"]), int(one.metadata["chunk"])) for one in found.matches]

    def read_as(self) -> str:
        """The namespace that clients are to ask."""
        with problems():
            return self._register.serving()

    def describe_index(self, schema: Schema, index: IndexSpec) -> str:
        """Pinecone has one, without options."""
        del schema, index
        return "Pinecone's own, by the metric of the index"

    def columns(self, schema: Schema) -> tuple[str, ...]:
        """The id, the numbers and the metadata."""
        signs = ", 1 or -1 a bit" if schema.element == "bits" else ""
        values = f"values float32 ({schema.dimensions}{signs})"
        return ("id", values, "metadata.id", "metadata.chunk", *(f"metadata.{name}" for name in schema.kept))

    def close(self) -> None:
        """Close the connections."""
        self._index.close()

    # --- of the register

    def read_record(self, name: str) -> str | None:
        """The record of a name: metadata of a vector."""
        found = self._index.fetch(ids=[name], namespace=REGISTER).vectors
        return str(found[name].metadata[FIELD]) if name in found else None

    def write_record(self, name: str, text: str) -> None:
        """Write it over the one before, and wait until another one is read: this, or that of a loader that came later."""
        before = self.read_record(name)
        numbers = [1.0] + [0.0] * ((self._dimensions_of_index() or 1) - 1)
        one = {"id": name, "values": numbers, "metadata": {FIELD: text}}
        self._index.upsert(vectors=[one], namespace=REGISTER)
        if before != text:
            until_seen(lambda: self.read_record(name) != before, "the record of the load")

    def exists(self, collection: str) -> bool:
        """Whether the namespace has rows. One that is not seen is looked for twice: counts lag behind."""
        if self._rows_in(collection):
            return True
        time.sleep(LOOK_AGAIN)
        return bool(self._rows_in(collection))

    def drop(self, collection: str) -> None:
        """Delete a namespace with its rows."""
        with contextlib.suppress(NotFoundError):
            self._index.delete_namespace(name=collection)

    # --- below, errors are those of pinecone

    @property
    def _namespace(self) -> str:
        return self._register.collection

    def _dimensions_of_index(self) -> int | None:
        if self._dimensions is None:
            self._dimensions = self._index.describe_index_stats().dimension
        return self._dimensions

    def _rows_in(self, namespace: str) -> int:
        found = self._index.describe_index_stats().namespaces.get(namespace)
        return 0 if found is None else int(found.vector_count)

    def _count_now(self) -> int:
        return self._rows_in(self._namespace)

    def _upsert(self, rows: Rows) -> None:
        vectors = [
            {"id": row_id(key), "values": numbers.tolist(), "metadata": metadata_of(rows, row)}
            for row, (key, numbers) in enumerate(zip(rows.keys(), numbers_of(rows.vectors), strict=True))
        ]
        try:
            done = self._index.upsert(vectors=vectors, namespace=self._namespace)
        except (RateLimitError, ServiceError, PayloadTooLargeError) as error:
            raise Busy(str(error)) from error
        except ApiError as error:
            if error.status_code == 400:
                raise Rejected(str(error)) from error
            raise
        position = done.response_info.lsn_committed if done.response_info else None
        last: dict[str, Any] = vectors[-1]
        self._seen.written(position, last["id"], last["values"])

    def _wait_until_seen(self) -> None:
        """Wait until reads have what this process wrote last.

        By the position in the store's log. Only where reads do not say theirs, by the last row: another file may have
        written over it since, which is an error of the dataset that the count shows.
        """
        with self._seen.waiting() as (position, row, gone):
            told = position is not None and self._position() is not None
            if position is not None and told:
                until_seen(lambda: (self._position() or 0) >= position, "what was written")
            if row is not None and not told:
                until_seen(lambda: self._holds(*row), "the last row that was written")
            if gone is not None:
                until_seen(lambda: not self._there(gone), "what was deleted")

    def _position(self) -> int | None:
        """The position in the store's log that reads have reached; None: it does not say."""
        numbers = [1.0] + [0.0] * ((self._dimensions_of_index() or 1) - 1)
        info = self._index.query(top_k=1, vector=numbers, namespace=self._namespace).response_info
        return info.lsn_reconciled if info else None

    def _holds(self, name: str, values: Sequence[float]) -> bool:
        found = self._there(name)
        wanted = np.asarray(values, np.float32)
        return name in found and np.asarray(found[name].values, np.float32).tobytes() == wanted.tobytes()

    def _there(self, name: str) -> Mapping[str, Any]:
        return self._index.fetch(ids=[name], namespace=self._namespace).vectors

    def _wait_for_count(self, rows: int) -> None:
        """Wait until it counts so many, or its count does not change any more."""
        last, since = self._count_now(), time.monotonic()
        while last != rows and time.monotonic() - since < SETTLED:
            time.sleep(POLL)
            now = self._count_now()
            if now != last:
                last, since = now, time.monotonic()

    def _holds_bits(self) -> bool:
        if self._schema is not None:
            return self._schema.element == "bits"
        held = self._register.contents()
        return held is not None and held.dtype == "binary"
