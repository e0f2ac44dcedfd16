"""Read the rows of one file in a test, and show them short."""
# the stubs of pyarrow are generic in what a file decides
# pyright: reportUnknownMemberType=false, reportUnknownArgumentType=false, reportUnknownVariableType=false

from collections.abc import Sequence
from pathlib import Path
from typing import Any

from tasks.formats.read import read_rows
from tasks.formats.rows import BadRow, Columns, Document, ReadRow
from tasks.protocol.shard import Kind, Slice
from tasks.stores.folder import FolderStore
from tests.support.runs import version

BY_ID = Columns("text", "id")
UNNAMED = Columns("text", None)
MISSING = "no text: 'text' is missing or null"


def found(
    path: Path, kind: Kind, columns: Columns = BY_ID, start: int = 0, end: int | None = None
) -> list[ReadRow]:
    return list(
        read_rows(FolderStore(path.parent), Slice(path.name, version(path), kind, start, end), columns)
    )


def short(listed: Sequence[ReadRow]) -> list[Any]:
    """(position, id, text) of a good row, (position, reason) of a bad one."""
    return [(r.position, r.id, r.text) if isinstance(r, Document) else (r.position, r.reason) for r in listed]


def jsonl(tmp_path: Path, *lines: bytes) -> Path:
    path = tmp_path / "part.jsonl"
    path.write_bytes(b"\n".join(lines))
    return path


def only(tmp_path: Path, line: bytes, columns: Columns = BY_ID) -> ReadRow:
    """The one row of a file of one line."""
    (row,) = found(jsonl(tmp_path, line), "jsonl", columns)
    return row


def reason(tmp_path: Path, line: bytes) -> str:
    row = only(tmp_path, line)
    assert isinstance(row, BadRow)
    return row.reason
