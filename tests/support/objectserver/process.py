"""The server in a process of its own, for as long as a block lasts, for benchmarks and tests of many processes."""

import subprocess
import sys
from collections.abc import Generator, Sequence
from contextlib import contextmanager
from pathlib import Path

from tests.support.paths import ROOT


@contextmanager
def started(buckets: Sequence[str] = (), folder: Path | None = None) -> Generator[str, None, None]:
    """Its address."""
    command = [sys.executable, "-m", "tests.support.objectserver"]
    command += [word for name in buckets for word in ("--bucket", name)]
    command += ["--folder", str(folder)] if folder else []
    with subprocess.Popen(command, cwd=ROOT, stdout=subprocess.PIPE, text=True) as process:
        assert process.stdout is not None
        try:
            address = process.stdout.readline().strip()
            assert address, "the object server did not start"
            yield address
        finally:
            process.terminate()
