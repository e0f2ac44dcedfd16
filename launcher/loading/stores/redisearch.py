"""Redis or Valkey with RediSearch: a hash a row under the key `INDEX:id:chunk`, so that writing it again changes nothing.

The name that a target gives is an alias; the index behind it has another name, which begins the keys of its rows, and a
replacement is another index to which the alias moves. What an index holds lies beside it, under `embedfleet:INDEX`.
Replies are those of RESP 2, which are lists.
"""

# redis is typed in part
# pyright: reportUnknownMemberType=false, reportUnknownArgumentType=false, reportUnknownVariableType=false
import contextlib
import time
from collections.abc import Generator, Iterable, Mapping, Sequence
from contextlib import AbstractContextManager
from functools import partial
from typing import Any

import numpy as np
import redis
from redis.exceptions import (
    AuthenticationError,
    BusyLoadingError,
    NoPermissionError,
    OutOfMemoryError,
    RedisError,
    ResponseError,
)
from redis.exceptions import (
    ConnectionError as LostError,
)
from redis.exceptions import (
    TimeoutError as LateError,
)

from launcher.errors import Problem
from launcher.loading.contents import Contents, decode, encode, name_behind_alias
from launcher.loading.stores.common.backpressure import Busy, Limits, rows_within
from launcher.loading.stores.common.behind_alias import BehindAlias
from launcher.loading.stores.common.schema_limits import check_schema
from launcher.loading.stores.common.tls import checked_authorities
from launcher.loading.stores.redis_commands import transaction
from launcher.loading.vector_store import Element, FileId, Key, Rows, Schema, Vectors, text_of_key
from launcher.sinks.index import IndexSpec
from launcher.sinks.targets import Target
from tasks.protocol.dtypes import Dtype

PORT = 6_379
OWN_FIELDS = ("id", "chunk", "vector")
MOST_DIMENSIONS = 32_768  # RediSearch's own
REQUEST_BYTES, REQUEST_ROWS, REQUESTS = 4 * 2**20, 1_000, 4
EF_SEARCH = 100
KEYS_AT_ONCE = 1_000
TIMEOUT = 60.0  # seconds
RECORD_LOOKS = 25
POLL = 0.2  # seconds between looks at an index that is built
TYPES: Mapping[Element, str] = {"float32": "FLOAT32", "float16": "FLOAT16", "bits": "FLOAT16"}
# Moves an alias, KEYS[1], from the index ARGV[1] to ARGV[2]; 0: it was not there. Names come as status replies.
MOVE = """
local about = redis.call('FT.INFO', KEYS[1])
local function text(value) return type(value) == 'table' and value['ok'] or value end
for at = 1, #about, 2 do
  if text(about[at]) == 'index_name' and text(about[at + 1]) == ARGV[1] then
    redis.call('FT.ALIASUPDATE', KEYS[1], ARGV[2])
    return 1
  end
end
return 0
"""
AGAIN = "run the same command again: rows are written under their keys, so none comes twice"


