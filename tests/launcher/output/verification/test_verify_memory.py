"""The memory of verification does not grow with a shard."""

import gzip
import subprocess
import sys
from collections.abc import Callable
from pathlib import Path
from typing import Any

import numpy as np

from tasks.formats.vectors.vector_file import VectorFileWriter, sha256_of
from tasks.protocol import keys, manifest, receipt
from tasks.protocol.receipt import Receipt
from tasks.stores.folder import FolderStore
from tests.support.paths import ROOT
from tests.support.runs import NOON, header_of, shard_of, whole

MANY = 300_000  # rows of one shard: 77 MB of vectors at
WIDTH = 64  # dimensions

MEASURE = """
import resource, sys
from pathlib import Path
from launcher.output.verification.verify import verify
from tasks.protocol import manifest
from tasks.stores.folder import FolderStore

def peak():
    unit = 1 if sys.platform == "darwin" else 1024
    return resource.getrusage(resource.RUSAGE_SELF).ru_maxrss * unit

before = peak()
store = FolderStore(Path(sys.argv[1]))
header = manifest.read_header(store, "run-1")
report = verify(store, header, 0, embed_again=False, progress=lambda _done, _all: None)
assert list(report.faults) == sys.argv[2:], report.faults
assert report.documents == %d, report.documents
print((peak() - before) / 2**20)
"""


def large(folder: Path, order: Callable[[np.ndarray[Any, Any]], np.ndarray[Any, Any]]) -> Path:
    """Make a run of one shard with many short rows, its output in `order`."""
    (folder / "in").mkdir()
    with gzip.open(folder / "in" / "0.jsonl.gz", "wt", compresslevel=1) as lines:
        lines.writelines(f'{{"id": "row-{n:09d}", "text": "short"}}\n' for n in range(MANY))
    shard = shard_of([whole(folder / "in", "0.jsonl.gz", "jsonl")])
    header = header_of(folder / "in", 1)
    store = FolderStore(folder / "out")
    manifest.write(store, header, [shard])
    path = store.root / "data" / "large.parquet"
    path.parent.mkdir()
    vectors = np.eye(WIDTH, dtype=np.float32)
    with VectorFileWriter(path, WIDTH, "float32") as out:
        for part in np.array_split(order(np.arange(MANY)), 10):
            out.add([f"row-{n:09d}" for n in part], [0] * len(part), vectors[part % WIDTH])
    signed = Receipt(
        run=header.run, shard=shard.id, position=0, worker="w", generation=1, nonce="n",
        key=f"data/{path.name}", digest=sha256_of(path), output_bytes=path.stat().st_size, input_bytes=shard.bytes,
        documents=MANY, chunks=MANY, tokens=MANY, tokens_cut=0, failed_rows=0, quarantine=None,
        started=NOON, finished=NOON,
    )  # fmt: skip
    store.put(keys.receipt_key(header.run, shard.slab, shard.id), receipt.dump(signed))
    return store.root


def growth(root: Path, *faults: str) -> float:
    """Measure the MiB that verifying takes above the imports, where it finds just these faults."""
    # Under a shell of its own, because a program that starts another passes its own peak on.
    shell = ["sh", "-c", '"$0" "$@"; exit $?']
    words = [*shell, sys.executable, "-c", MEASURE % MANY, str(root), *faults]
    done = subprocess.run(words, cwd=ROOT, check=True, capture_output=True, text=True)
    return float(done.stdout)


def test_memory_does_not_grow_with_the_shard(tmp_path: Path) -> None:
    assert growth(large(tmp_path, lambda n: n)) < 200  # all ids and vectors at once took 460


def test_memory_is_bounded_when_every_row_is_out_of_order(tmp_path: Path) -> None:
    fault = f"shard 0: its documents are not in the order of the input, from 'row-{MANY - 1:09d}' on"
    assert growth(large(tmp_path, np.flip), fault) < 200
