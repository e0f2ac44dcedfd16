"""Rows a second of `embedfleet load` into Milvus, Valkey and Chroma, beside the fastest way into each of them, as JSON.

Milvus's own are two: `do_bulk_insert` of one Parquet file that was exported before, from the disk of the server, until
its rows are in segments, and `insert` of rows that are ready over as many connections, until it is acknowledged: both are
compared with our writing. With our whole load is compared what either takes until its rows can be searched: Milvus then
makes segments, a flat index, and loads the collection, which takes some 8 seconds, however few the rows are. Valkey's:
HSET of bytes that are ready, 1,000 in a pipeline over as many connections. Chroma's: `add` of arrays that are ready, as
large as a request may be. All without what makes a second load of the same rows harmless: an import or an insert twice
makes each row twice. Runs alternate, on one machine. Qdrant is not here: no package holds its server, and ours would be
measured.
"""

# the clients are extras, and no part of `dev`
# pyright: reportMissingImports=false, reportUnknownVariableType=false, reportUnknownMemberType=false
# pyright: reportUnknownArgumentType=false, reportUnknownParameterType=false
import json
import sys
import time
from collections.abc import Callable
from concurrent.futures import ThreadPoolExecutor
from contextlib import ExitStack
from dataclasses import dataclass
from functools import partial
from pathlib import Path
from tempfile import TemporaryDirectory
from time import monotonic
from typing import Any
from uuid import uuid4

from benchmarks.load import DIMENSIONS, PARALLEL, compared, ours
from launcher.loading.dataset_rows.columns import ArrowColumn
from launcher.vectors.export import export
from launcher.vectors.read_dataset import Dataset
from tests.support.stores.chroma import running_chroma
from tests.support.stores.milvus import running_milvus
from tests.support.stores.redisearch import running_redisearch
from tests.support.vector_datasets import dataset_of

FILES, ROWS = 4, 5_000
REQUEST_ROWS = 1_000
MILVUS_PARTS = 5  # in an insert, as in one of ours
POLL = 0.05


@dataclass(frozen=True)
class Part:
    """Rows of one request."""

    keys: list[str]
    ids: list[str]
    vectors: Any  # float32: [rows, dimensions]


def parts_of(dataset: Dataset) -> list[list[Part]]:
    """All rows, a list of requests for each connection."""
    found: list[list[Part]] = [[] for _ in range(PARALLEL)]
    for number, file in enumerate(dataset.files):
        for batch in dataset.batches_of(file, "stored", ["id", "vector"]):
            for start in range(0, batch.num_rows, REQUEST_ROWS):
                some = batch.slice(start, REQUEST_ROWS)
                ids = list(ArrowColumn(some.column("id")))
                column: Any = some.column("vector")
                vectors = column.flatten().to_numpy().reshape(len(ids), -1)
                found[number % PARALLEL].append(Part([f"{name}:0" for name in ids], ids, vectors))
    return found


def seconds_of(send: Callable[[list[Any]], None], parts: list[list[Any]]) -> float:
    """Of as many connections at once."""
    begun = monotonic()
    with ThreadPoolExecutor(PARALLEL) as pool:
        list(pool.map(send, parts))
    return monotonic() - begun


def milvus_collection(client: Any) -> str:
    """A new collection with the fields of ours; its name."""
    from pymilvus import DataType

    name = f"bare_{uuid4().hex[:8]}"
    schema = client.create_schema(enable_dynamic_field=False)
    schema.add_field("key", DataType.VARCHAR, is_primary=True, max_length=200)
    schema.add_field("id", DataType.VARCHAR, max_length=200)
    schema.add_field("chunk", DataType.INT32)
    schema.add_field("vector", DataType.FLOAT_VECTOR, dim=DIMENSIONS)
    client.create_collection(name, schema=schema)
    return name


def bare_milvus_insert(place: str, parts: list[list[Part]]) -> tuple[float, float]:
    """Seconds of `insert`, until each is acknowledged; and until its rows can be searched."""
    from pymilvus import MilvusClient

    client = MilvusClient(f"http://{place}")
    name = milvus_collection(client)
    ready = [
        [
            [
                {"key": key, "id": one, "chunk": 0, "vector": row}
                for part in some[start : start + MILVUS_PARTS]
                for key, one, row in zip(part.keys, part.ids, part.vectors, strict=True)
            ]
            for start in range(0, len(some), MILVUS_PARTS)
        ]
        for some in parts
    ]

    def send(requests: list[Any]) -> None:
        own = MilvusClient(f"http://{place}")
        for rows in requests:
            own.insert(name, rows)
        own.close()

    seconds = seconds_of(send, ready)
    end = _until_searched(client, name)
    client.drop_collection(name)
    client.close()
    return seconds, seconds + end


def _until_searched(client: Any, name: str) -> float:
    """Seconds of what each load into Milvus ends with: the segments, a flat index, and loading."""
    begun = monotonic()
    client.flush(name)
    parameters = client.prepare_index_params()
    parameters.add_index("vector", index_type="FLAT", metric_type="COSINE", params={})
    client.create_index(name, parameters)
    client.load_collection(name)
    return monotonic() - begun


