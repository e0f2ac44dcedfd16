"""The rows of a file of vectors in the type that a store takes; two rows of one key are refused."""

# the stubs of pyarrow are generic in what a file decides
# pyright: reportUnknownMemberType=false, reportUnknownArgumentType=false, reportUnknownVariableType=false
from collections.abc import Iterable, Iterator
from typing import Any

import numpy as np
import pyarrow as pa

from launcher.errors import Problem
from launcher.loading.dataset_rows.columns import ArrowColumn, distinct
from launcher.loading.vector_store import Element, Key, Limited, Rows, Schema, Vectors, keys_of
from launcher.vectors.read_dataset import Dataset, DatasetFile, Form
from tasks.protocol.dtypes import Dtype

NUMPY: dict[Element, Any] = {"float32": np.float32, "float16": np.float16, "bits": np.uint8}
AS_STORED: frozenset[tuple[Dtype, Element]] = frozenset(
    {("float32", "float32"), ("float16", "float16"), ("binary", "bits")}
)

UNIQUE_IDS = (
    "make corpus.id unique and embed again, or leave it out of the job: ids are then file and position"
)


def rows_of(dataset: Dataset, file: DatasetFile, schema: Schema) -> Iterator[Rows]:
    """The rows of one file, a batch in memory at a time.

    Raises:
        Problem: the file is not what the dataset lists, or two rows of a batch have the same id and chunk.
    """
    form: Form = "stored" if (dataset.header.dtype, schema.element) in AS_STORED else "float32"
    first = 0
    for batch in dataset.batches_of(file, form, ["id", "chunk", "vector", *schema.kept]):
        rows = Rows(
            ids=_values(batch, "id"),
            chunks=_values(batch, "chunk"),
            vectors=_matrix(batch, schema.element),
            kept={name: _values(batch, name) for name in schema.kept},
        )
        _refuse_doubles(rows, file.key, first)
        first += len(rows)
        yield rows


def _values(batch: pa.RecordBatch, column: str) -> ArrowColumn:
    return ArrowColumn(batch.column(column))


def _matrix(batch: pa.RecordBatch, element: Element) -> Vectors:
    column: Any = batch.column("vector")
    flat = column.flatten().to_numpy(zero_copy_only=False)
    return np.ascontiguousarray(flat.reshape(batch.num_rows, -1), NUMPY[element])


def _refuse_doubles(rows: Rows, file: str, first: int) -> None:
    if distinct([rows.ids, rows.chunks]) == len(rows):
        return
    seen: dict[Key, int] = {}
    for row, key in enumerate(rows.keys(), first):
        if key in seen:
            raise Problem(
                f"rows {seen[key]:,} and {row:,} of {file} have one key: id {key.id!r}, chunk {key.chunk}",
                hint=UNIQUE_IDS,
            )
        seen[key] = row


def check_limits(dataset: Dataset, files: Iterable[DatasetFile], store: Limited, schema: Schema) -> None:
    """Check all rows of these files against the limits of a store, before the first of them costs money.

    Reads ids and kept columns alone, a second time, which takes little beside sending the vectors. Of loaders that share
    a load, one does.

    Raises:
        Problem: the collection, or a row, is larger than the store takes.
    """
    store.check_schema(schema)
    for file in files:
        for batch in dataset.batches_of(file, "stored", ["id", "chunk", *schema.kept]):
            rows = Rows(
                ids=_values(batch, "id"),
                chunks=_values(batch, "chunk"),
                vectors=np.zeros((batch.num_rows, 0), NUMPY[schema.element]),
                kept={name: _values(batch, name) for name in schema.kept},
            )
            store.check_rows(schema, rows)


def keys_in(dataset: Dataset, files: Iterable[DatasetFile]) -> Iterator[tuple[str, Key]]:
    """The rows of these files: the file's key in the store, and the row's own."""
    for file in files:
        for batch in dataset.batches_of(file, "stored", ["id", "chunk"]):
            yield from ((file.key, key) for key in keys_of(batch))
