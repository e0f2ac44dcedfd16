"""Milvus, by upsert: it does not deduplicate, so that `insert` of known keys would double them.

The name that a target gives is an alias; the collection behind it has another name, and a replacement is another
collection to which the alias moves. What it holds is a property of the collection. Rows have the key `id:chunk`.
"""

# pymilvus is typed in part
# pyright: reportMissingTypeStubs=false, reportUnknownMemberType=false, reportUnknownArgumentType=false
# pyright: reportUnknownVariableType=false, reportMissingImports=false, reportMissingModuleSource=false
import contextlib
import json
import logging
from collections.abc import Generator, Iterable, Mapping, Sequence
from contextlib import AbstractContextManager
from typing import Any

import grpc
import numpy as np
from pymilvus import DataType, MilvusClient, MilvusException

from launcher.errors import Problem
from launcher.loading.contents import Contents, decode, encode
from launcher.loading.stores.common.backpressure import Busy, Limits, Rejected, rows_within
from launcher.loading.stores.common.behind_alias import BehindAlias
from launcher.loading.stores.common.schema_limits import begins_with_dollar, check_schema
from launcher.loading.stores.common.tls import checked_authorities
from launcher.loading.stores.milvus_upsert import Upserts
from launcher.loading.vector_store import Element, FileId, Key, Rows, Schema, Vectors, text_of_key
from launcher.sinks.index import IndexSpec
from launcher.sinks.targets import Target
from tasks.protocol.dtypes import Dtype

PROPERTY = "embedfleet"  # of a collection: what it holds
OWN_FIELDS = ("key", "id", "chunk", "vector")
PORT = 19_530
MOST_CHARACTERS = 65_535  # of a VARCHAR
MOST_DIMENSIONS = 32_768
REQUEST_BYTES = 16 * 2**20  # of an upsert; Milvus takes 64 MiB
REQUEST_ROWS, REQUESTS = 5_000, 8
EF_SEARCH, MOST_EF = 100, 32_768  # Milvus's own limit
KEYS_AT_ONCE = 1_000
AGAIN = "run the same command again: rows are written under their keys, so none comes twice"
STRONG, BOUNDED = "Strong", "Bounded"  # reads what was written before; what was written some seconds before
INVALID = 1100  # the code of a request that holds what a field does not take
REFUSED_USER = ("auth check failure", "unauthenticated", "not authenticated", "authorization")
BUSY_WORDS = ("rate limit", "quota exceeded", "resource_exhausted", "resource exhausted", "memory limit")


