"""A wire fake of OpenSearch and Elasticsearch, as far as `load` uses them, with faults that a test orders.

Written from the documentation of both and never compared with a real server: a fault that both sides share is not seen
here. What it holds to: documents are found by searches and counted only after a refresh, read by id at once; an `index`
action overwrites its id; rows of an index that is gone make a new one without a mapping; unknown routes, parameters and
types are refused; a vector of other dimensions is refused alone. Searches compare all vectors.
"""

# pyright: reportUnknownVariableType=false, reportUnknownMemberType=false, reportUnknownArgumentType=false
import json
import socket
import sys
from collections.abc import Generator
from contextlib import contextmanager
from dataclasses import dataclass, field
from fnmatch import fnmatchcase
from http.server import BaseHTTPRequestHandler, ThreadingHTTPServer
from threading import Lock, Thread
from typing import Any, Literal
from urllib.parse import unquote, urlsplit
from urllib.request import Request, urlopen

import numpy as np
import pytest

from tests.support.server_process import server_process

Json = dict[str, Any]
Product = Literal["opensearch", "elasticsearch"]
# full: 429 for every row, because the disk is. busy: 429 for the whole request. items busy: 429 for every other row,
# the rest are written. lost: written, and the connection ends without an answer. twice: written, and once more behind
# the next write, as a proxy may deliver it. unavailable: 503. poison: a row with "poison" in a kept text is refused,
# always.
ACTIONS = ("index", "delete")
Fault = Literal["full", "busy", "items busy", "lost", "twice", "unavailable"]
CLIENTS: dict[Product, str] = {"opensearch": "opensearchpy", "elasticsearch": "elasticsearch"}


@contextmanager
def running_search(product: Product) -> Generator[str, None, None]:
    """Host and port of an empty server, which ends with this process."""
    pytest.importorskip(CLIENTS[product], reason=f"no client of {product} here: make e2e-load installs it")
    command = [sys.executable, "-m", "tests.support.stores.search_server", product]
    with server_process(command) as ports:
        yield f"127.0.0.1:{ports[0]}"


def order(place: str, *faults: Fault) -> list[Fault]:
    """Faults that the next writes are to meet, one each; returns those that none has met yet."""
    body = json.dumps(faults).encode()
    with urlopen(Request(f"http://{place}/faults", body), timeout=30) as found:
        return json.loads(found.read())


class RefusedError(Exception):
    """A status other than 200."""

    def __init__(self, status: int, kind: str, said: str) -> None:
        super().__init__(said)
        self.status, self.kind = status, kind


@dataclass
class Index:
    """Documents by their ids: as they are, and as the last refresh showed them."""

    mapping: Json
    settings: Json
    documents: dict[str, Json] = field(default_factory=dict[str, Json])
    shown: dict[str, Json] = field(default_factory=dict[str, Json])


