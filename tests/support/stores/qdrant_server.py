"""Qdrant's REST interface, as far as `load` uses it, over Qdrant's own engine (the wheel `qdrant-edge-py`).

Points, distances, segments and HNSW are the engine's; routes, aliases, metadata and documents are ours, written from
the models of qdrant-client. It is no Qdrant server: a fault of the wire that both of us share is not seen here.
"""

# qdrant-edge-py is no part of `dev`
# pyright: reportMissingImports=false, reportUnknownVariableType=false, reportUnknownMemberType=false
# pyright: reportUnknownArgumentType=false, reportUnknownParameterType=false
import importlib.util
import json
import shutil
import sys
import tempfile
from collections.abc import Generator
from contextlib import contextmanager
from dataclasses import dataclass
from http.server import BaseHTTPRequestHandler, ThreadingHTTPServer
from pathlib import Path
from threading import Lock, Thread
from typing import Any
from urllib.parse import unquote, urlsplit

import pytest

from tests.support.server_process import server_process

Json = dict[str, Any]


@contextmanager
def running_qdrant() -> Generator[str, None, None]:
    """Host and port of an empty server, which ends with this process."""
    if any(importlib.util.find_spec(name) is None for name in ("qdrant_edge", "qdrant_client")):
        pytest.skip("no Qdrant here: make e2e-load installs it (tests/e2e/vector-stores.txt)")
    with tempfile.TemporaryDirectory(prefix="embedfleet-qdrant-", ignore_cleanup_errors=True) as folder:
        command = [sys.executable, "-m", "tests.support.stores.qdrant_server", folder]
        with server_process(command) as ports:
            yield f"127.0.0.1:{ports[0]}"


class RefusedError(Exception):
    """A status other than 200."""

    def __init__(self, status: int, said: str) -> None:
        super().__init__(said)
        self.status = status


@dataclass
class Collection:
    """A shard of the engine, and what a server keeps beside it."""

    shard: Any
    folder: Path
    vectors: Json
    metadata: Json
    changed: bool = False
    building: Thread | None = None


