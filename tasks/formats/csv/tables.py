"""Split CSV and TSV into records, strictly: a record that cannot be read as its format says is a fault, never a guess.

`csv.reader` accepts what breaks the format: text after a closing quotation mark is appended, and a mark that is never
closed takes the rest of the file into one field. Here both are faults, with the lines that they concern. Lines inside
quotes that turn out to be broken are not read as records: they may be the inside of a text. Pure.
"""

from collections.abc import Callable, Iterable, Iterator
from dataclasses import dataclass, field
from io import StringIO
from itertools import chain
from typing import TextIO

from tasks.formats.csv.records import Fault, Record, cut, over_long
from tasks.formats.csv.table_lines import OverLong, TableLines
from tasks.formats.csv.text_format import BACKSLASH, text_records
from tasks.formats.wide_encoding import wide_encoding
from tasks.protocol.csv_format import CsvFormat
from tasks.protocol.shard import Kind

DEFAULT_ENCODING = "utf-8"
TABLE_HAS = "and the table has"
MANY_LINES = 100  # of a record, from which on its lines are taken together where that is possible


@dataclass(frozen=True, slots=True)
class Dialect:
    """How a table is written. `escape_is_known` is False where the job does not say whether there is one."""

    delimiter: str
    quote: str  # "": none
    escape: str  # "": none
    escape_is_known: bool
    header: bool | tuple[str, ...]
    encoding: str

    @property
    def is_text_format(self) -> bool:
        """Whether this is the text format of PostgreSQL and MySQL."""
        return not self.quote and self.escape == BACKSLASH


def dialect_of(kind: Kind, given: CsvFormat | None) -> Dialect:
    """The dialect of a CSV or TSV file: what the job says, else the usual. TSV has no quoting (IANA's definition)."""
    given = given or CsvFormat()
    tabs = kind == "tsv"
    quote = given.quote if given.quote is not None else "" if tabs else '"'
    return Dialect(
        delimiter=given.delimiter or ("\t" if tabs else ","),
        quote=quote,
        escape="" if given.escape in (None, quote) else given.escape,
        escape_is_known=given.escape is not None,
        header=given.header,
        encoding=given.encoding or DEFAULT_ENCODING,
    )


class BadTableError(ValueError):
    """No record of the table can be read; the message says why."""


@dataclass(frozen=True, slots=True)
class TableRecords:
    """The names of a table's columns, and its records, each with as many fields as there are names."""

    names: tuple[str, ...]
    records: Iterator[Record | Fault]


class _BrokenError(Exception):
    """The quoting of a record is broken; the message says how."""


