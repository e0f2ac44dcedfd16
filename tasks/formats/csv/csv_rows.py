"""Rows of CSV and TSV files. `tables` splits them into records. Holds one record at a time."""

import io
from collections.abc import Iterator
from typing import BinaryIO

from tasks.formats.csv.records import Record
from tasks.formats.csv.tables import BadTableError, dialect_of, open_table
from tasks.formats.damage import lost_rows
from tasks.formats.rows import MAX_TEXT_BYTES, BadRow, Columns, ReadRow, Unreadable, repeated, row_of
from tasks.protocol.shard import Slice

MAX_RECORD_CHARACTERS = 2 * MAX_TEXT_BYTES  # of a line of a table, and inside quotes: held in memory
# What MySQL, PostgreSQL, Hive and Snowflake write where there is no value: it is no text of two characters.
NULL = {"\\N": Unreadable("\\N, which is NULL in exports of databases")}
MAX_LINES_NAMED = 1_000  # of a fault that concerns more lines, one bad row stands for all


def csv_rows(stream: BinaryIO, piece: Slice, columns: Columns) -> Iterator[ReadRow]:
    """The rows of a whole table; positions count records, and lines that are set aside."""
    dialect = dialect_of(piece.kind, columns.csv)
    text = io.TextIOWrapper(stream, dialect.encoding, errors="surrogateescape", newline="")
    position = 0
    try:
        table = open_table(text, dialect, MAX_RECORD_CHARACTERS)
        places = {name: table.names.index(name) for name in columns.names if name in table.names}
        twice = {name: Unreadable("in more than one column") for name in repeated(table.names, columns)}
        for found in table.records:
            if isinstance(found, Record):
                values = ((name, found.fields[place]) for name, place in places.items())
                fields = {name: NULL.get(value, value) for name, value in values}
                yield row_of(piece.path, position, fields | twice, columns)
                position += 1
                continue
            if (lines := found.last + 1 - found.line) > MAX_LINES_NAMED:
                yield BadRow(
                    piece.path, position, f"lines {found.line} to {found.last}: {found.reason}", rows=lines
                )
                position += lines
                continue
            for line in range(found.line, found.last + 1):
                yield BadRow(piece.path, position, f"line {line}: {found.reason}")
                position += 1
    except BadTableError as error:
        yield BadRow(piece.path, position, str(error), more=True)  # no row of the table can be read
    except (OSError, UnicodeError) as error:
        yield lost_rows(piece.path, position, error)
    finally:
        text.detach()  # the caller closes the stream
