"""Chroma, by upsert under the key `id:chunk`, so that writing a row again changes nothing.

Chroma has no aliases: the name that a target gives is that of the collection, and a replacement is filled under another
name and takes its place by two renames. What a collection holds is in its metadata. Vectors are compared by the inner
product: for a cosine Chroma would scale them, and they have length 1 as they are.
"""

# chromadb is an extra, and no part of `dev`
# pyright: reportMissingImports=false, reportUnknownVariableType=false, reportUnknownMemberType=false
# pyright: reportUnknownArgumentType=false, reportUnknownParameterType=false, reportMissingModuleSource=false
import contextlib
from collections.abc import Collection, Generator, Iterable, Mapping, Sequence
from typing import Any

import chromadb
import httpx
import numpy as np
from chromadb.config import Settings
from chromadb.errors import (
    AuthorizationError,
    ChromaAuthError,
    ChromaError,
    InvalidArgumentError,
    NotFoundError,
    QuotaError,
    RateLimitError,
)

from launcher.errors import Problem
from launcher.loading.contents import (
    Contents,
    check_goes_on,
    check_takes_place,
    decode,
    encode,
    is_rest_of,
    resumed,
)
from launcher.loading.stores.common.backpressure import Busy, Limits, Rejected, Throttle, rows_within
from launcher.loading.stores.common.fence import Fence
from launcher.loading.stores.common.schema_limits import check_schema
from launcher.loading.stores.common.tls import checked_authorities
from launcher.loading.vector_store import (
    Element,
    FileId,
    Guarantee,
    Key,
    LoadedFile,
    Rows,
    Schema,
    Vectors,
    key_of_text,
    text_of_key,
)
from launcher.sinks.index import IndexSpec
from launcher.sinks.targets import Target
from tasks.protocol.dtypes import Dtype

RECORD = "embedfleet"  # in the metadata of a collection: what it holds
NEXT = "embedfleet_takes_the_place"  # in the metadata of one that is whole and is about to be renamed
PORT = 8_000
OWN_FIELDS = ("id", "chunk", "chroma:document")
MOST_DIMENSIONS = 65_536  # ours: Chroma states none
REQUEST_BYTES = 8 * 2**20  # of an upsert; a server takes 40 MiB unless it is told otherwise
REQUEST_ROWS, REQUESTS = 1_000, 2
EF_SEARCH = 100
KEYS_AT_ONCE = 500
TIMEOUT = 300.0  # seconds of a request: an upsert may wait for the index
AGAIN = "run the same command again: rows are written under their keys, so none comes twice"


