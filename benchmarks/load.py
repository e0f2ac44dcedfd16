"""Rows a second of `embedfleet load`, beside the fastest bulk path of each store itself, in alternating rounds, as JSON.

pgvector's own path: buffers of COPY BINARY that were made before, sent over as many connections into a table without
indexes and without a ledger. Lance's own: `lance.write_dataset` over the same Parquet files, as pyarrow reads them. Ours
reads the files, checks and encodes the rows, and writes the ledger or the receipts. No index of vectors is built by
either; ours adds the primary key, whose time is in `whole`, but not in `rows_per_second`. `cpu_seconds` are of this
process alone, whole loads: they do not depend on the disk, nor on what else runs. What a round of Lance wrote is
deleted behind it, because the first use of memory costs more than the next.
"""

# the stubs of pyarrow are generic in what a file decides; lance is typed in part
# pyright: reportUnknownMemberType=false, reportUnknownArgumentType=false, reportUnknownVariableType=false
# pyright: reportMissingTypeStubs=false
import json
import statistics
import sys
from collections.abc import Callable
from concurrent.futures import ThreadPoolExecutor
from contextlib import closing
from pathlib import Path
from shutil import rmtree
from tempfile import TemporaryDirectory
from time import monotonic, process_time
from typing import Any, TypeVar
from uuid import uuid4

import lance
import psycopg
import pyarrow as pa
import pyarrow.parquet as pq
from psycopg import sql

from launcher.loading.connect import connect
from launcher.loading.dataset_rows.rows import rows_of
from launcher.loading.loader import LoadOptions, load, schema_of
from launcher.loading.stores.postgresql.copy_binary import HEADER, TRAILER, buffers
from launcher.sinks.index import IndexSpec
from launcher.sinks.targets import parse_target
from launcher.vectors.read_dataset import Dataset
from tests.support.stores.postgres import running_postgres
from tests.support.vector_datasets import dataset_of

FILES, ROWS, DIMENSIONS = 16, 10_000, 384
PAIRS = 7
PARALLEL = 2
Result = TypeVar("Result")


def ours(dataset: Dataset, address: str) -> tuple[float, float]:
    """Seconds of writing, and of the whole load."""
    target = parse_target(address)
    with closing(connect(target)) as store:
        done = load(dataset, target, store, LoadOptions(index=IndexSpec("none"), parallel=PARALLEL))
    assert done.rows_per_second
    return done.rows / done.rows_per_second, done.seconds


def bare_copy(encoded: list[list[bytes]], url: str) -> float:
    """Seconds in which PostgreSQL takes buffers that are ready."""
    table = sql.Identifier(f"bare_{uuid4().hex[:8]}")
    with psycopg.connect(url, autocommit=True) as server:
        columns = sql.SQL("id text NOT NULL, chunk integer NOT NULL, embedding vector({}) NOT NULL").format(
            DIMENSIONS
        )
        server.execute(sql.SQL("CREATE TABLE {} ({})").format(table, columns))

    def send(pieces: list[bytes]) -> None:
        statement = sql.SQL("COPY {} FROM STDIN (FORMAT BINARY)").format(table)
        with psycopg.connect(url) as server, server.cursor() as cursor, cursor.copy(statement) as copy:
            for piece in (HEADER, *pieces, TRAILER):
                copy.write(piece)

    begun = monotonic()
    with ThreadPoolExecutor(PARALLEL) as pool:
        list(pool.map(send, encoded))
    return monotonic() - begun


def bare_lance(dataset: Dataset, path: Path) -> float:
    """Seconds in which lance writes what pyarrow reads."""
    files = [Path(dataset.output) / file.key for file in dataset.files]
    schema = pq.read_schema(files[0])
    begun = monotonic()
    batches = (batch for file in files for batch in pq.ParquetFile(file).iter_batches(10_000))
    lance.write_dataset(pa.RecordBatchReader.from_batches(schema, batches), str(path))
    return monotonic() - begun


def compared(
    rows: int, own: Callable[[], tuple[float, float]], bare: Callable[[], float | tuple[float, float]]
) -> dict[str, Any]:
    """Medians of pairs of runs; the first pair only warms the machine.

    A share is the median of the shares of the pairs, and the other path begins each second pair: what else the machine
    does changes slowly, so that both runs of a pair have the same of it. The other path may have a whole of its own: what
    the store still does until its rows can be searched.
    """
    mine, whole, best, best_whole = list[float](), list[float](), list[float](), list[float]()
    ours_cpu, best_cpu = list[float](), list[float]()

    def one_of_ours() -> None:
        begun = process_time()
        writing, all_of_it = own()
        ours_cpu.append(process_time() - begun)
        mine.append(writing)
        whole.append(all_of_it)

    def one_of_theirs() -> None:
        begun = process_time()
        took = bare()
        writing, all_of_it = took if isinstance(took, tuple) else (took, took)
        best.append(writing)
        best_whole.append(all_of_it)
        best_cpu.append(process_time() - begun)

    for number in range(PAIRS + 1):
        for run in (one_of_ours, one_of_theirs)[:: -1 if number % 2 else 1]:
            run()
    middle = [rows / statistics.median(times[1:]) for times in (mine, whole, best)]
    shares = [
        statistics.median(theirs / ours for ours, theirs in zip(own_times[1:], their_times[1:], strict=True))
        for own_times, their_times in ((mine, best), (whole, best_whole))
    ]
    cpu = [statistics.median(times[1:]) for times in (ours_cpu, best_cpu)]
    return {
        "rows_per_second": round(middle[0]),
        "whole_rows_per_second": round(middle[1]),
        "own_bulk_path_rows_per_second": round(middle[2]),
        "share": round(shares[0], 3),
        "whole_share": round(shares[1], 3),
        "cpu_seconds": round(cpu[0], 3),
        "own_bulk_path_cpu_seconds": round(cpu[1], 3),
    }


def deleted_behind(path: Path, work: Callable[[], Result]) -> Result:
    """What `work` returns, and nothing of what it wrote there."""
    try:
        return work()
    finally:
        rmtree(path)


def main() -> None:
    """Print both comparisons."""
    with TemporaryDirectory(prefix="embedfleet-load-") as name:
        folder = Path(name)
        dataset = dataset_of(folder / "out", FILES, ROWS, DIMENSIONS)
        found: dict[str, Any] = {
            "rows": dataset.rows,
            "dimensions": DIMENSIONS,
            "dtype": "float32",
            "parallel": PARALLEL,
        }
        with running_postgres(folder / "pg", "shared_buffers=256MB", "max_wal_size=4GB") as server:
            with closing(connect(parse_target(f"{server.url}?table=any"))) as store:
                schema = schema_of(dataset, store, None)
            encoded = [
                [piece for rows in rows_of(dataset, file, schema) for piece in buffers(rows, schema.element)]
                for file in dataset.files
            ]
            found["pgvector"] = compared(
                dataset.rows,
                lambda: ours(dataset, f"{server.url}?table=docs_{uuid4().hex[:8]}"),
                lambda: bare_copy(encoded, server.url),
            )
        table = folder / "docs.lance"
        found["lance"] = compared(
            dataset.rows,
            lambda: deleted_behind(table, lambda: ours(dataset, str(table))),
            lambda: deleted_behind(table, lambda: bare_lance(dataset, table)),
        )
    json.dump(found, sys.stdout, indent=1)
    print()


if __name__ == "__main__":
    main()
