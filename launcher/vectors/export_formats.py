"""The forms that a dataset is exported to. Each writer gets temporary paths and streams the rows into them."""

# the stubs of pyarrow are generic in what a file decides; lance is optional
# pyright: reportUnknownMemberType=false, reportUnknownArgumentType=false, reportUnknownVariableType=false
# pyright: reportMissingTypeStubs=false, reportMissingImports=false
import json
from collections.abc import Callable, Sequence
from dataclasses import dataclass
from pathlib import Path
from typing import Any, Literal, cast

import numpy as np
import pyarrow as pa
import pyarrow.parquet as pq

from launcher.errors import Usage
from launcher.vectors.read_dataset import Dataset, Form
from tasks.formats.vectors.quantize import stored_matrix

Format = Literal["parquet", "npy", "lance", "huggingface", "milvus"]
ELEMENT_PATH = "vector.list.element"  # Parquet's path of the numbers in the vectors
ROWS_OF_A_SHARD = 1_000_000  # of a Hugging Face dataset: about 1.5 GB of 384 dimensions
IDS_SUFFIX = ".ids.parquet"


@dataclass(frozen=True, slots=True)
class FormatWriter:
    """How a form is written. `names` are the names beside the target that it consists of; the target's own comes last."""

    names: Callable[[Path], Sequence[str]]
    write: Callable[[Dataset, Form, Sequence[Path]], None]


def _one_name(target: Path) -> Sequence[str]:
    return (target.name,)


def _write_parquet(dataset: Dataset, form: Form, paths: Sequence[Path]) -> None:
    schema = dataset.schema(form)
    bytewise = schema.field("vector").type.value_type.bit_width == 8
    others = [name for name in schema.names if name != "vector"]
    how: dict[str, Any] = {
        "compression": dict.fromkeys(others, "zstd") | {ELEMENT_PATH: "none"},
        "use_dictionary": [ELEMENT_PATH] if bytewise else False,
        "write_statistics": others,
        "write_page_checksum": True,
    }
    with pq.ParquetWriter(paths[0], schema, **how) as writer:
        for batch in dataset.batches(form):
            writer.write_batch(batch)


def _write_milvus(dataset: Dataset, form: Form, paths: Sequence[Path]) -> None:
    """Parquet as Milvus imports it: vectors are lists, and the footer has no Arrow schema that says otherwise.

    `key` is what `embedfleet load` makes the primary key of, so that a load and an import name a row alike.
    """
    if form != "float32":
        raise Usage("Milvus imports vectors of float32", hint="leave --vectors out")
    source = dataset.schema(form)
    width = source.field("vector").type.list_size
    others = [source.field(name) for name in source.names if name not in ("vector", "scale")]
    fields = [pa.field("key", pa.string()), *others, pa.field("vector", pa.list_(pa.float32()))]
    schema = pa.schema([field.remove_metadata() for field in fields])
    with pq.ParquetWriter(paths[0], schema, compression="zstd", store_schema=False) as writer:
        for batch in dataset.batches(form):
            ids, chunks = batch.column("id").to_pylist(), batch.column("chunk").to_pylist()
            keys = pa.array([f"{one}:{chunk}" for one, chunk in zip(ids, chunks, strict=True)], pa.string())
            offsets = pa.array(range(0, (batch.num_rows + 1) * width, width), pa.int32())
            vectors = pa.ListArray.from_arrays(offsets, cast("Any", batch.column("vector")).flatten())
            columns = [keys, *(batch.column(field.name) for field in others), vectors]
            writer.write_batch(pa.RecordBatch.from_arrays(columns, schema=schema))


def _numpy_names(target: Path) -> Sequence[str]:
    return (f"{target.stem}{IDS_SUFFIX}", target.name)


