"""What is in a vector store, as its own client reads it and nothing of ours: rows by id and chunk, vectors as bytes."""

# the stubs of pyarrow are generic in what a file decides; lance is typed in part
# pyright: reportUnknownMemberType=false, reportUnknownArgumentType=false, reportUnknownVariableType=false
# pyright: reportMissingTypeStubs=false
import json
import urllib.request
from pathlib import Path
from typing import Any

import numpy as np
import psycopg
import pyarrow.parquet as pq
import redis

Found = dict[Any, Any]  # bytes of the vector by id and chunk


def wanted(output: Path) -> Found:
    found: Found = {}
    for file in sorted((output / "data").glob("*.parquet")):
        table = pq.read_table(file).combine_chunks()
        column: Any = table.column("vector").chunk(0)
        matrix = column.flatten().to_numpy(zero_copy_only=False).reshape(table.num_rows, -1)
        keys = zip(table.column("id").to_pylist(), table.column("chunk").to_pylist(), strict=True)
        found |= {key: vector.tobytes() for key, vector in zip(keys, matrix, strict=True)}
    return found


class Receipts:
    """The receipts of the files of a load, for stores without a ledger."""

    def __init__(self, output: Path) -> None:
        self._output = output

    def files(self) -> int:
        """How many files are there."""
        return len(list(self._output.glob("_embedfleet/run-1/loads/*/*.json")))


class InPostgres:
    """A table, as psycopg reads it."""

    def __init__(self, target: str) -> None:
        self._address, _, self._table = target.partition("?table=")

    def ask(self, query: str) -> list[tuple[Any, ...]]:
        with psycopg.connect(self._address, client_encoding="UTF8", autocommit=True) as server:
            return server.execute(query.encode()).fetchall()

    def files(self) -> int:
        try:
            return int(self.ask(f"SELECT count(*) FROM embedfleet_loads WHERE load = ({self._load()})")[0][0])
        except psycopg.errors.UndefinedTable:
            return 0

    def rows_there(self) -> int:
        try:
            return int(self.ask(f"SELECT count(*) FROM {self._table}")[0][0])
        except psycopg.errors.UndefinedTable:
            return 0

    def _load(self) -> str:
        return f"SELECT obj_description('{self._table}'::regclass)::json ->> 'load'"

    def rows(self) -> list[tuple[Any, Any]]:
        found = self.ask(f"SELECT id, chunk, embedding::text FROM {self._table}")
        return [((i, c), np.fromstring(text[1:-1], np.float32, sep=",").tobytes()) for i, c, text in found]


class InLance(Receipts):
    """A Lance dataset, as lance reads it."""

    def __init__(self, target: str, output: Path, storage: dict[str, str] | None = None) -> None:
        super().__init__(output)
        self._target, self._storage = target, storage

    def rows_there(self) -> int:
        import lance  # not at collection: tests of the same process fork, and it warns of that

        try:
            return int(lance.dataset(self._target, storage_options=self._storage).count_rows())
        except ValueError:  # it is not there yet
            return 0

    def rows(self) -> list[tuple[Any, Any]]:
        import lance  # as above

        table = lance.dataset(self._target, storage_options=self._storage).to_table().combine_chunks()
        column: Any = table.column("vector").chunk(0)
        matrix = column.flatten().to_numpy(zero_copy_only=False).reshape(table.num_rows, -1)
        keys = zip(table.column("id").to_pylist(), table.column("chunk").to_pylist(), strict=True)
        return [(key, vector.tobytes()) for key, vector in zip(keys, matrix, strict=True)]


class InMilvus(Receipts):
    """A collection, as pymilvus reads it."""

    def __init__(self, target: str, output: Path) -> None:
        self._place, _, self._name = target.removeprefix("milvus://").partition("/")
        super().__init__(output)

    def rows(self) -> list[tuple[Any, Any]]:
        from pymilvus import MilvusClient  # pyright: ignore[reportMissingImports]

        client = MilvusClient(f"http://{self._place}")
        fields = ["id", "chunk", "vector"]
        pages = client.query_iterator(
            self._name, output_fields=fields, batch_size=500, consistency_level="Strong"
        )
        found: list[tuple[Any, Any]] = []
        while page := pages.next():
            found += [((r["id"], r["chunk"]), np.asarray(r["vector"], np.float32).tobytes()) for r in page]
        assert client.query(self._name, filter="", output_fields=["count(*)"])[0]["count(*)"] == len(found)
        return found