class Server:
    """Indexes and aliases. One request at a time."""

    def __init__(self, product: Product) -> None:
        self.product: Product = product
        self._indexes: dict[str, Index] = {}
        self._aliases: dict[str, str] = {}
        self._late: list[tuple[str, list[Json]]] = []
        self.faults: list[Fault] = []
        self.lock = Lock()

    def answer(self, method: str, path: str, body: Any) -> Any:
        """The document of an answer."""
        found: Any = {"acknowledged": True}
        match [method, *map(unquote, path.strip("/").split("/"))]:
            case ["POST", "_aliases"]:
                self._move(body["actions"])
            case ["PUT", name]:
                self._create(name, body)
            case ["DELETE", name]:
                self._named(name)
                self._aliases = {alias: real for alias, real in self._aliases.items() if real != name}
                del self._indexes[name]
            case ["GET", name, "_alias"]:
                self._named(name)
                found = {name: {"aliases": {a: {} for a, real in self._aliases.items() if real == name}}}
            case ["GET", name, "_mapping"]:
                found = {real: {"mappings": self._indexes[real].mapping} for real in self._matching(name)}
            case [_, name, word]:
                found = self._of_index(self._named(name), f"{method} {word}", body)
            case other:
                raise no_route(other)
        return found

    def _of_index(self, index: Index, what: str, body: Any) -> Any:
        found: Any = {"acknowledged": True}
        match what:
            case "PUT _mapping":
                known(body, {"_meta"}, "mapping")
                index.mapping |= body
            case "PUT _settings":
                index.settings |= body["index"]
            case "POST _refresh":
                index.shown = dict(index.documents)
            case "GET _count":
                found = {"count": len(index.shown)}
            case "POST _mget":
                found = {"docs": [_got(one, index.documents.get(one)) for one in body["ids"]]}
            case "POST _search":
                found = self._search(index, body)
            case other:
                raise no_route(other)
        return found

    def bulk(self, name: str, lines: list[Json], *, require_alias: bool = False) -> tuple[Json, Fault | None]:
        """The answer to a write, and the fault that it meets."""
        fault = self.faults.pop(0) if self.faults else None
        if fault == "busy":
            raise RefusedError(429, "es_rejected_execution_exception", "rejected execution of bulk")
        if fault == "unavailable":
            raise RefusedError(503, "unavailable_shards_exception", "primary shard is not active")
        if require_alias and name not in self._aliases:
            said = f"no such index [{name}] and [require_alias] request flag is [true] and [{name}] is not an alias"
            error = {"type": "index_not_found_exception", "reason": said}
            actions = [(kind, about) for line in lines for kind, about in line.items() if kind in ACTIONS]
            gone = [
                {kind: {"_id": about["_id"], "status": 404, "error": error}}
                for kind, about in actions
                if isinstance(about, dict)
            ]
            return {"took": 1, "errors": True, "items": gone}, fault
        if fault == "full":
            items = [_blocked(about["_id"]) for line in lines if isinstance(about := line.get("index"), dict)]
            return {"took": 1, "errors": True, "items": items}, fault
        items = self._apply(name, lines, half=fault == "items busy")
        late, self._late = self._late, []
        for where, again in late:
            if where in self._aliases or where in self._indexes:
                self._apply(where, again, half=False)
        if fault == "twice":
            self._late.append((name, lines))
        failed = any("error" in one for item in items for one in item.values())
        return {"took": 1, "errors": failed, "items": items}, fault

    def _apply(self, name: str, lines: list[Json], *, half: bool) -> list[Json]:
        real = self._aliases.get(name, name)
        if real not in self._indexes:  # as a server does by itself
            self._indexes[real] = Index({"properties": {}}, {})
        index, items, rest = self._indexes[real], list[Json](), iter(lines)
        for action in rest:
            [(kind, about)] = action.items()
            one = about["_id"]
            if len(one.encode()) > 512:
                raise RefusedError(400, "action_request_validation_exception", f"id [{one}] is too long")
            if kind == "delete":
                items.append({"delete": {"_id": one, "status": 200 if one in index.documents else 404}})
                index.documents.pop(one, None)
                continue
            document = next(rest)
            if half and len(items) % 2:
                error = {"type": "es_rejected_execution_exception", "reason": "rejected execution"}
                items.append({"index": {"_id": one, "status": 429, "error": error}})
            elif (wrong := self._wrong(index, document)) is not None:
                error = {"type": "mapper_parsing_exception", "reason": wrong}
                items.append({"index": {"_id": one, "status": 400, "error": error}})
            else:
                items.append({"index": {"_id": one, "status": 200 if one in index.documents else 201}})
                index.documents[one] = document
        return items

    def _wrong(self, index: Index, document: Json) -> str | None:
        """Why a document is refused."""
        if any("poison" in str(value) for value in document.values()):
            return "failed to parse: the text is poison"
        about = index.mapping["properties"].get("vector")
        if about is None:
            return None
        vector = document["vector"]
        bits = about.get("data_type") == "binary" or about.get("element_type") == "bit"
        raw = bytes.fromhex(vector) if isinstance(vector, str) else vector
        have = len(raw) * (8 if bits else 1)
        if bits and not isinstance(vector, str) and not all(-128 <= one <= 127 for one in vector):
            return "a byte is from -128 to 127"
        if not bits and not np.isfinite(np.asarray(vector, np.float32)).all():
            return "NaN or infinity in a vector"
        want = about.get("dimension") or about.get("dims")
        return None if have == want else f"vector of {have} dimensions, and the field has {want}"

    def _create(self, name: str, body: Json) -> None:
        if name in self._indexes or name in self._aliases:
            raise RefusedError(400, "resource_already_exists_exception", f"index [{name}] already exists")
        if name != name.lower() or name[0] in "_-+":
            raise RefusedError(400, "invalid_index_name_exception", f"index name [{name}] is invalid")
        known(body, {"settings", "mappings", "aliases"}, "index")
        known(body["mappings"], {"dynamic", "_meta", "properties"}, "mapping")
        self._check_vector(body["mappings"]["properties"]["vector"])
        settings = body["settings"]["index"]
        known(settings, {"refresh_interval"} | ({"knn"} if self.product == "opensearch" else set()), "index")
        self._indexes[name] = Index(body["mappings"], settings)
        self._aliases |= dict.fromkeys(body.get("aliases", ()), name)

    def _check_vector(self, about: Json) -> None:
        if self.product == "opensearch":
            known(about, {"type", "dimension", "data_type", "method"}, "knn_vector")
            wrong = about["type"] != "knn_vector" or not 1 <= about["dimension"] <= 16_000
            wrong |= about.get("data_type") == "binary" and about["dimension"] % 8 != 0
        else:
            known(
                about,
                {"type", "dims", "index", "element_type", "similarity", "index_options"},
                "dense_vector",
            )
            bits = about.get("element_type") == "bit"
            wrong = about["type"] != "dense_vector" or not 1 <= about["dims"] <= (32_768 if bits else 4_096)
            wrong |= bits and about["dims"] % 8 != 0
        if wrong:
            raise RefusedError(400, "mapper_parsing_exception", f"failed to parse mapping: {about}")

    def _move(self, actions: list[Json]) -> None:
        aliases = dict(self._aliases)
        for action in actions:
            [(kind, about)] = action.items()
            if about["index"] not in self._indexes:
                raise RefusedError(404, "index_not_found_exception", f"no such index [{about['index']}]")
            if kind == "add":
                aliases[about["alias"]] = about["index"]
            elif aliases.get(about["alias"]) == about["index"]:
                del aliases[about["alias"]]
            elif about.get("must_exist"):
                raise RefusedError(404, "aliases_not_found_exception", f"aliases [{about['alias']}] missing")
        self._aliases = aliases

    def _matching(self, name: str) -> list[str]:
        if "*" in name:
            return [real for real in self._indexes if fnmatchcase(real, name)]
        self._named(name)
        return [self._aliases.get(name, name)]

    def _named(self, name: str) -> Index:
        found = self._indexes.get(self._aliases.get(name, name))
        if found is None:
            raise RefusedError(404, "index_not_found_exception", f"no such index [{name}]")
        return found

    def _search(self, index: Index, body: Json) -> Json:
        known(body, {"size", "_source", "query", "knn", "fields"}, "search")
        about = index.mapping["properties"].get("vector", {})
        query = body.get("query", {})
        if "match_all" in query:
            found = list(index.shown.items())
        elif "ids" in query:
            found = [(one, index.shown[one]) for one in query["ids"]["values"] if one in index.shown]
        else:
            found = self._nearest(index, about, body)[: body["size"]]
        hits = [{"_id": one, "_source": {f: document[f] for f in body["_source"]}} for one, document in found]
        for hit, (_, document) in zip(hits, found, strict=True):
            if body.get("fields"):
                vector = document["vector"]
                hit["fields"] = {"vector": [vector] if isinstance(vector, str) else vector}
        return {"took": 1, "timed_out": False, "hits": {"hits": hits}}

    def _nearest(self, index: Index, about: Json, body: Json) -> list[tuple[str, Json]]:
        query = body.get("query", {})
        if self.product == "opensearch" and "knn" in query:
            if not index.settings.get("knn"):
                raise RefusedError(400, "illegal_argument_exception", "index.knn is not set")
            asked = query["knn"]["vector"]
            known(asked, {"vector", "k", "method_parameters"}, "knn")
            wanted = asked["vector"]
        elif self.product == "elasticsearch" and "knn" in body:
            known(body["knn"], {"field", "query_vector", "k", "num_candidates"}, "knn")
            if not about.get("index", True):
                raise RefusedError(400, "illegal_argument_exception", "[knn] queries need an indexed field")
            wanted = body["knn"]["query_vector"]
        elif "script_score" in query:
            script = query["script_score"]["script"]
            if (script.get("lang") == "knn") != (self.product == "opensearch"):
                raise RefusedError(400, "illegal_argument_exception", f"script_lang {script.get('lang')}")
            parameters = script["params"]
            wanted = parameters["query_value"] if self.product == "opensearch" else parameters["v"]
        else:
            raise RefusedError(400, "parsing_exception", f"unknown query {sorted(body)}")
        if not index.shown:
            return []
        names = list(index.shown)
        matrix = np.stack([_numbers(index.shown[one]["vector"], about) for one in names])
        query_vector = _numbers(wanted, about)
        bits = about.get("data_type") == "binary" or about.get("element_type") == "bit"
        scores = -np.abs(matrix - query_vector).sum(axis=1) if bits else matrix @ query_vector
        return [(names[place], index.shown[names[place]]) for place in np.argsort(-scores, kind="stable")]


