"""Say of tables without quoting that their texts seem to hold escapes, which stay in the texts unless the job says so."""

from dataclasses import dataclass

from launcher.corpus.files.listing import Listing
from launcher.format import plural
from tasks.formats.csv.tables import dialect_of
from tasks.formats.csv.text_format import ESCAPED
from tasks.formats.rows import Columns, Document


@dataclass(slots=True)
class TextEscapes:
    """The texts of a sample that are read as they stand, and those of them with what PostgreSQL and MySQL write."""

    files: frozenset[str]  # tables whose texts have neither quotes nor escapes, as far as the job says
    texts: int = 0
    escaped: int = 0
    example: str = ""

    @classmethod
    def of(cls, listing: Listing, columns: Columns) -> "TextEscapes":
        """Nothing is counted where the job says whether there are escapes."""
        bare = {
            kind
            for kind in ("csv", "tsv")
            if not (d := dialect_of(kind, columns.csv)).quote and not d.escape_is_known
        }
        return cls(frozenset(file.path for file in listing.files if file.kind in bare))

    def add(self, row: Document) -> None:
        """Count a text."""
        if row.file not in self.files:
            return
        self.texts += 1
        if ESCAPED.search(row.text):
            self.escaped += 1
            self.example = self.example or row.file

    def line(self) -> str | None:
        """What a reader of the plan must know of it; None: nothing."""
        if not self.escaped:
            return None
        return (
            f"{self.escaped:,} of {plural(self.texts, 'sampled text')} "
            f"in tables without quotes hold a backslash before n, t, "
            f"another one or their end ({self.example}): PostgreSQL and MySQL write line ends and tabs so. Set "
            'corpus.csv.escape to "\\\\" to have them read, or to none where they belong to the texts'
        )
