"""A wire fake of turbopuffer, as far as `load` uses it: namespaces in memory, written from the types of its own client.

It keeps what the documentation promises: a write is whole, durable and seen by the next query, the namespace is made by
its first write, ids are of one type, a kNN search wants a filter, and an index is built behind the writes. It was never
compared with the service.
"""

import base64
import importlib.util
import time
from collections.abc import Generator
from contextlib import contextmanager
from dataclasses import dataclass, field
from threading import Lock
from typing import Any
from uuid import UUID

import numpy as np
import pytest

from tests.support import json_server
from tests.support.json_server import Headers, Json, RefusedError

MOST_ROWS, MOST_NAME = 1_200, 128
LAG = 0.2  # seconds until an index is up to date


@contextmanager
def running_turbopuffer() -> Generator[str, None, None]:
    """The address of an empty server, which ends with this process."""
    if importlib.util.find_spec("turbopuffer") is None:
        pytest.skip("no client of turbopuffer here: make e2e-load installs it (tests/e2e/vector-stores.txt)")
    with json_server.running("tests.support.stores.turbopuffer_server") as address:
        yield address


def environment(address: str) -> dict[str, str]:
    """What the client needs to find the server."""
    return {"TURBOPUFFER_BASE_URL": f"{address}/{{region}}", "TURBOPUFFER_API_KEY": "test"}


@dataclass
class Namespace:
    """Documents by id, and the schema of their attributes."""

    schema: Json
    documents: dict[Any, Json] = field(default_factory=dict[Any, Json])
    written: float = 0.0


class Service:
    """The namespaces of one region. One request at a time."""

    def __init__(self) -> None:
        self._namespaces: dict[str, Namespace] = {}
        self._lock = Lock()

    def is_write(self, method: str, path: list[str]) -> bool:
        return method == "POST" and len(path) == 4 and path[-1] != "embedfleet-register"

    def half(self, body: Json) -> Json:
        """turbopuffer's writes are whole, so half of one is none of it."""
        return body | ({"upsert_columns": {"id": []}} if "upsert_columns" in body else {"deletes": []})

    def refusal(self, status: int, said: str) -> Json:
        return {"status": "error", "error": f"{status}: {said}"}

    def answer(
        self, method: str, path: list[str], query: dict[str, list[str]], body: Json
    ) -> tuple[Any, Headers]:
        del query
        with self._lock:
            match [method, *path[1:]]:  # the first is the region
                case ["POST", "v2", "namespaces", name]:
                    return self._write(name, body), {}
                case ["POST", "v2", "namespaces", name, "query"]:
                    return self._query(self._named(name), body), {}
                case ["GET", "v2", "namespaces", name, "metadata"]:
                    return _metadata(self._named(name)), {}
                case ["DELETE", "v2", "namespaces", name]:
                    self._named(name)
                    del self._namespaces[name]
                    return {"status": "OK"}, {}
                case other:
                    raise RefusedError(404, f"no route {other}")

    def _named(self, name: str) -> Namespace:
        if name not in self._namespaces:
            raise RefusedError(404, f"namespace '{name}' was not found")
        return self._namespaces[name]

    def _write(self, name: str, body: Json) -> Json:
        if len(name) > MOST_NAME:
            raise RefusedError(400, "the name of the namespace is too long")
        columns = body.get("upsert_columns", {"id": []})
        ids = columns["id"]
        if len(set(ids)) < len(ids) or any(len(values) != len(ids) for values in columns.values()):
            raise RefusedError(400, "an id comes twice, or columns have other lengths")
        deletes = body.get("deletes", [])
        if not ids and name not in self._namespaces:
            return _written(0, 0)
        one = self._namespaces.setdefault(name, Namespace({}))
        one.schema |= body.get("schema", {})
        rows = [dict(zip(columns, values, strict=True)) for values in zip(*columns.values(), strict=True)]
        documents = {row["id"]: _document(row, one.schema) for row in rows}
        gone = [key for key in deletes if key in one.documents]
        one.documents |= documents
        for key in gone:
            del one.documents[key]
        one.written = time.monotonic()
        return _written(len(documents), len(gone))

    def _query(self, one: Namespace, body: Json) -> Json:
        found = [row for row in one.documents.values() if _holds(row, body.get("filters"))]
        bills: Json = {"billing": {}, "performance": {}}
        if "aggregate_by" in body:
            return bills | {"aggregations": {name: len(found) for name in body["aggregate_by"]}}
        if not 1 <= body["limit"] <= MOST_ROWS:
            raise RefusedError(400, f"limit is {body['limit']}")
        ranked = _ranked(found, body)[: body["limit"]]
        wanted: list[str] = body.get("include_attributes") or []
        rows: list[Json] = [
            {"id": row["id"], **{name: row[name] for name in wanted if name in row}} for row in ranked
        ]
        return bills | {"rows": rows}


