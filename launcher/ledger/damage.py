"""A damaged ledger: how it is noticed, and what a user can do about it.

The ledger is a cache of the store plus the money, so nothing is guessed from a damaged one: a command ends with the
place of the damage, and the ledger is rebuilt from the output paths. Pure.
"""

from pathlib import Path

from launcher.errors import Problem

# Parts of SQLite's messages that come from a file whose layout or text is not what it says. Its code for them is the
# one for every error in a statement.
_MESSAGES = (
    "Could not decode to UTF-8",
    "malformed JSON",
    "no such table",
    "no such column",
    "has no column named",
    "duplicate column name",
    "already exists",
    "integer overflow",
    "unsupported file format",
)


class DamagedRow(ValueError):  # noqa: N818 - named for what is wrong, as Problem is
    """A row of the ledger holds what no version of this program writes."""

    def __init__(self, table: str, why: str) -> None:
        super().__init__(f"a row of its table {table} cannot be read: {why}")


def speaks_of_damage(message: str) -> bool:
    """Whether a message of SQLite says that the file is damaged."""
    return any(part in message for part in _MESSAGES)


def damaged(path: Path, why: str) -> Problem:
    """The error of a ledger that cannot be read."""
    return Problem(
        f"the ledger {path} is damaged: {why}",
        hint="move it away, then: embedfleet ledger rebuild OUTPUT, for each output path that it had runs in",
    )