@dataclass(slots=True)
class _OpenRecord:
    """A record under construction: the fields that are complete, and what is known of one inside quotes."""

    dialect: Dialect
    limit: int  # characters that are held
    fields: list[str] = field(default_factory=list[str])
    text: StringIO = field(default_factory=StringIO)  # millions of short lines take far more as a list
    quoted: bool = False  # the last field is inside quotes
    held: int = 0
    doubtful: bool = False  # a backslash and two marks at the end of a field: an end of text, if \ escapes

    def add(self, body: str, end: str) -> bool:
        """Read a line without its end; return whether the record is complete.

        Raises:
            _BrokenError: the quoting is broken.
        """
        position = self._inside(body, 0, end) if self.quoted else 0
        while position is not None and position <= len(body):
            quote = self.dialect.quote
            if quote and body.startswith(quote, position):
                self.quoted = True
                position = self._inside(body, position + 1, end)
            else:
                position = self._bare(body, position)
        return not self.quoted

    def _inside(self, body: str, position: int, end: str) -> int | None:
        """Read on inside quotes; return where the next field begins, or None when the line ends before."""
        dialect = self.dialect
        quote, escape, delimiter = dialect.quote, dialect.escape, dialect.delimiter
        while True:
            place = body.find(quote, position)
            escaped = body.find(escape, position, place if place >= 0 else len(body)) if escape else -1
            if escaped >= 0:
                follower = body[escaped + 1 : escaped + 2]
                taken = follower if follower in (quote, escape, delimiter) else escape + follower
                self.hold(body[position:escaped] + taken)
                position = escaped + 2
                continue
            if place < 0:
                self.hold(body[position:] + end)
                return None
            after = body[place + 1 : place + 2]
            if after == quote:
                self.hold(body[position : place + 1])
                rest = body[place + 2 : place + 3]
                if not dialect.escape_is_known and body[place - 1 : place] == BACKSLASH:
                    self.doubtful = self.doubtful or rest in ("", delimiter)
                position = place + 2
                continue
            if after not in ("", delimiter):
                raise _BrokenError(f"text follows the closing quotation mark: {body[place : place + 20]!r}")
            if not dialect.escape_is_known and place and body[place - 1] == BACKSLASH:
                raise _BrokenError(
                    'a backslash stands before a closing quotation mark; set corpus.csv.escape to "\\\\", or to none'
                )
            self.hold(body[position:place])
            self.fields.append(self.text.getvalue())
            self.text = StringIO()
            self.quoted = False
            return place + 2

    def _bare(self, body: str, position: int) -> int:
        """Read a field without quotes; return where the next field begins."""
        delimiter, escape, quote = self.dialect.delimiter, self.dialect.escape, self.dialect.quote
        parts: list[str] = []
        while True:
            stop = body.find(delimiter, position)
            stop = len(body) if stop < 0 else stop
            escaped = body.find(escape, position, stop) if escape else -1
            if escaped < 0:
                break
            follower = body[escaped + 1 : escaped + 2]
            if not follower:
                raise _BrokenError("an escaped line end outside quotes")
            parts += (
                body[position:escaped],
                follower if follower in (quote, escape, delimiter) else (escape + follower),
            )
            position = escaped + 2
        value = "".join([*parts, body[position:stop]])
        if quote and not parts and value.lstrip().startswith(quote):
            raise _BrokenError("blanks stand before an opening quotation mark")
        self.fields.append(value)
        return stop + 1

    def skip(self, line: OverLong) -> bool:
        """Pass over a line; by the number of its marks the record is complete or goes on inside quotes."""
        self.held = self.limit + 1
        self.quoted ^= line.quotes % 2 == 1
        return not self.quoted

    def hold(self, part: str) -> None:
        """Take a part of a text inside quotes, as far as it is held."""
        self.held += len(part)
        if self.held <= self.limit:
            self.text.write(part)


def read_records(
    lines: Iterable[str | OverLong],
    dialect: Dialect,
    limit: int,
    take_lines: Callable[[Callable[[str], None]], int] = lambda _hold: 0,
    skip_blank_lines: Callable[[], int] = lambda: 0,
) -> Iterator[Record | Fault]:
    """The records of a table. `lines` keep their ends; a record holds at most `limit` characters inside quotes.

    `take_lines` takes lines without a quotation mark from `lines`, gives them to its argument, and returns how many.
    `skip_blank_lines` passes over blank ones, and returns how many.
    """
    if dialect.is_text_format:
        yield from text_records(lines, dialect.delimiter, limit)
        return
    record, first, number, blank = _OpenRecord(dialect, limit), 0, 0, 0
    for line in lines:
        number += 1
        if not record.quoted:
            fields = _plain_fields(line, dialect)
            if fields is not None:
                if fields:
                    yield Record(number, fields)
                blank = 0 if fields else blank + 1
                number += skip_blank_lines() if blank > MANY_LINES else 0
                continue
            record, first = _OpenRecord(dialect, limit), number
        elif isinstance(line, str) and dialect.quote not in line and _is_long(record, number - first):
            # These lines end nothing. A long text, or a bomb, has millions of them.
            record.hold(line)
            number += take_lines(record.hold)
            continue
        try:
            complete = _add(record, line)
        except _BrokenError as error:
            yield Fault(first, number, _named(str(error), first, number))
            record = _OpenRecord(dialect, limit)
            continue
        if complete:
            yield _finished(record, first, number)
    if record.quoted:
        yield Fault(first, number, f"a quotation mark is opened in line {first} and never closed")


