"""Write the dataset manifest of a run: one small Parquet file that lists every file of vectors a reader needs.

It has one row for each file, in the order of the corpus. The folder of vectors may also hold files of killed workers;
they are not in the manifest.
"""

# the stubs of pyarrow are generic in what a file decides
# pyright: reportUnknownMemberType=false, reportUnknownArgumentType=false, reportUnknownVariableType=false
import shutil
import tempfile
from collections.abc import Iterable, Iterator, Mapping
from itertools import chain, islice
from pathlib import Path
from typing import Any, BinaryIO

import pyarrow as pa
import pyarrow.parquet as pq

from launcher.format import plural
from launcher.output.taken_over import read_base
from tasks.errors import Problem
from tasks.formats.parquet.parquet_reader import table_batches
from tasks.protocol.keys import dataset_key
from tasks.protocol.manifest import Header
from tasks.protocol.receipt import Receipt
from tasks.stores.base import Store

SCHEMA = pa.schema(
    [
        pa.field("file", pa.string(), nullable=False),  # relative to the output path
        pa.field("rows", pa.int64(), nullable=False),
        pa.field("bytes", pa.int64(), nullable=False),
        pa.field("sha256", pa.string(), nullable=False),
        pa.field("shard", pa.string(), nullable=False),
        pa.field("position", pa.int64(), nullable=False),  # of the shard in the corpus
        pa.field("part", pa.int32(), nullable=False),  # of the shard, where several workers embedded it
        pa.field("run", pa.string(), nullable=False),  # that made it: this run, or an earlier one
    ]
)
ROW_GROUP_FILES = 10_000
COPY_BYTES = 2**20


def dataset_rows(receipts: Iterable[Receipt]) -> Iterator[dict[str, Any]]:
    """Yield a row for each file; the own file of a receipt has what it counts beyond the files of earlier workers."""
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


def _rows_of_earlier_runs(store: Store, run: str) -> Iterator[dict[str, Any]]:
    """Read the rows of the shards of earlier runs that belong to this run's dataset, from the datasets of those runs."""
    for owner, shards in read_base(store, run).items():
        wanted = set(shards)
        theirs = open_dataset_manifest(store, owner)
        if theirs is None:  # only a run that has a dataset is taken over
            raise Problem(
                f"run {run} takes over {plural(len(wanted), 'shard')} of run {owner}, and {dataset_key(owner)} is gone",
                hint=f"`embedfleet finish {owner}` writes it again; if that run is gone, use another output.path",
            )
        with theirs:
            try:
                for row in rows_of_dataset(theirs):
                    if row["run"] == owner and row["shard"] in wanted:
                        yield row
            except (pa.ArrowException, OSError) as error:
                raise Problem(
                    f"{dataset_key(owner)}, whose shards run {run} takes over, cannot be read: {error}",
                    hint=f"`embedfleet finish {owner}` writes it again; if that run is gone, use another output.path",
                ) from error


def open_dataset_manifest(store: Store, run: str) -> BinaryIO | None:
    """A local copy of the dataset manifest of a run, unnamed; None where there is none. The caller closes it."""
    stream = store.get(dataset_key(run))
    if stream is None:
        return None
    copy = tempfile.TemporaryFile()  # noqa: SIM115 - the caller closes it
    try:
        with stream:
            shutil.copyfileobj(stream, copy, COPY_BYTES)
    except BaseException:
        copy.close()
        raise
    copy.seek(0)
    return copy


def rows_of_dataset(manifest: BinaryIO) -> Iterator[dict[str, Any]]:
    """The rows of a dataset manifest, some thousand of them in memory at a time.

    Raises:
        pyarrow.ArrowException, OSError: it is damaged.
    """
    for batch in table_batches(manifest, ROW_GROUP_FILES):
        yield from batch.to_pylist()


def description(header: Header) -> Mapping[str, str]:
    """What the dataset says of all of its files, as metadata of its schema."""
    known = {
        "embedfleet.run": header.run,
        "embedfleet.model": header.model,
        "embedfleet.dtype": header.dtype,
        "embedfleet.model_fingerprint": header.model_fingerprint,
        "embedfleet.precision": header.precision,
        # Of every vector, also of a model without a Normalize layer, which sentence-transformers leaves as long as it is.
        "embedfleet.vector_length": "1",
    }
    return {name: value for name, value in known.items() if value}


def write_dataset(store: Store, header: Header, receipts: Iterable[Receipt]) -> int:
    """Put the manifest in the store and return how many files it lists. Idempotent.

    `receipts` come by position; one row group of them is in memory. A run that embedded only what was new lists the
    files of the runs before it as well.
    """
    schema = SCHEMA.with_metadata(dict(description(header)))
    rows = chain(_rows_of_earlier_runs(store, header.run), dataset_rows(receipts))
    files = 0
    with tempfile.TemporaryDirectory(prefix="embedfleet-") as folder:
        path = Path(folder) / "dataset.parquet"
        with pq.ParquetWriter(path, schema, compression="zstd", write_page_checksum=True) as writer:
            while (group := list(islice(rows, ROW_GROUP_FILES))) or not files:
                writer.write_table(pa.Table.from_pylist(group, schema=schema))
                files += len(group)
                if len(group) < ROW_GROUP_FILES:
                    break
        store.put(dataset_key(header.run), path)
    return files
