"""Recognise a record of JSON that holds a whole table: its rows are inside it, in one of the layouts that pandas writes.

Such a record is the only one of its file, and none of its rows can be told from it as a record of one row. Pure.
"""

from collections.abc import Mapping
from typing import Any, Literal, cast

from tasks.formats.fields import has_field
from tasks.formats.rows import Columns

WHOLE_TABLE = "a whole table in one record"
Layout = Literal["split", "index", "columns", "list"]


def table_layout(record: Mapping[str, Any], columns: Columns) -> Layout | None:
    """The layout of the table in a record, as pandas calls it (`orient`); None: it is no table.

    `split` has the rows as lists beside the names of their columns, `index` each row under its label, `columns` each
    column as an object from label to value, and `list` each column as a list.
    """
    if _is_list_of_lists(record.get("data")) and isinstance(record.get("columns"), list):
        return "split"
    named = [name for name in (columns.text, columns.id) if name is not None]
    values = [record[name] for name in named if name in record]
    if len(values) < len(named):
        return "index" if record and all(_has_text(row, columns) for row in record.values()) else None
    if all(isinstance(value, dict) and _has_labels(cast("dict[str, Any]", value)) for value in values):
        return "columns"
    # A text may be a list of its sentences. A list of as many ids is none.
    lists = [len(cast("list[Any]", value)) for value in values if isinstance(value, list)]
    return "list" if len(lists) == len(named) == 2 and lists[0] == lists[1] else None


def _is_list_of_lists(value: Any) -> bool:
    rows = cast("list[Any]", value) if isinstance(value, list) else []
    return bool(rows) and all(isinstance(row, list) for row in rows)


def _has_text(row: Any, columns: Columns) -> bool:
    return isinstance(row, dict) and has_field(cast("dict[str, Any]", row), columns.text, "")


def _has_labels(column: Mapping[str, Any]) -> bool:
    """Whether the keys are labels of rows, which pandas numbers where they have no names."""
    return bool(column) and all(key.isdecimal() for key in column)
