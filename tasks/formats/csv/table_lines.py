"""The lines of a table, in bounded memory and time: many short lines inside quotes are taken together."""

from collections.abc import Callable, Iterator
from dataclasses import dataclass
from io import StringIO
from typing import TextIO

SKIPPED_CHARACTERS = 2**18  # that are taken together or passed over, read at once, about
FIRST_CHARACTERS = 2**12  # of those, looked through first: the end may be near
LINE_ENDS = ("\n", "\r")
BEGINNING_CHARACTERS = 8


@dataclass(frozen=True, slots=True)
class OverLong:
    """A line that is longer than what is held in memory.

    Attributes:
        quotes: how many quotation marks it has.
        escaped_end: an escape stands before its end.
    """

    quotes: int
    escaped_end: bool


class TableLines:
    """The lines of a stream, with their ends. `beginning` is how the first one begins, once it was read."""

    def __init__(self, stream: TextIO, limit: int, quote: str, escape: str) -> None:
        """A line has at most `limit` characters; `stream` does not translate line ends."""
        self.beginning = ""
        self._stream, self._limit = stream, limit
        self._quote, self._escape = quote, escape
        self._ready = StringIO(newline="")  # was read, and comes before the stream

    def __iter__(self) -> Iterator[str | OverLong]:
        while line := self._readline(self._limit + 1):
            self.beginning = self.beginning or line[:BEGINNING_CHARACTERS]
            yield line if len(line) <= self._limit else self._skip_line(line)

    def take_lines(self, hold: Callable[[str], None]) -> int:
        """Give whole lines without a quotation mark to `hold`, as many as follow; return how many."""
        return self._take(lambda part: part.find(self._quote), hold)

    def skip_blank_lines(self) -> int:
        """Pass over the lines of no character that follow; return how many."""
        return self._take(lambda part: len(part) - len(part.lstrip("".join(LINE_ENDS))), lambda _lines: None)

    def _take(self, find: Callable[[str], int], hold: Callable[[str], None]) -> int:
        """Give the whole lines before what `find` finds to `hold`; return how many. It gives -1 where all are taken."""
        passed, size = 0, FIRST_CHARACTERS
        while True:
            before = self._ready.tell()
            part = _some_lines(self._ready, size)
            if not part:
                self._ready = StringIO(_some_lines(self._stream, size), newline="")
                before, part = 0, _some_lines(self._ready, size)
            mark = find(part)
            whole = _end_of_lines(part, mark if mark >= 0 else len(part))
            hold(part[:whole])
            passed += _count_lines(part[:whole])
            if whole < len(part) or not part:
                self._ready.seek(before + whole)
                return passed
            size = min(2 * size, SKIPPED_CHARACTERS)

    def _readline(self, size: int) -> str:
        line = self._ready.readline(size)
        return line if line.endswith(LINE_ENDS) else line + self._stream.readline(size - len(line))

    def _skip_line(self, line: str) -> OverLong:
        """Read a line to its end without holding it. Quotation marks that are escaped are not counted."""
        quotes, before, escapes = 0, "", 0
        while line:
            if self._quote:
                escaped = (before + line).count(self._escape + self._quote) if self._escape else 0
                quotes += line.count(self._quote) - escaped
            if self._escape:
                body = line.rstrip("".join(LINE_ENDS))
                last = len(body) - len(body.rstrip(self._escape))
                escapes = last if last < len(body) else escapes + last
            if line.endswith(LINE_ENDS):
                break
            before = line[-1]
            line = self._readline(SKIPPED_CHARACTERS)
        return OverLong(quotes, escaped_end=escapes % 2 == 1)


def _some_lines(source: TextIO, size: int) -> str:
    """The next `size` characters, and the rest of their last line if it is short; both halves of a line end."""
    text = source.read(size) + source.readline(size)
    while text.endswith("\r") and (more := source.read(1)):
        text += more
    return text


def _end_of_lines(text: str, end: int) -> int:
    """Where the last whole line before `end` ends."""
    return max(text.rfind(line_end, 0, end) for line_end in LINE_ENDS) + 1


def _count_lines(text: str) -> int:
    return text.count("\n") + text.count("\r") - text.count("\r\n")
