"""Check the columns that a job names where the files of its corpus are one document each, and so have few.

A corpus that has tables, too, may name columns of those: they are then unknown of documents.
"""

from launcher.corpus.files.companions import BESIDE_TABLES, WITHOUT_COLUMNS
from launcher.corpus.files.listing import Listing
from launcher.errors import Problem
from launcher.format import plural, verb
from launcher.jobs.job import CorpusSource
from tasks.formats.documents.document_rows import PATH, TITLE
from tasks.formats.fields import partition_values
from tasks.formats.rows import Columns


def check_columns(listing: Listing, columns: Columns) -> None:
    """Check the columns of a corpus of documents alone.

    Raises:
        Problem: the job names an id, or keeps a column, that documents do not have.
    """
    files = [file for file in listing.files if file.bytes]
    if any(file.kind not in WITHOUT_COLUMNS for file in files):
        return
    lines = any(file.kind == "text" for file in files)
    each = "line" if lines else "file"
    known = [columns.text, *([] if lines else [PATH, TITLE])]
    known += [name for file in files[:1] for name in partition_values(file.path)]
    if columns.id not in ((None,) if lines else (None, PATH)):
        ids = "its path below corpus.path" + (" and its position" if lines else "")
        raise Problem(
            f"corpus.id is {columns.id!r}, and each {each} of this corpus is one document without columns",
            hint=f"leave corpus.id out: the id of such a document is {ids}",
        )
    for name in columns.keep:
        if name not in known:
            raise Problem(
                f"output.keep names {name!r}, and each {each} of this corpus is one document without such a column",
                hint=f"keep some of {', '.join(dict.fromkeys(known))}",
            )


def document_note(listing: Listing, source: CorpusSource) -> str | None:
    """How documents are read where a column is named that they lack, or where tables lie beside them; None: neither."""
    documents = sum(bool(file.bytes) and file.kind in WITHOUT_COLUMNS for file in listing.files)
    tables = sum(bool(file.bytes) and file.kind not in WITHOUT_COLUMNS for file in listing.files)
    gone = sum(one.files for one in listing.left_out if one.kind.endswith(BESIDE_TABLES))
    column = f"corpus.text: {source.text}"
    if gone:
        return f"{column} is a column of tables: documents beside them are left out; corpus.unit: file reads them, too"
    if not documents:
        return None
    each = "each line" if source.unit == "line" else "each file"
    if not tables:
        return None if source.text_by_default else f"{column} names no column here: {each} is one document"
    out = "" if source.unit else "; with corpus.text in the job file they would be left out"
    return (
        f"{plural(documents, 'file')} without columns beside {plural(tables, 'table')} {verb(documents, 'is', 'are')} "
        f"read, {each} as one document{out}"
    )
