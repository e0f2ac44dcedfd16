"""Weaviate, by batches of objects under a UUID of id and chunk: an object that is there is replaced whole.

The name that a target gives is an alias (Weaviate 1.32); the collection behind it has another name, and a replacement is
another collection to which the alias moves. What it holds is in its description. Vectors are compared by the inner
product: for a cosine Weaviate would scale them, and they have length 1 as they are.
"""

# weaviate-client is an extra, and no part of `dev`
# pyright: reportMissingImports=false, reportUnknownVariableType=false, reportUnknownMemberType=false
# pyright: reportUnknownArgumentType=false, reportUnknownParameterType=false, reportMissingModuleSource=false
import re
import time
from collections.abc import Iterable, Mapping, Sequence
from contextlib import AbstractContextManager
from typing import Any

import numpy as np
from weaviate.classes.config import Configure, DataType, Property, Tokenization, VectorDistances
from weaviate.classes.data import DataObject
from weaviate.classes.query import Filter
from weaviate.exceptions import UnexpectedStatusCodeError

from launcher.errors import Problem
from launcher.format import plural, verb
from launcher.loading.contents import Contents, decode, encode, name_behind_alias
from launcher.loading.stores.common.backpressure import Limits, rows_within
from launcher.loading.stores.common.behind_alias import BehindAlias
from launcher.loading.stores.common.row_names import uuid_of_key
from launcher.loading.stores.common.schema_limits import check_schema
from launcher.loading.stores.weaviate_client import (
    AGAIN,
    answers_of_a_batch,
    connected,
    problems,
    raise_if_busy,
)
from launcher.loading.vector_store import (
    Element,
    FileId,
    Key,
    RefusedRow,
    Rows,
    Schema,
    Vectors,
)
from launcher.sinks.index import IndexSpec
from launcher.sinks.targets import Target
from tasks.protocol.dtypes import Dtype

VECTOR = "embedding"  # of a collection: its one vector
OWN_FIELDS = (
    "document_id",
    "chunk",
    "id",
    "vector",
    "_id",
    "_additional",
)  # ours, and those that it reserves
# What GraphQL allows; a first letter that is large Weaviate makes small.
FIELD = re.compile(r"[_a-z][_0-9A-Za-z]{0,229}")
MOST_DIMENSIONS = 65_535
REQUEST_BYTES = 8 * 2**20  # of a batch; a server takes 100 MiB unless it is told otherwise
REQUEST_ROWS, REQUESTS = 1_000, 4
KEYS_AT_ONCE = 500  # a server finds 10,000 objects at most in one query
PATIENCE = 600.0  # seconds in which an index that is built must go on
POLL = 0.5  # seconds between looks at a queue of vectors that are not in the index yet


