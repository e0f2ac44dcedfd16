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


def cut(line: str, number: int) -> tuple[str, str]:
    """A line, and its end; the byte order mark before the first line is neither."""
    body = line.removesuffix("\n")
    body = body.removesuffix("\r")
    end = line[len(body) :]
    return (body.removeprefix("\ufeff") if number == 1 else body), end


def over_long(first: int, limit: int) -> Fault:
    """The fault of a record that is longer than what is held; it begins in line `first`."""
    return Fault(first, first, f"over-long: a record of more than {limit:,} characters")
