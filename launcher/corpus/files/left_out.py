"""What a corpus path names and is not read: by kind and number, what is likely to be a mistake first.

Pure: knows names, not files.
"""

from collections.abc import Iterable, Sequence
from dataclasses import dataclass, field
from enum import IntEnum
from pathlib import PurePosixPath

from launcher.corpus.files.table_formats import LOGS
from launcher.format import plural
from tasks.formats.endings import COMPRESSED_ENDINGS, kind_of
from tasks.printable import plain

MAX_EXAMPLES = 3  # names of a kind that are kept
MAX_KINDS = 50  # that are kept; others count as OTHER
SHOWN_KINDS = 8  # in a sentence
MAX_ENDING = 12  # characters of a longer one are part of a name
OTHER = "of other endings"
NO_ENDING = "without an ending"
# What tools write about data, and never data.
COMPANIONS = (
    ".crc",
    ".md5",
    ".sha1",
    ".sha256",
    ".sum",
    ".log",
    ".lock",
    ".tmp",
    ".yaml",
    ".yml",
    ".py",
    ".sh",
)


class Likeliness(IntEnum):
    """How likely it is that somebody meant these to be read."""

    CORPUS = 0
    EMPTY = 1
    DATA = 2
    COMPANION = 3


@dataclass(frozen=True, slots=True)
class LeftOut:
    """Names of one kind that are not read. `kind` completes "3 files left out: 3"."""

    kind: str
    files: int
    examples: tuple[str, ...]


@dataclass(slots=True)
class _Count:
    likeliness: Likeliness
    files: int = 0
    examples: list[str] = field(default_factory=list[str])


class Tally:
    """Counts what is left out."""

    def __init__(self) -> None:
        self._counts: dict[str, _Count] = {}
        self._logs: set[str] = set()

    def add(self, name: str, kind: str, likeliness: Likeliness = Likeliness.CORPUS) -> None:
        """Count one name."""
        if kind not in self._counts and len(self._counts) >= MAX_KINDS:
            kind, likeliness = OTHER, Likeliness.DATA
        count = self._counts.setdefault(kind, _Count(likeliness))
        count.files += 1
        if len(count.examples) < MAX_EXAMPLES:
            count.examples.append(name.encode("utf-8", "backslashreplace").decode())

    def add_log(self, name: str, note: str) -> None:
        """Count the folder of a table's log, which may be found in several ways, once."""
        if name not in self._logs:
            self._logs.add(name)
            self.add(name, note)

    def add_unknown(self, name: str) -> None:
        """Count a file whose name tells no format."""
        ending = ending_of(name)
        known = ending in COMPANIONS
        self.add(name, ending or NO_ENDING, Likeliness.COMPANION if known or not ending else Likeliness.DATA)

    def add_hidden(self, name: str, *, folder: bool) -> None:
        """Count a file or folder whose name begins with . or _."""
        if folder and (note := LOGS.get(name.rpartition("/")[2])):
            self.add_log(name, note)
        elif folder:
            self.add(name, "hidden folder", Likeliness.DATA)
        elif kind_of(name):
            self.add(name, f"hidden {ending_of(name)}")
        else:
            self.add(name, "hidden file", Likeliness.COMPANION)

    def result(self) -> tuple[LeftOut, ...]:
        """What was counted, the likely ones first, then the many."""
        ranked = sorted(self._counts.items(), key=lambda one: (one[1].likeliness, -one[1].files, one[0]))
        return tuple(LeftOut(kind, count.files, tuple(count.examples)) for kind, count in ranked)


def ending_of(name: str) -> str:
    """The ending of a name in small letters, with the one before it where it is compressed; empty: none."""
    path = PurePosixPath(name.rpartition("/")[2].lower())
    ending = path.suffix
    if ending in COMPRESSED_ENDINGS:
        ending = path.with_suffix("").suffix + ending
    return ending if len(ending) <= MAX_ENDING and ending[1:].replace(".", "").isalnum() else ""


def left_out_text(left_out: Sequence[LeftOut], *, examples: bool = False) -> str:
    """A sentence: "3 files left out: 2 .docx, 1 dead link"; empty when nothing is."""
    if not left_out:
        return ""
    shown = [_part(one, examples=examples) for one in left_out[:SHOWN_KINDS]]
    rest = sum(one.files for one in left_out[SHOWN_KINDS:])
    if rest:
        shown.append(f"{rest:,} of other kinds")
    return f"{plural(_total(left_out), 'file')} left out: {', '.join(shown)}"


def _total(left_out: Iterable[LeftOut]) -> int:
    return sum(one.files for one in left_out)


def _part(one: LeftOut, *, examples: bool) -> str:
    many = one.files > 1 and one.kind[-1].isalpha() and one.kind.split(" ")[-1] in ("file", "folder", "link")
    named = f" ({', '.join(map(plain, one.examples))}{', …' if one.files > len(one.examples) else ''})"
    return f"{one.files:,} {plain(one.kind)}{'s' if many else ''}{named if examples else ''}"
