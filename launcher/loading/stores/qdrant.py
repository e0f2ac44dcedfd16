"""Qdrant, by upsert under a UUID of id and chunk: writing a row again changes nothing.

The name that a target gives is an alias; the collection behind it has another name, and a replacement is another
collection to which the alias moves. What it holds is metadata of the collection (Qdrant 1.16). Vectors are compared by
the inner product: for a cosine Qdrant would scale them, and they have length 1 as they are.
"""

# qdrant-client is an extra, and no part of `dev`
# pyright: reportMissingImports=false, reportUnknownVariableType=false, reportUnknownMemberType=false
# pyright: reportUnknownArgumentType=false, reportUnknownParameterType=false
import contextlib
import json
import time
from collections.abc import Generator, Iterable, Mapping, Sequence
from contextlib import AbstractContextManager
from typing import Any, cast
from uuid import UUID, uuid5

import numpy as np
from qdrant_client import QdrantClient, models
from qdrant_client.common.client_exceptions import ResourceExhaustedResponse
from qdrant_client.http.exceptions import ApiException, ResponseHandlingException, UnexpectedResponse

from launcher.errors import Problem
from launcher.loading.contents import Contents, decode, encode, name_behind_alias
from launcher.loading.stores.common.backpressure import Busy, Limits, Rejected, rows_within
from launcher.loading.stores.common.behind_alias import BehindAlias
from launcher.loading.stores.common.schema_limits import check_schema
from launcher.loading.stores.common.tls import checked_authorities
from launcher.loading.vector_store import Element, FileId, Key, Rows, Schema, Vectors
from launcher.sinks.index import IndexSpec
from launcher.sinks.targets import Target
from tasks.protocol.dtypes import Dtype

METADATA = "embedfleet"  # of a collection: what it holds
PORT = 6_333
OWN_FIELDS = ("id", "chunk")
NAMESPACE = UUID("5e1bbd5c-55d2-4ab7-9e0c-6a6f2f6a9d10")  # of the ids of points
MOST_DIMENSIONS = 65_536
REQUEST_BYTES = 8 * 2**20  # of JSON; a server takes 32 MiB unless it is told otherwise
JSON_NUMBER = 22  # bytes of a number at most
REQUEST_ROWS, REQUESTS = 1_000, 8
EF_SEARCH = 100
KEYS_AT_ONCE = 1_000
TIMEOUT = 60  # seconds of a request
BUSY_STATUS = (429, 503)
REFUSED_STATUS = (400, 413, 422)  # a request that the server cannot take as it is
POLL = 0.5  # seconds between looks at a collection that builds its index
AGAIN = "run the same command again: rows are written under their keys, so none comes twice"


