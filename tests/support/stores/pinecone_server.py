"""A wire fake of Pinecone, as far as `load` uses it: indexes named docs-N, of N dimensions, with namespaces in memory.

Written from the models of its own client, and from the documentation: reads lag behind writes by LAG and say how far they
have come (`x-pinecone-max-indexed-lsn`), a request holds 1,000 rows and 2 MB, ids are ASCII, and an import reads Parquet
files of id, values and metadata into namespaces that do not exist yet. It was never compared with the service.
"""

# the stubs of pyarrow are generic in what a file decides
# pyright: reportUnknownMemberType=false, reportUnknownArgumentType=false, reportUnknownVariableType=false
import importlib.util
import io
import json
import os
import time
from collections.abc import Callable, Generator
from contextlib import contextmanager
from dataclasses import dataclass, field
from threading import Lock
from typing import Any

import numpy as np
import pyarrow.parquet as pq
import pytest

from tasks.stores.base import list_all, read
from tasks.stores.open import open_store
from tests.support import json_server
from tests.support.json_server import Headers, Json, RefusedError

LAG = 0.4  # seconds until a read shows a write
MOST_ROWS, MOST_BYTES, MOST_FETCHED, MOST_HITS = 1_000, 2_000_000, 1_000, 10_000


@contextmanager
def running_pinecone() -> Generator[str, None, None]:
    """The address of an empty server, which ends with this process."""
    if importlib.util.find_spec("pinecone") is None:
        pytest.skip("no client of Pinecone here: make e2e-load installs it (tests/e2e/vector-stores.txt)")
    with json_server.running("tests.support.stores.pinecone_server") as address:
        yield address


def environment(address: str) -> dict[str, str]:
    """What the client needs to find the server."""
    return {"PINECONE_CONTROLLER_HOST": address, "PINECONE_API_KEY": "test"}


@dataclass
class Namespace:
    """Rows as reads show them, and the writes that they do not show yet."""

    shown: dict[str, Json] = field(default_factory=dict[str, Json])
    waiting: list[tuple[float, int, dict[str, Json | None]]] = field(
        default_factory=list[tuple[float, int, dict[str, Json | None]]]
    )
    position: int = 0  # in the log
    reached: int = 0  # by reads

    def write(self, rows: dict[str, Json | None]) -> int:
        self.position += 1
        self.waiting.append((time.monotonic() + LAG, self.position, rows))
        return self.position

    def look(self) -> "Namespace":
        """Show what is old enough."""
        while self.waiting and self.waiting[0][0] <= time.monotonic():
            _, self.reached, rows = self.waiting.pop(0)
            for name, row in rows.items():
                if row is None:
                    self.shown.pop(name, None)
                else:
                    self.shown[name] = row
        return self


