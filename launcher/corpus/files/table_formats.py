"""Folders that are one table of a table format, whose files cannot be read one by one.

Lance keeps its rows in files of its own, and is refused. A Delta table is Parquet with a log that says which rows were
deleted: it is read, and what that means is said.
"""

from launcher.errors import Problem

LANCE_VERSIONS = "_versions"
DELTA_LOG = "_delta_log"
DELTA_NOTE = "Delta log (rows that it deletes are read)"


def check_no_lance(path: str, place: str, *, is_dataset: bool) -> None:
    """Check that a folder is no Lance dataset; `is_dataset`: it has what only such a folder has.

    Raises:
        Problem: it is one.
    """
    if is_dataset and path.rstrip("/").lower().endswith(".lance"):
        raise Problem(
            f"{place} is a Lance dataset, which is not read",
            hint="write it as Parquet first, batch by batch: lance.dataset(PATH).to_batches(); or move it away",
        )