class Qdrant(BehindAlias):
    """A collection of Qdrant behind an alias."""

    exact_search = True

    def __init__(self, target: Target, api_key: str | None = None) -> None:
        super().__init__(target.collection)
        checked_authorities(target, PORT, "qdrant")  # httpx, the client's own, looks at SSL_CERT_FILE as well
        scheme = "https" if target.options.get("tls") else "http"
        self._client = QdrantClient(
            url=f"{scheme}://{target.host}:{target.port or PORT}",
            api_key=api_key,
            timeout=TIMEOUT,
            check_compatibility=False,  # it asks for the version, and prints
        )

    def element(self, dtype: Dtype, dimensions: int) -> Element:
        """Half precision becomes float32, exactly: Qdrant's own comes back rounded."""
        del dimensions
        return "bits" if dtype == "binary" else "float32"

    def prepare(self, contents: Contents, schema: Schema, index: IndexSpec, *, replace: bool) -> Contents:
        """Make the collection, and the alias unless it serves another."""
        check_schema(schema, "Qdrant", MOST_DIMENSIONS, OWN_FIELDS)
        most = rows_within(REQUEST_BYTES, schema.dimensions * JSON_NUMBER + 512, REQUEST_ROWS)
        return self.begin(contents, schema, index, Limits(most, REQUESTS), replace=replace)

    def write(self, file: FileId, batches: Iterable[Rows], *, merge: bool) -> Mapping[str, Any]:
        """Upsert, and wait until each request is applied."""
        del file, merge
        return self.send(batches, self._upsert)

    def delete(self, keys: Sequence[Key]) -> int:
        """Count those that are there, because Qdrant does not say how many it deleted."""
        there = list(self.fetch(keys))
        with self.deleting():
            for start in range(0, len(there), KEYS_AT_ONCE):
                some = [_point_id(key) for key in there[start : start + KEYS_AT_ONCE]]
                self._client.delete(self.written_as(), models.PointIdsList(points=some), wait=True)
        return len(there)

    def seal(self, contents: Contents, receipts: Sequence[Mapping[str, Any]]) -> str | None:
        """Wait for the index, which Qdrant builds behind the writes, and move the alias."""
        del receipts
        name = self.collection()
        with _problems():
            self._wait_for_index(name)
            return self.take_place(name, contents)

    def count(self) -> int:
        """Counted, not estimated."""
        with _problems():
            return self._client.count(self.collection(), exact=True).count

    def fetch(self, keys: Sequence[Key]) -> Mapping[Key, Vectors]:
        """Fetch the vectors of these keys, by their UUIDs."""
        found: dict[Key, Vectors] = {}
        with _problems():
            bits = self.holds_bits()
            for start in range(0, len(keys), KEYS_AT_ONCE):
                some = [_point_id(key) for key in keys[start : start + KEYS_AT_ONCE]]
                for point in self._client.retrieve(
                    self.collection(), some, with_payload=list(OWN_FIELDS), with_vectors=True
                ):
                    found[_key(point.payload)] = _stored(point.vector, bits=bits)
        return found

    def search(self, vector: Vectors, k: int, *, exact: bool) -> list[Key]:
        """Search by the index; `exact`: through all points."""
        with _problems():
            found = self._client.query_points(
                self.collection(),
                query=_numbers(vector[None, :])[0],
                limit=k,
                with_payload=list(OWN_FIELDS),
                search_params=models.SearchParams(exact=exact, hnsw_ef=None if exact else max(EF_SEARCH, k)),
            )
        return [_key(point.payload) for point in found.points]

    def describe_index(self, schema: Schema, index: IndexSpec) -> str:
        """The index that Qdrant builds behind the writes."""
        metric = "hamming" if schema.element == "bits" else "inner product"
        if index.kind == "none":
            return f"none, {metric}: a search goes through all points"
        return f"{index}, {metric}; segments of few points are searched in full"

    def columns(self, schema: Schema) -> tuple[str, ...]:
        """The vector and the payload."""
        kind = "uint8, a dimension each" if schema.element == "bits" else "float32"
        vector = f"vector {kind} ({schema.dimensions})"
        return ("id keyword", "chunk integer", vector, *(f"{name} keyword" for name in schema.kept))

    def close(self) -> None:
        """Close the connection."""
        self._client.close()

    # --- for BehindAlias; from here on, errors are those of qdrant-client

    def problems(self) -> AbstractContextManager[None]:
        """Turn errors of Qdrant into problems."""
        return _problems()

    def serving(self) -> str | None:
        """The collection behind the alias."""
        real = self._aliases().get(self._name)
        if real is None and self._info(self._name) is not None:
            # A collection of this name, or an alias that another loader made meanwhile: Qdrant answers for both.
            return self._aliases().get(self._name, self._name)
        return real

    def mine(self) -> list[str]:
        """The collections that were made for this name."""
        found = self._client.get_collections().collections
        return [one.name for one in found if one.name.startswith(f"{self._name}__")]

    def record(self, name: str) -> Contents | None:
        """The record in a collection's metadata; None: there is none."""
        info = self._info(name)
        return None if info is None else decode(str((info.config.metadata or {}).get(METADATA, "")))

    def say(self, name: str, contents: Contents) -> None:
        """Change the metadata."""
        self._client.update_collection(name, metadata={METADATA: encode(contents)})

    def create(self, contents: Contents, *, replace: bool) -> str:
        """Make a collection; leave one of this name that is there."""
        assert self._schema is not None, "prepare comes first"
        name = name_behind_alias(self._name, contents, replace=replace)
        bits = self._schema.element == "bits"
        vectors = models.VectorParams(
            size=self._schema.dimensions,
            # Of zeros and ones the sum of differences is Hamming's distance.
            distance=models.Distance.MANHATTAN if bits else models.Distance.DOT,
            datatype=models.Datatype.UINT8 if bits else None,
        )
        m = 0 if self._index.kind == "none" else self._index.m
        graph = models.HnswConfigDiff(m=m, ef_construct=self._index.ef_construction)
        held = {METADATA: encode(contents)}
        try:
            self._client.create_collection(name, vectors, hnsw_config=graph, metadata=held)
        except UnexpectedResponse:
            if self.record(name) is None:
                raise
        if not replace:
            self.move(name, None)
        return name

    def move(self, name: str, before: str | None) -> None:
        """Move the alias in one request, whose parts Qdrant carries out one by one."""
        if self._info(name) is None:  # else the alias would be deleted, and not made
            raise Problem(f"the collection {name} is gone", hint=AGAIN)
        create = models.CreateAliasOperation(
            create_alias=models.CreateAlias(collection_name=name, alias_name=self._name)
        )
        remove = models.DeleteAliasOperation(delete_alias=models.DeleteAlias(alias_name=self._name))
        self._client.update_collection_aliases([create] if before is None else [remove, create])

    def drop(self, name: str) -> None:
        """Delete a collection."""
        self._client.delete_collection(name)

    def add_write_alias(self, alias: str, name: str) -> bool:
        """An alias."""
        create = models.CreateAlias(collection_name=name, alias_name=alias)
        self._client.update_collection_aliases([models.CreateAliasOperation(create_alias=create)])
        return True

    def write_aliases(self, name: str) -> list[str]:
        """All aliases of the collection but the one that is read."""
        found = self._aliases().items()
        return [alias for alias, real in found if real == name and alias.startswith(f"{name}__")]

    def remove_write_alias(self, alias: str, name: str) -> None:
        """Qdrant does not mind one that is gone."""
        del name
        remove = models.DeleteAlias(alias_name=alias)
        self._client.update_collection_aliases([models.DeleteAliasOperation(delete_alias=remove)])

    # --- its own

    def _aliases(self) -> dict[str, str]:
        return {one.alias_name: one.collection_name for one in self._client.get_aliases().aliases}

    def _info(self, name: str) -> models.CollectionInfo | None:
        try:
            return self._client.get_collection(name)
        except UnexpectedResponse as error:
            if error.status_code == 404:
                return None
            raise

    def _upsert(self, rows: Rows) -> None:
        points: list[models.PointStruct] = []
        for row, (key, vector) in enumerate(zip(rows.keys(), _numbers(rows.vectors), strict=True)):
            kept = {name: values[row] for name, values in rows.kept.items() if values[row] is not None}
            payload = {"id": key.id, "chunk": key.chunk, **kept}
            points.append(models.PointStruct(id=_point_id(key), vector=vector, payload=payload))
        try:
            done = self._client.upsert(self.written_as(), points, wait=True)
        except ResourceExhaustedResponse as error:
            raise Busy(str(error)) from error
        except UnexpectedResponse as error:
            if error.status_code in BUSY_STATUS:
                raise Busy(_said(error)) from error
            if error.status_code in REFUSED_STATUS:
                raise Rejected(_said(error)) from error
            raise
        if done.status != models.UpdateStatus.COMPLETED:
            raise Busy(f"an upsert is {done.status.value}")

    def _wait_for_index(self, name: str) -> None:
        while True:
            info = self._info(name)
            if info is None:
                raise Problem(f"the collection {name} is gone", hint=AGAIN)
            if info.status == models.CollectionStatus.RED:
                raise Problem(
                    f"Qdrant could not build the index: {info.optimizer_status}", hint="see the server's log"
                )
            if info.status != models.CollectionStatus.YELLOW:
                return
            time.sleep(POLL)


