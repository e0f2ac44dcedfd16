"""A server that a test starts as a process of its own, and that ends with the test."""

import subprocess
from collections.abc import Generator, Sequence
from contextlib import contextmanager

from tests.support.paths import ROOT

PATIENCE = 60.0  # seconds to stop


@contextmanager
def server_process(command: Sequence[str], *, quiet: bool = False) -> Generator[list[int], None, None]:
    """Start a server, and give the ports that it prints as `port N` or `ports N M` in its first line.

    The server reads its standard input, and ends when that ends: when this process does. `quiet`: its errors are not
    shown.
    """
    errors = subprocess.DEVNULL if quiet else None
    with subprocess.Popen(
        command, stdin=subprocess.PIPE, stdout=subprocess.PIPE, stderr=errors, text=True, cwd=ROOT
    ) as process:
        assert process.stdin is not None
        assert process.stdout is not None
        try:
            line = process.stdout.readline()
            assert line.startswith("port"), f"the server did not start: {line}"
            yield [int(port) for port in line.split()[1:]]
        finally:
            process.stdin.close()
            try:
                process.wait(PATIENCE)
            except subprocess.TimeoutExpired:
                process.kill()