class Milvus(BehindAlias):
    """A collection of Milvus behind an alias."""

    exact_search = False

    def __init__(self, target: Target, token: str | None = None) -> None:
        super().__init__(target.collection)
        self._changed = True  # so that the next reading waits for what was written
        scheme = "https" if target.options.get("tls") else "http"
        about = {"db_name": target.database} if target.database else {}
        roots = checked_authorities(target, PORT, "milvus")
        with _problems():
            # It logs a traceback for each error, also for a collection that is not there; ours are said once.
            logging.getLogger("pymilvus").setLevel(logging.CRITICAL)
            place = f"{target.host}:{target.port or PORT}"
            if roots is not None:
                about["server_pem_path"] = roots
            self._client: Any = MilvusClient(f"{scheme}://{place}", token=token or "", timeout=30, **about)
            self._upserts = Upserts(
                place,
                tls=scheme == "https",
                roots=roots,
                token=token or "",
                database=target.database or "",
            )

    def element(self, dtype: Dtype, dimensions: int) -> Element:
        """Half precision and int8 become float32, which servers before 2.4 have alone."""
        del dimensions
        return "bits" if dtype == "binary" else "float32"

    def prepare(self, contents: Contents, schema: Schema, index: IndexSpec, *, replace: bool) -> Contents:
        """Make the collection, and the alias unless it serves another."""
        check_schema(schema, "Milvus", MOST_DIMENSIONS, OWN_FIELDS, begins_with_dollar)
        row_bytes = schema.dimensions * (4 if schema.element == "float32" else 1) + 256
        limits = Limits(rows_within(REQUEST_BYTES, row_bytes, REQUEST_ROWS), REQUESTS)
        return self.begin(contents, schema, index, limits, replace=replace)

    def write(self, file: FileId, batches: Iterable[Rows], *, merge: bool) -> Mapping[str, Any]:
        """Upsert: a row that was written before is written again, under its key."""
        del file, merge
        return self.send(batches, self._upsert)

    def delete(self, keys: Sequence[Key]) -> int:
        """Count those that are there, because Milvus counts what was asked for: before there is an index, so do we."""
        with _problems():
            readable = bool(self._client.list_indexes(self.collection()))
        there = len(self.fetch(keys)) if readable else len(keys)
        with self.deleting():
            for start in range(0, len(keys), KEYS_AT_ONCE):
                self._client.delete(self.written_as(), filter=_filter(keys[start : start + KEYS_AT_ONCE]))
        self._changed = True
        return there

    def seal(self, contents: Contents, receipts: Sequence[Mapping[str, Any]]) -> str | None:
        """Build the index, load the collection, and move the alias."""
        del receipts
        self._changed = True
        name = self.collection()
        with _problems():
            self._client.flush(name)
            if not self._client.list_indexes(name):
                self._client.create_index(name, self._index_parameters())
            self._client.load_collection(name)
            return self.take_place(name, contents)

    def count(self) -> int:
        """Counted, with all that was written before."""
        self._changed = True
        with _problems():
            name = self._ready()
            found = self._client.query(
                name, filter="", output_fields=["count(*)"], consistency_level=self._level()
            )
            return int(found[0]["count(*)"])

    def fetch(self, keys: Sequence[Key]) -> Mapping[Key, Vectors]:
        """Fetch the vectors of these keys."""
        found: dict[Key, Vectors] = {}
        with _problems():
            name = self._ready()
            for start in range(0, len(keys), KEYS_AT_ONCE):
                rows = self._client.query(
                    name,
                    filter=_filter(keys[start : start + KEYS_AT_ONCE]),
                    output_fields=["id", "chunk", "vector"],
                    consistency_level=self._level(),
                )
                found |= {Key(row["id"], int(row["chunk"])): _vector(row["vector"]) for row in rows}
        return found

    def search(self, vector: Vectors, k: int, *, exact: bool) -> list[Key]:
        """Search by the index. `exact`: with as many candidates as Milvus takes, which may miss rows."""
        bits = vector.dtype == np.uint8
        parameters: dict[str, Any] = {"metric_type": "HAMMING" if bits else "COSINE", "params": {}}
        if not bits:
            parameters["params"] = {"ef": MOST_EF if exact else max(EF_SEARCH, k)}
        with _problems():
            found = self._client.search(
                self._ready(),
                data=[vector.tobytes() if bits else vector],
                limit=k,
                output_fields=["id", "chunk"],
                search_params=parameters,
                consistency_level=self._level(),
            )
        return [Key(hit["entity"]["id"], int(hit["entity"]["chunk"])) for hit in found[0]]

    def describe_index(self, schema: Schema, index: IndexSpec) -> str:
        """The index that `seal` builds."""
        if schema.element == "bits":
            return "BIN_FLAT, hamming: exact"
        return "FLAT, cosine: exact" if index.kind == "none" else f"{index}, cosine"

    def columns(self, schema: Schema) -> tuple[str, ...]:
        """The fields with their types; kept columns are dynamic fields."""
        kind = "BINARY_VECTOR" if schema.element == "bits" else "FLOAT_VECTOR"
        vector = f"vector {kind}({schema.dimensions})"
        return (
            "key VARCHAR",
            "id VARCHAR",
            "chunk INT32",
            vector,
            *(f"{name} dynamic" for name in schema.kept),
        )

    def close(self) -> None:
        """Close the connection."""
        with contextlib.suppress(MilvusException, grpc.RpcError):
            self._client.close()
            self._upserts.close()

    # --- for BehindAlias; from here on, errors are those of pymilvus

    def problems(self) -> AbstractContextManager[None]:
        """Turn errors of Milvus into problems."""
        return _problems()

    def serving(self) -> str | None:
        """The collection behind the alias."""
        found = self._described(self._name)
        return None if found is None else str(found["collection_name"])

    def mine(self) -> list[str]:
        """The collections that were made for this name."""
        return [name for name in self._client.list_collections() if name.startswith(f"{self._name}__")]

    def record(self, name: str) -> Contents | None:
        """The record in a collection's properties; None: there is none."""
        found = self._described(name)
        return None if found is None else decode(str(dict(found.get("properties") or {}).get(PROPERTY, "")))

    def say(self, name: str, contents: Contents) -> None:
        """Change the properties."""
        self._client.alter_collection_properties(name, {PROPERTY: encode(contents)})

    def create(self, contents: Contents, *, replace: bool) -> str:
        """Make a collection of its own; of loaders at once the first has the alias, and the others drop theirs."""
        assert self._schema is not None, "prepare comes first"
        schema = self._client.create_schema(auto_id=False, enable_dynamic_field=True)
        schema.add_field("key", DataType.VARCHAR, is_primary=True, max_length=MOST_CHARACTERS)
        schema.add_field("id", DataType.VARCHAR, max_length=MOST_CHARACTERS)
        schema.add_field("chunk", DataType.INT32)
        kind = DataType.BINARY_VECTOR if self._schema.element == "bits" else DataType.FLOAT_VECTOR
        schema.add_field("vector", kind, dim=self._schema.dimensions)
        name = f"{self._name}__{contents.collection}"
        self._client.create_collection(name, schema=schema)
        self.say(name, contents)
        if replace:
            return name
        try:
            self._client.create_alias(name, self._name)
        except MilvusException:
            self._client.drop_collection(name)
            first = self.serving()
            if first is None:
                raise
            return first
        return name

    def move(self, name: str, before: str | None) -> None:
        """Point the alias at a collection."""
        if before is None:
            self._client.create_alias(name, self._name)
        else:
            self._client.alter_alias(name, self._name)

    def drop(self, name: str) -> None:
        """Delete a collection."""
        self._client.drop_collection(name)

    def add_write_alias(self, alias: str, name: str) -> bool:
        """An alias."""
        if alias not in self.write_aliases(name):
            try:
                self._client.create_alias(name, alias)
            except MilvusException:  # another loader of this load made it
                if alias not in self.write_aliases(name):
                    raise
        return True

    def write_aliases(self, name: str) -> list[str]:
        """All aliases of the collection but the one that is read."""
        aliases: list[str] = (self._described(name) or {}).get("aliases") or []
        return [alias for alias in aliases if alias.startswith(f"{name}__")]

    def remove_write_alias(self, alias: str, name: str) -> None:
        """Milvus knows it by its own name alone."""
        try:
            self._client.drop_alias(alias)
        except MilvusException:  # another loader has removed it
            if alias in self.write_aliases(name):
                raise

    # --- its own

    def _level(self) -> str:
        """Strong after a change, and for the first reading; then the same state is there, 50 times as fast."""
        found = STRONG if self._changed else BOUNDED
        self._changed = False
        return found

    def _ready(self) -> str:
        """The collection, loaded into memory."""
        name = self.collection()
        if "NotLoad" in str(self._client.get_load_state(name).get("state")):
            self._client.load_collection(name)
        return name

    def _described(self, name: str) -> dict[str, Any] | None:
        try:
            return dict(self._client.describe_collection(name))
        except MilvusException as error:
            if "not found" in str(error).lower() or "can't find" in str(error).lower():
                return None
            raise

    def _upsert(self, rows: Rows) -> None:
        try:
            self._upserts.send(self.written_as(), rows)
            self._changed = True
        except (MilvusException, grpc.RpcError) as error:
            if any(word in str(error).lower() for word in BUSY_WORDS):
                raise Busy(_first_line(error)) from error
            if getattr(error, "code", None) == INVALID:
                raise Rejected(_first_line(error)) from error
            raise

    def _index_parameters(self) -> Any:
        assert self._schema is not None, "prepare comes first"
        parameters = self._client.prepare_index_params()
        if self._schema.element == "bits":
            parameters.add_index("vector", index_type="BIN_FLAT", metric_type="HAMMING", params={})
        elif self._index.kind == "none":
            parameters.add_index("vector", index_type="FLAT", metric_type="COSINE", params={})
        else:
            graph = {"M": self._index.m, "efConstruction": self._index.ef_construction}
            parameters.add_index("vector", index_type="HNSW", metric_type="COSINE", params=graph)
        return parameters