class Chroma:
    """A collection of a Chroma server."""

    guarantee: Guarantee = "idempotent"
    exact_search = False

    def __init__(self, target: Target, token: str | None = None) -> None:
        self._name = target.collection
        self._here: Any = None  # the collection that is read and written
        self._schema: Schema | None = None
        self._index = IndexSpec()
        self._replace = False
        self._throttle: Throttle | None = None
        self._fence: Fence | None = None
        checked_authorities(target, PORT, "chroma")  # httpx, the client's own, looks at SSL_CERT_FILE as well
        with _problems():
            self._client: Any = chromadb.HttpClient(
                host=target.host or "localhost",
                port=target.port or PORT,
                ssl=bool(target.options.get("tls")),
                headers={"x-chroma-token": token} if token else None,
                settings=Settings(anonymized_telemetry=False),
            )
            for session in _sessions(self._client):  # which wait without end for a server that hangs
                session.timeout = TIMEOUT

    def element(self, dtype: Dtype, dimensions: int) -> Element:
        """Chroma holds float32 alone; of bits a number each."""
        del dimensions
        return "bits" if dtype == "binary" else "float32"

    def contents(self) -> Contents | None:
        """The metadata of the collection.

        Raises:
            Problem: we did not make it.
        """
        with _problems():
            found = self._named(self._name)
            if found is None:
                return None
            held = _record(found)
            if held is None:
                raise Problem(
                    f"the collection {self._name} is there, and embedfleet did not make it",
                    hint="name another one: rows are not mixed into those of others",
                )
            self._here = found
            return held

    def prepare(self, contents: Contents, schema: Schema, index: IndexSpec, *, replace: bool) -> Contents:
        """Make the collection, or finish the replacement that a killed loader left between its two renames."""
        check_schema(schema, "Chroma", MOST_DIMENSIONS, OWN_FIELDS, lambda name: not name or name[0] in "#$")
        self._schema, self._index, self._replace = schema, index, replace
        with _problems():
            row_bytes = schema.dimensions * 16 // 3 + 512  # base64
            most = rows_within(REQUEST_BYTES, row_bytes, min(REQUEST_ROWS, self._client.get_max_batch_size()))
            self._throttle = Throttle(Limits(most, REQUESTS))
            self._here = self._unfinished(contents) if replace else self._serving(contents)
            if self._here is None:
                self._here = self._create(
                    f"{self._name}__{contents.collection}" if replace else self._name, contents
                )
            have = _record(self._here)
            if have is not None and not replace:
                check_goes_on(have, contents, self._name)
            now = contents if have is None else resumed(have, contents)
            if have != now:
                _say(self._here, now)
            self._fence = Fence(now, self._record_now, self._name)
            return now

    def loaded(self, contents: Contents) -> Collection[LoadedFile] | None:
        """None: the store does not record loaded files, so receipts in the output path count."""
        del contents

    def write(self, file: FileId, batches: Iterable[Rows], *, merge: bool) -> Mapping[str, Any]:
        """Upsert; a row that was written before is written again, under its key."""
        del file, merge
        assert self._throttle is not None, "prepare comes first"
        assert self._fence is not None, "prepare comes first"
        with _problems():
            return self._throttle.send_all(batches, self._fence.request(self._upsert))

    def delete(self, keys: Sequence[Key]) -> int:
        """Count those that are there: not every server says how many it deleted."""
        there = [text_of_key(key) for key in self.fetch(keys)]
        with _problems():
            for start in range(0, len(there), KEYS_AT_ONCE):
                if self._fence is not None:
                    self._fence.check_delete()
                self._collection().delete(ids=there[start : start + KEYS_AT_ONCE])
        return len(there)

    def seal(self, contents: Contents, receipts: Sequence[Mapping[str, Any]]) -> str | None:
        """The index is built with the writes; take the place of a collection that is replaced."""
        del receipts
        with _problems():
            serving = self._named(self._name)
            if serving is not None and (held := _record(serving)) is not None:
                check_takes_place(held, contents, self._name)
            if self._replace:
                try:
                    return self._take_place(contents, serving)
                except ChromaError:  # a name is that of one collection: another load may have taken it
                    now = self._named(self._name)
                    check_takes_place(None if now is None else _record(now), contents, self._name)
                    raise
            _say(self._collection(), contents)
            return None

    def count(self) -> int:
        """Counted by the server."""
        with _problems():
            return int(self._collection().count())

    def fetch(self, keys: Sequence[Key]) -> Mapping[Key, Vectors]:
        """Fetch the vectors of these keys."""
        found: dict[Key, Vectors] = {}
        with _problems():
            bits = self._holds_bits()
            for start in range(0, len(keys), KEYS_AT_ONCE):
                some = [text_of_key(key) for key in keys[start : start + KEYS_AT_ONCE]]
                page = self._collection().get(ids=some, include=["embeddings"])
                for text, vector in zip(page["ids"], page["embeddings"], strict=True):
                    found[key_of_text(text)] = _stored(vector, bits=bits)
        return found

    def search(self, vector: Vectors, k: int, *, exact: bool) -> list[Key]:
        """Search by the index; `exact` is ignored, because Chroma has no exact search."""
        del exact
        with _problems():
            query = _numbers(vector[None, :])
            found = self._collection().query(query_embeddings=query, n_results=k, include=[])
        return [key_of_text(text) for text in found["ids"][0]]

    def describe_index(self, schema: Schema, index: IndexSpec) -> str:
        """The index that Chroma builds with the writes, whatever is asked for."""
        metric = "hamming, as squared L2" if schema.element == "bits" else "inner product"
        m, candidates = (
            (index.m, index.ef_construction)
            if index.kind == "hnsw"
            else (IndexSpec().m, IndexSpec().ef_construction)
        )
        without = "; Chroma has no collection without an index" if index.kind == "none" else ""
        return f"hnsw, m={m}, ef_construction={candidates}, {metric}{without}"

    def columns(self, schema: Schema) -> tuple[str, ...]:
        """The vector and the metadata."""
        return (
            "id string",
            "chunk int",
            f"embedding float32 ({schema.dimensions})",
            *(f"{name} string" for name in schema.kept),
        )

    def close(self) -> None:
        """Close the connections."""
        self._client.close()
        for session in _sessions(self._client):  # which its `close` leaves open
            session.close()

    # --- below, errors are those of chromadb

    def _collection(self) -> Any:
        if self._here is None:
            self._here = self._client.get_collection(self._name, embedding_function=None)
        return self._here

    def _named(self, name: str) -> Any:
        try:
            return self._client.get_collection(name, embedding_function=None)
        except NotFoundError:
            return None

    def _record_now(self) -> Contents | None:
        """What the collection says that is loaded, whatever its name is now."""
        found = self._client.list_collections()
        return next((_record(one) for one in found if one.id == self._collection().id), None)

    def _mine(self) -> list[Any]:
        """The collections that were made to replace one of this name, or were replaced."""
        names = [one.name for one in self._client.list_collections()]
        return [
            found
            for name in names
            if name.startswith(f"{self._name}__") and (found := self._named(name)) is not None
        ]

    def _serving(self, contents: Contents) -> Any:
        """The collection of this name; one of this run that was about to get it gets it now."""
        found = self._named(self._name)
        if found is not None:
            return found
        for one in self._mine():
            held = _record(one)
            if held is not None and held.run == contents.run and NEXT in (one.metadata or {}):
                one.modify(name=self._name)
                _say(one, held)
                return one
        return None

    def _unfinished(self, contents: Contents) -> Any:
        """The rest of a replacement by this run; those that were given up are deleted."""
        found: Any = None
        for one in self._mine():
            held = _record(one)
            if held is None or (held.complete and NEXT not in (one.metadata or {})):
                continue
            if is_rest_of(held, contents):
                found = one
            else:
                self._client.delete_collection(one.name)
        return found

    def _create(self, name: str, contents: Contents) -> Any:
        """Make a collection, unless another loader made it between."""
        assert self._schema is not None, "prepare comes first"
        spec = self._index if self._index.kind == "hnsw" else IndexSpec()
        graph = {
            "space": "l2" if self._schema.element == "bits" else "ip",
            "max_neighbors": spec.m,
            "ef_construction": spec.ef_construction,
            "ef_search": EF_SEARCH,
        }
        try:
            return self._client.create_collection(
                name,
                configuration={"hnsw": graph},
                metadata={RECORD: encode(contents)},
                embedding_function=None,
            )
        except ChromaError:
            found = self._named(name)
            if found is None or _record(found) is None:
                raise
            return found

    def _upsert(self, rows: Rows) -> None:
        keys = rows.keys()
        # Chroma keeps what a row had before unless it is None here.
        metadatas = [
            {"id": key.id, "chunk": key.chunk, **{name: values[row] for name, values in rows.kept.items()}}
            for row, key in enumerate(keys)
        ]
        try:
            self._collection().upsert(
                ids=list(map(text_of_key, keys)), embeddings=_numbers(rows.vectors), metadatas=metadatas
            )
        except RateLimitError as error:
            raise Busy(_said(error)) from error
        except (InvalidArgumentError, QuotaError, ValueError) as error:
            raise Rejected(_said(error)) from error

    def _take_place(self, contents: Contents, serving: Any) -> str | None:
        """Give the name to the new collection; the one that served is kept, and those before it are deleted."""
        new = self._collection()
        if serving is not None and serving.id == new.id:
            _say(new, contents)
            return None
        new.modify(metadata={RECORD: encode(contents), NEXT: True})
        before: str | None = None
        if serving is not None:
            held = _record(serving)
            before = f"{self._name}__{held.collection if held else serving.id}"
            serving.modify(name=before)
        new.modify(name=self._name)
        _say(new, contents)
        for one in self._mine():
            if one.name != before:
                self._client.delete_collection(one.name)
        return before

    def _holds_bits(self) -> bool:
        if self._schema is not None:
            return self._schema.element == "bits"
        held = _record(self._collection())
        return held is not None and held.dtype == "binary"


