"""Commands over a run of many receipts: processor seconds and memory of each, in a process of its own, as JSON.

    python -m benchmarks.receipts [--shards 10000] [--folder /dev/shm] [--written | --written-files] [--only verify]

A real worker with the hash engine does the run, a few documents a shard, so that `verify` has files to read: some 5 ms
of a core for each shard. With --written the receipts are written directly, and every file of vectors is a link to the
same one: a million shards then take minutes and 4 GB of small files. `verify` compares rows, so it is left out. With
--written-files each shard has a small file of vectors of its own, 1 ms of a core and 4 GB more for a million, and
`verify` is measured. --only leaves out all other commands but `ledger rebuild` and `finish`, which come before it.
"""

# the stubs of pyarrow are generic in what a file decides
# pyright: reportUnknownMemberType=false, reportUnknownArgumentType=false, reportUnknownVariableType=false
import argparse
import io
import json
import os
import subprocess
import sys
import tempfile
import time
from collections.abc import Sequence
from datetime import UTC, datetime, timedelta
from hashlib import sha256
from pathlib import Path
from typing import TYPE_CHECKING, Any, Literal

from tasks.protocol.shard import SLAB, Shard

if TYPE_CHECKING:
    from tasks.protocol.manifest import Header

SCHEMA = "embedfleet/bench-receipts/3"
LINKS = 50_000  # to one file; ext4 allows 65,000
DIMENSIONS = 8  # of the vectors of --written-files
How = Literal["worker", "links", "files"]  # what makes receipts and files of vectors
WORKERS = 100  # that signed the receipts which are written directly
RSS_UNIT = 1 if sys.platform == "darwin" else 1024  # macOS counts bytes, Linux KiB
SPEED = """
import sys
from datetime import UTC, datetime
from pathlib import Path
from launcher.ledger.ledger import Ledger
from launcher.throughput.calibration import RunSetup, record_run_speed
with Ledger.open(Path(sys.argv[1])) as ledger:
    setup = RunSetup(model="hash", engine="hash", lengths=[(1.0, 16.0)], gpu="cpu", workers=1)
    record_run_speed(ledger, sys.argv[2], setup, datetime.now(UTC))
"""


def main() -> int:
    parser = argparse.ArgumentParser(prog="python -m benchmarks.receipts")
    parser.add_argument("--shards", type=int, default=10_000)
    parser.add_argument("--folder", type=Path, help="where to work (default: where temporary files go)")
    parser.add_argument(
        "--written", action="store_true", help="write the receipts directly, without a worker"
    )
    parser.add_argument(
        "--written-files", action="store_true", help="as --written, and a file of vectors for each shard"
    )
    parser.add_argument("--only", help="measure `ledger rebuild`, `finish` and this command alone")
    parser.add_argument("--prepare", type=Path, help=argparse.SUPPRESS)
    arguments = parser.parse_args()
    how: How = "files" if arguments.written_files else "links" if arguments.written else "worker"
    if arguments.prepare:
        print(json.dumps(prepare(arguments.prepare, arguments.shards, how)))
        return 0
    with tempfile.TemporaryDirectory(dir=arguments.folder) as name:
        print(json.dumps(measure(Path(name), arguments.shards, how, arguments.only), indent=1))
    return 0


def measure(folder: Path, shards: int, how: How, only: str | None) -> dict[str, Any]:
    """Make the run, then measure each command over it."""
    python = [sys.executable]
    # In a process of its own: a child is counted with no less memory than its parent has when it starts.
    words = [*python, "-m", "benchmarks.receipts", "--prepare", str(folder), "--shards", str(shards)]
    words += {"worker": [], "links": ["--written"], "files": ["--written-files"]}[how]
    run, count = json.loads(subprocess.run(words, check=True, capture_output=True, text=True).stdout)
    out, runs = str(folder / "out"), folder / "runs-rebuilt"
    worker = [*python, "-m", "tasks.worker", "--store", out, "--run", run, "--offset", "0"]
    command = [*python, "-m", "launcher.cli"]
    kept = ["--runs", str(runs)]
    steps = {
        "worker": worker,
        "ledger rebuild": [*command, "ledger", "rebuild", out, *kept, "--json"],
        "status": [*command, "status", run, *kept, "--json"],
        "report": [*command, "report", run, *kept, "--json"],
        "record of the run's speed": [*python, "-c", SPEED, str(runs / "ledger.db"), run],
        "finish": [*command, "finish", run, *kept, "--json"],
        "verify": [*command, "verify", run, *kept, "--no-embed", "--json"],
    }
    left_out = {"worker"} if how != "worker" else set[str]()
    left_out |= {"verify"} if how == "links" else set()
    wanted = {"worker", "ledger rebuild", "finish", only} if only else set(steps)
    found: dict[str, Any] = {}
    for name, words in steps.items():
        if name in wanted - left_out:
            found[name] = process(words)
    return {"schema": SCHEMA, "shards": count, "written": how, "each": found}


