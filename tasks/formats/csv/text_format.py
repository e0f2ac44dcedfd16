r"""Records of the text format in which PostgreSQL (COPY) and MySQL (INTO OUTFILE, --tab, --batch) write tables.

It has no quotes. A backslash before a letter stands for a character that would end a field or a record (`\n` is a line
end); before a delimiter, a line end or itself it makes that a part of the text. Other letters keep their backslash: the
writers have none, and a file that is not in this format loses nothing. Pure.
"""

import re
from collections.abc import Iterable, Iterator

from tasks.formats.csv.records import Fault, Record, cut, over_long
from tasks.formats.csv.table_lines import OverLong

BACKSLASH = "\\"
LETTERS = {"b": "\b", "f": "\f", "n": "\n", "r": "\r", "t": "\t", "v": "\v", "0": "\0"}
# What shows that a text is in this format, where it was read as if it was not: a letter of those, two, or one at the end.
ESCAPED = re.compile(r"\\(?:[bfnrtv0\\]|$)")


def text_records(lines: Iterable[str | OverLong], delimiter: str, limit: int) -> Iterator[Record | Fault]:
    """The records of a table in this format, of at most `limit` characters each. `lines` keep their ends."""
    marks = re.compile(rf"\\(.)|{re.escape(delimiter)}", re.DOTALL)
    parts: list[str] = []  # of the record that is read: its lines
    held, first = 0, 0
    number = 0
    for number, line in enumerate(lines, 1):
        first = first if held else number
        if isinstance(line, OverLong):
            held, goes_on = limit + 1, line.escaped_end
        else:
            body, end = cut(line, inside=bool(held))
            goes_on = (len(body) - len(body.rstrip(BACKSLASH))) % 2 == 1
            if not held and not body:
                continue
            held += len(line)
            if held <= limit:
                parts.append(body + end if goes_on else body)
        if goes_on:
            continue
        yield Record(first, _fields("".join(parts), marks)) if held <= limit else over_long(first, limit)
        parts, held = [], 0
    if held:
        yield Fault(first, number, "a backslash stands at the end of the file")


def _fields(record: str, marks: "re.Pattern[str]") -> list[str]:
    """The fields of a record. `marks` finds delimiters, and characters behind a backslash as its group."""
    fields: list[str] = []
    parts: list[str] = []
    start = 0
    for mark in marks.finditer(record):
        parts.append(record[start : mark.start()])
        start = mark.end()
        escaped: str | None = mark.group(1)
        if escaped is None:
            fields.append("".join(parts))
            parts = []
        elif escaped.isalnum():
            parts.append(LETTERS.get(escaped, mark.group()))
        else:
            parts.append(escaped)
    return [*fields, "".join([*parts, record[start:]])]
