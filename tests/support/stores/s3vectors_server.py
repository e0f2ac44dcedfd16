"""moto's S3 Vectors with what it lacks: QueryVectors, pages and segments of ListVectors, the limits, and faults.

Buckets, indexes, keys, errors and documents are moto's. Limits are those of the page "Limitations and restrictions" of
the Amazon S3 User Guide. It is not the service: what moto and we share in error is not seen here.
"""

# moto's server comes without types
# pyright: reportMissingImports=false, reportUnknownVariableType=false, reportUnknownMemberType=false
# pyright: reportUnknownArgumentType=false, reportUnknownParameterType=false
import importlib.util
import io
import json
import socket
import sys
import threading
from collections.abc import Callable, Generator, Iterable
from contextlib import contextmanager
from typing import Any
from zlib import crc32

import numpy as np
import pytest

from tests.support.faults import Fault, Faults
from tests.support.server_process import server_process

Json = dict[str, Any]
ACCOUNT, PARTITION = "123456789012", "aws"
BUCKET = "vectors"
MIB = 2**20
MOST = {"PutVectors": ("vectors", 500), "GetVectors": ("keys", 100), "DeleteVectors": ("keys", 500)}
PAGE, HITS = 1_000, 100


@contextmanager
def running_s3_vectors() -> Generator[str, None, None]:
    """The address of a server with one empty vector bucket, which ends with this process."""
    if any(importlib.util.find_spec(name) is None for name in ("moto", "flask", "flask_cors")):
        pytest.skip("moto is not installed (pip install -r tests/e2e/stores.txt)")
    command = [sys.executable, "-m", "tests.support.stores.s3vectors_server"]
    with server_process(command, quiet=True) as ports:
        yield f"http://127.0.0.1:{ports[0]}"


def environment(address: str) -> dict[str, str]:
    """What the AWS SDK needs to find the server."""
    return {
        "AWS_ENDPOINT_URL_S3VECTORS": address,
        "AWS_ACCESS_KEY_ID": "test",
        "AWS_SECRET_ACCESS_KEY": "test",
        "AWS_DEFAULT_REGION": "us-east-1",
        "AWS_CONFIG_FILE": "/dev/null",
        "AWS_SHARED_CREDENTIALS_FILE": "/dev/null",
    }


class RefusedError(Exception):
    """A request that the service refuses."""

    def __init__(self, status: int, code: str, said: str) -> None:
        super().__init__(said)
        self.status, self.code = status, code