def open_milvus(target: Target, secret: str | None) -> Milvus:
    """The collection that a target names. The secret is a token: `user:password`, or an API key."""
    return Milvus(target, secret)


def _filter(keys: Sequence[Key]) -> str:
    """The expression that rows of these keys meet. The client's own, of `ids`, does not escape quotes and backslashes."""
    return f"key in [{', '.join(json.dumps(text_of_key(key), ensure_ascii=False) for key in keys)}]"


def _vector(found: Any) -> Vectors:
    """A vector as Milvus gives it: numbers, or bytes of bits."""
    if isinstance(found, list) and found and isinstance(found[0], bytes):
        return np.frombuffer(found[0], np.uint8)
    if isinstance(found, bytes):
        return np.frombuffer(found, np.uint8)
    return np.asarray(found, np.float32)


def _first_line(error: BaseException) -> str:
    details: Any = getattr(error, "details", None)  # of an error of gRPC, whose text is of many lines
    said = details() if callable(details) else None
    return str(said or error).strip().partition("\n")[0][:300] or type(error).__name__


@contextlib.contextmanager
def _problems() -> Generator[None]:
    """Errors of Milvus as problems of two lines."""
    try:
        yield
    except (MilvusException, grpc.RpcError) as error:
        behind = error.__cause__  # of an error of connecting, which says only that there was one
        said = _first_line(behind if isinstance(behind, grpc.RpcError) else error)
        if any(word in said.lower() for word in REFUSED_USER):
            raise Problem(
                f"Milvus refuses the user: {said}",
                hint="--secret NAME: the variable holds user:password, or an API key",
            ) from error
        if "permission deny" in said.lower():
            raise Problem(
                f"Milvus does not permit it: {said}",
                hint="grant the user's role all privileges of collections, and of aliases, in this database",
            ) from error
        if "connect" in said.lower() or "unavailable" in said.lower():
            raise Problem(
                f"Milvus cannot be reached: {said}", hint=f"see that the server runs; {AGAIN}"
            ) from error
        raise Problem(f"Milvus refused: {said}", hint=AGAIN) from error
