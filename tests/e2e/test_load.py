"""Loaders are killed with SIGKILL at random moments and started again: no row is lost, doubled or altered.

What is there is read by psycopg and lance alone, and compared with the files of vectors as pyarrow reads them.
"""

# the stubs of pyarrow are generic in what a file decides; lance is typed in part
# pyright: reportUnknownMemberType=false, reportUnknownArgumentType=false, reportUnknownVariableType=false
# pyright: reportMissingTypeStubs=false
import json
import os
import random
import subprocess
import sys
import time
import urllib.request
from collections.abc import Callable
from pathlib import Path
from typing import Any

import numpy as np
import psycopg
import pyarrow.parquet as pq
import pytest
import redis

from tests.support.buckets import Servers
from tests.support.paths import ROOT
from tests.support.vector_datasets import dataset_of
from tests.support.vector_stores import VectorStores

pytestmark = pytest.mark.e2e

FILES, ROWS, DIMENSIONS = 120, 250, 96
KILLS = 8
PATIENCE = 120.0  # seconds of one loader
SEED = 11
CANARY = "canary-value-of-a-secret"
Found = dict[Any, Any]  # bytes of the vector by id and chunk


@pytest.fixture
def output(tmp_path: Path) -> Path:
    dataset_of(tmp_path / "out", FILES, ROWS, DIMENSIONS)
    return tmp_path / "out"


def loader(output: Path, target: str, module: str = "launcher.cli") -> "subprocess.Popen[bytes]":
    command = [sys.executable, "-m", module, "load", str(output), "--to", target, "--parallel", "2"]
    if target.startswith("postgresql"):
        command += ["--secret", "CANARY"]
    environment = os.environ | {"PYTHONPATH": f"{ROOT}:{os.environ.get('PYTHONPATH', '')}", "CANARY": CANARY}
    with (output.parent / "said").open("ab") as said:
        return subprocess.Popen(command, cwd=output.parent, env=environment, stdout=said, stderr=said)


def storm(output: Path, target: str, progress: Callable[[], int], module: str = "launcher.cli") -> int:
    """Kill the loader KILLS times, each time after some progress, once while it starts; then let it end. Its status."""
    dice = random.Random(SEED)
    for kill in range(KILLS):
        before, process = progress(), loader(output, target, module)
        end = time.monotonic() + PATIENCE
        while kill and process.poll() is None and progress() <= before:
            assert time.monotonic() < end, (output.parent / "said").read_text()
            time.sleep(0.002)
        time.sleep(dice.uniform(0, 0.03) if kill else dice.uniform(0, 1))
        assert process.poll() is None, (
            f"it ended before kill {kill + 1}: {(output.parent / 'said').read_text()}"
        )
        process.kill()
        process.wait()
    return loader(output, target, module).wait(PATIENCE)


def wanted(output: Path) -> Found:
    found: Found = {}
    for file in sorted((output / "data").glob("*.parquet")):
        table = pq.read_table(file).combine_chunks()
        column: Any = table.column("vector").chunk(0)
        matrix = column.flatten().to_numpy(zero_copy_only=False).reshape(table.num_rows, -1)
        keys = zip(table.column("id").to_pylist(), table.column("chunk").to_pylist(), strict=True)
        found |= {key: vector.tobytes() for key, vector in zip(keys, matrix, strict=True)}
    return found


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


class InLance:
    """A Lance dataset, as lance reads it, and the receipts of its files."""

    def __init__(self, target: str, output: Path, storage: dict[str, str] | None = None) -> None:
        self._target, self._output, self._storage = target, output, storage

    def files(self) -> int:
        return len(list(self._output.glob("_embedfleet/run-1/loads/*/*.json")))

    def rows(self) -> list[tuple[Any, Any]]:
        import lance  # not at collection: tests of the same process fork, and it warns of that

        table = lance.dataset(self._target, storage_options=self._storage).to_table().combine_chunks()
        column: Any = table.column("vector").chunk(0)
        matrix = column.flatten().to_numpy(zero_copy_only=False).reshape(table.num_rows, -1)
        keys = zip(table.column("id").to_pylist(), table.column("chunk").to_pylist(), strict=True)
        return [(key, vector.tobytes()) for key, vector in zip(keys, matrix, strict=True)]


class InMilvus:
    """A collection, as pymilvus reads it, and the receipts of its files."""

    def __init__(self, target: str, output: Path) -> None:
        self._place, _, self._name = target.removeprefix("milvus://").partition("/")
        self._output = output

    def files(self) -> int:
        return len(list(self._output.glob("_embedfleet/run-1/loads/*/*.json")))

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


class InQdrant:
    """A collection, as qdrant-client reads it, and the receipts of its files."""

    def __init__(self, target: str, output: Path) -> None:
        self._place, _, self._name = target.removeprefix("qdrant://").partition("/")
        self._output = output

    def files(self) -> int:
        return len(list(self._output.glob("_embedfleet/run-1/loads/*/*.json")))

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