def open_chroma(target: Target, secret: str | None) -> Chroma:
    """The collection that a target names. The secret is a token, sent as `X-Chroma-Token`."""
    return Chroma(target, secret)


def _sessions(client: Any) -> list[httpx.Client]:
    """The connections of a client: its own, and those by which it looked for the database."""
    servers = [getattr(one, "_server", None) for one in (client, getattr(client, "_admin_client", None))]
    sessions = [getattr(server, "_session", None) for server in servers]
    return [session for session in sessions if isinstance(session, httpx.Client)]


def _record(collection: Any) -> Contents | None:
    return decode(str((collection.metadata or {}).get(RECORD, "")))


def _say(collection: Any, contents: Contents) -> None:
    collection.modify(metadata={RECORD: encode(contents)})


def _numbers(vectors: Vectors) -> Vectors:
    """Vectors as Chroma takes them; of packed bits a number each."""
    return np.unpackbits(vectors, axis=1).astype(np.float32) if vectors.dtype == np.uint8 else vectors


def _stored(vector: Any, *, bits: bool) -> Vectors:
    numbers = np.asarray(vector, np.float32)
    return np.packbits(numbers.astype(np.uint8)) if bits else numbers


def _said(error: BaseException) -> str:
    return str(error).strip().partition("\n")[0][:300] or type(error).__name__


@contextlib.contextmanager
def _problems() -> Generator[None]:
    """Errors of Chroma as problems of two lines."""
    try:
        yield
    except (Problem, Busy, Rejected):
        raise
    except (AuthorizationError, ChromaAuthError) as error:
        raise Problem(
            f"Chroma refuses the token: {_said(error)}", hint="--secret NAME: the variable holds a token"
        ) from error
    except httpx.HTTPError as error:
        raise Problem(
            f"Chroma cannot be reached: {_said(error)}", hint=f"see that the server runs; {AGAIN}"
        ) from error
    except ChromaError as error:
        # A server whose disk is full says that its log cannot be compacted, and no more.
        hint = f"see the server's log, and whether its disk has room; {AGAIN}"
        raise Problem(f"Chroma refused: {_said(error)}", hint=hint) from error
    except Exception as error:
        # Its client raises bare exceptions for answers that it does not know, and ValueError without a server.
        if type(error) not in (Exception, ValueError):
            raise
        if "connect" in str(error).lower():
            raise Problem(
                f"Chroma cannot be reached: {_said(error)}", hint=f"see that the server runs; {AGAIN}"
            ) from error
        raise Problem(f"Chroma failed: {_said(error)}", hint=AGAIN) from error