class Engine:
    """Collections and aliases. One request at a time."""

    def __init__(self, folder: Path) -> None:
        self._folder = folder
        self._collections: dict[str, Collection] = {}
        self._aliases: dict[str, str] = {}
        self._made = 0
        self._lock = Lock()

    def answer(self, method: str, path: str, body: Json) -> Any:
        """The result of a request."""
        match [method, *map(unquote, path.strip("/").split("/"))]:
            case ["GET", "aliases"]:
                pairs = self._aliases.items()
                return {"aliases": [{"alias_name": a, "collection_name": c} for a, c in pairs]}
            case ["GET", "collections"]:
                return {"collections": [{"name": name} for name in self._collections]}
            case ["POST", "collections", "aliases"]:
                return self._change_aliases(body["actions"])
            case [_, "collections", name]:
                return self._of_collection(method, name, body)
            case [_, "collections", name, "points", *rest]:
                return self._of_points(method, self._named(name), rest, body)
            case other:
                raise RefusedError(404, f"no route {other}")

    def _change_aliases(self, actions: list[Json]) -> bool:
        for action in actions:
            if one := action.get("create_alias"):
                self._named(one["collection_name"])
                self._aliases[one["alias_name"]] = one["collection_name"]
            else:
                self._aliases.pop(action["delete_alias"]["alias_name"], None)
        return True

    def _of_collection(self, method: str, name: str, body: Json) -> Any:
        match method:
            case "PUT":
                if name in self._collections or name in self._aliases:
                    raise RefusedError(409, f"Wrong input: Collection `{name}` already exists!")
                self._collections[name] = self._create(body)
            case "PATCH":
                self._named(name).metadata |= body.get("metadata") or {}
            case "DELETE":
                gone = self._collections.pop(name)
                gone.shard.close()
                shutil.rmtree(gone.folder)
            case _:
                return self._info(self._named(name))
        return True

    def _create(self, body: Json) -> Collection:
        import qdrant_edge as edge

        self._made += 1
        folder = self._folder / str(self._made)
        folder.mkdir()
        vectors, graph = body["vectors"], body["hnsw_config"]
        kind = edge.VectorStorageDatatype.Uint8 if vectors.get("datatype") == "uint8" else None
        shape = edge.EdgeVectorParams(
            vectors["size"], getattr(edge.Distance, vectors["distance"]), datatype=kind
        )
        hnsw = edge.HnswIndexConfig(graph["m"], graph["ef_construct"], 10)
        # Segments of 10 kB are indexed, so that the small collections of tests have a graph.
        optimizers = edge.EdgeOptimizersConfig(indexing_threshold=10)
        config = edge.EdgeConfig(vectors=shape, hnsw_config=hnsw, optimizers=optimizers)
        return Collection(
            edge.EdgeShard.create(str(folder), config), folder, vectors, body.get("metadata") or {}
        )

    def _named(self, name: str) -> Collection:
        found = self._collections.get(self._aliases.get(name, name))
        if found is None:
            raise RefusedError(404, f"Not found: Collection `{name}` doesn't exist!")
        return found

    def _info(self, one: Collection) -> Json:
        """Yellow while the index is built, which the first look after a change begins."""
        if one.changed and one.building is None:
            one.changed = False
            one.building = Thread(target=self._build, args=(one,))
            one.building.start()
        return {
            "status": "green" if one.building is None else "yellow",
            "optimizer_status": "ok",
            "segments_count": 1,
            "payload_schema": {},
            "config": {
                "params": {"vectors": one.vectors},
                "hnsw_config": {"m": 16, "ef_construct": 100, "full_scan_threshold": 10},
                "optimizer_config": {"default_segment_number": 0, "flush_interval_sec": 5},
                "metadata": one.metadata,
            },
        }

    def _build(self, one: Collection) -> None:
        with self._lock:
            one.shard.optimize()
            one.building = None

    def _of_points(self, method: str, one: Collection, rest: list[str], body: Json) -> Any:
        import qdrant_edge as edge

        with self._lock:
            match [method, *rest]:
                case ["PUT"]:
                    points = [edge.Point(p["id"], p["vector"], p["payload"]) for p in body["points"]]
                    one.shard.update(edge.UpdateOperation.upsert_points(points))
                    one.changed = True
                case ["POST", "delete"]:
                    one.shard.update(edge.UpdateOperation.delete_points(body["points"]))
                    one.changed = True
                case ["POST", "count"]:
                    return {"count": one.shard.count(edge.CountRequest(exact=True))}
                case ["POST"]:
                    found = one.shard.retrieve(body["ids"], with_payload=True, with_vector=True)
                    return [_point(point) for point in found]
                case ["POST", "scroll"]:
                    asked = edge.ScrollRequest(
                        body.get("offset"), body["limit"], with_payload=True, with_vector=True
                    )
                    found, following = one.shard.scroll(asked)
                    return {
                        "points": [_point(point) for point in found],
                        "next_page_offset": None if following is None else str(following),
                    }
                case ["POST", "query"]:
                    return {"points": self._query(one, body)}
                case other:
                    raise RefusedError(404, f"no route {other}")
        return {"operation_id": 0, "status": "completed"}

    def _query(self, one: Collection, body: Json) -> list[Json]:
        import qdrant_edge as edge

        how = body.get("params") or {}
        asked = edge.QueryRequest(
            limit=body["limit"],
            query=edge.Query.Nearest(body["query"]["nearest"]),
            with_payload=True,
            params=edge.SearchParams(hnsw_ef=how.get("hnsw_ef"), exact=bool(how.get("exact"))),
        )
        return [
            {"id": str(hit.id), "version": hit.version, "score": hit.score, "payload": hit.payload}
            for hit in one.shard.query(asked)
        ]


def _point(point: Any) -> Json:
    vector = point.vector
    return {
        "id": str(point.id),
        "payload": point.payload,
        "vector": vector[""] if isinstance(vector, dict) else vector,
    }


class Handler(BaseHTTPRequestHandler):
    """Requests of one connection."""

    protocol_version = "HTTP/1.1"
    engine: Engine

    def answer(self) -> None:
        length = int(self.headers.get("Content-Length") or 0)
        body = json.loads(self.rfile.read(length) or b"{}")
        try:
            status, document = (
                200,
                {"result": self.engine.answer(self.command, urlsplit(self.path).path, body)},
            )
        except RefusedError as refused:
            status, document = refused.status, {"status": {"error": str(refused)}}
        except Exception as error:  # noqa: BLE001 - the engine's own
            status, document = 400, {"status": {"error": f"{type(error).__name__}: {error}"}}
        text = json.dumps({"time": 0.0, "status": "ok", **document}).encode()
        self.send_response(status)
        self.send_header("Content-Type", "application/json")
        self.send_header("Content-Length", str(len(text)))
        self.end_headers()
        self.wfile.write(text)

    do_GET = do_PUT = do_POST = do_PATCH = do_DELETE = answer  # noqa: N815 - as http.server calls them

    def log_message(self, format: str, *args: Any) -> None:  # noqa: A002 - its own name
        """Say nothing."""


if __name__ == "__main__":
    Handler.engine = Engine(Path(sys.argv[1]))
    with ThreadingHTTPServer(("127.0.0.1", 0), Handler) as server:
        Thread(target=server.serve_forever, daemon=True).start()
        print(f"port {server.server_port}", flush=True)
        sys.stdin.read()
        server.shutdown()
