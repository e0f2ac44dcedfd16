"""Vector stores of the contract suite: for each an address of a new, empty collection."""

from contextlib import ExitStack
from pathlib import Path
from tempfile import TemporaryDirectory
from uuid import uuid4

from tests.support.chroma import running_chroma
from tests.support.milvus import running_milvus
from tests.support.postgres import running_postgres
from tests.support.qdrant_server import running_qdrant
from tests.support.redisearch import running_redisearch


class VectorStores:
    """The servers, each started when it is first needed."""

    def __init__(self, stack: ExitStack) -> None:
        self._stack = stack
        self._postgres: str | None = None
        self._milvus: str | None = None
        self._qdrant: str | None = None
        self._redis: str | None = None
        self._chroma: str | None = None

    def address(self, kind: str, folder: Path) -> str:
        """The address of a collection that is not there yet."""
        name = f"docs_{uuid4().hex[:8]}"
        if kind == "lance":
            return str(folder / f"{name}.lance")
        if kind == "milvus":
            return f"milvus://{self.milvus()}/{name}"
        if kind == "qdrant":
            return f"qdrant://{self.qdrant()}/{name}"
        if kind == "redis":
            return f"redis://{self.redis()}/{name}"
        if kind == "chroma":
            return f"chroma://{self.chroma()}/{name}"
        return f"{self.postgres()}?table={name}"

    def milvus(self) -> str:
        """Host and port of Milvus."""
        if self._milvus is None:
            self._milvus = self._stack.enter_context(running_milvus())
        return self._milvus

    def qdrant(self) -> str:
        """Host and port of Qdrant's engine behind our server."""
        if self._qdrant is None:
            self._qdrant = self._stack.enter_context(running_qdrant())
        return self._qdrant

    def redis(self) -> str:
        """Host and port of Valkey with RediSearch."""
        if self._redis is None:
            self._redis = self._stack.enter_context(running_redisearch())
        return self._redis

    def chroma(self) -> str:
        """Host and port of Chroma."""
        if self._chroma is None:
            self._chroma = self._stack.enter_context(running_chroma())
        return self._chroma

    def postgres(self) -> str:
        """A database of pgvector."""
        if self._postgres is None:
            folder = Path(self._stack.enter_context(TemporaryDirectory(prefix="embedfleet-")))
            # The tests kill loaders, and not the server.
            settings = ("fsync=off", "shared_buffers=256MB", "max_connections=60")
            self._postgres = self._stack.enter_context(running_postgres(folder, *settings)).url
        return self._postgres
