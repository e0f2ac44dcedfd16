"""Upload and download use memory that does not grow with the file."""

import os
import subprocess
import sys
from collections.abc import Iterator
from pathlib import Path

import pytest

from tests.support.buckets import ROOT
from tests.support.objectserver import environment
from tests.support.objectserver.process import started

SMALL, LARGE = 40 * 2**20, 240 * 2**20
MORE = 40.0  # MiB that the process may hold more for the large file; the file is 200 MiB more

SCRIPT = """
import sys
from pathlib import Path
from tasks.stores.open import open_store
url, doing, path = sys.argv[1:]
store = open_store(url)
if doing == "read":
    store.put("k", Path(path))
    moved = 0
    with store.get("k") as stream:
        while chunk := stream.read(2**20):
            moved += len(chunk)
    assert moved == Path(path).stat().st_size
elif doing == "create":
    assert store.create("k", Path(path))
else:
    store.put("k", Path(path))
(line,) = [line for line in Path("/proc/self/status").read_text().splitlines() if line.startswith("VmHWM")]
print(int(line.split()[1]) / 1024)  # unlike getrusage's, not the parent's
"""


@pytest.fixture(scope="module")
def address(tmp_path_factory: pytest.TempPathFactory) -> Iterator[str]:
    with started(["bucket"], tmp_path_factory.mktemp("objects")) as address:
        yield address


def peak(address: str, url: str, doing: str, path: Path) -> float:
    """MiB that a process held at most."""
    done = subprocess.run(
        [sys.executable, "-c", SCRIPT, url, doing, str(path)],
        cwd=ROOT,
        env=os.environ | environment(address),
        capture_output=True,
        text=True,
        check=False,
    )
    assert done.returncode == 0, done.stderr
    return float(done.stdout)


@pytest.mark.parametrize(
    "doing", ["read", *(pytest.param(doing, marks=pytest.mark.e2e) for doing in ("put", "create"))]
)
@pytest.mark.parametrize("scheme", ["s3", "gs"])
def test_memory_does_not_grow_with_the_file(address: str, scheme: str, doing: str, tmp_path: Path) -> None:
    held: list[float] = []
    for size in (SMALL, LARGE):
        path = tmp_path / f"{size}"
        with path.open("wb") as stream:
            stream.truncate(size)
        held.append(peak(address, f"{scheme}://bucket/{scheme}-{doing}-{size}", doing, path))
    assert held[1] - held[0] < MORE, held