def _write_npy(dataset: Dataset, form: Form, paths: Sequence[Path]) -> None:
    """A matrix, [rows, width], and beside it a Parquet file of all other columns, row for row."""
    schema = dataset.schema(form)
    vector = schema.field("vector").type
    dtype = np.dtype(vector.value_type.to_pandas_dtype())
    others = [name for name in schema.names if name != "vector"]
    ids = pa.schema([schema.field(name) for name in others]).with_metadata(cast("Any", schema.metadata))
    with (
        pq.ParquetWriter(paths[0], ids, compression="zstd", write_page_checksum=True) as writer,
        paths[1].open("wb") as file,
    ):
        shape = (dataset.rows, vector.list_size)
        head = {"descr": np.lib.format.dtype_to_descr(dtype), "fortran_order": False, "shape": shape}
        np.lib.format.write_array_header_1_0(file, head)
        for batch in dataset.batches(form):
            file.write(np.ascontiguousarray(stored_matrix(batch), dtype).tobytes())
            writer.write_batch(batch.select(others).replace_schema_metadata(schema.metadata))


def _write_lance(dataset: Dataset, form: Form, paths: Sequence[Path]) -> None:
    try:
        import lance  # noqa: PLC0415 - of an extra
    except ImportError as error:
        raise Usage("lance is not installed here", hint="pip install 'embedfleet[lance]'") from error
    lance.write_dataset(dataset.reader(form), str(paths[0]))


def _write_hugging_face(dataset: Dataset, form: Form, paths: Sequence[Path]) -> None:
    """The layout of `datasets.Dataset.save_to_disk`: Arrow streams, dataset_info.json and state.json."""
    folder = paths[0]
    folder.mkdir()
    features = {field.name: _feature(field.type) for field in dataset.schema(form)}
    schema = dataset.schema(form).with_metadata({"huggingface": json.dumps({"info": {"features": features}})})
    shards = max(1, -(-dataset.rows // ROWS_OF_A_SHARD))
    names = [f"data-{number:05d}-of-{shards:05d}.arrow" for number in range(shards)]
    batches = dataset.batches(form)
    held: pa.RecordBatch | None = None
    for name in names:
        left = ROWS_OF_A_SHARD
        with pa.OSFile(str(folder / name), "wb") as sink, pa.ipc.new_stream(sink, schema) as writer:
            while left:
                batch = next(batches, None) if held is None else held
                if batch is None:
                    break
                taken = batch.slice(0, left)
                held = batch.slice(left) if batch.num_rows > left else None
                left -= taken.num_rows
                writer.write_batch(taken.replace_schema_metadata(schema.metadata))
    info = {
        "citation": "",
        "description": _description(dataset),
        "features": features,
        "homepage": "",
        "license": "",
    }
    state = {
        "_data_files": [{"filename": name} for name in names],
        "_fingerprint": _fingerprint(dataset),
        "_format_columns": None,
        "_format_kwargs": {},
        "_format_type": None,
        "_output_all_columns": False,
        "_split": None,
    }
    for name, body in (("dataset_info.json", info), ("state.json", state)):
        (folder / name).write_text(json.dumps(body, indent=2), encoding="utf-8")


def _feature(kind: pa.DataType) -> dict[str, Any]:
    if pa.types.is_fixed_size_list(kind):
        return {"feature": _feature(kind.value_type), "length": kind.list_size, "_type": "Sequence"}
    names = {"halffloat": "float16", "float": "float32"}
    return {"dtype": names.get(str(kind), str(kind)), "_type": "Value"}


def _description(dataset: Dataset) -> str:
    return f"Vectors of the embedfleet run {dataset.run}, model {dataset.header.model}."


def _fingerprint(dataset: Dataset) -> str:
    """What `datasets` caches by: letters and digits of the run."""
    return "".join(letter for letter in dataset.run if letter.isalnum())[-64:]


FORMATS: dict[Format, FormatWriter] = {
    "parquet": FormatWriter(_one_name, _write_parquet),
    "npy": FormatWriter(_numpy_names, _write_npy),
    "lance": FormatWriter(_one_name, _write_lance),
    "huggingface": FormatWriter(_one_name, _write_hugging_face),
    "milvus": FormatWriter(_one_name, _write_milvus),
}
