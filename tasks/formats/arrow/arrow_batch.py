"""Rows of a batch of Arrow columns, whatever the format of the file that they come from."""
# the stubs of pyarrow are generic in what a file decides
# pyright: reportUnknownMemberType=false, reportUnknownArgumentType=false, reportUnknownVariableType=false

from collections.abc import Iterator, Sequence
from dataclasses import replace
from typing import Any, cast

import pyarrow as pa

from tasks.formats.fields import partition_values, splits
from tasks.formats.ids import id_of_bytes, rounded_id
from tasks.formats.rows import BadRow, Columns, ReadRow, Unreadable, row_of

SINGLE_DIGITS, HALF_DIGITS = 24, 11  # binary ones of smaller floats


def batch_rows(batch: pa.RecordBatch, first: int, file: str, columns: Columns) -> Iterator[ReadRow]:
    """The rows of a batch whose first row is row `first` of the file."""
    paths = {name: column_path(batch.schema, name) for name in columns.names}
    values = {name: _values(batch, path) for name, path in paths.items() if path}
    if columns.id in values and columns.plain_ids:
        values[columns.id] = _ids(values[columns.id], batch.schema, paths[columns.id])
    lacks = next((n for n in columns.names if not paths[n] and n not in partition_values(file)), None)
    for offset in range(batch.num_rows):
        record = {name: column[offset] for name, column in values.items()}
        row = row_of(file, first + offset, record, columns)
        yield replace(row, lacks=lacks) if lacks is not None and isinstance(row, BadRow) else row


def column_path(schema: pa.Schema, name: str) -> Sequence[str]:
    """The column of this name, or the fields that lead to it inside a struct; empty: there is none."""
    if name in schema.names:
        return (name,)
    for head, rest in splits(name):
        if schema.names.count(head) == 1:
            inner = _path_inside(schema.field(head).type, rest)
            if inner:
                return (head, *inner)
    return ()


def _path_inside(kind: Any, name: str) -> Sequence[str]:
    if not pa.types.is_struct(kind):
        return ()
    if kind.get_field_index(name) >= 0:
        return (name,)
    for head, rest in splits(name):
        place = kind.get_field_index(head)
        inner = _path_inside(kind.field(place).type, rest) if place >= 0 else ()
        if inner:
            return (head, *inner)
    return ()


def type_of(schema: pa.Schema, path: Sequence[str]) -> Any:
    """The type at the end of a path that `column_path` found."""
    kind: Any = schema.field(path[0]).type
    for part in path[1:]:
        kind = kind.field(kind.get_field_index(part)).type
    return kind


def _holds_bytes(kind: Any) -> bool:
    """Whether a column holds bytes, and not what the file says is text."""
    found = kind.value_type if pa.types.is_dictionary(kind) else kind
    types = pa.types
    return (
        types.is_binary(found)
        or types.is_large_binary(found)
        or types.is_binary_view(found)
        or types.is_fixed_size_binary(found)
    )


def _ids(values: list[Any], schema: pa.Schema, path: Sequence[str]) -> list[Any]:
    """The values of a column of ids; bytes that are no text are none, nor numbers that a small float has rounded."""
    if schema.names.count(path[0]) > 1:
        return values
    kind = type_of(schema, path)
    if pa.types.is_float32(kind) or pa.types.is_float16(kind):
        digits = SINGLE_DIGITS if pa.types.is_float32(kind) else HALF_DIGITS
        return [Unreadable(why) if (why := rounded_id(value, digits)) else value for value in values]
    if not _holds_bytes(kind):
        return values
    return [
        Unreadable(f"{len(value)} bytes that are no text")
        if isinstance(value, bytes) and id_of_bytes(value) is None
        else value
        for value in values
    ]


def _values(batch: pa.RecordBatch, path: Sequence[str]) -> list[Any]:
    """A column as Python values; strings as bytes, because Arrow does not check that they are UTF-8."""
    if batch.schema.names.count(path[0]) > 1:  # the planner refuses these
        return [Unreadable("in more than one column")] * batch.num_rows
    column: Any = batch.column(path[0])
    for part in path[1:]:
        column = column.flatten()[column.type.get_field_index(part)]
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
    if pa.types.is_string_view(column.type):  # a view is what few functions take, such as `take`
        return column.view(pa.binary_view()).cast(pa.large_binary())
    return column
