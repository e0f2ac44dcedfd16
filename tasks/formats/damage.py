"""Damaged input: what a damaged place loses, told from a store that fails to give the bytes.

Bytes that are there and wrong are damage: the same version of a file will not get better, so the rows behind it are set
aside, counted where the file tells how many they are. An error of the system (an OSError with a number, such as EIO or
ESTALE) says nothing of the bytes: it passes, and the rows are asked for again.
"""

import errno

from tasks.formats.rows import BadRow

# A person must change something first; asking again does not help.
_LASTING = frozenset({errno.EACCES, errno.EPERM, errno.ELOOP, errno.ENAMETOOLONG})


class UnreadableFileError(OSError):
    """The bytes of a file cannot be read as its format says; the message says why."""


class EncryptedFileError(UnreadableFileError):
    """The bytes of a file are encrypted; no keys are taken."""


class DamagedFileError(UnreadableFileError):
    """The bytes of a file are not what its format says."""

    def __str__(self) -> str:
        return f"the file is damaged from here on: {super().__str__()}"


def is_passing(error: BaseException | None) -> bool:
    """Whether the system failed to give bytes, in a way that may be over in a moment."""
    return isinstance(error, OSError) and error.errno is not None and error.errno not in _LASTING


def lost_rows(file: str, position: int, error: Exception, rows: int | None = None) -> BadRow:
    """The row that stands for all rows behind a damaged place: `rows` of them, or at least one where that is unknown.

    Raises:
        OSError: `error`, where the system failed to give the bytes: nothing is known of them.
    """
    if isinstance(error, OSError) and error.errno is not None:
        raise error
    why = str(error) if isinstance(error, UnreadableFileError) else str(DamagedFileError(str(error)))
    return BadRow(file, position, why, rows=1 if rows is None else rows, more=rows is None, damage=True)
