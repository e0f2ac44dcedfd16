"""Check that the columns that a job reads are in the schema of a Parquet or Arrow file."""

# the stubs of pyarrow are generic in what a file decides
# pyright: reportUnknownMemberType=false, reportUnknownArgumentType=false, reportUnknownVariableType=false

import pyarrow as pa

from launcher.corpus.samples.missing_column import missing_column
from launcher.errors import Problem
from launcher.format import plural
from tasks.formats.arrow.arrow_batch import column_path, type_of
from tasks.formats.fields import partition_values
from tasks.formats.rows import Columns


def check_schema(schema: pa.Schema, file: str, columns: Columns) -> None:
    """Check that each column is there, once, and that texts are lists only where the job joins them.

    Raises:
        Problem: they are not.
    """
    names = schema.names
    for name in columns.names:
        path = column_path(schema, name)
        if not path and name not in partition_values(file):
            raise missing_column(file, name, [*_names_in(schema), *partition_values(file)], columns)
        if path and names.count(path[0]) > 1:
            raise Problem(
                f"{file} has {plural(names.count(path[0]), 'column')} named {path[0]!r}",
                hint="rename all but one of them, or name another column in the job file",
            )
    path = column_path(schema, columns.text)
    kind = type_of(schema, path) if path else None
    if kind is None or not _is_list(kind):
        return
    if not _is_string(kind.value_type):
        raise Problem(
            f"{file}: the texts in {columns.text!r} are lists ({kind})",
            hint="write a column of strings, and name it: of lists, only those of strings can be joined",
        )
    if columns.join is None:
        raise Problem(
            f"{file}: the texts in {columns.text!r} are lists ({kind})",
            hint='set corpus.join to what stands between their strings, such as "\\n", or name another column',
        )


def _names_in(schema: pa.Schema) -> list[str]:
    """The names of columns, and by dots those inside structs."""
    found: list[str] = []
    for name in schema.names:
        kind = schema.field(name).type if schema.names.count(name) == 1 else None
        inner = [f"{name}.{field.name}" for field in kind] if kind and pa.types.is_struct(kind) else []
        found += inner or [name]
    return found


def _is_list(kind: pa.DataType) -> bool:
    return pa.types.is_list(kind) or pa.types.is_large_list(kind) or pa.types.is_fixed_size_list(kind)


def _is_string(kind: pa.DataType) -> bool:
    if pa.types.is_dictionary(kind):
        return _is_string(kind.value_type)
    tests = (pa.types.is_string, pa.types.is_large_string, pa.types.is_string_view, pa.types.is_null)
    return any(test(kind) for test in tests)
