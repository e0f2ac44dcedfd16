"""Say which key of the job file names a column that a file does not have, what it has, and the nearest to it. Pure."""

from collections.abc import Sequence
from difflib import get_close_matches

from launcher.errors import Problem
from tasks.formats.rows import Columns

MAX_NAMES_SHOWN = 20
NEAR = 0.6  # of difflib's ratio: `reviewid` is near `review_id`, `body` is not near `text`
WHAT_IT_IS = {
    "corpus.text": "the column or key that holds the text, as a string",
    "corpus.id": "a column or key with a text or a number in every row",
    "output.keep": "columns or keys that are there",
}
WITHOUT_ID = ", or leave it out: ids are then file and position"


def job_key(name: str, columns: Columns) -> str:
    """The key of the job file that names this column; a name that several use is the text's first."""
    if name == columns.text:
        return "corpus.text"
    return "corpus.id" if name == columns.id else "output.keep"


def missing_column(file: str, name: str, there: Sequence[str], columns: Columns) -> Problem:
    """The error for a file without a column that the job names."""
    more = f" and {len(there) - MAX_NAMES_SHOWN} more" if len(there) > MAX_NAMES_SHOWN else ""
    shown = ", ".join(map(repr, there[:MAX_NAMES_SHOWN]))
    key = job_key(name, columns)
    return Problem(
        f"{file} has no column {name!r}; it has {shown or 'no columns'}{more}",
        hint=missing_column_hint(key, name, there),
    )


def missing_column_hint(key: str, name: str, there: Sequence[str]) -> str:
    """What to set the key of the job file to: the name that is nearest to the wrong one, if one is near."""
    folded = {one.casefold(): one for one in reversed(there)}
    near = get_close_matches(name.casefold(), list(folded), 1, NEAR)
    what = f"{folded[near[0]]!r}" if near else WHAT_IT_IS[key]
    return f"set {key} to {what}{WITHOUT_ID if key == 'corpus.id' else ''}"
