"""The admin client of a server in another process: set faults and read counts."""

import json
from collections.abc import Iterable
from dataclasses import asdict
from http.client import HTTPConnection
from typing import Any
from urllib.parse import quote, urlsplit

from tests.support.objectserver.faults import Fault, Requests

PATH = "/_admin/"


class Admin:
    """Uses the address of the buckets; admin requests are not counted."""

    def __init__(self, address: str) -> None:
        self.address = address.rstrip("/")

    def faults(self, *faults: Fault, seed: int = 0) -> None:
        """Replace the faults."""
        self._say("faults", {"faults": [asdict(fault) for fault in faults], "seed": seed})

    def set(self, **settings: Any) -> None:
        """Change the fields of `Settings`."""
        self._say("settings", settings)

    def make(self, *buckets: str) -> None:
        self._say("buckets", {"make": buckets})

    def forget(self) -> None:
        """All objects, faults, settings and counts."""
        self._say("forget", {})

    def requests(self) -> Requests:
        return Requests.parse(self._say("requests", None))

    def writes(self, prefix: str = "") -> dict[str, int]:
        """How often each BUCKET/KEY was written."""
        return self._say(f"writes?prefix={quote(prefix)}", None)

    def _say(self, word: str, body: Any) -> Any:
        parts = urlsplit(self.address)
        connection = HTTPConnection(parts.hostname or "127.0.0.1", parts.port, timeout=60)
        try:
            data = None if body is None else json.dumps(body)
            connection.request("GET" if body is None else "POST", PATH + word, data)
            reply = connection.getresponse()
            text = reply.read()
            if reply.status != 200:
                raise RuntimeError(text.decode())
            return json.loads(text)
        finally:
            connection.close()


def flags(faults: Iterable[dict[str, Any]]) -> list[Fault]:
    return [Fault(**fault) for fault in faults]