class InQdrant(Receipts):
    """A collection, as qdrant-client reads it."""

    def __init__(self, target: str, output: Path) -> None:
        self._place, _, self._name = target.removeprefix("qdrant://").partition("/")
        super().__init__(output)

    def rows(self) -> list[tuple[Any, Any]]:
        from qdrant_client import QdrantClient  # pyright: ignore[reportMissingImports]

        client = QdrantClient(url=f"http://{self._place}", check_compatibility=False)
        found: list[tuple[Any, Any]] = []
        following: Any = None
        while True:
            page, following = client.scroll(self._name, limit=1_000, with_vectors=True, offset=following)
            for point in page:
                key = (point.payload["id"], point.payload["chunk"])
                found.append((key, np.asarray(point.vector, np.float32).tobytes()))
            if following is None:
                return found


class InRedis(Receipts):
    """The hashes of an index, as redis reads them."""

    def __init__(self, target: str, output: Path) -> None:
        self._place, _, self._name = target.removeprefix("redis://").partition("/")
        super().__init__(output)

    def rows(self) -> list[tuple[Any, Any]]:
        host, _, port = self._place.partition(":")
        found: list[tuple[Any, Any]] = []
        with redis.Redis(host, int(port), protocol=2) as client:
            for name in client.scan_iter(f"{self._name}__*", count=1_000):
                row: Any = client.hgetall(name)
                found.append(((row[b"id"].decode(), int(row[b"chunk"])), row[b"vector"]))
            counted: Any = client.execute_command("FT.SEARCH", self._name, "*", "LIMIT", 0, 0)
        assert counted[0] == len(found)
        return found


class InChroma(Receipts):
    """A collection, as chromadb reads it."""

    def __init__(self, target: str, output: Path) -> None:
        self._place, _, self._name = target.removeprefix("chroma://").partition("/")
        super().__init__(output)

    def rows(self) -> list[tuple[Any, Any]]:
        import chromadb  # pyright: ignore[reportMissingImports]

        host, _, port = self._place.partition(":")
        client = chromadb.HttpClient(host, int(port))
        collection = client.get_collection(self._name, embedding_function=None)
        found: list[tuple[Any, Any]] = []
        for offset in range(0, collection.count(), 1_000):
            page = collection.get(limit=1_000, offset=offset, include=["embeddings", "metadatas"])
            for about, vector in zip(page["metadatas"], page["embeddings"], strict=True):
                found.append(((about["id"], about["chunk"]), np.asarray(vector, np.float32).tobytes()))
        client.close()
        for one in (client, client._admin_client):  # which its `close` leaves open
            one._server._session.close()
        return found


class InS3Vectors(Receipts):
    """An index of S3 Vectors, as boto3 reads it."""

    def __init__(self, target: str, output: Path) -> None:
        self._bucket, _, self._name = target.removeprefix("s3vectors://").partition("/")
        super().__init__(output)

    def rows(self) -> list[tuple[Any, Any]]:
        import boto3

        client: Any = boto3.client("s3vectors")
        pages = client.get_paginator("list_vectors").paginate(
            vectorBucketName=self._bucket, indexName=self._name, returnData=True, returnMetadata=True
        )
        found: list[tuple[Any, Any]] = []
        for page in pages:
            for one in page["vectors"]:
                key = (one["metadata"]["id"], one["metadata"]["chunk"])
                found.append((key, np.asarray(one["data"]["float32"], np.float32).tobytes()))
        return found


