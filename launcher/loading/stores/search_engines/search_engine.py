"""What OpenSearch and Elasticsearch have in common: one index behind an alias, written by _bulk under the key of a row.

An `index` action with an id overwrites, so that a request which comes twice changes nothing. The answer to a request has
an item a row: those that are refused are told, and where the server is busy, all are sent again. What an index
holds is in `_meta` of its mapping. Imports no client: `opensearch` and `elastic` bring theirs, and how each maps
and searches vectors.
"""

import contextlib
import hashlib
from abc import abstractmethod
from collections.abc import Generator, Iterable, Mapping, Sequence
from typing import Any, ClassVar, Protocol, cast

from launcher.errors import Problem
from launcher.loading.contents import Contents, decode, encode, name_behind_alias
from launcher.loading.stores.common.backpressure import Busy, Limits, Rejected, rows_within
from launcher.loading.stores.common.behind_alias import BehindAlias
from launcher.loading.stores.common.schema_limits import check_schema
from launcher.loading.vector_store import (
    Element,
    FileId,
    Key,
    RefusedRow,
    Rows,
    Schema,
    Vectors,
    text_of_key,
)
from launcher.sinks.index import IndexSpec
from launcher.sinks.targets import Target
from tasks.protocol.dtypes import Dtype

Json = dict[str, Any]

META = "embedfleet"  # in `_meta` of a mapping: what the index holds
PORT = 9_200  # of both products
OWN_FIELDS = ("id", "chunk", "vector")
MOST_ID_BYTES = 512  # of an _id
MOST_INDEXED = 8_191  # characters of a kept text that can be filtered by: 32,766 bytes are the servers' limit
REQUEST_BYTES = 8 * 2**20  # small hosted nodes take 10 MiB, others 100
JSON_NUMBER = 22  # bytes of a number at most
REQUEST_ROWS, REQUESTS = 1_000, 4
EF_SEARCH = 100
KEYS_AT_ONCE = 1_000
TIMEOUT = 120  # seconds of a request
RETRIES = 3  # of a request whose answer was lost
BUSY_STATUS = (429, 502, 503, 504)
REFUSED_STATUS = (400, 413)
MOST_SAID = 300  # characters of a reason
AGAIN = "run the same command again: rows are written under their keys, so none comes twice"


class ServerError(Exception):
    """An answer of the server other than 2xx."""

    def __init__(self, status: int, said: str) -> None:
        super().__init__(said)
        self.status = status


class UnreachableError(Exception):
    """No answer."""


class Api(Protocol):
    """The client of a server."""

    def ask(self, method: str, path: str, body: Any = None) -> Any:
        """The document of an answer. A list is sent as lines of JSON.

        Raises:
            ServerError: the status is not 2xx.
            UnreachableError: there was no answer, after RETRIES.
        """
        ...

    def close(self) -> None:
        """Close the connections."""
        ...


