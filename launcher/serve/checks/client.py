"""A client of OpenAI-compatible embedding servers, with the standard library alone: one connection a thread.

It follows no redirect and uses no proxy: what is measured is the server that was named.
"""

import http.client
import json
from collections.abc import Mapping, Sequence
from dataclasses import dataclass, field
from typing import Any, cast
from urllib.parse import urlsplit

import numpy as np
from numpy.typing import NDArray

from launcher.errors import Problem, Usage

TIMEOUT_SECONDS = 60.0
SHOWN = 200  # characters of an answer in an error


class ServerRefused(Problem):
    """The server did not give vectors; `status` None: it gave no HTTP answer."""

    def __init__(self, what: str, *, hint: str, status: int | None = None) -> None:
        super().__init__(what, hint=hint)
        self.status = status


@dataclass(frozen=True, slots=True)
class ServerAddress:
    """Where a server is, whatever of /v1/embeddings its URL names already."""

    secure: bool
    host: str
    port: int | None
    path: str  # before /embeddings, such as /v1

    @property
    def shown(self) -> str:
        """The address, which holds no key."""
        port = "" if self.port is None else f":{self.port}"
        return f"http{'s' if self.secure else ''}://{self.host}{port}{self.path}"


def parse_address(url: str) -> ServerAddress:
    """The address that a URL names.

    Raises:
        Usage: it is none, or holds a password.
    """
    try:
        parts = urlsplit(url if "://" in url else f"http://{url}")
        port = parts.port
    except ValueError as error:
        raise Usage(f"{url[:80]} is no address", hint="such as http://127.0.0.1:8000/v1") from error
    if parts.scheme not in ("http", "https") or not parts.hostname:
        raise Usage(f"{url[:80]} is no address", hint="such as http://127.0.0.1:8000/v1")
    if parts.username or parts.password:
        raise Usage(
            "the address holds a user name or a password",
            hint="name the variable that holds the key: --key NAME",
        )
    path = parts.path.rstrip("/").removesuffix("/embeddings")
    return ServerAddress(parts.scheme == "https", parts.hostname, port, path or "/v1")


@dataclass(slots=True)
class EmbeddingClient:
    """Asks one server. Use one in each thread. `more` are further fields of every request."""

    address: ServerAddress
    key: str | None = None
    model: str = ""
    more: Mapping[str, object] = field(default_factory=dict[str, object])
    timeout: float = TIMEOUT_SECONDS
    _connection: http.client.HTTPConnection | None = None

    def models(self) -> list[str]:
        """The names that the server lists; none where it lists nothing."""
        status, body = self._ask("GET", "/models", None)
        rows: Any = body.get("data") if status == http.HTTPStatus.OK else None
        if not isinstance(rows, list):
            return []
        dicts = [cast("dict[str, Any]", row) for row in cast("list[Any]", rows) if isinstance(row, dict)]
        return [row["id"] for row in dicts if isinstance(row.get("id"), str)]

    def embed(self, inputs: Sequence[str] | Sequence[Sequence[int]]) -> list[NDArray[np.float32]]:
        """The vectors of texts or of token ids, in order.

        Raises:
            ServerRefused: the server gave none, and what it said.
        """
        status, body = self._ask("POST", "/embeddings", {"model": self.model, "input": inputs, **self.more})
        if status != http.HTTPStatus.OK:
            error: Any = body.get("error", body)
            said: Any = (
                cast("dict[str, Any]", error).get("message", error) if isinstance(error, dict) else error
            )
            raise ServerRefused(
                f"{self.address.shown} answered {status}: {str(said)[:SHOWN]}",
                hint="its log says more; --model and --send change what is asked",
                status=status,
            )
        try:
            rows = sorted(body["data"], key=lambda row: row["index"])
            found = [np.asarray(row["embedding"], np.float32) for row in rows]
        except (KeyError, TypeError, ValueError) as error:
            raise self._no_answer("its answer has no embeddings as OpenAI has them") from error
        if len(found) != len(inputs):
            raise self._no_answer(f"it gave {len(found)} vectors for {len(inputs)} texts")
        return found

    def close(self) -> None:
        """Close the connection."""
        if self._connection is not None:
            self._connection.close()
            self._connection = None

    def _ask(self, method: str, path: str, body: object) -> tuple[int, dict[str, Any]]:
        headers = {"Content-Type": "application/json", "Accept": "application/json"}
        if self.key is not None:
            headers["Authorization"] = f"Bearer {self.key}"
        sent = None if body is None else json.dumps(body)
        fresh = self._connection is None
        try:
            connection = self._connect()
            connection.request(method, self.address.path + path, sent, headers)
            answer = connection.getresponse()
            text = answer.read()
        except (http.client.HTTPException, OSError) as error:
            self.close()
            if not fresh and not isinstance(
                error, TimeoutError
            ):  # a kept connection may be closed at any time
                return self._ask(method, path, body)
            raise self._no_answer(str(error) or type(error).__name__) from error
        try:
            found: Any = json.loads(text)
        except (ValueError, RecursionError):
            found = {"error": text.decode("utf-8", "replace")[:SHOWN]}
        return answer.status, cast("dict[str, Any]", found) if isinstance(found, dict) else {"error": found}

    def _connect(self) -> http.client.HTTPConnection:
        if self._connection is None:
            kind = http.client.HTTPSConnection if self.address.secure else http.client.HTTPConnection
            self._connection = kind(self.address.host, self.address.port, timeout=self.timeout)
        return self._connection

    def _no_answer(self, what: str) -> ServerRefused:
        return ServerRefused(
            f"{self.address.shown} gives no vectors: {what}",
            hint="check the address, and that the server is up",
        )
