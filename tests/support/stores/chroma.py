"""A real Chroma server on loopback, of the wheel `chromadb`, in an environment of its own: `make chroma` sets it up."""

import os
import subprocess
import tempfile
import time
import urllib.error
import urllib.request
from collections.abc import Generator
from contextlib import contextmanager
from pathlib import Path

import pytest

from tests.support.buckets import free_port
from tests.support.paths import ROOT

PROGRAM = Path(os.environ.get("EMBEDFLEET_CHROMA", ROOT / ".venv-chroma" / "bin" / "chroma"))
PATIENCE = 60.0  # seconds to start


@contextmanager
def running_chroma() -> Generator[str, None, None]:
    """Host and port of an empty server."""
    pytest.importorskip("chromadb", reason="no client of Chroma here: make e2e-load installs it")
    if not PROGRAM.is_file():
        pytest.skip("no Chroma here: make e2e-load sets up .venv-chroma")
    with tempfile.TemporaryDirectory(prefix="embedfleet-chroma-", ignore_cleanup_errors=True) as folder:
        port = free_port()
        command = [str(PROGRAM), "run", "--path", folder, "--host", "127.0.0.1", "--port", str(port)]
        with (
            (Path(folder) / "log").open("ab") as log,
            subprocess.Popen(command, stdout=log, stderr=log, cwd=folder) as process,
        ):
            try:
                _wait(process, port)
                yield f"127.0.0.1:{port}"
            finally:
                process.kill()


def _wait(process: "subprocess.Popen[bytes]", port: int) -> None:
    end = time.monotonic() + PATIENCE
    while True:
        assert process.poll() is None, "Chroma ended"
        try:
            with urllib.request.urlopen(f"http://127.0.0.1:{port}/api/v2/heartbeat", timeout=5):
                return
        except (urllib.error.URLError, OSError):
            assert time.monotonic() < end, "Chroma did not start"
            time.sleep(0.1)