class Weaviate(BehindAlias):
    """A collection of Weaviate behind an alias."""

    exact_search = False

    def __init__(self, target: Target, api_key: str | None = None) -> None:
        super().__init__(target.collection[0].upper() + target.collection[1:])  # as Weaviate would make it
        self._client = connected(target, api_key)

    def element(self, dtype: Dtype, dimensions: int) -> Element:
        """Weaviate holds float32 alone; of bits a number each."""
        del dimensions
        return "bits" if dtype == "binary" else "float32"

    def prepare(self, contents: Contents, schema: Schema, index: IndexSpec, *, replace: bool) -> Contents:
        """Make the collection, and the alias unless it serves another."""
        _check_schema(schema)
        most = rows_within(REQUEST_BYTES, schema.dimensions * 4 + 512, REQUEST_ROWS)
        return self.begin(contents, schema, index, Limits(most, REQUESTS), replace=replace)

    def write(self, file: FileId, batches: Iterable[Rows], *, merge: bool) -> Mapping[str, Any]:
        """Write batches; an object that is there under its UUID is replaced whole."""
        del file, merge
        return self.send(batches, self._upsert)

    def delete(self, keys: Sequence[Key]) -> int:
        """Delete rows by their UUIDs; return how many the server says it had."""
        gone = 0
        with self.deleting():
            for start in range(0, len(keys), KEYS_AT_ONCE):
                some = list(map(uuid_of_key, keys[start : start + KEYS_AT_ONCE]))
                done = self._collection().data.delete_many(Filter.by_id().contains_any(some))
                if done.failed:
                    raise Problem(f"Weaviate could not delete {done.failed:,} objects", hint=AGAIN)
                gone += done.successful
        return gone

    def seal(self, contents: Contents, receipts: Sequence[Mapping[str, Any]]) -> str | None:
        """Wait for vectors that are queued for the index, and move the alias."""
        del receipts
        name = self._collection().name
        with problems():
            self._wait_for_index(name)
            return self.take_place(name, contents)

    def count(self) -> int:
        """Counted by the server."""
        with problems():
            return int(self._collection().aggregate.over_all(total_count=True).total_count or 0)

    def fetch(self, keys: Sequence[Key]) -> Mapping[Key, Vectors]:
        """Fetch the vectors of these keys, by their UUIDs."""
        found: dict[Key, Vectors] = {}
        with problems():
            bits = self.holds_bits()
            for start in range(0, len(keys), KEYS_AT_ONCE):
                some = list(map(uuid_of_key, keys[start : start + KEYS_AT_ONCE]))
                page = self._collection().query.fetch_objects(
                    filters=Filter.by_id().contains_any(some),
                    limit=len(some),
                    include_vector=[VECTOR],
                    return_properties=list(OWN_FIELDS[:2]),
                )
                for one in page.objects:
                    found[_key(one.properties)] = _stored(one.vector[VECTOR], bits=bits)
        return found

    def search(self, vector: Vectors, k: int, *, exact: bool) -> list[Key]:
        """Search by the index; `exact` is ignored, because a query cannot leave the index out."""
        del exact
        with problems():
            found = self._collection().query.near_vector(
                _numbers(vector[None, :])[0],
                limit=k,
                target_vector=VECTOR,
                return_properties=list(OWN_FIELDS[:2]),
            )
        return [_key(one.properties) for one in found.objects]

    def describe_index(self, schema: Schema, index: IndexSpec) -> str:
        """The index that Weaviate builds with the writes."""
        metric = "hamming" if schema.element == "bits" else "inner product"
        if index.kind == "none":
            return f"flat, {metric}: a search goes through all objects"
        return f"{index}, {metric}, not quantised"

    def columns(self, schema: Schema) -> tuple[str, ...]:
        """The vector and the properties."""
        vector = f"{VECTOR} float32 ({schema.dimensions})"
        return ("document_id text", "chunk int", vector, *(f"{name} text" for name in schema.kept))

    def close(self) -> None:
        """Close the connections."""
        self._client.close()

    # --- for BehindAlias; from here on, errors are those of weaviate

    def problems(self) -> AbstractContextManager[None]:
        """Turn errors of Weaviate into problems."""
        return problems()

    def serving(self) -> str | None:
        """The collection behind the alias."""
        found = self._client.alias.get(alias_name=self._name)
        if found is None and self._client.collections.exists(self._name):
            # A collection of this name, or an alias that another loader made meanwhile.
            found = self._client.alias.get(alias_name=self._name)
            return self._name if found is None else found.collection
        return None if found is None else found.collection

    def mine(self) -> list[str]:
        """The collections that were made for this name."""
        return [name for name in self._client.collections.list_all() if name.startswith(f"{self._name}__")]

    def record(self, name: str) -> Contents | None:
        """The record in a collection's description; None: there is none."""
        try:
            return decode(self._client.collections.use(name).config.get(simple=True).description or "")
        except UnexpectedStatusCodeError as error:
            if error.status_code == 404:
                return None
            raise

    def say(self, name: str, contents: Contents) -> None:
        """Change the description."""
        self._client.collections.use(name).config.update(description=encode(contents))

    def create(self, contents: Contents, *, replace: bool) -> str:
        """Make a collection; leave one of this name that is there."""
        assert self._schema is not None, "prepare comes first"
        name = name_behind_alias(self._name, contents, replace=replace)
        try:
            self._client.collections.create(
                name,
                description=encode(contents),
                properties=_properties(self._schema),
                vector_config=Configure.Vectors.self_provided(
                    name=VECTOR, vector_index_config=_index(self._schema, self._index)
                ),
            )
        except UnexpectedStatusCodeError:
            if self.record(name) is None:
                raise
        if not replace:
            self.move(name, self.serving())
        return name

    def move(self, name: str, before: str | None) -> None:
        """Move the alias in one request, so that every search finds a collection."""
        if before is not None:
            self._client.alias.update(alias_name=self._name, new_target_collection=name)
            return
        try:
            self._client.alias.create(alias_name=self._name, target_collection=name)
        except UnexpectedStatusCodeError:  # another loader came first
            if self.serving() != name:
                raise

    def drop(self, name: str) -> None:
        """Delete a collection."""
        self._client.collections.delete(name)

    # --- its own

    def _collection(self) -> Any:
        return self._client.collections.use(self.collection())

    def _upsert(self, rows: Rows) -> list[RefusedRow]:
        keys, objects = rows.keys(), list[Any]()
        for row, (key, vector) in enumerate(zip(keys, _numbers(rows.vectors), strict=True)):
            kept = {name: values[row] for name, values in rows.kept.items() if values[row] is not None}
            held = {"document_id": key.id, "chunk": key.chunk, **kept}
            objects.append(DataObject(held, uuid=uuid_of_key(key), vector={VECTOR: vector}))
        with answers_of_a_batch():
            errors = self._collection().data.insert_many(objects).errors
        for one in errors.values():
            raise_if_busy(one.message)
        return [
            RefusedRow(keys[row].id, keys[row].chunk, one.message[:300])
            for row, one in sorted(errors.items())
        ]

    def _wait_for_index(self, name: str) -> None:
        """Wait until no vector is queued: a server may build its index behind the writes (ASYNC_INDEXING).

        Raises:
            Problem: the queue has not become shorter for PATIENCE.
        """
        shortest, since = self._queued(name), time.monotonic()
        while left := self._queued(name):
            if left < shortest:
                shortest, since = left, time.monotonic()
            if time.monotonic() - since >= PATIENCE:
                waiting = f"{plural(left, 'vector')} {verb(left, 'waits', 'wait')}"
                raise Problem(
                    f"Weaviate's index has not gone on for {PATIENCE:.0f} seconds; {waiting}",
                    hint=f"see the server's logs; {AGAIN}",
                )
            time.sleep(POLL)

    def _queued(self, name: str) -> int:
        """Vectors that wait for the index; 1 at least while a shard says that it builds it."""
        nodes = self._client.cluster.nodes(name, output="verbose")
        shards = [shard for node in nodes for shard in node.shards]
        queued = sum(int(shard.vector_queue_length or 0) for shard in shards)
        return queued or int(any(shard.vector_indexing_status == "INDEXING" for shard in shards))


