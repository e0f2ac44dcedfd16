"""The wire fake of Weaviate behind its two ports: collections, aliases, objects, and what is refused of them."""

# messages of weaviate-client, which is no part of `dev`, are untyped
# pyright: reportUnknownVariableType=false, reportUnknownMemberType=false, reportUnknownArgumentType=false
import re
from collections.abc import Iterable
from dataclasses import dataclass, field
from threading import Lock
from typing import Any
from uuid import UUID

import numpy as np

from tests.support.json_server import Headers, Json, RefusedError

VERSION = "1.33.0"
MOST_FOUND = 10_000  # QUERY_MAXIMUM_RESULTS
CLASS = re.compile(r"[A-Z][_0-9A-Za-z]{0,254}")
POISON = "poison"  # an id that the fake refuses, as a server refuses a property of another type
SLOW, STUCK = "slow", "stuck"  # ids whose vectors wait for the index: for three looks, and for ever
FIXED = ("class", "vectorConfig", "properties")  # of a collection, in an update


@dataclass
class Collection:
    """A class as REST has it, and its objects by UUID: their properties and their vector."""

    document: Json
    objects: dict[str, tuple[Json, Any]] = field(default_factory=dict[str, tuple[Json, Any]])
    width: int | None = None  # of a vector: that of the first
    looks: int = 0  # at its queue

    def queued(self) -> int:
        """Vectors that wait for the index."""
        self.looks += 1
        ids = {properties.get("document_id") for properties, _ in self.objects.values()}
        return 1 if STUCK in ids else max(0, 4 - self.looks) if SLOW in ids else 0


class Engine:
    """Collections and aliases. One request at a time."""

    def __init__(self) -> None:
        self.lock = Lock()
        self._collections: dict[str, Collection] = {}
        self._aliases: dict[str, str] = {}

    # --- REST

    def is_write(self, method: str, path: list[str]) -> bool:
        """Rows are written over gRPC."""
        del method, path
        return False

    def half(self, body: Json) -> Json:
        return body

    def refusal(self, status: int, said: str) -> Json:
        return {"code": status, "error": [{"message": said}]}

    def answer(
        self, method: str, path: list[str], query: dict[str, list[str]], body: Json
    ) -> tuple[Any, Headers]:
        """The document of a request."""
        del query
        with self.lock:
            match [method, *path[1:]]:  # the first is the version
                case ["GET", "meta"]:
                    return {"hostname": "", "version": VERSION, "grpcMaxMessageSize": 104_858_000}, {}
                case ["GET", "schema"]:
                    return {"classes": [one.document for one in self._collections.values()]}, {}
                case ["POST", "schema"]:
                    return self._create(body), {}
                case [_, "schema", name]:
                    return self._of_class(method, name, body), {}
                case ["GET", "nodes", name]:
                    return {"nodes": [_node(name, self.named(name))]}, {}
                case [_, "aliases", *rest]:
                    return self._of_aliases(method, rest, body), {}
                case other:
                    raise RefusedError(404, f"no route {other}")

    def _create(self, body: Json) -> Json:
        name = body["class"]
        if not CLASS.fullmatch(name):
            raise RefusedError(422, f"'{name}' is not a valid class name")
        if name in self._collections or name in self._aliases:
            raise RefusedError(422, f"class name {name} already exists")
        body["properties"] = [_property(one) for one in body.get("properties", ())]
        for one in body.setdefault("vectorConfig", {}).values():
            one["vectorIndexConfig"] = GRAPH | one.get("vectorIndexConfig", {})
        self._collections[name] = Collection({"invertedIndexConfig": INVERTED, **SHARDED, **body})
        return self._collections[name].document

    def _of_class(self, method: str, name: str, body: Json) -> Json:
        found = self._collections.get(name)
        if found is None:
            raise RefusedError(404, f"could not find collection {name}")
        match method:
            case "GET":
                return found.document
            case "PUT":
                for part in FIXED:
                    if body.get(part) != found.document.get(part):
                        raise RefusedError(422, f"{part} is immutable")
                found.document = body
            case "DELETE":
                del self._collections[name]
            case _:
                raise RefusedError(405, method)
        return found.document

    def _of_aliases(self, method: str, rest: list[str], body: Json) -> Json:
        match [method, *rest]:
            case ["POST"]:
                alias, name = body["alias"], body["class"]
                if alias in self._aliases or alias in self._collections:
                    raise RefusedError(422, f"create alias: alias {alias} already exists")
            case ["GET"]:
                return {"aliases": [{"alias": a, "class": c} for a, c in self._aliases.items()]}
            case [_, alias]:
                if alias not in self._aliases:
                    raise RefusedError(404, f"alias {alias} not found")
                if method == "GET":
                    return {"alias": alias, "class": self._aliases[alias]}
                name = body["class"]
            case other:
                raise RefusedError(404, f"no route {other}")
        if name not in self._collections:
            raise RefusedError(422, f"create alias: collection {name} does not exist")
        self._aliases[alias] = name
        return {"alias": alias, "class": name}

    # --- gRPC

    def named(self, name: str) -> Collection:
        """The collection of a name or an alias."""
        found = self._collections.get(self._aliases.get(name, name))
        if found is None:
            raise RefusedError(404, f"could not find class {name} in schema")
        return found

    def put(self, objects: Iterable[Any]) -> dict[int, str]:
        """Write a batch; returns the errors by position."""
        errors: dict[int, str] = {}
        for position, one in enumerate(objects):
            try:
                self._put(one)
            except (RefusedError, ValueError) as refused:
                errors[position] = str(refused)
        return errors

    def _put(self, one: Any) -> None:
        collection = self.named(one.collection)
        types = {p["name"]: p["dataType"][0] for p in collection.document["properties"]}
        fields = one.properties.non_ref_properties.fields
        properties = {name: _value(name, value, types.get(name)) for name, value in fields.items()}
        if properties.get("document_id") == POISON:
            raise RefusedError(422, "invalid text property 'document_id': the text is poison")
        [vector] = [v for v in one.vectors if v.name in collection.document["vectorConfig"]]
        numbers = np.frombuffer(vector.vector_bytes, np.float32)
        collection.width = collection.width or len(numbers)
        if len(numbers) != collection.width:
            raise RefusedError(422, f"vector lengths don't match: {len(numbers)} and {collection.width}")
        collection.objects[str(UUID(one.uuid))] = (properties, numbers)

    def delete(self, name: str, uuids: Iterable[str]) -> int:
        """Delete those that are there; returns how many were."""
        objects = self.named(name).objects
        return sum(objects.pop(str(UUID(one)), None) is not None for one in uuids)

    def found(self, request: Any) -> list[tuple[str, Json, Any]]:
        """UUID, properties and vector of each object that a query finds."""
        collection = self.named(request.collection)
        if request.limit > MOST_FOUND:
            raise RefusedError(422, f"query maximum results exceeded: {request.limit}")
        rows = [(uuid, *held) for uuid, held in collection.objects.items()]
        if request.HasField("near_vector"):
            return _nearest(collection, rows, request.near_vector)[: request.limit]
        if request.HasField("filters"):
            wanted = set(uuids_of(request.filters))
            rows = [row for row in rows if row[0] in wanted]
        return sorted(row for row in rows if not request.after or row[0] > request.after)[: request.limit]


