"""Read a slice persistently: what passes is asked again, and damage is believed when it was read twice.

A network share that restarts, or a disk that answers with EIO once, must not lose a row: the slice is opened again and
read up to the place where it failed. Rows that were given already are not given again. Only where the bytes of the same
version are wrong twice, at the same place, are the rows behind it lost.
"""

import random
from collections.abc import Callable, Iterator
from time import sleep
from typing import BinaryIO

from tasks.errors import Problem
from tasks.formats.damage import is_passing
from tasks.formats.parquet.parquet_reader import OpenFile
from tasks.formats.read import read_rows
from tasks.formats.rows import BadRow, Columns, ReadRow
from tasks.protocol.shard import Slice
from tasks.stores.base import Store, StoreError

ATTEMPTS = 5  # to get past one place
FIRST_PAUSE_SECONDS = 0.25  # before the second attempt; doubles with each further one (exponential backoff)
CONFIRMED_DAMAGES = 3  # of a slice, that are read twice; a file that has more is damaged


class InputUnreadable(StoreError):  # noqa: N818 - a Problem like the others
    """The system did not give the bytes of an input file, however often it was asked: another machine may get them."""

    def __init__(self, piece: Slice, position: int, error: BaseException) -> None:
        """`position` is that of the first row that was not read, or before it."""
        super().__init__(
            f"cannot read {piece.path} behind {position:,}: {error}, in {ATTEMPTS} attempts",
            hint="check the disk or the network share of the corpus, then resume: nothing is lost",
        )
        self.piece, self.position = piece, position

    def lost_rows(self) -> BadRow:
        """The row that stands for all that was not read of the slice."""
        counted = self.piece.kind == "parquet" and self.piece.end is not None
        rows = self.piece.end - self.position if counted and self.piece.end is not None else 1
        return BadRow(self.piece.path, self.position, str(self), rows=rows, more=not counted, retry=True)


def reread_rows(
    source: Store,
    piece: Slice,
    columns: Columns,
    bookmark: OpenFile | None = None,
    opened: Callable[[], BinaryIO | None] = lambda: None,
    pause: Callable[[float], None] = sleep,
) -> Iterator[ReadRow]:
    """The rows of a slice, as `read_rows` gives them. `opened` is its stream for the first attempt, where there is one.

    Raises:
        InputUnreadable: the system failed to give the same bytes in ATTEMPTS attempts.
        ObjectChanged: the file is gone, or not the version that was planned.
        StoreError: it is not a file of the corpus, or the store does not let us read it.
    """
    given = failed = confirmed = 0
    position = piece.start
    doubted: ReadRow | None = None
    while True:
        try:
            # Where the bookmark is at this file already, no stream is opened.
            rows = read_rows(source, piece, columns, bookmark, opened())
            for number, row in enumerate(rows):
                if number < given:
                    continue
                if (
                    isinstance(row, BadRow)
                    and row.damage
                    and row != doubted
                    and confirmed < CONFIRMED_DAMAGES
                ):
                    doubted, confirmed = row, confirmed + 1
                    break
                yield row
                given, failed, position = (
                    given + 1,
                    0,
                    row.position + (row.rows if isinstance(row, BadRow) else 1),
                )
            else:
                return
            if bookmark:
                bookmark.close()
        except (OSError, Problem) as error:
            cause = error if isinstance(error, OSError) else error.__cause__
            if not is_passing(cause):
                if isinstance(error, Problem):
                    raise
                raise StoreError(
                    f"cannot read {piece.path}: {error.strerror or error}",
                    hint="choose a path that this user may read, then resume: nothing is lost",
                ) from error
            failed += 1
            if failed == ATTEMPTS:
                raise InputUnreadable(piece, position, cause or error) from error
            pause(FIRST_PAUSE_SECONDS * 2 ** (failed - 1) * random.uniform(0.5, 1.5))  # noqa: S311 - jitter
        opened = _nothing


def _nothing() -> None:
    """No stream is open for a further attempt."""
