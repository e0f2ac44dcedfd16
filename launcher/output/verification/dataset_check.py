"""Compare the dataset manifest, which readers trust, with the receipts that it was made of.

Rows that are missing, changed, twice or of no receipt are named. Both sides are kept as 8 bytes a file, and the
manifest itself as a local copy, which is read a second time.
"""

# the stubs of pyarrow are generic in what a file decides
# pyright: reportUnknownMemberType=false, reportUnknownArgumentType=false, reportUnknownVariableType=false
import json
from array import array
from collections.abc import Iterable, Iterator
from dataclasses import dataclass, field
from itertools import pairwise
from typing import Any, BinaryIO

import pyarrow as pa

from launcher.format import plural
from launcher.output.dataset import SCHEMA, dataset_rows, description, open_dataset_manifest, rows_of_dataset
from launcher.output.hashed_names import contains, id_hash
from launcher.output.id_hashes import sort_in_place
from tasks.formats.parquet.parquet_reader import table_schema
from tasks.protocol.keys import dataset_key
from tasks.protocol.manifest import Header
from tasks.protocol.receipt import Receipt
from tasks.stores.base import Store

NAMED = 3  # files in a message; the others are counted


class DatasetCheck:
    """The rows of a run's dataset manifest on one side; `expect` takes the receipts, one after the other."""

    def __init__(self, store: Store, header: Header) -> None:
        self._header = header
        self._key = dataset_key(header.run)
        self._expected = array("Q")
        self._missing = _Names()
        self.unreadable: str | None = None  # why it is
        self._found = array("Q")
        self._schema: pa.Schema | None = None  # None: it is missing or unreadable
        self._copy = open_dataset_manifest(store, header.run)
        if self._copy is not None:
            try:
                self._schema = table_schema(self._copy)
                self._found.extend(map(_hash, rows_of_dataset(self._copy)))
            except (pa.ArrowException, OSError, ValueError) as error:
                self.unreadable = str(error).partition("\n")[0]
        sort_in_place(self._found)

    def close(self) -> None:
        """Remove the local copy."""
        if self._copy is not None:
            self._copy.close()

    def expect(self, receipts: Iterable[Receipt]) -> None:
        """The manifest must have the rows of these receipts."""
        for row in dataset_rows(receipts):
            hashed = _hash(row)
            self._expected.append(hashed)
            if not contains(self._found, hashed):
                self._missing.add(row["file"])

    def faults(self, *, finished: bool) -> Iterator[str]:
        """What is wrong with it, once all receipts were seen. Only a finished run must have one."""
        if self.unreadable is not None:
            yield f"{self._key} cannot be read: {self.unreadable}"
        elif self._copy is None or self._schema is None:
            if finished:
                yield f"{self._key}, which lists the files for readers, is missing: `embedfleet finish` writes it again"
        else:
            yield from self._differences(self._copy, self._schema)

    def _differences(self, copy: BinaryIO, schema: pa.Schema) -> Iterator[str]:
        lacking = [name for name in SCHEMA.names if name not in schema.names]
        if lacking:
            yield f"{self._key} has no column {', '.join(lacking)}"
            return
        said = {key.decode(): value.decode() for key, value in (schema.metadata or {}).items()}
        yield from (
            f"{self._key} says {key} = {said.get(key)}, but the manifest says {value}"
            for key, value in description(self._header).items()
            if said.get(key) != value
        )
        if self._missing.count:
            yield self._missing.told(f"{self._key} does not list, or lists otherwise,")
        sort_in_place(self._expected)
        strange, twice = _Names(), _Names()
        seen: set[int] = set()
        again = _repeated(self._found)
        for row in rows_of_dataset(copy):
            hashed = _hash(row)
            if not contains(self._expected, hashed):
                strange.add(row["file"])
            elif hashed in again:
                if hashed in seen:
                    twice.add(row["file"])
                seen.add(hashed)
        if strange.count:
            yield strange.told(f"{self._key} lists, and no receipt names so,")
        if twice.count:
            yield twice.told(f"{self._key} lists more than once")


def _hash(row: dict[str, Any]) -> int:
    return id_hash(json.dumps([row.get(name) for name in SCHEMA.names], default=str), 0)


def _repeated(ordered: "array[int]") -> set[int]:
    return {one for one, after in pairwise(ordered) if one == after}


@dataclass(slots=True)
class _Names:
    """Names of files, of which only the first are kept."""

    count: int = 0
    first: list[str] = field(default_factory=list[str])

    def add(self, name: object) -> None:
        self.count += 1
        if len(self.first) < NAMED:
            self.first.append(str(name))

    def told(self, what: str) -> str:
        more = f" and {self.count - NAMED:,} more" if self.count > NAMED else ""
        return f"{what} {plural(self.count, 'file')}: {', '.join(self.first)}{more}"