def no_route(asked: object) -> RefusedError:
    """What a server says to a request that it does not know."""
    return RefusedError(400, "illegal_argument_exception", f"no route {asked}")


def lines_of(raw: bytes, kind: str) -> list[Json]:
    """The lines of a _bulk."""
    if "json" not in kind:  # or ndjson: servers take both
        raise RefusedError(406, "media_type_header_exception", f"Content-Type {kind}")
    return [json.loads(line) for line in raw.splitlines()]


def known(body: Json, names: set[str], what: str) -> None:
    """Refuse what this server does not know, as a real one does."""
    unknown = sorted(set(body) - names)
    if unknown:
        raise RefusedError(400, "parsing_exception", f"unknown {what} parameter [{unknown[0]}]")


def _numbers(vector: Any, about: Json) -> Any:
    if isinstance(vector, str):
        return np.unpackbits(np.frombuffer(bytes.fromhex(vector), np.uint8)).astype(np.float32)
    if about.get("data_type") == "binary":
        return np.unpackbits(np.asarray(vector, np.int8).view(np.uint8)).astype(np.float32)
    return np.asarray(vector, np.float32)


def _got(one: str, document: Json | None) -> Json:
    return (
        {"_id": one, "found": False} if document is None else {"_id": one, "found": True, "_source": document}
    )


