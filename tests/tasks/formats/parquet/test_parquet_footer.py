"""The numbers of a Parquet footer are pyarrow's; a damaged footer is damage of the file, and ends no process."""
# the stubs of pyarrow are generic in what a file decides
# pyright: reportUnknownMemberType=false, reportUnknownArgumentType=false, reportUnknownVariableType=false

import io
import os
import subprocess
import sys
from pathlib import Path

import pyarrow as pa
import pyarrow.parquet as pq
import pytest

from launcher.corpus.files.listing import find_files
from launcher.corpus.samples.sampling import ParquetFooter, read_footer
from launcher.errors import Problem
from tasks.formats.damage import DamagedFileError
from tasks.formats.parquet.parquet_footer import groups_of, read_groups
from tasks.formats.read import read_rows
from tasks.formats.rows import BadRow, Columns
from tasks.protocol.shard import Slice
from tasks.stores.folder import FolderStore
from tests.support.paths import DATA, ROOT
from tests.support.runs import version

DAMAGED = DATA / "corpus"  # statistics of sizes in the footer that do not fit their column
ROWS = 20
READ = """
import sys
from pathlib import Path
from tasks.formats.read import read_rows
from tasks.formats.rows import BadRow, Columns
from tasks.protocol.shard import Slice
from tasks.stores.folder import FolderStore
from tests.support.runs import version
path = Path(sys.argv[1])
for row in read_rows(FolderStore(path.parent), Slice(path.name, version(path), "parquet"), Columns("text", "id")):
    print(row.rows, row.reason) if isinstance(row, BadRow) else print("a document")
"""
SAMPLE = """
import sys
from pathlib import Path
from launcher.corpus.files.listing import find_files
from launcher.corpus.samples.sampling import ParquetFooter, read_footer
from tasks.formats.rows import Columns
found = find_files(sys.argv[1], Path.cwd())
print(read_footer(found, found.open(), found.files[0], Columns("text", "id")).rows)
"""


def table() -> pa.Table:
    columns = {"id": [f"r{n}" for n in range(ROWS)], "text": [f"text {n}" for n in range(ROWS)]}
    return pa.table(columns | {"tags": [["a", None] * n for n in range(ROWS)], "n": [*range(ROWS)]})


def test_numbers_are_those_of_pyarrow() -> None:
    sink = io.BytesIO()
    pq.write_table(table(), sink, row_group_size=7)
    meta = pq.ParquetFile(sink).metadata
    found = read_groups(meta, sink)
    assert len(found) == 3
    for number, group in enumerate(found):
        theirs = meta.row_group(number)
        assert (group.rows, group.unpacked_bytes) == (theirs.num_rows, theirs.total_byte_size)
        columns = [theirs.column(n) for n in range(theirs.num_columns)]
        assert [(c.path, c.values, c.unpacked_bytes, c.stored_bytes, c.dictionary) for c in group.chunks] == [
            (
                c.path_in_schema,
                c.num_values,
                c.total_uncompressed_size,
                c.total_compressed_size,
                c.dictionary_page_offset if c.has_dictionary_page else None,
            )
            for c in columns
        ]


def test_a_footer_that_ends_early_is_damage() -> None:
    sink = io.BytesIO()
    pq.write_table(table(), sink)
    body = sink.getvalue()
    footer = body[-8 - int.from_bytes(body[-8:-4], "little") : -8]
    assert groups_of(footer, ["id"])
    for end in range(0, len(footer) - 1, 7):
        with pytest.raises(DamagedFileError):
            groups_of(footer[:end], ["id"])


def test_a_column_whose_name_is_not_text_is_damage(tmp_path: Path) -> None:
    path = tmp_path / "a.parquet"
    pq.write_table(table(), path, store_schema=False)
    path.write_bytes(path.read_bytes().replace(b"\x18\x02id", b"\x18\x02i\xe5"))
    (row,) = read_rows(
        FolderStore(tmp_path), Slice(path.name, version(path), "parquet"), Columns("text", "id")
    )
    assert isinstance(row, BadRow)
    assert "not text" in row.reason
    with pytest.raises(Problem, match=r"cannot read .*a\.parquet"):
        footer_of(path)


def footer_of(path: Path) -> ParquetFooter:
    """The footer as a plan reads it."""
    listing = find_files(str(path), path.parent)
    return read_footer(listing, listing.open(), listing.files[0], Columns("text", "id"))


def process(program: str, name: str) -> list[str]:
    """What a program prints about a damaged file, in a process of its own: pyarrow would end it by SIGABRT."""
    words = [sys.executable, "-c", program, str(DAMAGED / name)]
    environment = {**os.environ, "PYTHONPATH": str(ROOT)}
    done = subprocess.run(words, capture_output=True, text=True, check=False, cwd=ROOT, env=environment)
    assert done.returncode == 0, done.stderr
    return done.stdout.splitlines()


@pytest.mark.parametrize("name", ["level-histogram.parquet", "byte-array-size.parquet"])
def test_damaged_statistics_lose_their_group_and_end_no_worker(name: str) -> None:
    (lost,) = process(READ, name)
    assert lost.startswith(f"{ROWS} the file is damaged from here on: ")


@pytest.mark.parametrize("name", ["level-histogram.parquet", "byte-array-size.parquet"])
def test_damaged_statistics_end_no_plan(name: str) -> None:
    assert process(SAMPLE, name) == [str(ROWS)]


def test_a_corpus_with_an_encrypted_column_is_refused() -> None:
    (lost,) = process(READ, "encrypted-text.parquet")
    assert lost == "2 its column 'text' is encrypted"
    path = DAMAGED / "encrypted-text.parquet"
    with pytest.raises(Problem, match=r"encrypted-text\.parquet: its column 'text' is encrypted") as caught:
        footer_of(path)
    assert "without encryption" in caught.value.hint


def test_a_corpus_with_an_encrypted_footer_is_refused(tmp_path: Path) -> None:
    path = tmp_path / "a.parquet"
    pq.write_table(table(), path)
    path.write_bytes(path.read_bytes()[:-4] + b"PARE")  # what such a file ends with
    with pytest.raises(Problem, match=r"a\.parquet: its footer is encrypted"):
        footer_of(path)
    (row,) = read_rows(
        FolderStore(tmp_path), Slice(path.name, version(path), "parquet"), Columns("text", "id")
    )
    assert isinstance(row, BadRow)
    assert row.reason == "its footer is encrypted"


@pytest.mark.parametrize("size", [0, 1, 3, 4])
def test_a_file_too_short_for_a_footer_is_damaged(tmp_path: Path, size: int) -> None:
    path = tmp_path / "a.parquet"
    path.write_bytes(b"PARE"[:size] if size < 4 else b"PAR1")
    (row,) = read_rows(
        FolderStore(tmp_path), Slice(path.name, version(path), "parquet"), Columns("text", "id")
    )
    assert isinstance(row, BadRow)
    assert "damaged from here on" in row.reason