def open_weaviate(target: Target, secret: str | None) -> Weaviate:
    """The collection that a target names. The secret is an API key."""
    return Weaviate(target, secret)


def _check_schema(schema: Schema) -> None:
    check_schema(schema, "Weaviate", MOST_DIMENSIONS, OWN_FIELDS)
    wrong = [name for name in schema.kept if not FIELD.fullmatch(name)]
    if wrong:
        raise Problem(
            f"the kept column {wrong[0]!r} cannot be the name of a property of Weaviate",
            hint="letters, digits and _, the first a small letter or _; leave it out: --keep with the others, or none",
        )


def _properties(schema: Schema) -> list[Any]:
    own = [
        Property(
            name="document_id",
            data_type=DataType.TEXT,
            tokenization=Tokenization.FIELD,
            index_searchable=False,
        ),
        Property(name="chunk", data_type=DataType.INT),
    ]
    return [*own, *(Property(name=name, data_type=DataType.TEXT) for name in schema.kept)]


def _index(schema: Schema, index: IndexSpec) -> Any:
    metric = VectorDistances.HAMMING if schema.element == "bits" else VectorDistances.DOT
    none = Configure.VectorIndex.Quantizer.none()  # since 1.33 a server would quantise
    if index.kind == "none":
        return Configure.VectorIndex.flat(distance_metric=metric, quantizer=none)
    return Configure.VectorIndex.hnsw(
        distance_metric=metric,
        max_connections=index.m,
        ef_construction=index.ef_construction,
        quantizer=none,
    )


def _key(properties: Mapping[str, Any]) -> Key:
    return Key(str(properties["document_id"]), int(properties["chunk"]))


def _numbers(vectors: Vectors) -> list[list[float]]:
    """Vectors as the client takes them; of packed bits a number each."""
    return (
        np.unpackbits(vectors, axis=1).astype(np.float32) if vectors.dtype == np.uint8 else vectors
    ).tolist()


def _stored(vector: Any, *, bits: bool) -> Vectors:
    numbers = np.asarray(vector, np.float32)
    return np.packbits(numbers.astype(np.uint8)) if bits else numbers