def bare_milvus(place: str, file: Path) -> tuple[float, float]:
    """Seconds of one import into a new collection, until its rows are in segments; and until they can be searched."""
    from pymilvus import MilvusClient, connections, utility

    client = MilvusClient(f"http://{place}")
    name = milvus_collection(client)
    host, _, port = place.partition(":")
    connections.connect("imports", host=host, port=port)
    begun = monotonic()
    job = utility.do_bulk_insert(name, [str(file)], using="imports")
    while (state := utility.get_bulk_insert_state(job, using="imports")).state_name != "Completed":
        assert state.state_name != "Failed", state
        time.sleep(POLL)
    seconds = monotonic() - begun
    connections.disconnect("imports")
    end = _until_searched(client, name)
    client.drop_collection(name)
    client.close()
    return seconds, seconds + end


def bare_valkey(place: str, parts: list[list[Part]]) -> float:
    """Seconds of hashes that an index without a graph takes in."""
    import redis

    host, _, port = place.partition(":")
    name = f"bare_{uuid4().hex[:8]}"
    ready = [
        [[(f"{name}:{key}", one, row.tobytes()) for key, one, row in rows] for rows in connection]
        for connection in (
            [list(zip(part.keys, part.ids, part.vectors, strict=True)) for part in some] for some in parts
        )
    ]
    with redis.Redis(host=host, port=int(port), protocol=2) as client:
        client.execute_command(
            "FT.CREATE", name, "ON", "HASH", "PREFIX", 1, f"{name}:", "SCHEMA", "chunk", "NUMERIC",
            "vector", "VECTOR", "FLAT", 6, "TYPE", "FLOAT32", "DIM", DIMENSIONS,
            "DISTANCE_METRIC", "COSINE",
        )  # fmt: skip

        def send(requests: list[Any]) -> None:
            with redis.Redis(host=host, port=int(port), protocol=2) as own:
                for rows in requests:
                    with own.pipeline(transaction=False) as line:
                        for key, one, body in rows:
                            line.hset(key, mapping={"id": one, "chunk": 0, "vector": body})
                        line.execute()

        seconds = seconds_of(send, ready)
        client.execute_command("FT.DROPINDEX", name, "DD")
    return seconds


def valkey_emptied(place: str, load: Callable[[], tuple[float, float]]) -> tuple[float, float]:
    """Seconds of a load into an empty server: a new index goes through all hashes that are there, and our load waits."""
    import redis

    host, _, port = place.partition(":")
    with redis.Redis(host=host, port=int(port)) as client:
        client.flushall()
    return load()


def bare_chroma(place: str, parts: list[list[Part]]) -> float:
    """Seconds of `add`, by one client, as ours has one."""
    import chromadb

    host, _, port = place.partition(":")
    client = chromadb.HttpClient(host=host, port=int(port))
    name = f"bare_{uuid4().hex[:8]}"
    graph = {"space": "ip", "max_neighbors": 16, "ef_construction": 64, "ef_search": 100}
    there = client.create_collection(name, configuration={"hnsw": graph}, embedding_function=None)

    def send(requests: list[Part]) -> None:
        for part in requests:
            about = [{"id": one, "chunk": 0} for one in part.ids]
            there.add(ids=part.keys, embeddings=part.vectors, metadatas=about)

    seconds = seconds_of(send, parts)
    client.delete_collection(name)
    return seconds


def main() -> None:
    """Print the comparisons."""
    with TemporaryDirectory(prefix="embedfleet-load-") as name, ExitStack() as stack:
        folder = Path(name)
        dataset = dataset_of(folder / "out", FILES, ROWS, DIMENSIONS)
        export(dataset, folder / "rows.parquet", how="milvus")
        parts = parts_of(dataset)
        servers = {"milvus": running_milvus, "redis": running_redisearch, "chroma": running_chroma}
        bare: dict[str, Callable[[str], float | tuple[float, float]]] = {
            "milvus import": partial(bare_milvus, file=folder / "rows.parquet"),
            "milvus insert": partial(bare_milvus_insert, parts=parts),
            "redis": partial(bare_valkey, parts=parts),
            "chroma": partial(bare_chroma, parts=parts),
        }
        places: dict[str, str] = {}
        found: dict[str, Any] = {"rows": dataset.rows, "dimensions": DIMENSIONS, "parallel": PARALLEL}
        for path in sys.argv[1:] or bare:
            kind = path.partition(" ")[0]
            if kind not in places:
                places[kind] = stack.enter_context(servers[kind]())
            place = places[kind]

            def load(kind: str = kind, place: str = place) -> tuple[float, float]:
                return ours(dataset, f"{kind}://{place}/docs_{uuid4().hex[:8]}")

            found[path] = compared(
                dataset.rows,
                partial(valkey_emptied, place, load) if kind == "redis" else load,
                lambda path=path, place=place: bare[path](place),
            )
    json.dump(found, sys.stdout, indent=1)
    print()


if __name__ == "__main__":
    main()
