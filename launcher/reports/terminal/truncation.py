"""The warning about truncation as a line of a terminal."""

from rich.text import Text

from launcher.documents.truncation import Truncation, truncation_text
from launcher.format import plain


def truncation_line(found: Truncation) -> Text:
    """The warning in colour."""
    return Text(plain(truncation_text(found)), style="bold yellow")
