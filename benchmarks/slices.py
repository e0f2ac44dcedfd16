"""Two gigabytes of JSON Lines read in slices: what it holds in memory, and what it fetches, at any size.

    python -m benchmarks.slices [BYTES]

Every line must come out once. Each size is read by a process of its own. Prints one JSON object.
"""

import json
import resource
import subprocess
import sys
import tempfile
import time
from pathlib import Path
from typing import Any

from tasks.formats.read import read_rows
from tasks.formats.rows import Columns, Document
from tasks.protocol.shard import Slice
from tasks.stores.folder import FolderStore, version_of

SIZE = 2 * 10**9
SLICE = 4 * 2**20  # bytes, about: a million tokens of English
LINE = 2_000  # characters of a text, about


def main() -> None:
    print(json.dumps(measure(int(sys.argv[1]) if len(sys.argv) > 1 else SIZE), indent=1))


def measure(size: int) -> dict[str, Any]:
    """Peak memory of reading a tenth and the whole."""
    found: list[dict[str, Any]] = []
    with tempfile.TemporaryDirectory(prefix="embedfleet-slices-") as name:
        for part in (size // 10, size):
            path = Path(name) / "big.jsonl"
            lines = write(path, part)
            command = [sys.executable, "-m", "benchmarks.slices", "--read", str(path)]
            done = subprocess.run(command, check=True, capture_output=True, text=True)
            one: dict[str, Any] = json.loads(done.stdout)
            assert one["documents"] == lines, (one, lines)
            found.append(one | {"bytes": path.stat().st_size})
    tenth, whole = found
    return {
        "bytes": whole["bytes"],
        "documents": whole["documents"],
        "slices": whole["slices"],
        "seconds": whole["seconds"],
        "peak_mb": whole["peak_mb"],
        "peak_of_a_tenth_mb": tenth["peak_mb"],
    }


def write(path: Path, size: int) -> int:
    """Lines of differing lengths, as many bytes as asked for; how many there are."""
    count = 0
    with path.open("w", encoding="utf-8") as stream:
        while stream.tell() < size:
            block = "".join(
                json.dumps(
                    {"id": str(count + n), "text": f"é{count + n} " * (1 + (count + n) * 7919 % LINE // 8)}
                )
                + "\n"
                for n in range(1_000)
            )
            stream.write(block)
            count += 1_000
    return count


def read_all(path: Path) -> dict[str, Any]:
    """Every slice of the file, one after the other, ends found by looking at a line end each."""
    store, version, size = FolderStore(path.parent), version_of(path.stat()), path.stat().st_size
    start = time.perf_counter()
    documents = slices = position = 0
    with path.open("rb") as stream:
        while position < size:
            stream.seek(min(size, position + SLICE))
            stream.readline()
            end = stream.tell()
            piece = Slice(path.name, version, "jsonl", position, end)
            documents += sum(
                isinstance(row, Document) for row in read_rows(store, piece, Columns("text", "id"))
            )
            position, slices = end, slices + 1
    return {
        "documents": documents,
        "slices": slices,
        "seconds": time.perf_counter() - start,
        "peak_mb": resource.getrusage(resource.RUSAGE_SELF).ru_maxrss / 1024,
    }


if __name__ == "__main__":
    if sys.argv[1:2] == ["--read"]:
        print(json.dumps(read_all(Path(sys.argv[2]))))
    else:
        main()
