"""A real Milvus 2.3.5 on loopback, of the wheel `milvus`, which holds the server: tests/e2e/vector-stores.txt."""

import importlib.util
import sys
import tempfile
from collections.abc import Generator
from contextlib import contextmanager

import pytest

from tests.support.server_process import server_process

# The server is a child of this program, which ends it when its input ends: when the test's process does.
PROGRAM = """
import sys
from milvus import default_server
default_server.set_base_dir(sys.argv[1])
default_server.config.set("authorization_enabled", "users" in sys.argv)
try:
    default_server.start()
except TimeoutError:  # a slow machine: the server would stay, and no other one starts beside it
    default_server.stop()
    raise
print(f"port {default_server.listen_port}", flush=True)
sys.stdin.read()
default_server.stop()
"""


@contextmanager
def running_milvus(*, users: bool = False) -> Generator[str, None, None]:
    """Host and port of an empty server; `users`: it asks for one, and has `root` with the password `Milvus`."""
    if any(importlib.util.find_spec(name) is None for name in ("milvus", "pymilvus")):
        pytest.skip("no Milvus here: make e2e-load installs it (tests/e2e/vector-stores.txt)")
    with tempfile.TemporaryDirectory(prefix="embedfleet-milvus-", ignore_cleanup_errors=True) as folder:
        command = [sys.executable, "-c", PROGRAM, folder, *(["users"] if users else [])]
        with server_process(command) as ports:
            yield f"127.0.0.1:{ports[0]}"
