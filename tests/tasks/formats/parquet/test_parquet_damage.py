"""A damaged Parquet file loses the rows behind the damage in its row group, and says how many they are."""
# the stubs of pyarrow are generic in what a file decides
# pyright: reportUnknownMemberType=false, reportUnknownArgumentType=false, reportUnknownVariableType=false

import resource
import tracemalloc
from itertools import pairwise
from pathlib import Path
from typing import Any

import pyarrow as pa
import pyarrow.parquet as pq
import pytest

from tasks.formats.parquet.parquet_limits import page_sizes
from tasks.formats.read import read_rows
from tasks.formats.rows import BadRow, Columns, Document, ReadRow
from tasks.protocol.shard import Slice
from tasks.stores.folder import FolderStore
from tests.support.runs import version

ROWS = 1_000
GROUP = 200
COLUMNS = Columns("text", "id")


def written(path: Path, group: int = GROUP) -> Path:
    table = pa.table(
        {"id": [f"r{n}" for n in range(ROWS)], "text": [f"text number {n}" for n in range(ROWS)]}
    )
    pq.write_table(table, path, row_group_size=group, compression="none", use_dictionary=False)
    return path


def found(path: Path, start: int = 0, end: int | None = None) -> list[ReadRow]:
    return list(
        read_rows(FolderStore(path.parent), Slice(path.name, version(path), "parquet", start, end), COLUMNS)
    )


def counts(rows: list[ReadRow]) -> tuple[int, int]:
    """Documents, and rows that are lost."""
    return sum(isinstance(r, Document) for r in rows), sum(r.rows for r in rows if isinstance(r, BadRow))


def peak_of_process() -> int:
    """The most memory that this process has had, in bytes."""
    return resource.getrusage(resource.RUSAGE_SELF).ru_maxrss * 1024


@pytest.fixture
def damaged(tmp_path: Path) -> Path:
    """The page header of the texts of the third group is overwritten."""
    path = written(tmp_path / "a.parquet")
    place = pq.read_metadata(path).row_group(2).column(1).data_page_offset
    body = bytearray(path.read_bytes())
    body[place : place + 12] = b"\xff" * 12
    path.write_bytes(body)
    return path


def test_a_damaged_group_loses_its_own_rows_only(damaged: Path) -> None:
    rows = found(damaged)
    assert counts(rows) == (ROWS - GROUP, GROUP)
    (bad,) = (row for row in rows if isinstance(row, BadRow))
    assert (bad.position, bad.rows, bad.more, bad.damage) == (2 * GROUP, GROUP, False, True)


def test_slices_of_a_damaged_group_count_each_row_once(damaged: Path) -> None:
    edges = [0, 350, 450, 500, 600, ROWS]
    each = [counts(found(damaged, start, end)) for start, end in pairwise(edges)]
    assert sum(good for good, _ in each) == ROWS - GROUP
    assert sum(lost for _, lost in each) == GROUP


def footer_says(path: Path, which: str, rows: int) -> Path:
    """Write another number of rows into the footer: of the file, of its only group, or of both."""

    def number(count: int) -> bytes:
        return bytes([(2 * count) & 0x7F | 0x80, 2 * count >> 7])

    body = path.read_bytes()
    size = int.from_bytes(body[-8:-4], "little")
    footer = body[-8 - size : -8]
    place = footer.find(number(ROWS)) if which == "file" else footer.rfind(number(ROWS))
    changed = (
        footer.replace(number(ROWS), number(rows))
        if which == "all"
        else footer[:place] + number(rows) + footer[place + 2 :]
    )
    path.write_bytes(body[: -8 - size] + changed + body[-8:])
    return path


def short(tmp_path: Path, which: str, rows: int) -> tuple[int, int]:
    path = tmp_path / "a.parquet"
    table = pa.table(
        {"id": [f"r{n}" for n in range(ROWS)], "text": [f"text number {n}" for n in range(ROWS)]}
    )
    pq.write_table(table, path, store_schema=False, write_statistics=False)
    return counts(found(footer_says(path, which, rows)))


@pytest.mark.parametrize("which", ["all", "file", "group"])
def test_rows_that_the_footer_says_and_the_file_lacks_are_lost_and_counted(
    tmp_path: Path, which: str
) -> None:
    good, lost = short(tmp_path, which, 8_191)
    assert good + lost == 8_191
    assert good in (0, ROWS)


def test_rows_that_only_the_number_of_the_file_denies_are_read(tmp_path: Path) -> None:
    assert short(tmp_path, "file", 500) == (ROWS, 0)


