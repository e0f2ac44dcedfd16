"""What the bad rows of a sample say about the corpus: a file that lacks a key, or has no id or text in any row.

Workers set bad rows aside one by one. What is wrong with a whole file is refused before anything is spent.
"""

import re
from collections.abc import Sequence
from dataclasses import dataclass, field

from launcher.corpus.samples.missing_column import WHAT_IT_IS, WITHOUT_ID, job_key, missing_column_hint
from launcher.errors import Problem
from launcher.format import plural
from tasks.formats.csv.tables import TABLE_HAS
from tasks.formats.json.json_lines import LIST_OF_RECORDS
from tasks.formats.json.lines import ONLY_RETURNS
from tasks.formats.json.table_layouts import WHOLE_TABLE
from tasks.formats.rows import BadRow, Columns, ReadRow
from tasks.printable import plain
from tasks.protocol.shard import Kind

NO_ID = "no id:"  # how the reason begins of a row whose id cannot be used
SHOWN_REASONS = 6  # why files are set aside
DIGITS = re.compile(
    r"(?<![-\w])[0-9][0-9,]*\b"
)  # pages, bytes and places differ from file to file, and are no reasons of their own
LEAST_ROWS = 2  # of a file that is read whole: one row alone may be a bad row
ENOUGH_ROWS = 20  # of a file that is sampled in part, to say that no row of it has a key

ENCODINGS = "is it latin-1 or cp1252? then convert it, or set corpus.csv.encoding of a table"
ENCODING_HINT = "convert the file to UTF-8, as by iconv -f latin1 -t UTF-8"
CSV_ENCODING_HINT = "set corpus.csv.encoding, such as latin-1, cp1252 or utf-16"
# What to try, by words of the reason; the first that are in it.
_HINTS = {
    WHOLE_TABLE: "write a row a line, as by pandas.read_json(FILE, orient=...).to_json(NEW, orient='records', "
    "lines=True)",
    TABLE_HAS: "quote fields that hold the delimiter, or set corpus.csv: delimiter, quote, escape, or header",
    "over-long line": "cut its text into several rows; was a delimiter or a line end lost?",
    "never closed": "close the quotation mark, or set corpus.csv.quote to none where marks are a part of texts",
    "is UTF-16": "convert it, as by iconv -f UTF-16 -t UTF-8",
    "is UTF-32": "convert it, as by iconv -f UTF-32 -t UTF-8",
    ONLY_RETURNS: "convert it, as by tr '\\r' '\\n'",
    "UTF-": ENCODING_HINT,
    "bytes that are no text": "write the ids as text: a UUID in its usual form, a hash in hexadecimal digits",
    "digits are rounded": "write the ids as integers or text before they become floats, as by .astype('Int64') of pandas",
    NO_ID: f"set corpus.id to {WHAT_IT_IS['corpus.id']}{WITHOUT_ID}",
    "(OCR)": "recognise the text of scanned files first, as by ocrmypdf",
    "encrypted": "save the file without its password, or move it away",
    "surrogate pair": "a writer cut a character in two: write the file again, or replace such escapes",
    "two values of": "write each key once in a record",
    "JSON": "write one JSON object in each line, or set corpus.format",
}


@dataclass(slots=True)
class _File:
    rows: int = 0
    lacking: int = 0  # of those, rows without a key, or with no value of it that is an id
    first: BadRow | None = None  # of those

    def is_wrong(self, *, whole: bool) -> bool:
        """Whether the file as a whole is wrong, and not a few of its rows. `whole`: all of it was read."""
        if self.first is None or self.lacking < self.rows:
            return False
        # A single row that stands for others holds the rows of the file.
        least = 1 if whole and self.first.more else LEAST_ROWS if whole else ENOUGH_ROWS
        return self.rows >= least