class RediSearch(BehindAlias):
    """An index of RediSearch behind an alias."""

    noun = "index"
    exact_search = True
    compares = True

    def __init__(self, target: Target, password: str | None = None) -> None:
        super().__init__(target.collection)
        self._graph: bool | None = None  # whether the index has one; None: not asked yet
        self._client: Any = redis.Redis(
            host=target.host or "localhost",
            port=target.port or PORT,
            username=target.user,
            password=password,
            ssl=bool(target.options.get("tls")),
            ssl_ca_certs=checked_authorities(target, PORT, "redis"),
            socket_timeout=TIMEOUT,
            protocol=2,
        )

    def element(self, dtype: Dtype, dimensions: int) -> Element:
        """float16 for int8; for bits a number each, because RediSearch has no bits."""
        del dimensions
        elements: dict[Dtype, Element] = {"float32": "float32", "binary": "bits"}
        return elements.get(dtype, "float16")

    def prepare(self, contents: Contents, schema: Schema, index: IndexSpec, *, replace: bool) -> Contents:
        """Make the index, and the alias unless it serves another."""
        check_schema(schema, "RediSearch", MOST_DIMENSIONS, OWN_FIELDS)
        row_bytes = schema.dimensions * (4 if schema.element == "float32" else 2) + 256
        limits = Limits(rows_within(REQUEST_BYTES, row_bytes, REQUEST_ROWS), REQUESTS)
        with _problems():
            self._check_memory()
        return self.begin(contents, schema, index, limits, replace=replace)

    def write(self, file: FileId, batches: Iterable[Rows], *, merge: bool) -> Mapping[str, Any]:
        """A hash a row, many in a request. `merge`: fields that a row had before go with it."""
        del file
        return self.send(batches, partial(self._put, merge=merge))

    def delete(self, keys: Sequence[Key]) -> int:
        """Delete hashes; the server counts those that were there."""
        gone = 0
        with self.deleting():
            for start in range(0, len(keys), KEYS_AT_ONCE):
                with self._line() as line:
                    line.delete(*map(self._hash_key, keys[start : start + KEYS_AT_ONCE]))
                    gone += line.execute()[0]
        return gone

    def seal(self, contents: Contents, receipts: Sequence[Mapping[str, Any]]) -> str | None:
        """Wait for the index, which is built with the writes, and move the alias."""
        del receipts
        name = self.collection()
        with _problems():
            self._wait_for_index(name)
            return self.take_place(name, contents)

    def count(self) -> int:
        """The rows that the index has."""
        with _problems():
            return int(self._client.execute_command("FT.SEARCH", self.collection(), "*", "LIMIT", 0, 0)[0])

    def fetch(self, keys: Sequence[Key]) -> Mapping[Key, Vectors]:
        """Fetch the vectors of these keys from their hashes."""
        found: dict[Key, Vectors] = {}
        with _problems():
            element = self._element()
            for start in range(0, len(keys), KEYS_AT_ONCE):
                some = keys[start : start + KEYS_AT_ONCE]
                with self._client.pipeline(transaction=False) as line:
                    for key in some:
                        line.hget(self._hash_key(key), "vector")
                    values = line.execute()
                found |= {
                    key: _stored(value, element) for key, value in zip(some, values, strict=True) if value
                }
        return found

    def search(self, vector: Vectors, k: int, *, exact: bool) -> list[Key]:
        """Search by the index; `exact`: through all rows, which a filter that every row passes makes RediSearch do."""
        how = (
            f"@chunk:[-inf +inf]=>[KNN {k} @vector $v HYBRID_POLICY ADHOC_BF AS near]"
            if exact
            else f"*=>[KNN {k} @vector $v{self._runtime(k)} AS near]"
        )
        with _problems():
            found = self._client.execute_command(
                "FT.SEARCH", self.collection(), how, "PARAMS", 2, "v", _bytes(vector), "NOCONTENT",
                "SORTBY", "near", "LIMIT", 0, k, "DIALECT", 2,
            )  # fmt: skip
        return [self._key(name) for name in found[1:]]

    def describe_index(self, schema: Schema, index: IndexSpec) -> str:
        """The index that RediSearch builds with the writes."""
        metric = "hamming, as squared L2" if schema.element == "bits" else "cosine"
        return f"flat, {metric}: exact" if index.kind == "none" else f"{index}, {metric}"

    def columns(self, schema: Schema) -> tuple[str, ...]:
        """The fields of a hash."""
        vector = f"vector {TYPES[schema.element]} ({schema.dimensions})"
        return ("id", "chunk NUMERIC", vector, *schema.kept)

    def close(self) -> None:
        """Close the connections."""
        self._client.close()

    # --- for BehindAlias; from here on, errors are those of redis

    def problems(self) -> AbstractContextManager[None]:
        """Turn errors of the server into problems."""
        return _problems()

    def serving(self) -> str | None:
        """The index behind the alias."""
        found = self._info(self._name)
        return None if found is None else str(found["index_name"].decode())

    def mine(self) -> list[str]:
        """The indexes that were made for this name."""
        names = [name.decode() for name in self._client.execute_command("FT._LIST")]
        return [name for name in names if name.startswith(f"{self._name}__")]

    def record(self, name: str) -> Contents | None:
        """The record under the key beside an index; None: there is none."""
        found = self._client.get(_record_key(name))
        return None if found is None else decode(found)

    def say(self, name: str, contents: Contents) -> None:
        """Change the key beside an index."""
        self._client.set(_record_key(name), encode(contents))

    def create(self, contents: Contents, *, replace: bool) -> str:
        """Make an index; leave one of this name that is there."""
        assert self._schema is not None, "prepare comes first"
        name, spec = name_behind_alias(self._name, contents, replace=replace), self._index
        shape = ["TYPE", TYPES[self._schema.element], "DIM", self._schema.dimensions]
        shape += ["DISTANCE_METRIC", "L2" if self._schema.element == "bits" else "COSINE"]
        if spec.kind != "none":
            shape += ["M", spec.m, "EF_CONSTRUCTION", spec.ef_construction]
        kind = "FLAT" if spec.kind == "none" else "HNSW"
        try:
            self._client.execute_command(
                "FT.CREATE", name, "ON", "HASH", "PREFIX", 1, f"{name}:",
                "SCHEMA", "chunk", "NUMERIC", "vector", "VECTOR", kind, len(shape), *shape,
            )  # fmt: skip
        except ResponseError as error:
            if "already exists" not in str(error).lower():
                raise
            for _ in range(RECORD_LOOKS):  # the loader that came first writes it next
                if self.record(name) is not None:
                    break
                time.sleep(POLL)
            self._client.set(_record_key(name), encode(contents), nx=True)
        else:
            self.say(name, contents)
        if not replace:
            self.move(name, None)
        return name

    def move(self, name: str, before: str | None) -> None:
        """Point the alias at an index, unless another load has moved it: the server compares and moves in one step."""
        if before is None:
            self._client.execute_command("FT.ALIASUPDATE", self._name, name)
        elif not self._client.eval(MOVE, 1, self._name, before, name):
            raise ResponseError(f"{self._name} is no alias of {before} any more")

    def drop(self, name: str) -> None:
        """Delete an index with its rows."""
        self._client.execute_command("FT.DROPINDEX", name, "DD")
        self._client.delete(_record_key(name))

    # --- its own

    def _hash_key(self, key: Key) -> str:
        return f"{self.collection()}:{text_of_key(key)}"

    def _key(self, name: bytes) -> Key:
        text, _, chunk = name.decode().removeprefix(f"{self.collection()}:").rpartition(":")
        return Key(text, int(chunk))

    def _info(self, name: str) -> dict[str, Any] | None:
        try:
            found = self._client.execute_command("FT.INFO", name)
        except ResponseError as error:
            if "unknown index name" in str(error).lower() or "no such index" in str(error).lower():
                return None
            raise
        return {name.decode(): value for name, value in zip(found[::2], found[1::2], strict=True)}

    def _element(self) -> Element:
        if self._schema is not None:
            return self._schema.element
        held = self.record(self.collection())
        return "float32" if held is None else self.element(held.dtype, held.dimensions)  # pyright: ignore[reportArgumentType]

    def _runtime(self, k: int) -> str:
        """Candidates of a search; a flat index has none."""
        if self._graph is None:
            fields = (self._info(self.collection()) or {}).get("attributes", [])
            self._graph = any(b"HNSW" in field for field in fields)
        return f" EF_RUNTIME {max(EF_SEARCH, k)}" if self._graph else ""

    def _put(self, rows: Rows, *, merge: bool) -> None:
        """Write rows in one transaction, which the end of the load makes fail."""
        sent, commands = transaction(
            list(map(self._hash_key, rows.keys())),
            list(rows.ids),
            list(rows.chunks),
            _bytes(rows.vectors),
            rows.kept,
            fresh=merge,
        )
        with self._line() as line:
            connection = line.connection
            try:
                connection.send_packed_command([sent])
                replies = [_reply(connection) for _ in range(commands + 2)]  # and those of MULTI and EXEC
            except BaseException:
                connection.disconnect()  # replies that were not read are those of no other request
                raise
        done = replies.pop()
        if done is None:
            raise Busy("the record of the collection was changed meanwhile")
        for reply in (*replies, *(done if isinstance(done, list) else [done])):
            if isinstance(reply, BusyLoadingError):
                raise Busy(str(reply)) from reply
            if isinstance(reply, Exception):
                raise reply

    @contextlib.contextmanager
    def _line(self) -> Generator[Any]:
        """Commands that are one transaction, which fails where the load ends before."""
        with self._client.pipeline(transaction=True) as line:
            if self._fence is not None:
                key = _record_key(self.collection())
                line.watch(key)
                if not self._fence.is_mine(decode(line.get(key) or b"")):
                    raise ResponseError("the load is over")
                line.multi()
            yield line

    def _check_memory(self) -> None:
        """Refuse a server that drops keys when its memory is full: rows would go without a word."""
        found = self._client.info("memory")
        policy = str(found.get("maxmemory_policy", "noeviction"))
        if int(found.get("maxmemory", 0)) and policy.startswith("allkeys"):
            raise Problem(
                f"the server drops keys when its memory is full (maxmemory-policy {policy}), rows among them",
                hint="CONFIG SET maxmemory-policy noeviction, or load into another server",
            )

    def _wait_for_index(self, name: str) -> None:
        while True:
            found = self._info(name)
            if found is None:
                raise Problem(f"the index {name} is gone", hint=AGAIN)
            failures = int(found.get("hash_indexing_failures", 0))
            if failures:
                raise Problem(
                    f"RediSearch could not index {failures:,} rows", hint=f"FT.INFO {name} names the last one"
                )
            if int(float(found.get("indexing", 0))) == 0:
                return
            time.sleep(POLL)


