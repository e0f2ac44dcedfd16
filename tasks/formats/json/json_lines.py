"""The row of a record that is written as JSON: a line of JSON Lines, or a value of a JSON file."""

import json
from contextlib import suppress
from dataclasses import replace
from typing import Any, cast

from tasks.formats.fields import has_field, names_inside
from tasks.formats.json.table_layouts import WHOLE_TABLE, table_layout
from tasks.formats.rows import BadRow, Columns, ReadRow, row_of

MAX_NAMES_SHOWN = 12  # keys of a record in a message, each with at most MAX_NAME_SHOWN characters
MAX_NAME_SHOWN = 40
LIST_OF_RECORDS = "a list of records in"


def row_of_json(text: str, file: str, position: int, columns: Columns, what: str = "line") -> ReadRow:
    """The row of a record that is written as JSON; `what` names its place in messages."""
    try:
        found: Any = json.loads(text)
    except (ValueError, RecursionError) as error:
        if several := _several_records(text):
            return BadRow(file, position, f"several JSON records in one {what}, {several}", more=True)
        return BadRow(file, position, f"broken JSON {what}: {error}")
    if not isinstance(found, dict):
        return BadRow(file, position, f"not a JSON object: {type(found).__name__}")
    if name := _repeated_key(text, columns):
        return BadRow(file, position, f"two values of {name!r} in one {what}: which is meant is not known")
    return row_of_record(cast("dict[str, Any]", found), file, position, columns, what)


def _several_records(text: str) -> str | None:
    """How the records of a text that begins with one are divided, where another follows; None where none does."""
    with suppress(ValueError, RecursionError):
        first, end = json.JSONDecoder().raw_decode(text.lstrip())
        rest = text.lstrip()[end:]
        if isinstance(first, dict) and rest.lstrip().startswith("{"):
            return f"with {rest[:1]!r} between them" if rest[:1].isspace() else "with nothing between them"
    return None


class _Pairs(dict[str, Any]):
    """An object that knows which of its keys came with two values that differ."""

    def __init__(self, pairs: list[tuple[str, Any]]) -> None:
        super().__init__(pairs)
        self.differing = {key for key, value in pairs if self[key] != value}


def _repeated_key(text: str, columns: Columns) -> str | None:
    """The first column whose key an object has twice with other values: `json` would take the last one."""
    parts = {part for name in columns.names for part in (name, *name.split("."))}
    if not any(text.count(json.dumps(part, ensure_ascii=False)) > 1 for part in parts):
        return None
    record: Any = json.loads(text, object_pairs_hook=_Pairs)
    for name in columns.names:
        inside = record
        for part in [name] if name in record else name.split("."):
            if not isinstance(inside, _Pairs):
                break
            if part in inside.differing:
                return name
            inside = inside.get(part)
    return None


def row_of_record(
    record: dict[str, Any], file: str, position: int, columns: Columns, what: str = "line"
) -> ReadRow:
    """The row of a record. Where a name is missing, the reason says which names the record has."""
    row = row_of(file, position, record, columns)
    if not isinstance(row, BadRow):
        return row
    if layout := table_layout(record, columns):
        reason = f"{WHOLE_TABLE} (orient={layout!r} of pandas), and no row"
        return replace(row, reason=reason, id=None, more=True)
    asked = (*([columns.id] if columns.id is not None else []), columns.text)  # as `row_of` looks at them
    lacks = next((name for name in asked if not has_field(record, name, file)), None)
    if lacks is None:
        return row
    has = tuple(name[:MAX_NAME_SHOWN] for name in names_inside(record, MAX_NAMES_SHOWN))
    there = ", ".join(map(repr, has)) or "no keys"
    inner = _records_inside(record)
    more = f", and {LIST_OF_RECORDS} {inner[:MAX_NAME_SHOWN]!r}" if inner is not None else ""
    reason = f"{row.reason}; the {what} has {there}{more}"
    return replace(row, reason=reason, lacks=lacks, has=has, more=inner is not None)


def _records_inside(record: dict[str, Any]) -> str | None:
    """The key of the first list of objects in a record: one that wraps the rows of a whole file."""
    for key, value in record.items():
        if isinstance(value, list) and value and isinstance(value[0], dict):
            return key
    return None
