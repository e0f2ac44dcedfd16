"""Say of tables without quoting that their texts seem to hold escapes or quotes, which stay unless the job says so."""

from collections.abc import Sequence
from dataclasses import dataclass

from launcher.corpus.files.listing import Listing
from launcher.format import plural
from tasks.formats.csv.tables import dialect_of
from tasks.formats.csv.text_format import ESCAPED
from tasks.formats.rows import Columns, Document

QUOTE = '"'


@dataclass(slots=True)
class TextEscapes:
    """The texts of a sample that are read as they stand, and those of them that look as if they should not be."""

    files: frozenset[str] = frozenset()  # tables without quotes, as far as the job says
    escape_is_known: bool = False  # the job says whether there are escapes
    quote_is_known: bool = False
    texts: int = 0
    escaped: int = 0
    quoted: int = 0
    escaped_file: str = ""  # the first file with such a text
    quoted_file: str = ""

    @classmethod
    def of(cls, listing: Listing, columns: Columns) -> "TextEscapes":
        """Make a counter; what the job says of escapes and quotes is not counted."""
        bare = {kind for kind in ("csv", "tsv") if not dialect_of(kind, columns.csv).quote}
        given = columns.csv
        return cls(
            frozenset(file.path for file in listing.files if file.kind in bare),
            escape_is_known=given is not None and given.escape is not None,
            quote_is_known=given is not None and given.quote is not None,
        )

    def add(self, row: Document) -> None:
        """Count a text."""
        if row.file not in self.files:
            return
        self.texts += 1
        if not self.escape_is_known and ESCAPED.search(row.text):
            self.escaped += 1
            self.escaped_file = self.escaped_file or row.file
        if (
            not self.quote_is_known
            and len(row.text) > 1
            and row.text.startswith(QUOTE)
            and row.text.endswith(QUOTE)
        ):
            self.quoted += 1
            self.quoted_file = self.quoted_file or row.file

    def lines(self) -> Sequence[str]:
        """What a reader of the plan must know of it."""
        out: list[str] = []
        of_all = f"of {plural(self.texts, 'sampled text')} in tables without quotes"
        if self.escaped:
            out.append(
                f"{self.escaped:,} {of_all} hold a backslash before n, t, another one or their end "
                f"({self.escaped_file}): PostgreSQL and MySQL write line ends and tabs so. Set corpus.csv.escape to "
                '"\\\\" to have them read, or to none where they belong to the texts'
            )
        if self.quoted:
            out.append(
                f"{self.quoted:,} {of_all} stand in quotation marks, which are embedded ({self.quoted_file}). Set "
                'corpus.csv.quote to "\\"" to have them read as quotes, or to none where they belong to the texts'
            )
        return out