def prepare(folder: Path, shards: int, how: How) -> tuple[str, int]:
    """A corpus, its plan and its manifest in the store, and its receipts but for a worker; the run and its shards."""
    from benchmarks.many import corpus, header_of, plan
    from launcher.corpus import sharding
    from launcher.corpus.chunking import chunk_spec_of
    from launcher.corpus.inspect import list_corpus
    from launcher.corpus.samples.sampling import sample_corpus
    from launcher.jobs.parse import read_job
    from tasks.formats.rows import Columns
    from tasks.models.tokenizing.tokenizer import load_tokenizer
    from tasks.protocol import manifest
    from tasks.protocol.keys import plan_key
    from tasks.stores.folder import FolderStore

    job = corpus(folder, shards)
    body = plan(job)
    source, base = read_job(job)
    listing = list_corpus(source, base)
    cut = chunk_spec_of(source, "hash")
    sampled = sample_corpus(listing, Columns("text", "id"), load_tokenizer("hash"), cut)
    target = max(1, round(body["profile"]["tokens"] / shards))
    cuts = list(sharding.cut_shards(listing, sampled, target))
    header = header_of(body["run"], listing, len(cuts))
    store = FolderStore(folder / "out")
    store.put(plan_key(header.run), json.dumps(body).encode())
    manifest.write(store, header, cuts)
    if how == "links":
        write_receipts(folder / "out", header.run, cuts, Links(folder / "out"))
    if how == "files":
        write_receipts(folder / "out", header.run, cuts, OwnFiles(folder / "out", header))
    return header.run, len(cuts)


class Links:
    """The file of vectors of each shard is a link to the last real one."""

    def __init__(self, out: Path) -> None:
        self.out = out
        self.source = out
        self.body = b"vectors that no command of `--written` reads"

    def write(self, shard: Shard, key: str) -> tuple[bytes, int]:
        """Write the file; its bytes and its rows."""
        if shard.position % LINKS == 0:
            self.source = self.out / key
            self.source.write_bytes(self.body)
        else:
            (self.out / key).hardlink_to(self.source)
        return self.body, 4


class OwnFiles:
    """The file of vectors of each shard has the ids of its input, and one vector of length 1."""

    def __init__(self, out: Path, header: "Header") -> None:
        from tasks.stores.folder import FolderStore

        self.out, self.header = out, header
        self.corpus = FolderStore(Path(header.corpus))

    def write(self, shard: Shard, key: str) -> tuple[bytes, int]:
        """Write the file; its bytes and its rows."""
        import pyarrow as pa
        import pyarrow.parquet as pq

        from tasks.formats.rows import Document
        from tasks.formats.vectors.vector_file import arrow_schema
        from tasks.worker.reading.input_rows import rows_of

        ids = [row.id for row in rows_of(self.header, self.corpus, shard) if isinstance(row, Document)]
        schema = arrow_schema(DIMENSIONS, "float32")
        numbers = pa.array(([1.0] + [0.0] * (DIMENSIONS - 1)) * len(ids), pa.float32())
        vectors = pa.FixedSizeListArray.from_arrays(numbers, type=schema.field("vector").type)
        sink = io.BytesIO()
        columns = [pa.array(ids), pa.array([0] * len(ids), pa.int32()), vectors]
        pq.write_table(pa.Table.from_arrays(columns, schema=schema), sink, compression="none")
        (self.out / key).write_bytes(sink.getbuffer())
        return sink.getvalue(), len(ids)


def write_receipts(out: Path, run: str, shards: Sequence[Shard], files: Links | OwnFiles) -> None:
    """A receipt for each shard, as a worker signs it, and its file of vectors."""
    from tasks.protocol import receipt
    from tasks.protocol.keys import receipt_key, vectors_key
    from tasks.protocol.receipt import Receipt

    began = datetime.now(UTC)
    (out / "data").mkdir()
    for shard in shards:
        key = vectors_key(f"{shard.id}-{shard.id[:12]}")
        body, rows = files.write(shard, key)
        signed = Receipt(
            run=run, shard=shard.id, position=shard.position, worker=f"many-w{shard.position % WORKERS}",
            generation=1, nonce=shard.id * 2, key=key, digest=sha256(body).hexdigest(), output_bytes=len(body),
            input_bytes=shard.bytes, documents=rows, chunks=rows, tokens=64, tokens_cut=0, failed_rows=0,
            quarantine=None, started=began + timedelta(seconds=shard.position // WORKERS),
            finished=began + timedelta(seconds=shard.position // WORKERS + 1), stages={"engine": 0.9, "read": 0.05},
        )  # fmt: skip
        place = out / receipt_key(run, shard.slab, shard.id)
        if shard.position % SLAB == 0:
            place.parent.mkdir(parents=True, exist_ok=True)
        place.write_bytes(receipt.dump(signed))  # not through the store, which flushes each file to the disk


def process(command: list[str]) -> dict[str, Any]:
    """A process of its own: its seconds and the most memory it had."""
    begun = time.perf_counter()
    with subprocess.Popen(command, stdout=subprocess.DEVNULL, stderr=subprocess.PIPE, text=True) as child:
        assert child.stderr
        said = child.stderr.read()
        _, status, usage = os.wait4(child.pid, 0)
        child.returncode = os.waitstatus_to_exitcode(status)
    if child.returncode:
        raise RuntimeError(f"{command[2:5]} ended with {child.returncode}: {said[-600:]}")
    return {
        "seconds": round(time.perf_counter() - begun, 2),
        "cpu_seconds": round(usage.ru_utime + usage.ru_stime, 2),
        "peak_mib": round(usage.ru_maxrss * RSS_UNIT / 2**20),
    }


if __name__ == "__main__":
    sys.exit(main())
