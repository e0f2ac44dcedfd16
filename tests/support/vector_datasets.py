"""Datasets of any size without embedding: random unit vectors in files, with a manifest and a list of them."""

# the stubs of pyarrow are generic in what a file decides
# pyright: reportUnknownMemberType=false, reportUnknownArgumentType=false, reportUnknownVariableType=false
import hashlib
from collections.abc import Sequence
from pathlib import Path
from typing import Any

import numpy as np
import pyarrow as pa
import pyarrow.parquet as pq

from launcher.output.dataset import SCHEMA
from launcher.vectors.read_dataset import Dataset, open_dataset
from tasks.formats.vectors.vector_file import VectorFileWriter
from tasks.protocol import manifest
from tasks.protocol.dtypes import Dtype
from tasks.protocol.keys import dataset_key, vectors_key
from tasks.protocol.manifest import Header
from tasks.stores.folder import FolderStore
from tests.support.runs import header_of

FINGERPRINT = "sha256:" + "1" * 64


def unit_vectors(rows: int, dimensions: int, seed: int) -> Any:
    """Around few centres, as texts are: an index finds neighbours of pure noise badly."""
    chance = np.random.default_rng(seed)
    centres = np.random.default_rng(7).normal(size=(64, dimensions))
    found = centres[chance.integers(0, len(centres), rows)] + chance.normal(size=(rows, dimensions))
    return (found / np.linalg.norm(found, axis=1, keepdims=True)).astype(np.float32)


def write_vectors(
    output: Path,
    name: str,
    ids: Sequence[str],
    vectors: Any,
    dtype: Dtype = "float32",
    keep: Sequence[str] = (),
) -> dict[str, Any]:
    """A file of vectors, one chunk a document; its row of the dataset, without run, shard and position."""
    path = output / vectors_key(name)
    path.parent.mkdir(parents=True, exist_ok=True)
    kept = [[f"{column} of {one}" for column in keep] for one in ids]
    with VectorFileWriter(path, vectors.shape[1], dtype, keep, {"run": "run-1"}) as writer:
        writer.add(ids, [0] * len(ids), vectors, kept)
    body = path.read_bytes()
    digest = hashlib.sha256(body).hexdigest()
    return {"file": vectors_key(name), "rows": len(ids), "bytes": len(body), "sha256": digest}


def write_dataset_of(output: Path, files: Sequence[dict[str, Any]], **changes: Any) -> Header:
    """The manifest and the list of files of a finished run."""
    store = FolderStore(output)
    header = header_of("corpus", 0, **({"model": "m", "model_fingerprint": FINGERPRINT} | changes))
    manifest.write(store, header, [])
    rows = [
        {"run": header.run, "shard": f"{n:016x}", "position": n, "part": 0, **file}
        for n, file in enumerate(files)
    ]
    key = output / dataset_key(header.run)
    key.parent.mkdir(parents=True, exist_ok=True)
    pq.write_table(pa.Table.from_pylist(rows, schema=SCHEMA), key)
    return header


def dataset_of(
    output: Path, files: int, rows: int, dimensions: int = 32, dtype: Dtype = "float32", **changes: Any
) -> Dataset:
    """A dataset of so many files of so many rows."""
    keep = changes.get("keep", ())
    made = [
        write_vectors(
            output,
            f"{dtype}-{n}",
            [f"{n}-{row}" for row in range(rows)],
            unit_vectors(rows, dimensions, n),
            dtype,
            keep,
        )
        for n in range(files)
    ]
    header = write_dataset_of(output, made, dtype=dtype, **changes)
    return open_dataset(str(output), header.run)