def test_rows_that_the_number_of_a_group_denies_are_counted_as_lost(tmp_path: Path) -> None:
    good, lost = short(tmp_path, "group", 500)
    assert (good, lost) == (500, 500)


def test_one_long_text_in_every_row_is_decoded_a_few_rows_at_a_time(tmp_path: Path) -> None:
    """4 MB as stored and unpacked; 4 GiB if all rows were decoded at once."""
    text = "b" * (4 * 2**20)
    table = pa.table(
        {
            "id": [f"r{n}" for n in range(1_024)],
            "text": pa.DictionaryArray.from_arrays(pa.array([0] * 1_024, pa.int32()), pa.array([text])),
        }
    )
    pq.write_table(table, tmp_path / "a.parquet")
    path = tmp_path / "a.parquet"
    before = pa.total_allocated_bytes()
    tracemalloc.start()
    rows = read_rows(FolderStore(tmp_path), Slice(path.name, version(path), "parquet"), COLUMNS)
    documents = [row.id for _, row in zip(range(100), rows, strict=False) if isinstance(row, Document)]
    peak = tracemalloc.get_traced_memory()[1]
    tracemalloc.stop()
    assert len(documents) == 100
    assert peak < 300 * 2**20
    assert (pa.default_memory_pool().max_memory() or 0) - before < 500 * 2**20


def test_a_column_that_unpacks_to_a_hundred_times_its_size_is_set_aside_unread(tmp_path: Path) -> None:
    path = tmp_path / "a.parquet"
    texts = ["a" * (2**20 - n) for n in range(300)]
    pq.write_table(
        pa.table({"id": [str(n) for n in range(300)], "text": texts}),
        path,
        compression="zstd",
        use_dictionary=False,
    )
    (row,) = found(path)
    assert isinstance(row, BadRow)
    assert row.rows == 300
    assert "unpacks from" in row.reason


def test_page_sizes_are_those_of_the_header() -> None:
    assert page_sizes(bytes([0x15, 0x04, 0x15, 0x80, 0x80, 0x80, 0x04, 0x15, 0x14, 0x2C])) == (2**22, 10)
    assert page_sizes(b"") is None
    assert page_sizes(b"PAR1 and more") is None


@pytest.mark.parametrize("version", ["1.0", "2.0"])
def test_a_changed_byte_is_damage_where_the_writer_left_checksums(tmp_path: Path, version: str) -> None:
    path = tmp_path / "a.parquet"
    table = pa.table(
        {"id": [f"r{n}" for n in range(ROWS)], "text": [f"text number {n}" for n in range(ROWS)]}
    )
    how: dict[str, Any] = {"compression": "none", "use_dictionary": False, "data_page_version": version}
    how |= {"write_page_checksum": True}
    pq.write_table(table, path, row_group_size=GROUP, **how)
    body = path.read_bytes()
    path.write_bytes(body.replace(b"text number 333", b"text number 933"))
    rows = found(path)
    assert counts(rows) == (ROWS - GROUP, GROUP)
    assert not any(isinstance(row, Document) and "933" in row.text and row.id != "r933" for row in rows)


@pytest.mark.parametrize("field", ["stored", "unpacked"])
def test_a_page_that_claims_two_gigabytes_takes_no_memory(tmp_path: Path, field: str) -> None:
    path = written(tmp_path / "a.parquet")
    column = pq.read_metadata(path).row_group(2).column(1)
    place = column.data_page_offset
    body = path.read_bytes()
    head = body[
        place : place + 8
    ]  # type 0, then the unpacked and the stored size, three bytes each with its field
    size = column.total_compressed_size
    assert head[:3] == b"\x15\x00\x15"
    sizes = body[place + 3 : place + 5], body[place + 6 : place + 8]
    assert sizes[0] == sizes[1]
    huge = b"\xfc\xff\xff\xff\x0f"  # 2**31 - 2
    new = (sizes[0] + b"\x15" + huge) if field == "stored" else (huge + b"\x15" + sizes[1])
    # The header gets longer by three bytes: they are taken from the end of the page, which stays inside its chunk.
    page = body[place : place + size]
    page = page[:3] + new + page[8:-3]
    path.write_bytes(body[:place] + page + body[place + size :])
    before = peak_of_process()
    rows = found(path)
    assert counts(rows) == (ROWS - GROUP, GROUP)
    assert peak_of_process() - before < 200 * 2**20
    reason = next(row.reason for row in rows if isinstance(row, BadRow))
    assert ("claims" if field == "stored" else "unpacks from") in reason
