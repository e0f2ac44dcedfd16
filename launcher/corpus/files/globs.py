"""Which names a corpus path reads: the patterns of a glob, part by part, and the names that tools hide.

A folder that a glob finds is read with all that is below it. Names that begin with . or _ are what tools leave beside
their data (`_SUCCESS`, `.crc`), and are hidden unless a pattern begins so itself; `_year=2024` is a partition, and is
not. Pure: the same rules for folders and buckets.
"""

from collections.abc import Sequence
from dataclasses import dataclass
from fnmatch import fnmatchcase
from functools import cached_property, reduce

HIDING = "._"
ANY_FOLDERS = "**"


@dataclass(frozen=True, slots=True)
class Place:
    """Where a path is in a pattern: the next parts of the pattern, of which several may be possible."""

    shown: frozenset[int]
    hidden: frozenset[int]  # if hidden names were read, too


class Pattern:
    """The parts of a glob; without any, everything is read."""

    def __init__(self, parts: Sequence[str]) -> None:
        self.parts = tuple(
            part
            for n, part in enumerate(parts)
            if part != ANY_FOLDERS or n == 0 or parts[n - 1] != ANY_FOLDERS
        )

    @cached_property
    def start(self) -> Place:
        """The place of the folder that the pattern begins in."""
        both = self._with_skipped({0})
        return Place(both, both)

    def step(self, place: Place, name: str, *, folder: bool) -> Place:
        """The place of what is called `name` in a folder at `place`."""
        shown = self._step(place.shown, name, hides=_hides(name, folder=folder))
        return Place(shown, self._step(place.hidden, name, hides=False))

    def reads(self, place: Place) -> bool:
        """Whether a file at this place is read."""
        return len(self.parts) in place.shown

    def hides(self, place: Place) -> bool:
        """Whether what is at this place might be read if its name did not hide it."""
        return not place.shown and bool(place.hidden)

    def reads_hidden(self, place: Place) -> bool:
        """Whether a file at this place would be read if its name did not hide it."""
        return len(self.parts) in place.hidden

    def goes_on(self, place: Place) -> bool:
        """Whether anything below a folder at this place may be read."""
        return bool(place.shown)

    def matches(self, parts: Sequence[str]) -> bool:
        """Whether a path is read, be it a file or all below a folder; hidden names count as others do."""
        end = reduce(lambda place, name: self.step(place, name, folder=True), parts, self.start)
        return len(self.parts) in end.hidden

    def _step(self, numbers: frozenset[int], name: str, *, hides: bool) -> frozenset[int]:
        found: set[int] = set()
        for number in numbers:
            if number == len(self.parts):
                found |= set() if hides else {number}
            elif self.parts[number] == ANY_FOLDERS:
                is_last = number + 1 == len(self.parts)
                found |= set() if hides else {number, number + is_last}
            elif (not hides or self.parts[number].startswith(name[0])) and fnmatchcase(
                name, self.parts[number]
            ):
                found.add(number + 1)
        return self._with_skipped(found)

    def _with_skipped(self, numbers: set[int]) -> frozenset[int]:
        """The places, and those behind `**`, which may stand for no folder; at the end it is what is below one."""
        for number in sorted(numbers):
            if number + 1 < len(self.parts) and self.parts[number] == ANY_FOLDERS:
                numbers.add(number + 1)
        return frozenset(numbers)


def _hides(name: str, *, folder: bool) -> bool:
    partition = folder and name.find("=") > 1
    return name.startswith(tuple(HIDING)) and not partition