def _blocked(one: str) -> Json:
    """What is said of a row where the disk is so full that indexes are closed to writes."""
    said = "TOO_MANY_REQUESTS/12/disk usage exceeded flood-stage watermark, index has read-only-allow-delete block"
    error = {"type": "cluster_block_exception", "reason": f"index [docs] blocked by: [{said}];"}
    return {"index": {"_id": one, "status": 429, "error": error}}


class Handler(BaseHTTPRequestHandler):
    """Requests of one connection."""

    protocol_version = "HTTP/1.1"
    server_of: Server

    def answer(self) -> None:
        raw = self.rfile.read(int(self.headers.get("Content-Length") or 0))
        path = urlsplit(self.path).path
        fault: Fault | None = None
        with self.server_of.lock:
            if path == "/faults":
                self.server_of.faults += json.loads(raw)
                self.say(200, self.server_of.faults)
                return
            try:
                if path.endswith("/_bulk"):
                    lines = lines_of(raw, self.headers.get("Content-Type", ""))
                    alone = "require_alias=true" in urlsplit(self.path).query
                    document, fault = self.server_of.bulk(path.split("/")[1], lines, require_alias=alone)
                else:
                    body = json.loads(raw) if raw else None
                    document = self.server_of.answer(self.command, path, body)
            except RefusedError as refused:
                error = {"type": refused.kind, "reason": str(refused)}
                self.say(refused.status, {"error": error, "status": refused.status})
                return
        if fault == "lost":
            self.connection.shutdown(socket.SHUT_RDWR)
            self.close_connection = True
            return
        self.say(200, document)

    def say(self, status: int, document: Any) -> None:
        text = json.dumps(document).encode()
        self.send_response(status)
        self.send_header("Content-Type", "application/json")
        self.send_header("Content-Length", str(len(text)))
        if self.server_of.product == "elasticsearch":
            self.send_header("X-Elastic-Product", "Elasticsearch")
        self.end_headers()
        self.wfile.write(text)

    do_GET = do_PUT = do_POST = do_DELETE = do_HEAD = answer  # noqa: N815 - as http.server calls them

    def log_message(self, format: str, *args: Any) -> None:  # noqa: A002 - its own name
        """Say nothing."""


if __name__ == "__main__":
    Handler.server_of = Server("elasticsearch" if sys.argv[1] == "elasticsearch" else "opensearch")
    with ThreadingHTTPServer(("127.0.0.1", 0), Handler) as server:
        Thread(target=server.serve_forever, daemon=True).start()
        print(f"port {server.server_port}", flush=True)
        sys.stdin.read()
        server.shutdown()