class InRedis:
    """The hashes of an index, as redis reads them, and the receipts of its files."""

    def __init__(self, target: str, output: Path) -> None:
        self._place, _, self._name = target.removeprefix("redis://").partition("/")
        self._output = output

    def files(self) -> int:
        return len(list(self._output.glob("_embedfleet/run-1/loads/*/*.json")))

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


class InChroma:
    """A collection, as chromadb reads it, and the receipts of its files."""

    def __init__(self, target: str, output: Path) -> None:
        self._place, _, self._name = target.removeprefix("chroma://").partition("/")
        self._output = output

    def files(self) -> int:
        return len(list(self._output.glob("_embedfleet/run-1/loads/*/*.json")))

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


class InS3Vectors:
    """An index of S3 Vectors, as boto3 reads it, and the receipts of its files."""

    def __init__(self, target: str, output: Path) -> None:
        self._bucket, _, self._name = target.removeprefix("s3vectors://").partition("/")
        self._output = output

    def files(self) -> int:
        return len(list(self._output.glob("_embedfleet/run-1/loads/*/*.json")))

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


class InTurbopuffer:
    """A namespace of turbopuffer, as its client reads it, and the receipts of its files."""

    def __init__(self, target: str, output: Path) -> None:
        self._region, _, self._name = target.removeprefix("turbopuffer://").partition("/")
        self._output = output

    def files(self) -> int:
        return len(list(self._output.glob("_embedfleet/run-1/loads/*/*.json")))

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


class InPinecone:
    """A namespace of Pinecone, as its client reads it, and the receipts of its files."""

    def __init__(self, target: str, output: Path) -> None:
        self._index, _, self._name = target.removeprefix("pinecone://").partition("/")
        self._output = output

    def files(self) -> int:
        return len(list(self._output.glob("_embedfleet/run-1/loads/*/*.json")))

    def rows(self) -> list[tuple[Any, Any]]:
        from pinecone import Pinecone  # pyright: ignore[reportMissingImports]

        found: list[tuple[Any, Any]] = []
        with Pinecone() as client, client.index(self._index) as index:
            names = [f"{file}-{row}:0" for file in range(FILES) for row in range(ROWS)]
            for start in range(0, len(names), 500):
                some = index.fetch(ids=names[start : start + 500], namespace=self._name).vectors
                for one in some.values():
                    key = (one.metadata["id"], int(one.metadata["chunk"]))
                    found.append((key, np.asarray(one.values, np.float32).tobytes()))
            assert index.describe_index_stats().namespaces[self._name].vector_count == len(found)
        return found


class InWeaviate:
    """A collection of Weaviate, as its client reads it, and the receipts of its files."""

    def __init__(self, target: str, output: Path) -> None:
        place, _, rest = target.removeprefix("weaviate://").partition("/")
        self._host, _, self._port = place.partition(":")
        self._name, _, self._grpc = rest.partition("?grpc=")
        self._output = output

    def files(self) -> int:
        return len(list(self._output.glob("_embedfleet/run-1/loads/*/*.json")))

    def rows(self) -> list[tuple[Any, Any]]:
        import weaviate  # pyright: ignore[reportMissingImports]

        found: list[tuple[Any, Any]] = []
        port, grpc = int(self._port), int(self._grpc)
        with weaviate.connect_to_local(self._host, port, grpc, skip_init_checks=True) as client:
            for one in client.collections.use(self._name).iterator(include_vector=True):  # an alias
                key = (one.properties["document_id"], one.properties["chunk"])
                found.append((key, np.asarray(one.vector["embedding"], np.float32).tobytes()))
        return found


SERVICES: dict[str, Any] = {"s3vectors": InS3Vectors, "turbopuffer": InTurbopuffer, "pinecone": InPinecone}


class InSearch:
    """An index, as its documents are read over HTTP, and the receipts of its files."""

    def __init__(self, target: str, output: Path) -> None:
        self._place, _, self._name = target.partition("://")[2].partition("/")
        self._output = output

    def files(self) -> int:
        return len(list(self._output.glob("_embedfleet/run-1/loads/*/*.json")))

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


def assert_exact(rows: list[tuple[Any, Any]], output: Path, expected: int = FILES * ROWS) -> None:
    truth = wanted(output)
    assert len(rows) == len(truth) == expected  # none doubled
    assert dict(rows) == truth  # none lost, none altered


def test_loader_of_postgresql_is_killed_eight_times(
    output: Path, stores: VectorStores, tmp_path: Path
) -> None:
    target = stores.address("pgvector", tmp_path)
    there = InPostgres(target)
    assert storm(output, target, there.files) == 0, (tmp_path / "said").read_text()
    assert_exact(there.rows(), output)
    assert there.files() == FILES
    again = loader(output, target)
    assert again.wait(PATIENCE) == 0
    said = (tmp_path / "said").read_text()
    assert "nothing to load" in said
    assert CANARY not in said
    ledger = there.ask("SELECT string_agg(l::text, ' ') FROM embedfleet_loads l")
    assert CANARY not in str(ledger)


