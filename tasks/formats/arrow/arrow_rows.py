"""Rows of Arrow IPC files and streams, which are also Feather version 2 and what `save_to_disk` of datasets writes.

Holds one record batch, as `arrow_messages` bounds it.
"""
# the stubs of pyarrow are generic in what a file decides
# pyright: reportUnknownMemberType=false, reportUnknownArgumentType=false, reportUnknownVariableType=false

from collections.abc import Generator, Iterator
from contextlib import contextmanager
from typing import Any, BinaryIO, cast

import pyarrow as pa
from pyarrow import ipc

from tasks.formats.arrow.arrow_batch import batch_rows, column_path
from tasks.formats.arrow.arrow_messages import FEATHER_1_MARK, FILE_MARK, CheckedFile, CheckedStream
from tasks.formats.beginning import Rewound, open_rewound
from tasks.formats.damage import DamagedFileError, UnreadableFileError, lost_rows
from tasks.formats.rows import Columns, ReadRow
from tasks.protocol.shard import Slice

PART_BYTES = 4 * 2**20  # of a record batch, made into rows at once
PART_ROWS = 1_024  # of those, at most


class ArrowBatches:
    """The record batches of an IPC file or stream. `schema` has all columns; only those that are named are read."""

    def __init__(self, stream: BinaryIO) -> None:
        """Read the schema.

        Raises:
            UnreadableFileError: it is no Arrow file, or one that cannot be read here.
        """
        first, rewound = open_rewound(stream, len(FILE_MARK))
        if first.startswith(FEATHER_1_MARK):
            raise UnreadableFileError("it is Feather of version 1; write it again as version 2")
        self._messages = _checked_file(stream) if first == FILE_MARK else CheckedStream(rewound)
        self._begun = self._messages.next_message()
        with _arrow_errors():  # read_schema ends the process where it is no schema
            self.schema: pa.Schema = ipc.open_stream(self._begun).schema
            _read_names(self.schema)

    def read(self, columns: Columns | None = None) -> Iterator[tuple[int, pa.RecordBatch]]:
        """Each batch, with how many bytes of the file were read up to its end; None: with all columns.

        Raises:
            UnreadableFileError: a batch is damaged, or takes too much memory.
        """
        paths = [column_path(self.schema, name) for name in columns.names] if columns else []
        heads = {path[0] for path in paths if path}
        fields = [n for n, name in enumerate(self.schema.names) if name in heads]
        options = ipc.IpcReadOptions(included_fields=fields or None, use_threads=False)
        whole = Rewound(self._begun, self._messages)
        with _arrow_errors():
            reader = ipc.open_stream(pa.PythonFile(cast("Any", whole), "r"), options=options)
        while True:
            with _arrow_errors():
                batch = next(reader, None)
            if batch is None:
                return
            with _arrow_errors():
                check_buffers(batch)
            yield self._messages.position, batch


def _checked_file(stream: BinaryIO) -> CheckedFile:
    if not stream.seekable():
        raise UnreadableFileError(
            "it is an Arrow file inside a compressed one, which has no entry; decompress it"
        )
    return CheckedFile(stream)


def _read_names(fields: Any) -> None:
    """Read the names of all columns, and of the fields inside them, which pyarrow decodes when they are asked for.

    Raises:
        ValueError: a name is not UTF-8.
    """
    for field in fields:
        if field.name is not None and field.type.num_fields:
            _read_names([field.type.field(n) for n in range(field.type.num_fields)])


@contextmanager
def _arrow_errors() -> Generator[None]:
    """Damage that Arrow finds, as damage."""
    try:
        yield
    except (pa.ArrowException, ValueError, EOFError) as error:
        raise DamagedFileError(str(error)) from error
    except KeyError as error:  # of pyarrow: a column's type is one that Python has no class for
        raise UnreadableFileError(f"pyarrow has no values of the type {error} of a column") from error


def check_buffers(batch: pa.RecordBatch) -> None:
    """Check that the offsets of a batch lie within its buffers: Arrow trusts them, and a wrong one ends the process.

    Text that is not UTF-8 is no damage of the batch: it is a bad row of its own.

    Raises:
        pyarrow.ArrowException: they do not.
    """
    for column in batch.columns:
        try:
            column.validate(full=True)
        except pa.ArrowInvalid as error:  # of text it comes after the offsets were checked
            if "UTF8" not in str(error):
                raise


def arrow_rows(stream: BinaryIO, piece: Slice, columns: Columns) -> Iterator[ReadRow]:
    """The rows of a whole Arrow file; positions count rows."""
    position = 0
    try:
        for _, batch in ArrowBatches(stream).read(columns):
            for part in parts_of(batch):
                yield from batch_rows(part, position, piece.path, columns)
                position += part.num_rows
    except OSError as error:
        yield lost_rows(piece.path, position, error)


def parts_of(
    batch: pa.RecordBatch, rows: int = PART_ROWS, size: int = PART_BYTES
) -> Iterator[pa.RecordBatch]:
    """A batch in parts of at most so many rows and, about, bytes."""
    rows = max(1, min(rows, size * batch.num_rows // max(1, batch.nbytes)))
    for start in range(0, batch.num_rows, rows):
        yield batch.slice(start, rows)