def _document(row: Json, schema: Json) -> Json:
    """A row as it is kept: nulls are no attributes, and vectors are rounded to their type."""
    kept = {name: value for name, value in row.items() if value is not None}
    if "vector" not in row:
        return kept
    UUID(str(row["id"]))
    kind = schema["vector"]["type"]
    width, half = int(kind[1 : kind.index("]")]), kind.endswith("f16")
    numbers = np.frombuffer(base64.b64decode(row["vector"]), "<f4")
    if len(numbers) != width or not np.isfinite(numbers).all():
        raise RefusedError(400, f"a vector has {len(numbers)} numbers, and the namespace {width}")
    for name, value in kept.items():
        attribute: Any = schema.get(name)
        filtered = name == "id" or attribute is None or bool(attribute.get("filterable"))
        limit = 4_096 if filtered else 8 * 2**20
        if isinstance(value, str) and name != "vector" and len(value.encode()) > limit:
            raise RefusedError(400, f"{name} has more than {limit} bytes")
    stored = numbers.astype(np.float16).astype(np.float32) if half else numbers
    return kept | {"vector": stored.tolist()}


def _holds(row: Json, condition: Any) -> bool:
    if condition is None:
        return True
    name, operation, value = condition
    if operation == "In":
        return row.get(name) in value
    if operation == "Eq":
        return row.get(name) == value
    if operation == "Gt":
        return bool(row[name] > value)
    assert operation == "Gte", operation
    return row.get(name) is not None and row[name] >= value


def _ranked(rows: list[Json], body: Json) -> list[Json]:
    name, how, *asked = body["rank_by"]
    if how == "asc":
        return sorted(rows, key=lambda row: row[name])
    if how == "kNN" and not body.get("filters"):
        raise RefusedError(400, "kNN wants filters")
    if not rows:
        return []
    matrix = np.asarray([row[name] for row in rows], np.float32)
    vector = np.asarray(asked[0], np.float32)
    lengths = np.linalg.norm(matrix, axis=1) * np.linalg.norm(vector)
    return [rows[n] for n in np.argsort(1 - (matrix @ vector) / lengths, kind="stable")]


def _written(upserted: int, deleted: int) -> Json:
    counts = {"rows_affected": upserted + deleted, "rows_upserted": upserted, "rows_deleted": deleted}
    return {"status": "OK", "message": "", "billing": {"billable_logical_bytes_written": 0}, **counts}


def _metadata(one: Namespace) -> Json:
    behind = time.monotonic() - one.written < LAG
    index = (
        {"status": "updating", "unindexed_bytes": 1, "unindexed_rows": 1}
        if behind
        else {"status": "up-to-date"}
    )
    when = "2026-11-30T00:00:00Z"
    return {
        "schema": one.schema,
        "approx_row_count": len(one.documents),
        "approx_logical_bytes": 0,
        "created_at": when,
        "updated_at": when,
        "encryption": {"mode": "default"},
        "index": index,
    }