def open_redisearch(target: Target, secret: str | None) -> RediSearch:
    """The index that a target names. The secret is a password."""
    return RediSearch(target, secret)


def _reply(connection: Any) -> Any:
    """The next reply of the server; a refusal is one, because others may come behind it."""
    try:
        return connection.read_response()
    except (ResponseError, BusyLoadingError) as error:
        return error


def _record_key(index: str) -> str:
    return f"embedfleet:{index}"


def _bytes(vectors: Vectors) -> bytes:
    """Vectors as RediSearch reads them, one after another; of packed bits a number each."""
    whole = np.unpackbits(vectors).astype(np.float16) if vectors.dtype == np.uint8 else vectors
    return whole.tobytes()


def _stored(value: bytes, element: Element) -> Vectors:
    if element == "float32":
        return np.frombuffer(value, np.float32)
    halves = np.frombuffer(value, np.float16)
    return np.packbits(halves.astype(np.uint8)) if element == "bits" else halves


@contextlib.contextmanager
def _problems() -> Generator[None]:
    """Errors of the server as problems of two lines."""
    try:
        yield
    except NoPermissionError as error:
        raise Problem(
            f"the server does not permit it: {error}",
            hint="permit the user that command (ACL SETUSER), on the keys INDEX__* and embedfleet:INDEX__*",
        ) from error
    except AuthenticationError as error:
        raise Problem(
            f"the server refuses the user: {error}", hint="--secret NAME: the variable holds the password"
        ) from error
    except (LostError, LateError) as error:
        raise Problem(f"the server cannot be reached: {error}", hint=f"see that it runs; {AGAIN}") from error
    except ResponseError as error:
        if "unknown command" in str(error).lower():
            raise Problem(
                f"the server has no RediSearch: {error}", hint="load the module `search`, or use Redis 8"
            ) from error
        if isinstance(error, OutOfMemoryError):
            raise Problem(
                "the memory of the server is full, up to its maxmemory",
                hint=f"raise its maxmemory (CONFIG SET maxmemory BYTES) or delete what it need not hold; then {AGAIN}",
            ) from error
        raise Problem(f"the server refused: {error}", hint=AGAIN) from error
    except RedisError as error:
        raise Problem(f"the server failed: {error}", hint=AGAIN) from error
