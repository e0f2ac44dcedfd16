"""Text from files, stores and libraries as a terminal and a log may show it: control characters are escaped."""

import io
import sys
from unicodedata import category


def plain(text: object) -> str:
    """Foreign text with control characters escaped.

    It cannot move a cursor, start a line, turn the direction of writing or break an encoding.
    """
    given = str(text)
    return given if given.isprintable() else "".join(map(_escaped, given))


def plain_lines(text: object) -> str:
    """Text of several lines, each of them `plain`."""
    return "\n".join(map(plain, str(text).split("\n")))


def log_in_utf8() -> None:
    """Write our output in UTF-8 whatever the locale is: a file name that ASCII lacks must not end a worker."""
    for stream in (sys.stdout, sys.stderr):
        if isinstance(stream, io.TextIOWrapper):  # not None, and not what a test puts there
            stream.reconfigure(encoding="utf-8", errors="backslashreplace")


def _escaped(character: str) -> str:
    """The character itself if it only takes its place in the line, else its escape."""
    if character.isprintable() or category(character) == "Zs":  # wide and narrow spaces
        return character
    return character.encode("unicode_escape").decode()
