"""Compare the dataset manifest, which readers trust, with the receipts that it was made of.

Rows that are missing, changed, twice or of no receipt are named. Both sides are kept as 8 bytes a file.
"""

# the stubs of pyarrow are generic in what a file decides
# pyright: reportUnknownMemberType=false, reportUnknownArgumentType=false, reportUnknownVariableType=false
import json
from array import array
from collections.abc import Iterable, Iterator
from itertools import pairwise
from typing import Any

import pyarrow as pa

from launcher.format import plural
from launcher.output.dataset import SCHEMA, dataset_rows, description, rows_of_table
from launcher.output.hashed_names import contains, id_hash
from launcher.output.id_hashes import sort_in_place
from tasks.formats.parquet.parquet_reader import read_small_table
from tasks.protocol.keys import dataset_key
from tasks.protocol.manifest import Header
from tasks.protocol.receipt import Receipt
from tasks.stores.base import Store, read

NAMED = 3  # files in a message; the others are counted


class DatasetCheck:
    """The rows of a run's dataset manifest on one side; `expect` takes the receipts, one after the other."""

    def __init__(self, store: Store, header: Header) -> None:
        self._header = header
        self._key = dataset_key(header.run)
        self._expected = array("Q")
        self._missing: list[str] = []
        self._missing_count = 0
        self.unreadable: str | None = None  # why it is
        self._table = self._read(store)
        self._found = (
            array("Q", map(_hash, rows_of_table(self._table))) if self._table is not None else array("Q")
        )
        sort_in_place(self._found)

    def _read(self, store: Store) -> pa.Table | None:
        body = read(store, self._key)
        if body is None:
            return None
        try:
            return read_small_table(body)
        except (pa.ArrowException, OSError, ValueError) as error:
            self.unreadable = str(error).partition("\n")[0]
            return None

    def expect(self, receipts: Iterable[Receipt]) -> None:
        """The manifest must have the rows of these receipts."""
        for row in dataset_rows(receipts):
            hashed = _hash(row)
            self._expected.append(hashed)
            if not contains(self._found, hashed):
                self._missing_count += 1
                if len(self._missing) < NAMED:
                    self._missing.append(str(row["file"]))

    def faults(self, *, finished: bool) -> Iterator[str]:
        """What is wrong with it, once all receipts were seen. Only a finished run must have one."""
        if self.unreadable is not None:
            yield f"{self._key} cannot be read: {self.unreadable}"
        elif self._table is None:
            if finished:
                yield f"{self._key}, which lists the files for readers, is missing: `embedfleet finish` writes it again"
        else:
            yield from self._differences(self._table)

    def _differences(self, table: pa.Table) -> Iterator[str]:
        names: list[str] = table.column_names
        lacking = [name for name in SCHEMA.names if name not in names]
        if lacking:
            yield f"{self._key} has no column {', '.join(lacking)}"
            return
        said = {key.decode(): value.decode() for key, value in (table.schema.metadata or {}).items()}
        yield from (
            f"{self._key} says {key} = {said.get(key)}, but the manifest says {value}"
            for key, value in description(self._header).items()
            if said.get(key) != value
        )
        if self._missing_count:
            yield _listed(
                f"{self._key} does not list, or lists otherwise,", self._missing_count, self._missing
            )
        sort_in_place(self._expected)
        strange: list[str] = []
        twice: list[str] = []
        seen: set[int] = set()
        again = _repeated(self._found)
        for row in rows_of_table(table):
            hashed = _hash(row)
            if not contains(self._expected, hashed):
                strange.append(str(row["file"]))
            elif hashed in again:
                if hashed in seen:
                    twice.append(str(row["file"]))
                seen.add(hashed)
        if strange:
            yield _listed(f"{self._key} lists, and no receipt names so,", len(strange), strange)
        if twice:
            yield _listed(f"{self._key} lists more than once", len(twice), twice)


def _hash(row: dict[str, Any]) -> int:
    return id_hash(json.dumps([row.get(name) for name in SCHEMA.names], default=str), 0)


def _repeated(ordered: "array[int]") -> set[int]:
    return {one for one, after in pairwise(ordered) if one == after}


def _listed(what: str, count: int, names: list[str]) -> str:
    more = f" and {count - NAMED:,} more" if count > NAMED else ""
    return f"{what} {plural(count, 'file')}: {', '.join(names[:NAMED])}{more}"
