"""Rows of WebDataset archives: the files of a tar that share a name up to its first dot are one sample.

The rest of a file's name is a column: `txt` is the text of KEY.txt, and `json.caption` a key inside KEY.json.
`__key__` is the name of the sample, and its id where the job names none. Only files that the job asks for are held, one
sample at a time.
"""

import json
from collections.abc import Iterator
from dataclasses import dataclass, field, replace
from typing import Any, BinaryIO

from tasks.formats.damage import lost_rows
from tasks.formats.fields import has_field
from tasks.formats.json.json_lines import row_of_record
from tasks.formats.rows import MAX_TEXT_BYTES, BadRow, Columns, ReadRow, Unreadable
from tasks.formats.webdataset.tar_members import TarMembers
from tasks.protocol.shard import Slice

KEY = "__key__"
HIDDEN = (".", "__")  # how names begin of files that are no samples, and of those that describe the archive


@dataclass(slots=True)
class _Sample:
    key: str
    position: int
    values: dict[str, Any] = field(default_factory=dict[str, Any])


def webdataset_rows(stream: BinaryIO, piece: Slice, columns: Columns) -> Iterator[ReadRow]:
    """The rows of a whole archive; the position of a sample is where its first file begins."""
    named = columns if columns.id is not None else replace(columns, id=KEY)
    members = TarMembers(stream)
    sample: _Sample | None = None
    try:
        for member in members:
            folder, slash, name = member.name.rpartition("/")
            stem, dot, extension = name.partition(".")
            if not dot or not stem or name.startswith(HIDDEN):
                continue
            key, column = (
                f"{folder.removeprefix('./')}{slash if folder != '.' else ''}{stem}",
                extension.lower(),
            )
            if sample and sample.key != key:
                yield _row(sample, piece, named)
                sample = None
            sample = sample or _Sample(key, member.position, {KEY: key})
            if not _is_asked(column, named):
                sample.values[column] = None
            elif column in sample.values:
                sample.values[column] = Unreadable("in the archive twice")
            elif member.unreadable is not None:
                sample.values[column] = Unreadable(member.unreadable)
            else:
                sample.values[column] = _value(members.body(MAX_TEXT_BYTES), column)
        if sample:
            yield _row(sample, piece, named)
    except OSError as error:
        position = sample.position if sample else members.position
        if sample and all(has_field(sample.values, name, piece.path) for name in named.names):
            yield _row(sample, piece, named)  # what else it may have had, nobody asked for
            position = members.position
        yield lost_rows(piece.path, position, error)


def _is_asked(column: str, columns: Columns) -> bool:
    return any(f"{name}.".startswith(f"{column}.") for name in columns.names)


def _value(body: bytes | None, column: str) -> Any:
    """What a file holds: the value of JSON, or its bytes as text."""
    if body is None:
        return Unreadable(f"over-long: more than {MAX_TEXT_BYTES:,} bytes")
    if not column.endswith("json"):
        return body
    try:
        return json.loads(body)
    except (ValueError, RecursionError) as error:
        return Unreadable(f"broken JSON: {error}")


def _row(sample: _Sample, piece: Slice, columns: Columns) -> ReadRow:
    broken = [value for value in sample.values.values() if isinstance(value, Unreadable)]
    if broken:
        key = sample.key.encode("utf-8", "replace").decode()
        return BadRow(piece.path, sample.position, f"a file of the sample is {broken[0].why}", key)
    return row_of_record(sample.values, piece.path, sample.position, columns, "sample")
