"""Folders that are one table of a table format, whose files cannot be read one by one.

Lance keeps its rows in files of its own, and is refused. Tables of Delta, Iceberg and Hudi are Parquet, with a log that
says which files and rows were deleted or replaced: their files are read, and what that means is said.
"""

import os
from collections.abc import Iterable, Iterator, Mapping
from pathlib import Path, PurePosixPath

from launcher.errors import Problem

LANCE_VERSIONS = "_versions"
# The folder of a table that holds its log, and what is said of it.
LOGS: Mapping[str, str] = {
    "_delta_log": "Delta log (rows that it deletes are read)",
    ".hoodie": "Hudi timeline (rows that it replaces are read)",
}
ICEBERG_FOLDER = "metadata"
ICEBERG_NOTE = "Iceberg metadata (rows that it deletes are read)"
ABOVE_ROOT = 2  # folders above the root of a corpus that may be the table: TABLE/data/bucket-1


def iceberg_folder(name: str) -> str | None:
    """The folder of an Iceberg table's metadata, where this is the name of a file in one."""
    path = PurePosixPath(name)
    found = path.parent.name == ICEBERG_FOLDER and ".metadata.json" in path.name
    return str(path.parent) if found else None


def logs_on_disk(root: Path, names: Iterable[str]) -> Iterator[tuple[str, str]]:
    """The log of each table that files below `root` are in, and what is said of it; names are below `root`, too.

    A pattern finds the files of a table and not its log, and so does a folder inside it.
    """
    folders = {folder for name in names for folder in PurePosixPath(name).parents if "=" not in folder.name}
    places = [(root / folder, "" if folder.name == "" else f"{folder}/") for folder in sorted(folders)]
    places += [(folder, f"{folder}/") for folder in list(root.parents)[:ABOVE_ROOT]]
    for folder, shown in places:
        for log, note in LOGS.items():
            if os.path.isdir(folder / log):  # noqa: PTH112 - no error where it may not be seen
                yield shown + log, note
        if any(iceberg_folder(f"{ICEBERG_FOLDER}/{name}") for name in _names(folder / ICEBERG_FOLDER)):
            yield shown + ICEBERG_FOLDER, ICEBERG_NOTE


def _names(folder: Path) -> list[str]:
    """The names in a folder; none where there is no such folder, or it cannot be listed."""
    try:
        return [path.name for path in folder.iterdir()]
    except OSError:
        return []


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