def open_qdrant(target: Target, secret: str | None) -> Qdrant:
    """The collection that a target names. The secret is an API key."""
    return Qdrant(target, secret)


def _point_id(key: Key) -> str:
    return str(uuid5(NAMESPACE, f"{key.id}\0{key.chunk}"))


def _key(payload: Mapping[str, Any] | None) -> Key:
    held = payload or {}
    return Key(str(held["id"]), int(held["chunk"]))


def _numbers(vectors: Vectors) -> list[list[float]]:
    """Vectors as JSON has them; of packed bits a number each."""
    return (np.unpackbits(vectors, axis=1) if vectors.dtype == np.uint8 else vectors).tolist()


def _stored(found: Any, *, bits: bool) -> Vectors:
    numbers = np.asarray(cast("list[float]", found), np.float32)
    return np.packbits(numbers.astype(np.uint8)) if bits else numbers


def _said(error: UnexpectedResponse) -> str:
    return error.content.decode(errors="replace").strip()[:300] or f"status {error.status_code}"


@contextlib.contextmanager
def _problems() -> Generator[None]:
    """Errors of Qdrant as problems of two lines."""
    try:
        yield
    except UnexpectedResponse as error:
        if error.status_code in (401, 403):
            raise Problem(
                f"Qdrant refuses the key: {_said(error)}", hint="--secret NAME: the variable holds an API key"
            ) from error
        raise Problem(f"Qdrant refused: {_said(error)}", hint=AGAIN) from error
    except ResourceExhaustedResponse as error:
        raise Problem(f"Qdrant is busy: {error}", hint=AGAIN) from error
    except ResponseHandlingException as error:
        raise Problem(
            f"Qdrant cannot be reached: {error.source}", hint=f"see that the server runs; {AGAIN}"
        ) from error
    except ApiException as error:
        raise Problem(f"Qdrant answered what its client cannot read: {error}", hint=AGAIN) from error
    except (json.JSONDecodeError, AssertionError) as error:  # an answer of 200 that is none of Qdrant's
        raise Problem(
            f"Qdrant answered what its client cannot read: {error}",
            hint="see that the address is that of the server, and not of a page before it",
        ) from error