class InTurbopuffer(Receipts):
    """A namespace of turbopuffer, as its client reads it."""

    def __init__(self, target: str, output: Path) -> None:
        self._region, _, self._name = target.removeprefix("turbopuffer://").partition("/")
        super().__init__(output)

    def rows(self) -> list[tuple[Any, Any]]:
        from turbopuffer import Turbopuffer  # pyright: ignore[reportMissingImports]

        namespace: Any = Turbopuffer(region=self._region).namespace(self._name)
        found: list[tuple[Any, Any]] = []
        after = "0"
        while True:
            page = namespace.query(
                rank_by=("id", "asc"),
                filters=("id", "Gt", after),
                limit=1_000,
                include_attributes=["document_id", "chunk", "vector"],
            )
            for row in page.rows:
                vector = np.asarray(row["vector"], np.float32).tobytes()
                found.append(((row["document_id"], row["chunk"]), vector))
            if not page.rows:
                return found
            after = page.rows[-1]["id"]


class InPinecone(Receipts):
    """A namespace of Pinecone, as its client reads it."""

    def __init__(self, target: str, output: Path) -> None:
        self._index, _, self._name = target.removeprefix("pinecone://").partition("/")
        super().__init__(output)

    def rows(self) -> list[tuple[Any, Any]]:
        from pinecone import Pinecone  # pyright: ignore[reportMissingImports]

        found: list[tuple[Any, Any]] = []
        with Pinecone() as client, client.index(self._index) as index:
            names = [f"{name}:{chunk}" for name, chunk in wanted(self._output)]
            for start in range(0, len(names), 500):
                some = index.fetch(ids=names[start : start + 500], namespace=self._name).vectors
                for one in some.values():
                    key = (one.metadata["id"], int(one.metadata["chunk"]))
                    found.append((key, np.asarray(one.values, np.float32).tobytes()))
            assert index.describe_index_stats().namespaces[self._name].vector_count == len(found)
        return found


class InWeaviate(Receipts):
    """A collection of Weaviate, as its client reads it."""

    def __init__(self, target: str, output: Path) -> None:
        place, _, rest = target.removeprefix("weaviate://").partition("/")
        self._host, _, self._port = place.partition(":")
        self._name, _, self._grpc = rest.partition("?grpc=")
        super().__init__(output)

    def rows(self) -> list[tuple[Any, Any]]:
        import weaviate  # pyright: ignore[reportMissingImports]

        found: list[tuple[Any, Any]] = []
        port, grpc = int(self._port), int(self._grpc)
        with weaviate.connect_to_local(self._host, port, grpc, skip_init_checks=True) as client:
            for one in client.collections.use(self._name).iterator(include_vector=True):  # an alias
                key = (one.properties["document_id"], one.properties["chunk"])
                found.append((key, np.asarray(one.vector["embedding"], np.float32).tobytes()))
        return found


class InSearch(Receipts):
    """An index, as its documents are read over HTTP."""

    def __init__(self, target: str, output: Path) -> None:
        self._place, _, self._name = target.partition("://")[2].partition("/")
        super().__init__(output)

    def ask(self, path: str, body: dict[str, Any]) -> dict[str, Any]:
        asked = urllib.request.Request(f"http://{self._place}/{self._name}/{path}", json.dumps(body).encode())
        with urllib.request.urlopen(asked, timeout=60) as found:
            return json.loads(found.read())

    def rows(self) -> list[tuple[Any, Any]]:
        self.ask("_refresh", {})
        everything = {
            "size": 1_000_000,
            "query": {"match_all": {}},
            "_source": ["id", "chunk", "vector"],
        }
        sources = [hit["_source"] for hit in self.ask("_search", everything)["hits"]["hits"]]
        return [((s["id"], s["chunk"]), np.asarray(s["vector"], np.float32).tobytes()) for s in sources]


# By the scheme of an address, which a reader takes with the output path.
READERS: dict[str, Any] = {
    "lance": InLance,
    "milvus": InMilvus,
    "qdrant": InQdrant,
    "redis": InRedis,
    "chroma": InChroma,
    "s3vectors": InS3Vectors,
    "turbopuffer": InTurbopuffer,
    "pinecone": InPinecone,
    "weaviate": InWeaviate,
    "opensearch": InSearch,
    "elasticsearch": InSearch,
}