def _add(record: _OpenRecord, line: str | OverLong) -> bool:
    """Read a line into a record; return whether the record is complete."""
    if isinstance(line, OverLong):
        return record.skip(line)
    return record.add(*cut(line, inside=record.quoted))


def _is_long(record: _OpenRecord, lines: int) -> bool:
    """Whether lines without a quotation mark may be taken together into a record that is inside quotes."""
    return record.held > record.limit or (lines >= MANY_LINES and not record.dialect.escape)


def _plain_fields(line: str | OverLong, dialect: Dialect) -> list[str] | None:
    """The fields of a line without quotes and escapes, none of a blank line; None where it may have them."""
    if isinstance(line, OverLong):
        return None
    body, _ = cut(line)
    if not body:
        return []
    if dialect.escape or (dialect.quote and dialect.quote in body):
        return None
    return body.split(dialect.delimiter)


def _finished(record: _OpenRecord, first: int, last: int) -> Record | Fault:
    if record.held > record.limit:
        return over_long(first, record.limit)
    if record.doubtful and last > first:
        reason = "a backslash stands before quotation marks at the end of a field; set corpus.csv.escape"
        return Fault(first, last, f'{reason} to "\\\\", or to none')
    return Record(first, record.fields)


def _named(reason: str, first: int, last: int) -> str:
    return reason if first == last else f"{reason} (in line {last}; the quotes begin in line {first})"


def open_table(stream: TextIO, dialect: Dialect, limit: int) -> TableRecords:
    """Read the header of a table. A line, and what is inside quotes, has at most `limit` characters.

    Raises:
        BadTableError: the header cannot be read, or the encoding is another one.
    """
    lines = TableLines(stream, limit, dialect.quote, dialect.escape)
    found = read_records(
        _in_this_encoding(lines, dialect), dialect, limit, lines.take_lines, lines.skip_blank_lines
    )
    if dialect.header is not True:
        leading: list[Record | Fault] = []
        names = () if dialect.header is False else dialect.header
        for item in found:
            leading.append(item)
            if isinstance(item, Record):
                names = names or tuple(str(n + 1) for n in range(len(item.fields)))
                break
        return TableRecords(names, _whole(chain(leading, found), len(names)))
    first = next(found, None)
    if isinstance(first, Fault):
        raise BadTableError(f"the header cannot be read: line {first.line}: {first.reason}")
    names = tuple(first.fields) if first else ()
    return TableRecords(names, _without_header(_whole(found, len(names)), names))


def _in_this_encoding(lines: TableLines, dialect: Dialect) -> Iterator[str | OverLong]:
    """The lines, unless the first one shows another encoding."""
    found = iter(lines)
    try:
        first = next(found, None)
    except UnicodeError as error:
        if "BOM" not in str(error):
            raise
        raise BadTableError(
            f"the file has no mark that says its byte order; set corpus.csv.encoding to {dialect.encoding}-le, or to"
            f" {dialect.encoding}-be"
        ) from error
    if first is None:
        return
    wide = wide_encoding(lines.beginning) if dialect.encoding == DEFAULT_ENCODING else None
    if wide:
        raise BadTableError(f"the file is {wide}, not UTF-8; set corpus.csv.encoding to {wide.lower()}")
    yield first
    yield from found


def _whole(found: Iterable[Record | Fault], columns: int) -> Iterator[Record | Fault]:
    """Replace records of another number of fields by faults: which field is which is not known."""
    for item in found:
        if isinstance(item, Record) and len(item.fields) != columns:
            count = len(item.fields)
            yield Fault(
                item.line,
                item.line,
                f"{count} field{'s' * (count != 1)}, {TABLE_HAS} {columns} column{'s' * (columns != 1)}",
            )
        else:
            yield item


def _without_header(found: Iterable[Record | Fault], names: tuple[str, ...]) -> Iterator[Record | Fault]:
    """Replace the header where it comes again, as between tables that were put one behind the other, by a fault.

    A table of one column may have its name as a text.
    """
    for item in found:
        if isinstance(item, Record) and len(names) > 1 and tuple(item.fields) == names:
            yield Fault(item.line, item.line, "the header comes again")
        else:
            yield item