def test_loader_that_is_wrong_does_not_pass(output: Path, stores: VectorStores, tmp_path: Path) -> None:
    target = stores.address("pgvector", tmp_path)
    there = InPostgres(target)
    assert storm(output, target, there.rows_there, module="tests.support.wrong_loader") == 1
    with pytest.raises(AssertionError):
        assert_exact(there.rows(), output)
    assert "two rows have one key" in (tmp_path / "said").read_text()  # the primary key sees them at the end


def test_loader_of_lance_is_killed_eight_times(output: Path, tmp_path: Path) -> None:
    target = str(tmp_path / "docs.lance")
    there = InLance(target, output)
    assert storm(output, target, there.files) == 0, (tmp_path / "said").read_text()
    assert_exact(there.rows(), output)


def test_loader_of_lance_in_a_bucket_is_killed_eight_times(
    output: Path, servers: Servers, tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    target = f"{servers.bucket('s3', monkeypatch)}/docs.lance"
    storage = {"aws_endpoint": os.environ["AWS_ENDPOINT_URL_S3"], "allow_http": "true"}
    there = InLance(target, output, storage)
    assert storm(output, target, there.files) == 0, (tmp_path / "said").read_text()
    assert_exact(there.rows(), output)


def test_loader_of_milvus_is_killed_eight_times(output: Path, stores: VectorStores, tmp_path: Path) -> None:
    target = stores.address("milvus", tmp_path)
    there = InMilvus(target, output)
    assert storm(output, target, there.files) == 0, (tmp_path / "said").read_text()
    assert_exact(there.rows(), output)


def test_loader_that_inserts_into_milvus_does_not_pass(
    output: Path, stores: VectorStores, tmp_path: Path
) -> None:
    target = stores.address("milvus", tmp_path)
    assert storm(output, target, InMilvus(target, output).files, "tests.support.inserting_loader") == 1
    said = (tmp_path / "said").read_text()
    assert f"rows, and run run-1 has {FILES * ROWS:,}" in said  # it counts more


def test_loader_of_qdrant_is_killed_eight_times(output: Path, stores: VectorStores, tmp_path: Path) -> None:
    target = stores.address("qdrant", tmp_path)
    there = InQdrant(target, output)
    assert storm(output, target, there.files) == 0, (tmp_path / "said").read_text()
    assert_exact(there.rows(), output)


def test_loader_of_redis_is_killed_eight_times(output: Path, stores: VectorStores, tmp_path: Path) -> None:
    target = stores.address("redis", tmp_path)
    there = InRedis(target, output)
    assert storm(output, target, there.files) == 0, (tmp_path / "said").read_text()
    assert_exact(there.rows(), output)


def test_loader_of_chroma_is_killed_eight_times(output: Path, stores: VectorStores, tmp_path: Path) -> None:
    target = stores.address("chroma", tmp_path)
    there = InChroma(target, output)
    assert storm(output, target, there.files) == 0, (tmp_path / "said").read_text()
    assert_exact(there.rows(), output)


def test_loader_of_weaviate_is_killed_eight_times(output: Path, stores: VectorStores, tmp_path: Path) -> None:
    target = stores.address("weaviate", tmp_path)
    there = InWeaviate(target, output)
    assert storm(output, target, there.files) == 0, (tmp_path / "said").read_text()
    assert_exact(there.rows(), output)


@pytest.mark.parametrize("kind", list(SERVICES))
def test_loader_of_a_service_is_killed_eight_times(
    kind: str, output: Path, stores: VectorStores, tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    for name, value in stores.environment(kind).items():
        monkeypatch.setenv(name, value)
    target = stores.address(kind, tmp_path).replace("docs-32", f"docs-{DIMENSIONS}")
    there = SERVICES[kind](target, output)
    assert storm(output, target, there.files) == 0, (tmp_path / "said").read_text()
    assert_exact(there.rows(), output)
    assert loader(output, target).wait(PATIENCE) == 0
    said = (tmp_path / "said").read_text()
    assert "nothing to load" in said
    assert "never run against the service" in said


@pytest.mark.parametrize("kind", ["opensearch", "elasticsearch"])
def test_loader_of_a_search_engine_is_killed_eight_times(
    kind: str, output: Path, stores: VectorStores, tmp_path: Path
) -> None:
    target = stores.address(kind, tmp_path)
    there = InSearch(target, output)
    assert storm(output, target, there.files) == 0, (tmp_path / "said").read_text()
    assert_exact(there.rows(), output)


MADE_UP = ("qdrant", "redis", "chroma", "opensearch", "elasticsearch", "weaviate", *SERVICES)


@pytest.mark.parametrize("kind", MADE_UP)
def test_loader_that_makes_up_keys_does_not_pass(
    kind: str, output: Path, stores: VectorStores, tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    for name, value in stores.environment(kind).items():
        monkeypatch.setenv(name, value)
    target = stores.address(kind, tmp_path).replace("docs-32", f"docs-{DIMENSIONS}")
    assert storm(output, target, InQdrant(target, output).files, "tests.support.made_up_keys_loader") == 1
    said = (tmp_path / "said").read_text()
    assert f"rows, and run run-1 has {FILES * ROWS:,}" in said  # it counts more