@dataclass(slots=True)
class SampleFaults:
    """The bad rows of a sample by file, and the first of all."""

    columns: Columns
    first: BadRow | None = None
    rows: int = 0
    bad: int = 0
    _set_aside: dict[str, tuple[int, str]] = field(default_factory=dict[str, tuple[int, str]])  # by reason
    _files: dict[str, _File] = field(default_factory=dict[str, _File])

    def add(self, row: ReadRow) -> None:
        """Count a row of the sample."""
        file = self._files.setdefault(row.file, _File())
        file.rows += 1
        self.rows += 1
        if not isinstance(row, BadRow):
            return
        self.first = self.first or row
        if row.id == row.file:  # a file that is one document
            reason = DIGITS.sub("N", row.reason)
            count, example = self._set_aside.get(reason, (0, row.file))
            self._set_aside[reason] = count + 1, example
            return
        self.bad += 1
        if row.lacks is not None or row.reason.startswith((NO_ID, WHOLE_TABLE)):
            file.lacking += 1
            file.first = file.first or row

    def check(self, *, whole: bool) -> None:
        """Refuse a corpus of which a file lacks a key, or has no id, in every row.

        `whole`: the sample is the whole corpus.

        Raises:
            Problem: with the first such file, and the keys that it has.
        """
        wrong = [
            found.first
            for found in self._files.values()
            if found.first is not None and found.is_wrong(whole=whole)
        ]
        if not wrong:
            return
        first = wrong[0]
        more = f"; so it is with {plural(len(wrong) - 1, 'other file')}" if len(wrong) > 1 else ""
        raise Problem(f"{first.file}: {first.reason}{more}", hint=self._hint(first, None))

    def refusal(self, kind: Kind | None) -> Problem:
        """The error for a corpus of which no row of the sample has a text. `kind` is the format of the first bad row."""
        if self.first is None:
            return Problem(
                "no text in the corpus: there are no rows where it was sampled",
                hint="look at corpus.path in the job file",
            )
        return Problem(
            f"no text in the corpus: {self.first.file}: {self.first.reason}",
            hint=self._hint(self.first, kind),
        )

    def lines(self) -> Sequence[str]:
        """Lines about bad rows that do not keep a plan from being made: rows of tables, and files by their reason."""
        return [line for line in (self._of_rows(), self._of_files()) if line]

    def _of_files(self) -> str | None:
        """The files that are one document each and have no text that can be read: by reason, the many first."""
        if not self._set_aside:
            return None
        ranked = sorted(self._set_aside.items(), key=lambda one: (-one[1][0], one[0]))
        parts = [
            f"{count:,} {plain(why)} ({plain(example)})" for why, (count, example) in ranked[:SHOWN_REASONS]
        ]
        more = f"; {len(ranked) - SHOWN_REASONS:,} other reasons" if len(ranked) > SHOWN_REASONS else ""
        total = sum(count for count, _ in self._set_aside.values())
        return f"{plural(total, 'sampled file')} cannot be embedded: {'; '.join(parts)}{more}"

    def _of_rows(self) -> str | None:
        if self.first is None or not self.bad:
            return None
        hint = f" ({ENCODINGS})" if "invalid UTF-8" in self.first.reason else ""
        return (
            f"{self.bad:,} of {plural(self.rows, 'sampled row')} cannot be embedded; "
            f"the first: {self.first.file}: {self.first.reason}{hint}"
        )

    def _hint(self, bad: BadRow, kind: Kind | None) -> str:
        """What to try about a bad row."""
        if "zstd dictionary" in bad.reason:
            return "unpack it with that dictionary, or move it away"
        if bad.damage:
            return "repair the file, or move it away"
        if LIST_OF_RECORDS in bad.reason:
            return "take the records out of the list, as by jq -c '.KEY[]'"
        if bad.lacks is not None and f"{bad.lacks!r} is" in bad.reason:
            return missing_column_hint(job_key(bad.lacks, self.columns), bad.lacks, bad.has)
        for words, hint in _HINTS.items():
            if words in bad.reason:
                return CSV_ENCODING_HINT if hint == ENCODING_HINT and kind in ("csv", "tsv") else hint
        return f"set corpus.text to {WHAT_IT_IS['corpus.text']}"