class Service:
    """The indexes of one project. One request at a time."""

    def __init__(self) -> None:
        self._indexes: dict[str, dict[str, Namespace]] = {}
        self._imports: list[Json] = []
        self._lock = Lock()

    def is_write(self, method: str, path: list[str]) -> bool:
        return method == "POST" and path[-1] in ("upsert", "delete", "imports")

    def half(self, body: Json) -> Json:
        if "uri" in body:
            return body
        name = "vectors" if "vectors" in body else "ids"
        return body | {name: body[name][: (len(body[name]) + 1) // 2]}

    def refusal(self, status: int, said: str) -> Json:
        return {"error": {"code": str(status), "message": said}, "status": status}

    def answer(
        self, method: str, path: list[str], query: dict[str, list[str]], body: Json
    ) -> tuple[Any, Headers]:
        with self._lock:
            if path[0] == "indexes":
                return _index(path[1]), {}
            spaces = self._indexes.setdefault(path[0], {})
            width = int(path[0].removeprefix("docs-"))
            if [method, *path[1:-1]] == ["DELETE", "namespaces"]:
                if spaces.pop(path[-1], None) is None:
                    raise RefusedError(404, f"no namespace {path[-1]}")
                return {}, {}
            if path[1:3] == ["bulk", "imports"]:
                return self._import(method, path, spaces, body), {}
            routes: dict[str, Callable[[], tuple[Json, Headers]]] = {
                "POST vectors/upsert": lambda: _upsert(spaces, width, body),
                "POST vectors/delete": lambda: _delete(spaces, body),
                "GET vectors/fetch": lambda: _fetch(spaces, query),
                "POST query": lambda: _query(spaces, body),
                "POST describe_index_stats": lambda: _stats(spaces, width),
            }
            route = f"{method} {'/'.join(path[1:])}"
            if route not in routes:
                raise RefusedError(404, f"no route {route}")
            return routes[route]()

    def _import(self, method: str, path: list[str], spaces: dict[str, Namespace], body: Json) -> Json:
        """Jobs, which run when they are looked at a second time."""
        if method == "POST":
            number = str(len(self._imports) + 1)
            one = {
                "id": number,
                "uri": body["uri"],
                "status": "Pending",
                "createdAt": f"2026-11-30T00:00:{number:>02}Z",
            }
            self._imports.append(one)
            return {"id": number}
        if method == "GET" and len(path) == 3:
            return {"data": self._imports}
        one = next(job for job in self._imports if job["id"] == path[3])
        if method == "DELETE":
            if one["status"] == "Pending":
                one["status"] = "Cancelled"
            return {}
        if one["status"] == "Pending":
            one["status"] = "InProgress"
        elif one["status"] == "InProgress":
            one |= _imported(one["uri"], spaces)
        return one


def _imported(uri: str, spaces: dict[str, Namespace]) -> Json:
    """What became of a job: the files of each folder are the rows of a namespace."""
    store = open_store(uri)
    rows: dict[str, dict[str, Json | None]] = {}
    for entry in list_all(store, ""):
        namespace, _, file = entry.key.partition("/")
        body = read(store, entry.key)
        assert body is not None
        table = pq.ParquetFile(io.BytesIO(body))
        kinds = {field.name: str(field.type) for field in table.schema_arrow}
        strict = b"ARROW:schema" not in (table.metadata.metadata or {})
        if not strict or kinds != {"id": "string", "values": "list<element: float>", "metadata": "string"}:
            return {"status": "Failed", "error": f"{file} has the columns {kinds}"}
        if spaces.get(namespace, Namespace()).position:
            return {"status": "Failed", "error": f"the namespace {namespace} exists"}
        for row in table.read().to_pylist():
            one = {"id": row["id"], "values": row["values"], "metadata": json.loads(row["metadata"])}
            rows.setdefault(namespace, {})[row["id"]] = one
    for namespace, some in rows.items():
        spaces.setdefault(namespace, Namespace()).write(some)
    count = sum(map(len, rows.values()))
    return {"status": "Completed", "recordsImported": count, "percentComplete": 100.0}


def _index(name: str) -> Json:
    dimension = name.removeprefix("docs-")
    if not name.startswith("docs-") or not dimension.isdigit():
        raise RefusedError(404, f"Resource {name} not found")
    address = f"http://127.0.0.1:{os.environ['SERVED_PORT']}"
    return {
        "name": name,
        "host": f"{address}/{name}",
        "deletion_protection": "disabled",
        "schema": {
            "fields": {"_values": {"type": "dense_vector", "dimension": int(dimension), "metric": "cosine"}}
        },
        "deployment": {"deployment_type": "managed", "cloud": "aws", "region": "us-east-1"},
        "status": {"ready": True, "state": "Ready"},
    }


def _upsert(spaces: dict[str, Namespace], width: int, body: Json) -> tuple[Json, Headers]:
    rows = body["vectors"]
    if not 1 <= len(rows) <= MOST_ROWS or len(json.dumps(body)) > MOST_BYTES * 1.1:  # its JSON has blanks
        raise RefusedError(413, f"{len(rows)} rows are too many, or too large")
    for row in rows:
        numbers = np.asarray(row["values"], np.float32)
        held = row.get("metadata", {})
        wrong = (
            len(numbers) != width
            or not numbers.any()
            or not row["id"].isascii()
            or not 1 <= len(row["id"]) <= 512
            or len(json.dumps(held, ensure_ascii=False).encode()) > 40_960
            or any(value is None for value in held.values())
        )
        if wrong:
            raise RefusedError(400, f"the row {row['id']!r:.60} cannot be")
    space = spaces.setdefault(body["namespace"], Namespace())
    position = space.write({row["id"]: row for row in rows})
    return {"upsertedCount": len(rows)}, {"x-pinecone-request-lsn": str(position)}


def _delete(spaces: dict[str, Namespace], body: Json) -> tuple[Json, Headers]:
    position = spaces.setdefault(body["namespace"], Namespace()).write(dict.fromkeys(body["ids"]))
    return {}, {"x-pinecone-request-lsn": str(position)}


def _fetch(spaces: dict[str, Namespace], query: dict[str, list[str]]) -> tuple[Json, Headers]:
    name, ids = query["namespace"][0], query["ids"]
    if len(ids) > MOST_FETCHED:
        raise RefusedError(400, f"{len(ids)} ids are too many")
    shown = spaces[name].look().shown if name in spaces else {}
    return {"namespace": name, "vectors": {one: shown[one] for one in ids if one in shown}}, {}


def _query(spaces: dict[str, Namespace], body: Json) -> tuple[Json, Headers]:
    if not 1 <= body["topK"] <= MOST_HITS:
        raise RefusedError(400, f"topK is {body['topK']}")
    space = spaces.get(body["namespace"], Namespace()).look()
    rows = list(space.shown.values())
    found: list[Json] = []
    if rows:
        matrix = np.asarray([row["values"] for row in rows], np.float32)
        vector = np.asarray(body["vector"], np.float32)
        scores = (matrix @ vector) / (np.linalg.norm(matrix, axis=1) * np.linalg.norm(vector))
        for place in np.argsort(-scores, kind="stable")[: body["topK"]]:
            more = {"metadata": rows[place]["metadata"]} if body.get("includeMetadata") else {}
            found.append({"id": rows[place]["id"], "score": float(scores[place]), **more})
    document = {"matches": found, "namespace": body["namespace"], "usage": {"readUnits": 1}}
    return document, {"x-pinecone-max-indexed-lsn": str(space.reached)}


def _stats(spaces: dict[str, Namespace], width: int) -> tuple[Json, Headers]:
    counts = {name: len(space.look().shown) for name, space in spaces.items()}
    return {
        "namespaces": {name: {"vectorCount": count} for name, count in counts.items() if count},
        "dimension": width,
        "indexFullness": 0.0,
        "totalVectorCount": sum(counts.values()),
        "metric": "cosine",
        "vectorType": "dense",
    }, {}
