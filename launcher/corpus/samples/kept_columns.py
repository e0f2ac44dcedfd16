"""Columns of `output.keep` that no row of the sample has: a misspelt key of JSON Lines is null in every row.

A table without such a column is refused before; an object may lack a key, so this is said and nothing is refused.
"""

from dataclasses import dataclass, field

from launcher.format import plain, plural, verb
from tasks.formats.rows import Document


@dataclass(slots=True)
class KeptColumns:
    """Which of the columns to keep have had a value."""

    names: tuple[str, ...]
    _rows: int = 0
    _seen: set[int] = field(default_factory=set[int])

    def add(self, document: Document) -> None:
        """Note which columns a document has."""
        self._rows += 1
        if len(self._seen) < len(self.names):
            self._seen.update(place for place, value in enumerate(document.kept) if value is not None)

    def line(self) -> str | None:
        """What to say; None where every column has been seen, or no row."""
        missing = [repr(plain(name)) for place, name in enumerate(self.names) if place not in self._seen]
        if not missing or not self._rows:
            return None
        return (
            f"output.keep: {', '.join(missing)} {verb(len(missing), 'is', 'are')} missing or null in all "
            f"{plural(self._rows, 'row')} of the sample"
        )