class SearchEngine(BehindAlias):
    """An index behind an alias. Subclasses say how vectors are mapped, searched and read."""

    noun = "index"
    exact_search = True
    product: ClassVar[str]  # for messages
    most_dimensions: ClassVar[Mapping[Element, int]]

    def __init__(self, target: Target, api: Api) -> None:
        super().__init__(target.collection)
        self._api = api
        self._changed = True  # so that the next reading waits for what was written

    # --- of one product

    @abstractmethod
    def vector_field(self, schema: Schema, spec: IndexSpec) -> Json:
        """The mapping of the vector."""

    @abstractmethod
    def settings(self, spec: IndexSpec) -> Json:
        """Settings of the index, beside the interval of its refreshes."""

    @abstractmethod
    def numbers(self, vector: Vectors) -> Any:
        """A vector as a document holds it."""

    @abstractmethod
    def stored(self, found: Any, *, bits: bool) -> Vectors:
        """A vector of a document."""

    @abstractmethod
    def vectors_of(self, index: str, ids: Sequence[str]) -> list[tuple[Key, Any]]:
        """The keys and vectors of documents that are there."""

    @abstractmethod
    def query(self, vector: Vectors, k: int, *, exact: bool) -> Json:
        """The body of a search."""

    # --- of a vector store

    def element(self, dtype: Dtype, dimensions: int) -> Element:
        """Half precision and int8 become float32."""
        del dimensions
        return "bits" if dtype == "binary" else "float32"

    def prepare(self, contents: Contents, schema: Schema, index: IndexSpec, *, replace: bool) -> Contents:
        """Make the index, and the alias unless it serves another."""
        own = (*OWN_FIELDS, *(name for name in schema.kept if name.startswith("_") or "." in name))
        check_schema(schema, self.product, self.most_dimensions[schema.element], own)
        row_bytes = schema.dimensions * (JSON_NUMBER if schema.element == "float32" else 1) + 512
        limits = Limits(rows_within(REQUEST_BYTES, row_bytes, REQUEST_ROWS), REQUESTS)
        return self.begin(contents, schema, index, limits, replace=replace)

    def write(self, file: FileId, batches: Iterable[Rows], *, merge: bool) -> Mapping[str, Any]:
        """Index documents under their keys, which overwrites those that are there."""
        del file, merge
        return self.send(batches, self._bulk)

    def delete(self, keys: Sequence[Key]) -> int:
        """The server says of each whether it was there."""
        gone = 0
        with self.deleting():
            for start in range(0, len(keys), KEYS_AT_ONCE):
                some = keys[start : start + KEYS_AT_ONCE]
                lines = [{"delete": {"_id": _document_id(key)}} for key in some]
                done = self._api.ask("POST", self._bulk_path(), lines)
                for item in done["items"]:
                    status = int(item["delete"]["status"])
                    if status not in (200, 404) or "error" in item["delete"]:
                        raise ServerError(status, f"a row was not deleted: {said_in(item['delete'])}")
                    gone += status == 200
        self._changed = True
        return gone

    def seal(self, contents: Contents, receipts: Sequence[Mapping[str, Any]]) -> str | None:
        """Show what was written to searches, and move the alias."""
        del receipts
        name = self.collection()
        with self.problems():
            # A server makes an index of its own for rows whose index is gone.
            if self.record(name) is None:
                raise Problem(f"the index {name} is gone", hint=AGAIN)
            self._api.ask("PUT", f"/{name}/_settings", {"index": {"refresh_interval": None}})
            self._refresh(name)
            return self.take_place(name, contents)

    def count(self) -> int:
        """Counted, with all that was written before."""
        with self.problems():
            return int(self._api.ask("GET", f"/{self._ready()}/_count")["count"])

    def fetch(self, keys: Sequence[Key]) -> Mapping[Key, Vectors]:
        """Fetch the vectors of these keys, by their ids."""
        found: dict[Key, Vectors] = {}
        with self.problems():
            bits, name = self.holds_bits(), self._ready()
            for start in range(0, len(keys), KEYS_AT_ONCE):
                ids = [_document_id(key) for key in keys[start : start + KEYS_AT_ONCE]]
                for key, vector in self.vectors_of(name, ids) if ids else ():
                    found[key] = self.stored(vector, bits=bits)
        return found

    def search(self, vector: Vectors, k: int, *, exact: bool) -> list[Key]:
        """Search by the graphs of the segments; `exact`: by a script over all documents."""
        with self.problems():
            # Beside the vector, which a document's source may no longer hold.
            body = {"size": k, "_source": ["id", "chunk"], **self.query(vector, k, exact=exact)}
            found = self._api.ask("POST", f"/{self._ready()}/_search", body)
        return [_key(hit["_source"]) for hit in found["hits"]["hits"]]

    def describe_index(self, schema: Schema, index: IndexSpec) -> str:
        """The index that the server builds with the writes, for each segment."""
        metric = "hamming" if schema.element == "bits" else "inner product"
        if index.kind == "none":
            return f"none, {metric}: a search goes through all rows"
        return f"{index}, {metric}, a graph for each segment"

    def columns(self, schema: Schema) -> tuple[str, ...]:
        """The fields of the mapping."""
        kind = str(self.vector_field(schema, IndexSpec())["type"])
        element = "bits" if schema.element == "bits" else "float32"
        vector = f"vector {kind} {element} ({schema.dimensions})"
        return ("id keyword", "chunk integer", vector, *(f"{name} keyword" for name in schema.kept))

    def close(self) -> None:
        """Close the connections."""
        self._api.close()

    # --- for BehindAlias; from here on, errors are those of `Api`

    def serving(self) -> str | None:
        """The index behind the alias."""
        return min(self._mappings(self._name), default=None)

    def mine(self) -> list[str]:
        """The indexes that were made for this name."""
        return sorted(self._mappings(f"{self._name}__*"))

    def record(self, name: str) -> Contents | None:
        """The record in the `_meta` of an index; None: there is none."""
        meta: Json = self._mappings(name).get(name, {}).get("_meta") or {}
        return decode(str(meta.get(META, "")))

    def say(self, name: str, contents: Contents) -> None:
        """Change `_meta`."""
        self._api.ask("PUT", f"/{name}/_mapping", {"_meta": {META: encode(contents)}})

    def create(self, contents: Contents, *, replace: bool) -> str:
        """Make an index with its alias, in one request; leave one of this name that is there."""
        assert self._schema is not None, "prepare comes first"
        name = name_behind_alias(self._name, contents, replace=replace)
        text = {"type": "keyword", "ignore_above": MOST_INDEXED}
        fields = {
            "id": text,
            "chunk": {"type": "integer"},
            "vector": self.vector_field(self._schema, self._index),
        }
        fields |= dict.fromkeys(self._schema.kept, text)
        body: Json = {
            "settings": {"index": {**self.settings(self._index), "refresh_interval": "-1"}},
            "mappings": {"dynamic": False, "_meta": {META: encode(contents)}, "properties": fields},
        }
        if not replace:
            body["aliases"] = {self._name: {}}
        try:
            self._api.ask("PUT", f"/{name}", body)
        except ServerError:
            if self.record(name) is None:
                raise
        return name

    def move(self, name: str, before: str | None) -> None:
        """Move the alias in one request, so that every search finds an index; fails if another load has moved it."""
        actions: list[Json] = [{"add": {"index": name, "alias": self._name}}]
        if before is not None:
            gone = {"index": before, "alias": self._name, "must_exist": True}
            actions.insert(0, {"remove": gone})
        self._api.ask("POST", "/_aliases", {"actions": actions})

    def drop(self, name: str) -> None:
        """Delete an index."""
        self._or_none("DELETE", f"/{name}")

    def add_write_alias(self, alias: str, name: str) -> bool:
        """An alias."""
        self._api.ask("POST", "/_aliases", {"actions": [{"add": {"index": name, "alias": alias}}]})
        return True

    def write_aliases(self, name: str) -> list[str]:
        """All aliases of the index but the one that is read."""
        found: Json = self._or_none("GET", f"/{name}/_alias") or {}
        return [alias for alias in found.get(name, {}).get("aliases", {}) if alias.startswith(f"{name}__")]

    def remove_write_alias(self, alias: str, name: str) -> None:
        """One that is gone is no error."""
        gone = {"index": name, "alias": alias, "must_exist": False}
        self._api.ask("POST", "/_aliases", {"actions": [{"remove": gone}]})

    # --- its own

    def _bulk_path(self) -> str:
        """The path of bulk writes. The write alias is required: else a server makes an index of a name that is gone."""
        return f"/{self.written_as()}/_bulk" + ("?require_alias=true" if self._write_alias else "")

    def _or_none(self, method: str, path: str) -> Any:
        try:
            return self._api.ask(method, path)
        except ServerError as error:
            if error.status == 404:
                return None
            raise

    def _mappings(self, name: str) -> dict[str, Json]:
        """The mappings of the indexes behind a name, by the names of these; none where there is none.

        Raises:
            ServerError: the answer is no such document.
        """
        found: Any = self._or_none("GET", f"/{name}/_mapping")
        if found is None:
            return {}
        try:
            return {str(index): dict(about["mappings"]) for index, about in found.items()}
        except (AttributeError, KeyError, TypeError, ValueError) as error:
            said = f"what answers is no {self.product}, or a page before it: {str(found)[:60]}"
            raise ServerError(200, said) from error

    def _refresh(self, name: str) -> None:
        self._changed = False
        self._api.ask("POST", f"/{name}/_refresh")

    def _ready(self) -> str:
        """The index, with all that was written before."""
        name = self.collection()
        if self._changed:
            self._refresh(name)
        return name

    def _bulk(self, rows: Rows) -> list[RefusedRow]:
        """One request; returns the rows that were refused."""
        lines: list[Json] = []
        for row, key in enumerate(rows.keys()):
            kept = {name: values[row] for name, values in rows.kept.items() if values[row] is not None}
            lines.append({"index": {"_id": _document_id(key)}})
            lines.append(
                {"id": key.id, "chunk": key.chunk, "vector": self.numbers(rows.vectors[row]), **kept}
            )
        self._changed = True
        try:
            done = self._api.ask("POST", self._bulk_path(), lines)
        except ServerError as error:
            if error.status in BUSY_STATUS:
                raise Busy(str(error)) from error
            if error.status in REFUSED_STATUS:
                raise Rejected(str(error)) from error
            raise
        items = [item["index"] for item in done["items"]]
        if len(items) != len(rows):
            raise ServerError(200, f"it answered for {len(items):,} of {len(rows):,} rows")
        return _refused(rows, items)

    @contextlib.contextmanager
    def problems(self) -> Generator[None]:
        """Errors of the server as problems of two lines."""
        try:
            yield
        except ServerError as error:
            if error.status in (401, 403):
                raise Problem(
                    f"{self.product} refuses the user: {error}",
                    hint="--secret NAME: the variable holds the password of the user in the address",
                ) from error
            raise Problem(f"{self.product} refused: {error}", hint=AGAIN) from error
        except UnreachableError as error:
            raise Problem(
                f"{self.product} cannot be reached: {error}", hint=f"see that the server runs; {AGAIN}"
            ) from error