INVERTED = {
    "bm25": {"b": 0.75, "k1": 1.2},
    "cleanupIntervalSeconds": 60,
    "stopwords": {"preset": "en", "additions": None, "removals": None},
}
SHARDED = {
    "multiTenancyConfig": {"enabled": False},
    "replicationConfig": {"factor": 1, "asyncEnabled": False, "deletionStrategy": "NoAutomatedResolution"},
    "shardingConfig": {
        "virtualPerPhysical": 128,
        "desiredCount": 1,
        "actualCount": 1,
        "desiredVirtualCount": 128,
        "actualVirtualCount": 128,
        "key": "_id",
        "strategy": "hash",
        "function": "murmur3",
    },
}


GRAPH = {
    "cleanupIntervalSeconds": 300,
    "distance": "cosine",
    "dynamicEfMin": 100,
    "dynamicEfMax": 500,
    "dynamicEfFactor": 8,
    "ef": -1,
    "efConstruction": 128,
    "filterStrategy": "sweeping",
    "flatSearchCutoff": 40_000,
    "maxConnections": 32,
    "skip": False,
    "vectorCacheMaxObjects": 1_000_000_000_000,
}  # what a server adds to an index


def _property(asked: Json) -> Json:
    """A property with what a server adds to it."""
    text = asked["dataType"] == ["text"]
    more = {"indexFilterable": True, "indexSearchable": text, "indexRangeFilters": False}
    name = asked["name"][0].lower() + asked["name"][1:]
    return {**more, **({"tokenization": "word"} if text else {}), **asked, "name": name}


def _node(name: str, collection: Collection) -> Json:
    shard = {"class": name, "name": "one", "objectCount": len(collection.objects), "compressed": False}
    return {
        "name": "node1",
        "status": "HEALTHY",
        "version": VERSION,
        "stats": {"objectCount": len(collection.objects), "shardCount": 1},
        "shards": [
            {
                **shard,
                "vectorIndexingStatus": "READY",
                "vectorQueueLength": collection.queued(),
                "loaded": True,
            }
        ],
    }


def _value(name: str, value: Any, kind: str | None) -> Any:
    """A property as the schema has it."""
    held = value.string_value if value.HasField("string_value") else value.number_value
    if kind is None:
        raise RefusedError(422, f"no such prop with name '{name}' found")
    if isinstance(held, str) != (kind == "text"):
        raise RefusedError(422, f"invalid {kind} property '{name}'")
    return int(held) if kind == "int" else held


def uuids_of(filters: Any) -> list[str]:
    assert filters.target.property == "_id", filters
    assert filters.operator == filters.OPERATOR_CONTAINS_ANY, filters
    return [str(UUID(text)) for text in filters.value_text_array.values]


def _nearest(collection: Collection, rows: list[Any], near: Any) -> list[Any]:
    [config] = [collection.document["vectorConfig"][name] for name in near.targets.target_vectors]
    query = np.frombuffer(near.vectors[0].vector_bytes, np.float32)
    if not rows:
        return []
    matrix = np.stack([vector for _, _, vector in rows])
    metric = config["vectorIndexConfig"]["distance"]
    far = (matrix != query).sum(axis=1) if metric == "hamming" else -(matrix @ query)
    assert metric in ("hamming", "dot"), metric
    return [rows[row] for row in np.argsort(far, kind="stable")]
