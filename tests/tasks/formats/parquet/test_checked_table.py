"""Our own files are read in bounded memory, whatever they claim, and no row of them is missing without an error."""

# the stubs of pyarrow are generic in what a file decides
# pyright: reportUnknownMemberType=false, reportUnknownArgumentType=false, reportUnknownVariableType=false
import io
from pathlib import Path

import pyarrow as pa
import pyarrow.parquet as pq
import pytest

from tasks.formats.damage import UnreadableFileError
from tasks.formats.parquet import parquet_limits
from tasks.formats.parquet.checked_table import CheckedTable
from tasks.formats.parquet.parquet_reader import read_small_table, table_batches, table_schema
from tests.tasks.formats.parquet.test_parquet_damage import ROWS, footer_says, peak_of_process, written
from tests.tasks.formats.parquet.test_parquet_pages import with_other_counts

HUGE = b"\xfc\xff\xff\xff\x0f"  # 2**31 - 2, as a page's header has it


def opened(path: Path) -> CheckedTable:
    return CheckedTable(io.BytesIO(path.read_bytes()))


def test_a_sound_file_is_read_whole_in_batches(tmp_path: Path) -> None:
    path = written(tmp_path / "a.parquet")
    with opened(path) as file:
        batches = list(file.batches(7, ["text", "id"]))
        assert file.rows == ROWS
    assert max(batch.num_rows for batch in batches) == 7
    assert pa.Table.from_batches(batches).equals(pq.read_table(path, columns=["text", "id"]))
    with opened(path) as file:
        assert file.read().equals(pq.read_table(path))
        assert file.read(["id"]).equals(pq.read_table(path, columns=["id"]))


def test_the_stream_stays_open_for_its_owner(tmp_path: Path) -> None:
    with written(tmp_path / "a.parquet").open("rb") as stream:
        assert table_schema(stream).names == ["id", "text"]
        assert sum(batch.num_rows for batch in table_batches(stream, 100)) == ROWS
        assert sum(batch.num_rows for batch in table_batches(stream, 100)) == ROWS


def test_a_table_without_rows_has_its_columns(tmp_path: Path) -> None:
    pq.write_table(pa.table({"id": pa.array([], pa.string())}), tmp_path / "a.parquet")
    assert read_small_table((tmp_path / "a.parquet").read_bytes(), ["id"]).column_names == ["id"]


def claims(path: Path, field: str) -> None:
    """Let a page claim nearly 2 GiB, as stored or unpacked."""
    column = pq.read_metadata(path).row_group(2).column(1)
    place, size = column.data_page_offset, column.total_compressed_size
    body = path.read_bytes()
    page = body[place : place + size]
    sizes = page[3:5], page[6:8]
    new = (sizes[0] + b"\x15" + HUGE) if field == "stored" else (HUGE + b"\x15" + sizes[1])
    path.write_bytes(body[:place] + page[:3] + new + page[8:-3] + body[place + size :])


@pytest.mark.parametrize(("field", "why"), [("stored", "claims"), ("unpacked", "unpacks from")])
@pytest.mark.parametrize("small", [True, False])
def test_a_page_that_claims_two_gigabytes_is_refused(
    tmp_path: Path, field: str, why: str, *, small: bool
) -> None:
    path = written(tmp_path / "a.parquet")
    claims(path, field)
    before = peak_of_process()
    read = (
        (lambda: read_small_table(path.read_bytes())) if small else (lambda: list(opened(path).batches(100)))
    )
    with pytest.raises(UnreadableFileError, match=why):
        read()
    assert peak_of_process() - before < 200 * 2**20


def test_a_dictionary_of_one_long_value_is_decoded_a_few_rows_at_a_time(tmp_path: Path) -> None:
    """4 MB as stored and unpacked; 4 GiB if all rows that a reader asks for were decoded at once."""
    long = pa.DictionaryArray.from_arrays(pa.array([0] * 1_024, pa.int32()), pa.array(["b" * (4 * 2**20)]))
    pq.write_table(pa.table({"text": long}), tmp_path / "a.parquet")
    with opened(tmp_path / "a.parquet") as file:
        batch = next(file.batches(65_536))
    assert 1 <= batch.num_rows <= 16


def test_a_column_that_unpacks_to_a_hundred_times_its_size_is_refused(
    tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setattr(parquet_limits, "MAX_CHUNK_BYTES", 2**20)
    column = pa.array(["a" * (2**16 - n) for n in range(30)])
    pq.write_table(
        pa.table({"text": column}), tmp_path / "a.parquet", compression="zstd", use_dictionary=False
    )
    with opened(tmp_path / "a.parquet") as file, pytest.raises(UnreadableFileError, match="unpacks from"):
        list(file.batches(65_536))


@pytest.mark.parametrize(
    ("which", "said"),
    [
        ("file", ROWS + 100),
        ("group", ROWS + 100),
        ("all", ROWS + 100),
        ("group", ROWS - 100),
        ("values", ROWS - 100),
    ],
)
def test_counts_that_disagree_are_an_error(tmp_path: Path, which: str, said: int) -> None:
    path = tmp_path / "a.parquet"
    table = pa.table(
        {"id": [f"r{n}" for n in range(ROWS)], "text": [f"text number {n}" for n in range(ROWS)]}
    )
    pq.write_table(table, path, store_schema=False, write_statistics=False)
    _ = with_other_counts(path, ROWS, said) if which == "values" else footer_says(path, which, said)
    with pytest.raises((UnreadableFileError, pa.ArrowException, OSError)):
        list(opened(path).batches(100))
