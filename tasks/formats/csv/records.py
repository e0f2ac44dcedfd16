"""What a table is split into: records, and lines that are none. Values alone."""

from collections.abc import Sequence
from dataclasses import dataclass


@dataclass(frozen=True, slots=True)
class Record:
    """The fields of a record that begins in this line; the first line of a file is 1."""

    line: int
    fields: Sequence[str]


@dataclass(frozen=True, slots=True)
class Fault:
    """Lines, the last one included, that make no record, and why."""

    line: int
    last: int
    reason: str


def cut(line: str, *, inside: bool = False) -> tuple[str, str]:
    """A line, and its end. A byte order mark before a record is neither: it is where files were put one behind the other.

    `inside`: a record goes on in the line, whose first character belongs to it.
    """
    body = line.removesuffix("\n")
    body = body.removesuffix("\r")
    end = line[len(body) :]
    return (body if inside else body.removeprefix("\ufeff")), end


def over_long(first: int, limit: int) -> Fault:
    """The fault of a record that is longer than what is held; it begins in line `first`."""
    return Fault(first, first, f"over-long: a record of more than {limit:,} characters")