def _refused(rows: Rows, items: Sequence[Json]) -> list[RefusedRow]:
    """The rows whose items say that they are refused for good.

    Raises:
        Busy: some were not taken because the server is busy.
        ServerError: the index or the right to write is gone.
    """
    refused: list[RefusedRow] = []
    for row, item in enumerate(items):
        status = int(item["status"])
        if status in BUSY_STATUS:
            raise Busy(said_in(item))
        if status in REFUSED_STATUS:
            refused.append(RefusedRow(rows.ids[row], rows.chunks[row], said_in(item)))
        elif not 200 <= status < 300:
            raise ServerError(status, said_in(item))
    return refused


def said_in(document: Any) -> str:
    """The reason in a document of an error, or in an item of _bulk."""
    error: object = cast("Json", document).get("error") if isinstance(document, dict) else None
    if not isinstance(error, dict):
        return str(error or cast("object", document)).partition("\n")[0][:MOST_SAID]
    inner = cast("Json", error)
    return f"{inner.get('type', '')}: {inner.get('reason', '')}".partition("\n")[0][:MOST_SAID]


def _document_id(key: Key) -> str:
    """The key itself, or its hash where it is longer than an _id may be."""
    text = text_of_key(key)
    raw = text.encode()
    return text if len(raw) <= MOST_ID_BYTES else f"sha256:{hashlib.sha256(raw).hexdigest()}"


def _key(source: Mapping[str, Any]) -> Key:
    return Key(str(source["id"]), int(source["chunk"]))
