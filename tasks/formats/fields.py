"""Find the value of a column or key in a record: by its name, inside objects by dots, or in the names of folders.

A key that holds dots itself goes before one inside an object. `year=2024/` in the path of a file is a column `year` of
its rows, as Hive, Spark, DuckDB and Polars write and read it; a column of that name in the file goes before it. Pure.
"""

from collections.abc import Iterator, Mapping, Sequence
from functools import lru_cache
from pathlib import PurePosixPath
from typing import Any, cast
from urllib.parse import unquote

NULL_PARTITION = "__HIVE_DEFAULT_PARTITION__"  # the folder of rows whose value is null
MISSING = object()


def field_of(record: Mapping[str, Any], name: str, file: str) -> Any:
    """The value of a record of this file; None: it is null, or not there."""
    found = _inside(record, name)
    return partition_values(file).get(name) if found is MISSING else found


def has_field(record: Mapping[str, Any], name: str, file: str) -> bool:
    """Whether the record, or the path of its file, has this column or key."""
    return _inside(record, name) is not MISSING or name in partition_values(file)


def _inside(record: Mapping[str, Any], name: str) -> Any:
    if name in record:
        return record[name]
    for head, rest in splits(name):
        inner = record.get(head)
        if isinstance(inner, dict):
            found = _inside(cast("dict[str, Any]", inner), rest)
            if found is not MISSING:
                return found
    return MISSING


def splits(name: str) -> Iterator[tuple[str, str]]:
    """The ways to read a dotted name as a key and a name inside its object, the longest key first."""
    end = len(name)
    while (end := name.rfind(".", 0, end)) > 0:
        yield name[:end], name[end + 1 :]


@lru_cache(maxsize=1_024)
def partition_values(file: str) -> Mapping[str, str | None]:
    """The columns in the names of a file's folders, as text; the folder nearest to the file wins."""
    found: dict[str, str | None] = {}
    for part in PurePosixPath(file).parts[:-1]:
        key, separator, value = part.partition("=")
        if separator and key:
            found[unquote(key)] = None if value == NULL_PARTITION else unquote(value, errors="replace")
    return found


def names_inside(record: Mapping[str, Any], most: int) -> Sequence[str]:
    """The names by which values of a record can be read, keys of objects inside it by dots; the first `most`."""
    names: list[str] = []
    for key, value in record.items():
        if len(names) >= most:
            break
        inner = cast("dict[str, Any]", value) if isinstance(value, dict) else {}
        names += [f"{key}.{name}" for name in inner][: most - len(names)] or [key]
    return names
