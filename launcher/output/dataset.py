"""The dataset manifest of a run: one small Parquet file that names every file of vectors: all that a reader needs.

A row a file, in the order of the corpus. Files of killed workers lie beside those that count; this tells them apart.
"""

# the stubs of pyarrow are generic in what a file decides
# pyright: reportUnknownMemberType=false, reportUnknownArgumentType=false, reportUnknownVariableType=false
import json
import tempfile
from collections.abc import Iterable, Iterator
from pathlib import Path
from typing import Any

import pyarrow as pa
import pyarrow.parquet as pq

from tasks.formats.parquet_reader import small
from tasks.protocol.keys import base_dataset_key, dataset_key
from tasks.protocol.manifest import Header
from tasks.protocol.receipt import Receipt
from tasks.stores.base import Store, read

SCHEMA = pa.schema(
    [
        pa.field("file", pa.string(), nullable=False),  # relative to the output path
        pa.field("rows", pa.int64(), nullable=False),
        pa.field("bytes", pa.int64(), nullable=False),
        pa.field("sha256", pa.string(), nullable=False),
        pa.field("shard", pa.string(), nullable=False),
        pa.field("position", pa.int64(), nullable=False),  # of the shard in the corpus
        pa.field("part", pa.int32(), nullable=False),  # of the shard, where several workers made it
        pa.field(
            "run", pa.string(), nullable=False
        ),  # that made it: this one, or an earlier one that it goes on from
    ]
)
BATCH = 10_000  # files a row group


def files(receipts: Iterable[Receipt]) -> Iterator[dict[str, Any]]:
    """A row for each file. What an attempt's own file holds is what the receipt has beyond the earlier ones."""
    for one in receipts:
        shard = {"shard": one.shard, "position": one.position, "run": one.run}
        for part, file in enumerate(one.earlier):
            about = {"file": file.key, "rows": file.rows, "bytes": file.bytes, "sha256": file.digest}
            yield about | shard | {"part": part}
        if one.key is not None:
            yield {
                "file": one.key,
                "rows": one.chunks - sum(file.rows for file in one.earlier),
                "bytes": one.output_bytes - sum(file.bytes for file in one.earlier),
                "sha256": one.digest,
                **shard,
                "part": len(one.earlier),
            }


def _earlier(store: Store, run: str) -> list[dict[str, Any]]:
    """The rows of the shards that a run took over, as the datasets of their own runs have them."""
    body = read(store, base_dataset_key(run))
    found: list[dict[str, Any]] = []
    for owner, shards in (json.loads(body) if body else {}).items():
        wanted = set(shards)
        theirs = read(store, dataset_key(owner))
        assert theirs is not None  # only a run that has one is taken over
        rows = small(theirs).to_pylist()
        found += [row for row in rows if row["run"] == owner and row["shard"] in wanted]
    return found


def write_dataset(store: Store, header: Header, receipts: Iterable[Receipt]) -> int:
    """Put the manifest in the store; how many files it names. Written again, it is the same.

    A run that embedded only what was new names the files of the runs before it as well.
    """
    about = {"run": header.run, "model": header.model, "dtype": header.dtype}
    schema = SCHEMA.with_metadata({f"embedfleet.{key}": value for key, value in about.items()})
    rows = sorted(files(receipts), key=lambda row: (row["position"], row["part"]))
    rows = [*_earlier(store, header.run), *rows]
    with tempfile.TemporaryDirectory(prefix="embedfleet-") as folder:
        path = Path(folder) / "dataset.parquet"
        with pq.ParquetWriter(path, schema, compression="zstd") as writer:
            for start in range(0, max(1, len(rows)), BATCH):
                writer.write_table(pa.Table.from_pylist(rows[start : start + BATCH], schema=schema))
        store.put(dataset_key(header.run), path)
    return len(rows)
