"""What is read of a file that is one document, and its limits. Pure."""

from collections.abc import Mapping
from dataclasses import dataclass

from tasks.formats.rows import MAX_TEXT_BYTES
from tasks.protocol.shard import Kind

# Bytes of a file; a larger one is set aside. Those of PDF and DOCX are mostly of images.
MAX_FILE_BYTES: Mapping[Kind, int] = {
    "document": MAX_TEXT_BYTES,
    "html": 4 * MAX_TEXT_BYTES,
    "docx": 128 * 2**20,
    "pdf": 128 * 2**20,
}
MAX_TITLE_CHARACTERS = 1_000


@dataclass(frozen=True, slots=True)
class FileText:
    """The text of a file, and its title where it has one."""

    text: str
    title: str | None = None


class NoTextError(Exception):
    """A file has no text that can be read, and why."""


def title_of(text: str | None) -> str | None:
    """A title in one line; None where there is none."""
    return " ".join(text.split())[:MAX_TITLE_CHARACTERS] or None if text else None


def over_long(count: int, what: str = "bytes") -> NoTextError:
    """The error for a file or a text that is longer than `count`."""
    return NoTextError(f"over-long: more than {count:,} {what}")
