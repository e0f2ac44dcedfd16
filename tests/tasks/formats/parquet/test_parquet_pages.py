"""Values that only the pages have: a footer whose every count agrees with itself may still say too few."""
# the stubs of pyarrow are generic in what a file decides
# pyright: reportUnknownMemberType=false, reportUnknownArgumentType=false, reportUnknownVariableType=false

from pathlib import Path
from typing import Any, BinaryIO

import numpy as np
import pyarrow as pa
import pyarrow.parquet as pq
import pytest

from tasks.formats.parquet.parquet_footer import read_groups
from tasks.formats.parquet.parquet_pages import PageCounter
from tasks.formats.read import read_rows
from tasks.formats.rows import BadRow, Columns, Document, ReadRow
from tasks.protocol.shard import Slice
from tasks.stores.folder import FolderStore
from tests.support.runs import version

ROWS, SAID = 1_000, 500
KINDS: dict[str, dict[str, Any]] = {
    "plain": {"compression": "none", "use_dictionary": False},
    "dictionary": {"compression": "snappy"},
    "one value a hundred times": {"compression": "zstd"},
    "pages of version 2": {"data_page_version": "2.0", "compression": "zstd"},
    "statistics and an index of pages": {"write_statistics": True, "write_page_index": True},
    "checksums": {"write_page_checksum": True},
    "small pages": {"data_page_size": 256, "write_batch_size": 16, "use_dictionary": False},
    "small pages of version 2": {
        "data_page_size": 256,
        "write_batch_size": 16,
        "data_page_version": "2.0",
        "use_dictionary": False,
    },
}


def texts(what: str, count: int) -> list[str]:
    return [f"text {n % 10 if what == 'one value a hundred times' else n}" for n in range(count)]


def written(path: Path, what: str, columns: dict[str, Any], **more: Any) -> Path:
    how: dict[str, Any] = {"write_statistics": False} | KINDS[what] | more
    pq.write_table(pa.table(columns), path, **how)
    return path


def varint(count: int) -> bytes:
    value, out = 2 * count, bytearray()
    while value >= 0x80:
        out.append(value & 0x7F | 0x80)
        value >>= 7
    return bytes([*out, value])


def with_other_counts(path: Path, true: int, said: int) -> Path:
    """Write another number into the footer wherever it has this one, of as many bytes."""
    body = path.read_bytes()
    size = int.from_bytes(body[-8:-4], "little")
    footer = body[-8 - size : -8]
    assert len(varint(true)) == len(varint(said))
    assert varint(true) in footer
    path.write_bytes(body[: -8 - size] + footer.replace(varint(true), varint(said)) + body[-8:])
    return path


def found(path: Path, columns: Columns, start: int = 0, end: int | None = None) -> list[ReadRow]:
    piece = Slice(path.name, version(path), "parquet", start, end)
    return list(read_rows(FolderStore(path.parent), piece, columns))


@pytest.mark.parametrize("what", KINDS)
def test_rows_that_every_count_of_the_footer_denies_are_set_aside(tmp_path: Path, what: str) -> None:
    columns = {"id": [f"r{n}" for n in range(ROWS)], "text": texts(what, ROWS)}
    path = with_other_counts(written(tmp_path / "a.parquet", what, columns, store_schema=False), ROWS, SAID)
    assert pq.read_table(path).num_rows == SAID  # pyarrow gives these alone, without an error
    rows = found(path, Columns("text", "id"))
    assert sum(isinstance(row, Document) for row in rows) == SAID
    (bad,) = (row for row in rows if isinstance(row, BadRow))
    assert (bad.position, bad.rows, bad.more, bad.damage) == (SAID, ROWS - SAID, False, True)
    assert "500 values more than the footer says" in bad.reason


