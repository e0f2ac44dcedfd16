"""The stores of the contract: for each test the address of a new, empty collection of each of them."""

from collections.abc import Iterator
from contextlib import closing
from pathlib import Path

import pytest

from launcher.loading.connect import connect
from launcher.loading.loader import load
from launcher.loading.vector_store import VectorStore
from launcher.sinks.targets import Target, parse_target
from tests.support.buckets import Servers
from tests.support.stores.vector_stores import VectorStores
from tests.support.vector_datasets import dataset_of

E2E = pytest.mark.e2e
SEARCH = ("opensearch", "elasticsearch")
KINDS = (
    "pgvector",
    "lance",
    "lance in s3",
    *(
        pytest.param(kind, marks=E2E)
        for kind in (
            "lance in s3 on moto",
            "milvus",
            "qdrant",
            "redis",
            "chroma",
            "s3vectors",
            "turbopuffer",
            "pinecone",
            *SEARCH,
            "weaviate",
        )
    ),
)


@pytest.fixture(params=KINDS)
def target(
    request: pytest.FixtureRequest,
    stores: VectorStores,
    servers: Servers,
    tmp_path: Path,
    monkeypatch: pytest.MonkeyPatch,
) -> Target:
    kind, _, bucket = request.param.partition(" in ")
    if bucket:
        return parse_target(f"{servers.bucket(bucket, monkeypatch)}/docs.lance")
    for name, value in stores.environment(kind).items():
        monkeypatch.setenv(name, value)
    return parse_target(stores.address(kind, tmp_path))


@pytest.fixture
def store(target: Target) -> Iterator[VectorStore]:
    with closing(connect(target)) as found:
        yield found


@pytest.fixture(params=[False, True], ids=["new", "replaced"])
def replaced(request: pytest.FixtureRequest, target: Target, tmp_path: Path) -> bool:
    """Whether another run is there, which is to be replaced."""
    if request.param:
        with closing(connect(target)) as before:
            load(dataset_of(tmp_path / "before", 1, 7), target, before)
    return bool(request.param)
