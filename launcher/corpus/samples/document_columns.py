"""Check the columns that a job names where the files of its corpus are one document each, and so have few.

A corpus that has tables, too, may name columns of those: they are then unknown of documents.
"""

from launcher.corpus.files.listing import Listing
from launcher.errors import Problem
from tasks.formats.documents.document_rows import PATH, TITLE
from tasks.formats.fields import partition_values
from tasks.formats.rows import Columns
from tasks.protocol.shard import WHOLE_FILES


def check_columns(listing: Listing, columns: Columns) -> None:
    """Check the columns of a corpus of documents alone.

    Raises:
        Problem: the job names an id, or keeps a column, that documents do not have.
    """
    files = [file for file in listing.files if file.bytes]
    if any(file.kind not in WHOLE_FILES for file in files):
        return
    known = [columns.text, PATH, TITLE, *(name for file in files[:1] for name in partition_values(file.path))]
    if columns.id not in (None, PATH):
        raise Problem(
            f"corpus.id is {columns.id!r}, and each file of this corpus is one document without columns",
            hint="leave corpus.id out: the id of such a document is its path below corpus.path",
        )
    for name in columns.keep:
        if name not in known:
            raise Problem(
                f"output.keep names {name!r}, and each file of this corpus is one document without such a column",
                hint=f"keep some of {', '.join(dict.fromkeys(known))}",
            )
