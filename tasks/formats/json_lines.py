"""The row of a line of JSON Lines."""

import json
from dataclasses import replace
from typing import Any, cast

from tasks.formats.rows import BadRow, Columns, ReadRow, row_of

MAX_NAMES_SHOWN = 12  # keys of a line in a message, each with at most MAX_NAME_SHOWN characters
MAX_NAME_SHOWN = 40


def row_of_json(text: str, file: str, position: int, columns: Columns) -> ReadRow:
    """The row of a record that is written as JSON."""
    try:
        found: Any = json.loads(text)
    except (ValueError, RecursionError) as error:
        return BadRow(file, position, f"broken JSON line: {error}")
    if not isinstance(found, dict):
        return BadRow(file, position, f"not a JSON object: {type(found).__name__}")
    record = cast("dict[str, Any]", found)
    row = row_of(file, position, record, columns)
    if isinstance(row, BadRow) and (columns.text not in record or (columns.id or columns.text) not in record):
        names = ", ".join(repr(name[:MAX_NAME_SHOWN]) for name in list(record)[:MAX_NAMES_SHOWN])
        return replace(row, reason=f"{row.reason}; the line has {names or 'no keys'}")
    return row
