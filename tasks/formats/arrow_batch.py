"""Rows of a batch of Arrow columns, whatever the format of the file that they come from."""
# the stubs of pyarrow are generic in what a file decides
# pyright: reportUnknownMemberType=false, reportUnknownArgumentType=false, reportUnknownVariableType=false

from collections.abc import Iterator
from typing import Any, cast

import pyarrow as pa

from tasks.formats.rows import Columns, ReadRow, Unreadable, row_of


def batch_rows(batch: pa.RecordBatch, first: int, file: str, columns: Columns) -> Iterator[ReadRow]:
    """The rows of a batch whose first row is row `first` of the file."""
    values = {name: _values(batch, name) for name in columns.names}
    for offset in range(batch.num_rows):
        record = {name: column[offset] for name, column in values.items()}
        yield row_of(file, first + offset, record, columns)


def _values(batch: pa.RecordBatch, name: str) -> list[Any]:
    """A column as Python values; strings as bytes, because Arrow does not check that they are UTF-8."""
    if name not in batch.schema.names:
        return [None] * batch.num_rows
    if batch.schema.names.count(name) > 1:  # the planner refuses these
        return [Unreadable("in more than one column")] * batch.num_rows
    column: Any = batch.column(name)
    if pa.types.is_dictionary(column.type):
        column = _raw(column.dictionary).take(column.indices)
    column = _raw(column)
    try:
        return cast("list[Any]", column.to_pylist())
    except (ValueError, OverflowError):  # Python cannot hold one of the values; the others are good
        return [_value(scalar) for scalar in column]


def _value(scalar: Any) -> Any:
    try:
        return scalar.as_py()
    except (ValueError, OverflowError) as error:
        return Unreadable(f"a {scalar.type} that cannot be read: {error}")


def _raw(column: Any) -> Any:
    if pa.types.is_string(column.type):
        return column.view(pa.binary())
    if pa.types.is_large_string(column.type):
        return column.view(pa.large_binary())
    return column.view(pa.binary_view()) if pa.types.is_string_view(column.type) else column