def test_the_slice_that_ends_a_group_names_the_rows_behind_it(tmp_path: Path) -> None:
    columns = {"id": [f"r{n}" for n in range(3 * ROWS)], "text": texts("", 3 * ROWS)}
    path = written(tmp_path / "a.parquet", "small pages", columns, row_group_size=ROWS, store_schema=False)
    said = with_other_counts(path, ROWS, SAID)
    parts = [found(said, Columns("text", "id"), start, start + 250) for start in range(0, 3 * SAID, 250)]
    lost = [sum(row.rows for row in part if isinstance(row, BadRow)) for part in parts]
    assert lost == [0, SAID, 0, SAID, 0, SAID]  # each once, though the footer has 3,000 for the whole file
    assert sum(isinstance(row, Document) for part in parts for row in part) == 3 * SAID


def test_of_lists_the_number_of_rows_is_not_known(tmp_path: Path) -> None:
    columns = {"id": [f"r{n}" for n in range(ROWS)], "texts": [["a", f"{n}"] for n in range(ROWS)]}
    path = written(tmp_path / "a.parquet", "small pages", columns, store_schema=False)
    said = with_other_counts(with_other_counts(path, ROWS, SAID), 2 * ROWS, 2 * SAID)
    rows = found(said, Columns("texts", None, join=" "))
    assert sum(isinstance(row, Document) for row in rows) == SAID
    (bad,) = (row for row in rows if isinstance(row, BadRow))
    assert (bad.position, bad.rows, bad.more, bad.damage) == (SAID, 1, True, True)


@pytest.mark.parametrize("what", KINDS)
def test_an_honest_file_has_no_more_than_its_footer_says(tmp_path: Path, what: str) -> None:
    """Every header is seen while pyarrow reads, whatever ends at the border of a read, and none is fetched."""
    count = 60_000
    random = np.random.default_rng(7)
    columns = {
        "id": [f"r{n}" for n in range(count)],
        "text": [random.bytes(150 if n % 3 else 20).hex() for n in range(count)],
        "texts": [["a"] * (n % 4) for n in range(count)],
        "nothing": pa.nulls(count, pa.string()),
    }
    path = written(tmp_path / "a.parquet", what, columns, row_group_size=25_000)
    with path.open("rb") as stream:
        watched: Any = Watched(stream)
        counter: Any = PageCounter(watched)
        file = pq.ParquetFile(counter, pre_buffer=False, buffer_size=2**20)
        groups = read_groups(file.metadata, counter)
        for number, group in enumerate(groups):
            counter.watch(group.chunks)
            rows = sum(b.num_rows for b in file.iter_batches(999, row_groups=[number], use_threads=False))
            reads = watched.reads
            assert counter.surplus() == {}
            assert watched.reads == reads
            assert counter.values() == {chunk.path: chunk.values for chunk in group.chunks}
            assert rows == group.rows


class Watched:
    """Counts the reads of a stream."""

    def __init__(self, stream: BinaryIO) -> None:
        self._stream, self.reads = stream, 0

    def read(self, size: int = -1) -> bytes:
        self.reads += 1
        return self._stream.read(size)

    def __getattr__(self, name: str) -> Any:
        return getattr(self._stream, name)


def test_headers_that_cannot_be_followed_say_nothing(tmp_path: Path) -> None:
    columns = {"id": [f"r{n}" for n in range(ROWS)], "text": texts("", ROWS)}
    path = written(tmp_path / "a.parquet", "small pages", columns)
    body = path.read_bytes()
    with path.open("rb") as stream:
        (group,) = read_groups(pq.ParquetFile(path).metadata, stream)
    for harm in range(len(body) // 40):
        counter = PageCounter(path.open("rb"))
        counter.watch(group.chunks)
        place = group.chunks[1].first + harm * 37 % group.chunks[1].stored_bytes
        torn = bytearray(body)
        torn[place : place + 5] = b"\xff" * 5
        path.write_bytes(torn)
        counter.surplus()  # ends, and raises nothing
        counter.close()
