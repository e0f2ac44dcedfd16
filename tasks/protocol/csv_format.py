"""How the tables of a corpus are written: delimiter, quoting, header and encoding. Part of a run's header.

Pure: a type alone.
"""

from dataclasses import dataclass


@dataclass(frozen=True, slots=True)
class CsvFormat:
    """What a job says of its CSV and TSV files. None: the usual of the kind of file; "": there is none."""

    delimiter: str | None = None  # one character; None: a comma, in TSV a tab
    quote: str | None = None  # one character, doubled inside quotes; None: ", in TSV none
    escape: str | None = None  # before a quote, a delimiter or itself; None: not said, "": there is none
    header: bool | tuple[str, ...] = (
        True  # the first record has the names; False: they are 1, 2, ...; or the names
    )
    encoding: str | None = None  # a codec of Python; None: UTF-8