class Service:
    """WSGI before moto's own."""

    def __init__(self, moto: Any, backend: Any) -> None:
        self._moto, self._backend = moto, backend
        self._lock = threading.Lock()
        self._plain: dict[str, set[str]] = {}  # of an index: keys that cannot be filtered by
        self.faults = Faults()

    def __call__(self, environ: Any, start_response: Any) -> Iterable[bytes]:
        body = environ["wsgi.input"].read(int(environ.get("CONTENT_LENGTH") or 0))
        operation = environ["PATH_INFO"].strip("/")
        asked: Any = json.loads(body or b"{}")
        if operation == "faults":
            self.faults.add(*asked)
            return _answer(start_response, 200, {"left": self.faults.left()})
        try:
            return self._serve(operation, asked, body, environ, start_response)
        except RefusedError as refused:
            headers = [("x-amzn-ErrorType", refused.code)]
            return _answer(start_response, refused.status, {"message": str(refused)}, headers)

    def _serve(
        self, operation: str, asked: Json, body: bytes, environ: Any, start_response: Any
    ) -> Iterable[bytes]:
        self._check(operation, asked, body)
        fault = self.faults.take() if operation in ("PutVectors", "DeleteVectors") else None
        _refuse(fault)
        if fault == "partial" and operation == "PutVectors":
            asked["vectors"] = asked["vectors"][: (len(asked["vectors"]) + 1) // 2]
            body = json.dumps(asked).encode()
        own = {"QueryVectors": self._query, "ListVectors": self._page, "GetVectors": self._get}
        with self._lock:
            if operation in own:
                return _answer(start_response, 200, own[operation](asked))
            if operation == "CreateIndex":
                self._check_index(asked)
            environ |= {"wsgi.input": io.BytesIO(body), "CONTENT_LENGTH": str(len(body))}
            said: list[Any] = []
            done = list(self._moto(environ, _noted(said)))
        if fault == "partial":
            raise RefusedError(500, "InternalServerException", "half of it is done")
        if fault == "lost":
            environ["werkzeug.socket"].shutdown(socket.SHUT_RDWR)
        start_response(*said[0])
        return done

    def _check(self, operation: str, asked: Json, body: bytes) -> None:
        if len(body) > 20 * MIB:
            raise RefusedError(400, "ValidationException", f"the request has {len(body)} bytes")
        if operation in MOST:
            name, most = MOST[operation]
            if not 1 <= len(asked[name]) <= most:
                raise RefusedError(400, "ValidationException", f"{len(asked[name])} {name}, at most {most}")
        if operation == "PutVectors":
            self._check_put(asked)

    def _index(self, asked: Json) -> Any:
        from moto.s3vectors.exceptions import IndexNotFound

        try:
            return self._backend.get_index(asked["vectorBucketName"], asked["indexName"], None)
        except IndexNotFound as error:
            raise RefusedError(404, "NotFoundException", str(error)) from error

    def _check_index(self, asked: Json) -> None:
        index = f"{asked['vectorBucketName']}/{asked['indexName']}"
        made = self._backend.get_vector_bucket(asked["vectorBucketName"]).indexes.values()
        if any(one.index_name == asked["indexName"] for one in made):
            raise RefusedError(409, "ConflictException", "An index with the specified name already exists")
        plain = asked.get("metadataConfiguration", {}).get("nonFilterableMetadataKeys", [])
        if len(plain) > 10 or not 1 <= asked["dimension"] <= 4_096:
            raise RefusedError(400, "ValidationException", "too many keys, or dimensions")
        self._plain[index] = set(plain)

    def _check_put(self, asked: Json) -> None:
        keys = [one["key"] for one in asked["vectors"]]
        if len(set(keys)) < len(keys):
            raise RefusedError(400, "ValidationException", "a key comes twice")
        plain = self._plain.get(f"{asked['vectorBucketName']}/{asked['indexName']}", set())
        for one in asked["vectors"]:
            held = one.get("metadata", {})
            filtered = {key: value for key, value in held.items() if key not in plain}
            numbers = np.asarray(one["data"]["float32"], np.float32)
            wrong = (
                not 1 <= len(one["key"].encode()) <= 1_024
                or len(json.dumps(held, ensure_ascii=False).encode()) > 40_960
                or len(json.dumps(filtered, ensure_ascii=False).encode()) > 2_048
                or len(held) > 50
                or not numbers.any()
                or not np.isfinite(numbers).all()
            )
            if wrong:
                raise RefusedError(400, "ValidationException", f"Invalid record for key '{one['key']}'")

    def _get(self, asked: Json) -> Json:
        held = self._index(asked).vectors
        found = [held[key] for key in asked["keys"] if key in held]
        return {"vectors": [_shown(one, asked) for one in found]}

    def _page(self, asked: Json) -> Json:
        """Keys of one segment behind the token, which is a key."""
        segments, mine = asked.get("segmentCount", 1), asked.get("segmentIndex", 0)
        most, after = min(asked.get("maxResults", 500), PAGE), asked.get("nextToken", "")
        held = self._index(asked).vectors
        names = sorted(key for key in held if key > after and crc32(key.encode()) % segments == mine)
        page = {"vectors": [_shown(held[key], asked) for key in names[:most]]}
        return page | ({"nextToken": names[most - 1]} if len(names) > most else {})

    def _query(self, asked: Json) -> Json:
        """The nearest by the cosine, all compared."""
        if not 1 <= asked["topK"] <= HITS:
            raise RefusedError(400, "ValidationException", f"topK is {asked['topK']}, at most {HITS}")
        held = list(self._index(asked).vectors.values())
        if not held:
            return {"vectors": [], "distanceMetric": "cosine"}
        matrix = np.asarray([one.data["float32"] for one in held], np.float32)
        vector = np.asarray(asked["queryVector"]["float32"], np.float32)
        lengths = np.linalg.norm(matrix, axis=1) * np.linalg.norm(vector)
        distances = 1 - (matrix @ vector) / lengths
        nearest = np.argsort(distances, kind="stable")[: asked["topK"]]
        return {"vectors": [_shown(held[n], asked) for n in nearest], "distanceMetric": "cosine"}


def _noted(said: list[Any]) -> Callable[..., None]:
    """A `start_response` that only notes what is to be said."""

    def note(*words: Any) -> None:
        said.append(words)

    return note


def _refuse(fault: Fault | None) -> None:
    if fault == "busy":
        raise RefusedError(429, "TooManyRequestsException", "Please reduce your request rate.")
    if fault == "unavailable":
        raise RefusedError(503, "ServiceUnavailableException", "Service is unavailable.")


def _shown(one: Any, asked: Json) -> Json:
    found: Json = {"key": one.key}
    if asked.get("returnData"):
        found["data"] = one.data
    if asked.get("returnMetadata"):
        found["metadata"] = one.metadata
    return found


def _answer(
    start_response: Any, status: int, document: Json, headers: list[tuple[str, str]] | None = None
) -> list[bytes]:
    body = json.dumps(document).encode()
    more = [("Content-Type", "application/json"), ("Content-Length", str(len(body))), *(headers or [])]
    start_response(f"{status} {'OK' if status == 200 else 'Refused'}", more)
    return [body]


def main() -> None:
    """Serve until standard input ends."""
    from moto.moto_server.werkzeug_app import DomainDispatcherApplication, create_backend_app
    from moto.s3vectors.models import s3vectors_backends
    from werkzeug.serving import make_server

    backend: Any = s3vectors_backends[ACCOUNT][PARTITION]
    backend.create_vector_bucket("us-east-1", BUCKET, {})
    service = Service(DomainDispatcherApplication(create_backend_app), backend)
    server = make_server("127.0.0.1", 0, service, threaded=True)
    threading.Thread(target=server.serve_forever, daemon=True).start()
    print(f"port {server.server_port}", flush=True)
    sys.stdin.read()
    server.shutdown()


if __name__ == "__main__":
    main()
