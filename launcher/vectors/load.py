"""The rows of a dataset for Arrow, Polars, pandas and DuckDB: exactly those that its manifest lists, each once."""

# the libraries are optional, and their types are theirs
# pyright: reportUnknownMemberType=false, reportUnknownArgumentType=false, reportUnknownVariableType=false
# pyright: reportMissingTypeStubs=false, reportMissingImports=false
import importlib
from collections.abc import Iterator, Sequence
from typing import Any

import pyarrow as pa

from launcher.errors import Problem, Usage
from launcher.vectors.read_dataset import Dataset, Form

LIBRARIES = ("arrow", "polars", "pandas", "duckdb")


def load_as(
    dataset: Dataset, library: str, form: Form = "float32", columns: Sequence[str] | None = None
) -> Any:
    """The rows as a `pyarrow.RecordBatchReader`, `polars.LazyFrame`, `pandas.DataFrame` or `duckdb.DuckDBPyRelation`.

    Arrow and Polars read a batch at a time, when they are asked for rows. pandas and DuckDB hold all rows, DuckDB in a
    database in memory, so that its relation can be queried many times.

    Raises:
        Usage: there is no such library here, or it is not installed.
    """
    match library:
        case "arrow":
            return dataset.reader(form, columns)
        case "polars":
            return _polars(dataset, form, columns)
        case "pandas":
            _library("pandas")
            return dataset.reader(form, columns).read_pandas()
        case "duckdb":
            return _duckdb(dataset, form, columns)
        case _:
            raise Usage(f"no way to load as {library!r}", hint=f"one of {', '.join(LIBRARIES)}")


def _library(name: str) -> Any:
    try:
        return importlib.import_module(name)
    except ImportError as error:
        raise Usage(f"{name} is not installed here", hint=f"pip install {name}, or load as arrow") from error


def _polars(dataset: Dataset, form: Form, columns: Sequence[str] | None) -> Any:
    polars = _library("polars")
    plugins = _library("polars.io.plugins")
    empty = dataset.schema(form, columns).empty_table()
    schema = polars.from_arrow(empty).schema

    def frames(
        with_columns: list[str] | None, predicate: Any, n_rows: int | None, batch_size: int | None
    ) -> Iterator[Any]:
        del batch_size
        left = n_rows
        chosen = columns if with_columns is None else with_columns
        for batch in dataset.batches(form, chosen):
            frame = polars.from_arrow(pa.Table.from_batches([batch]))
            if left is not None:  # counts rows before the predicate, as polars asks for it
                frame = frame.head(left)
                left -= frame.height
            yield frame if predicate is None else frame.filter(predicate)
            if left is not None and left <= 0:
                return

    return plugins.register_io_source(frames, schema=schema)


def _duckdb(dataset: Dataset, form: Form, columns: Sequence[str] | None) -> Any:
    duckdb = _library("duckdb")
    connection = duckdb.connect()
    reader = dataset.reader(form, columns)
    try:
        connection.register("batches", reader)
        connection.execute("CREATE TABLE vectors AS FROM batches")
    except duckdb.Error as error:
        raise Problem(f"DuckDB cannot take these vectors: {error}", hint="load as arrow") from error
    connection.unregister("batches")
    return connection.table("vectors")
