"""Vector stores of the contract suite: for each an address of a new, empty collection."""

from collections.abc import Callable
from contextlib import AbstractContextManager, ExitStack
from dataclasses import dataclass
from functools import partial
from pathlib import Path
from tempfile import TemporaryDirectory
from uuid import uuid4

from tests.support.stores import pinecone_server, s3vectors_server, turbopuffer_server
from tests.support.stores.chroma import running_chroma
from tests.support.stores.milvus import running_milvus
from tests.support.stores.postgres import running_postgres
from tests.support.stores.qdrant_server import running_qdrant
from tests.support.stores.redisearch import running_redisearch
from tests.support.stores.search_server import running_search
from tests.support.stores.weaviate_server import running_weaviate

# By the scheme of an address: what starts an empty server and gives its host and port.
SERVERS: dict[str, Callable[[], AbstractContextManager[str]]] = {
    "milvus": running_milvus,
    "qdrant": running_qdrant,
    "redis": running_redisearch,
    "chroma": running_chroma,
    "opensearch": partial(running_search, "opensearch"),
    "elasticsearch": partial(running_search, "elasticsearch"),
    "weaviate": running_weaviate,
}


@dataclass(frozen=True)
class Service:
    """A server that stands for a service, and how its client finds it."""

    start: Callable[[], AbstractContextManager[str]]
    environment: Callable[[str], dict[str, str]]
    address: str  # of a collection, without its name


SERVICES = {
    "s3vectors": Service(
        s3vectors_server.running_s3_vectors,
        s3vectors_server.environment,
        f"s3vectors://{s3vectors_server.BUCKET}/",
    ),
    "turbopuffer": Service(
        turbopuffer_server.running_turbopuffer,
        turbopuffer_server.environment,
        "turbopuffer://aws-us-east-1/",
    ),
    "pinecone": Service(
        pinecone_server.running_pinecone,
        pinecone_server.environment,
        "pinecone://docs-32/",
    ),
}


class VectorStores:
    """The servers, each started when it is first needed."""

    def __init__(self, stack: ExitStack) -> None:
        self._stack = stack
        self._postgres: str | None = None
        self._places: dict[str, str] = {}
        self._services: dict[str, str] = {}

    def address(self, kind: str, folder: Path) -> str:
        """The address of a collection that is not there yet."""
        name = f"docs_{uuid4().hex[:8]}"
        if kind in SERVICES:
            self.environment(kind)  # starts it
            return SERVICES[kind].address + name.replace("_", "-")
        if kind == "lance":
            return str(folder / f"{name}.lance")
        if kind not in SERVERS:
            return f"{self.postgres()}?table={name}"
        place, options, other = self.place(kind).partition("?")  # where a server has a second port
        return f"{kind}://{place}/{name}{options}{other}"

    def environment(self, kind: str) -> dict[str, str]:
        """The variables by which the client of a service finds its server."""
        if kind not in SERVICES:
            return {}
        return SERVICES[kind].environment(self.service(kind))

    def service(self, kind: str) -> str:
        """The address of the server that stands for a service."""
        if kind not in self._services:
            self._services[kind] = self._stack.enter_context(SERVICES[kind].start())
        return self._services[kind]

    def place(self, kind: str) -> str:
        """Host and port of a server."""
        if kind not in self._places:
            self._places[kind] = self._stack.enter_context(SERVERS[kind]())
        return self._places[kind]

    def postgres(self) -> str:
        """A database of pgvector."""
        if self._postgres is None:
            folder = Path(self._stack.enter_context(TemporaryDirectory(prefix="embedfleet-")))
            # The tests kill loaders, and not the server.
            settings = ("fsync=off", "shared_buffers=256MB", "max_connections=60")
            self._postgres = self._stack.enter_context(running_postgres(folder, *settings)).url
        return self._postgres
