"""The ids of a sample: which of them repeat, and whether files write them in two forms.

A join of vectors with documents by such ids loses or doubles rows, and no count shows it.
"""

import re
from dataclasses import dataclass, field

from launcher.errors import Problem
from launcher.format import plain, plural
from tasks.formats.rows import Document

WHOLE = re.compile(r"-?[0-9]+")
WITH_ZEROS = re.compile(r"-?[0-9]+\.0+")  # a whole number that was written as a float


@dataclass(slots=True)
class _Forms:
    """The first id of a file, and how many of its ids are of each form."""

    first: str
    rows: int = 0
    whole: int = 0
    with_zeros: int = 0


@dataclass(slots=True)
class SampledIds:
    """The ids of a sample. Keeps a hash of each."""

    repeated: int = 0  # documents whose id a document before them has
    _first: tuple[str, str, str] | None = None  # the first such id, and the files of both documents
    # The place of the first document of an id, by the hash of the id.
    _seen: dict[int, tuple[str, int]] = field(default_factory=dict[int, tuple[str, int]])
    _forms: dict[str, _Forms] = field(default_factory=dict[str, _Forms])  # by file

    def add(self, document: Document) -> None:
        """Note the id of a document."""
        name, file = document.id, document.file
        place = (file, document.position)
        before = self._seen.setdefault(hash(name), place)
        if before != place:  # the same document may be in two blocks
            self.repeated += 1
            self._first = self._first or (name, before[0], file)
        forms = self._forms.setdefault(file, _Forms(name))
        forms.rows += 1
        forms.whole += WHOLE.fullmatch(name) is not None
        forms.with_zeros += WITH_ZEROS.fullmatch(name) is not None

    def check_one_form(self) -> None:
        """Refuse ids that are whole numbers in one file, and the same numbers with zeros after a point in another.

        Numbers have one form whatever their type; text stays as it is, so only the user can make it one.

        Raises:
            Problem: with both files and an id of each.
        """
        whole = self._all_of("whole")
        with_zeros = self._all_of("with_zeros")
        if whole and with_zeros:
            (one, id_of_one), (other, id_of_other) = whole, with_zeros
            raise Problem(
                f"ids have two forms: {id_of_one!r} in {one}, and {id_of_other!r} in {other}",
                hint="write them alike in all files; a column that became a float, as pandas makes one with gaps, is "
                "an integer again by .astype('Int64')",
            )

    def line(self) -> str | None:
        """A line about ids that repeat; None where none is known to."""
        if self._first is None:
            return None
        name, one, other = self._first
        where = f"twice in {plain(one)}" if one == other else f"in {plain(one)} and in {plain(other)}"
        return (
            f"ids are not unique: at least {plural(self.repeated, 'document')} of {len(self._seen) + self.repeated:,} "
            f"sampled have an id that another has, such as {plain(repr(name))} {where}; all of them are embedded"
        )

    def _all_of(self, form: str) -> tuple[str, str] | None:
        """The first file all of whose ids are of this form, and its first id."""
        found = (
            (file, forms.first) for file, forms in self._forms.items() if getattr(forms, form) == forms.rows
        )
        return next(found, None)
