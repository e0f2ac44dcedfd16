"""Rows of input files by another way than the readers: the same number for every sound file, unknown for the others."""

# the stubs of pyarrow are generic in what a file decides
# pyright: reportUnknownMemberType=false
import gzip
import io
import json
import lzma
import sys
import tarfile
from pathlib import Path

import pyarrow as pa
import pyarrow.parquet as pq
import pytest
from hypothesis import given
from hypothesis import strategies as st
from pyarrow import feather, ipc

from launcher.output.verification import input_counts
from launcher.output.verification.input_counts import count_input
from tasks.formats.compression import zstd
from tasks.formats.read import read_rows
from tasks.formats.rows import BadRow, Columns
from tasks.protocol.csv_format import CsvFormat
from tasks.protocol.shard import Kind, Slice
from tasks.stores.folder import FolderStore
from tests.support.runs import version
from tests.tasks.formats.parquet.test_parquet_damage import ROWS, footer_says


def counted(path: Path, kind: Kind, table: CsvFormat | None = None) -> int | None:
    piece = Slice(path.name, version(path), kind)
    found = count_input(FolderStore(path.parent), piece, table)
    return None if found is None else found.rows


def written(path: Path, body: bytes) -> Path:
    path.write_bytes(body)
    return path


LINES = st.lists(st.sampled_from([b"", b" ", b"\t\r", b'{"a": 1}', b" x", b"\xef\xbb\xbf", b"y" * 40]))


@given(lines=LINES, size=st.integers(1, 9), end=st.booleans())
def test_lines_that_are_not_blank_are_counted_whatever_the_blocks(
    tmp_path_factory: pytest.TempPathFactory, lines: list[bytes], size: int, end: bool
) -> None:
    body = b"\n".join(lines) + (b"\n" if end else b"")
    path = written(tmp_path_factory.mktemp("lines") / "a.jsonl", body)
    with pytest.MonkeyPatch.context() as patch:
        patch.setattr(input_counts, "BLOCK_BYTES", max(3, size))
        assert counted(path, "jsonl") == sum(
            1 for n in body.removeprefix(b"\xef\xbb\xbf").split(b"\n") if n.strip()
        )


@pytest.mark.parametrize("ending", ["", ".gz", ".zst"])
def test_compressed_lines_are_unpacked(tmp_path: Path, ending: str) -> None:
    body = b'{"text": "a"}\n' * 1000
    packed = {"": body, ".gz": gzip.compress(body), ".zst": zstd().compress(body)}[ending]
    assert counted(written(tmp_path / f"a.jsonl{ending}", packed), "jsonl") == 1000


def test_several_members_of_a_gz_are_one_file(tmp_path: Path) -> None:
    packed = gzip.compress(b"a\nb\n") + gzip.compress(b"c\n")
    assert counted(written(tmp_path / "a.txt.gz", packed), "text") == 3


@pytest.mark.parametrize("ending", [".gz", ".zst"])
def test_damaged_file_has_no_count(tmp_path: Path, ending: str) -> None:
    body = "\n".join(map(str, range(50_000))).encode()
    packed = gzip.compress(body) if ending == ".gz" else zstd().compress(body)
    assert counted(written(tmp_path / f"a.txt{ending}", packed[: len(packed) // 2]), "text") is None


TABLES: list[tuple[str, Kind, CsvFormat | None, bytes, int]] = [
    ("plain", "csv", None, b"id,text\n1,a\n2,b\n", 2),
    ("no newline at the end", "csv", None, b"id,text\n1,a\n2,b", 2),
    ("header alone", "csv", None, b"id,text\n", 0),
    ("lines in quotes", "csv", None, b'id,text\n1,"a\nb\n\nc"\n2,b\n', 2),
    ("doubled quotes", "csv", None, b'id,text\n1,"a ""b"", c"\n2,"""x"""\n', 2),
    ("a field too many and too few", "csv", None, b"id,text\n1,hello, world\n2\n3,c\n", 3),
    ("two columns of one name", "csv", None, b"id,text,text\n1,a,b\n", 1),
    ("numbers, then words", "csv", None, b"id,text\n1,2\nx,y\n", 2),
    ("windows", "csv", None, b"id,text\r\n1,a\r\n2,b\r\n", 2),
    ("byte order mark", "csv", None, b"\xef\xbb\xbfid,text\n1,a\n", 1),
    ("latin-1", "csv", CsvFormat(encoding="latin-1"), "id;text\n1;\xe9t\xe9\n".encode("latin-1"), 1),
    ("utf-16", "csv", CsvFormat(encoding="utf-16"), "id,text\n1,a\n2,\u4e16\n".encode("utf-16"), 2),
    ("semicolons", "csv", CsvFormat(delimiter=";"), b'id;text\n1;"a;b"\n', 1),
    ("no header", "csv", CsvFormat(header=False), b"1,a\n2,b\n", 2),
    ("names given", "csv", CsvFormat(header=("id", "text")), b"1,a\n2,b\n", 2),
    ("escapes", "csv", CsvFormat(escape="\\"), b'id,text\n1,"a \\" b"\n2,c\n', 2),
    ("marks in a TSV are text", "tsv", None, b'id\ttext\n1\t"a\n2\tb"\n', 2),
]


@pytest.mark.parametrize(
    ("kind", "table", "body", "rows"), [t[1:] for t in TABLES], ids=[t[0] for t in TABLES]
)
def test_records_of_tables(
    tmp_path: Path, kind: Kind, table: CsvFormat | None, body: bytes, rows: int
) -> None:
    assert counted(written(tmp_path / f"a.{kind}", body), kind, table) == rows


@given(
    st.lists(st.lists(st.text(st.sampled_from('ab,"\n; é'), max_size=6), min_size=2, max_size=2), max_size=20)
)
def test_reader_and_counter_agree_on_every_sound_table(
    tmp_path_factory: pytest.TempPathFactory, records: list[list[str]]
) -> None:
    quoted = [
        ",".join('"' + field.replace('"', '""') + '"' for field in one) for one in [["id", "text"], *records]
    ]
    path = written(tmp_path_factory.mktemp("table") / "a.csv", "\n".join([*quoted, ""]).encode())
    piece = Slice(path.name, version(path), "csv")
    rows = list(read_rows(FolderStore(path.parent), piece, Columns("text", None)))
    assert (
        counted(path, "csv")
        == sum(row.rows if isinstance(row, BadRow) else 1 for row in rows)
        == len(records)
    )


def test_parquet_by_its_footer(tmp_path: Path) -> None:
    pq.write_table(pa.table({"text": ["a"] * 70}), tmp_path / "a.parquet", row_group_size=30)
    assert counted(tmp_path / "a.parquet", "parquet") == 70


@pytest.mark.parametrize("which", ["file", "group"])
def test_parquet_whose_footer_contradicts_itself_is_unknown(tmp_path: Path, which: str) -> None:
    path = tmp_path / "a.parquet"
    pq.write_table(pa.table({"text": ["a"] * ROWS}), path, store_schema=False, write_statistics=False)
    assert counted(footer_says(path, which, ROWS // 2), "parquet") is None


def test_parquet_by_its_pages_where_every_count_of_the_footer_says_less(tmp_path: Path) -> None:
    path = tmp_path / "a.parquet"
    columns = {"id": [f"r{n}" for n in range(ROWS)], "text": [f"text {n}" for n in range(ROWS)]}
    pq.write_table(pa.table(columns), path, store_schema=False, write_statistics=False)
    assert counted(footer_says(path, "all", ROWS // 2), "parquet") == ROWS


def test_arrow_file_stream_and_feather(tmp_path: Path) -> None:
    table = pa.table({"text": ["a"] * 5})
    with ipc.new_stream(str(tmp_path / "a.arrows"), table.schema) as out:
        out.write_table(table, max_chunksize=2)
    with ipc.new_file(str(tmp_path / "b.arrow"), table.schema) as out:
        out.write_table(table, max_chunksize=2)
    feather.write_feather(table, tmp_path / "c.feather", compression="zstd")
    assert [counted(tmp_path / name, "arrow") for name in ("a.arrows", "b.arrow", "c.feather")] == [5, 5, 5]


def tar_of(*names: str) -> bytes:
    out = io.BytesIO()
    with tarfile.open(fileobj=out, mode="w") as archive:
        for name in names:
            info = tarfile.TarInfo(name)
            info.size = 1
            archive.addfile(info, io.BytesIO(b"a"))
    return out.getvalue()


RECORD = b'{"text": "a"}'
FILES: dict[str, tuple[str, Kind, bytes, int]] = {
    "array": ("a.json", "json", b"[" + b", ".join([RECORD] * 3) + b"]", 3),
    "pretty values": ("a.json", "json", json.dumps({"text": "a"}, indent=1).encode() * 2, 2),
    "lines in a .json": ("a.json", "json", RECORD + b"\n" + RECORD + b"\n", 2),
    "array in a .jsonl": ("a.jsonl", "jsonl", b"[\n" + RECORD + b",\n" + RECORD + b"]\n", 2),
    "empty array": ("a.json", "json", b" [ ]\n", 0),
    "lines that are arrays": ("a.jsonl", "jsonl", b"1\n[1]\n" + RECORD, 3),
    "samples": (
        "a.tar",
        "webdataset",
        tar_of("a.txt", "a.json", "b/a.txt", "c.txt", ".hidden", "__x.txt"),
        3,
    ),
    "broken lines": ("a.jsonl", "jsonl", b"{\n}\n" + RECORD, 3),
    "windows lines": ("a.txt", "text", b"a\r\n\r\nb\r\n", 2),
    "a document": ("a.md", "document", b"one\n\ntwo\n", 1),
}


@pytest.mark.parametrize("name", FILES)
def test_reader_and_counter_agree(tmp_path: Path, name: str) -> None:
    file, kind, body, rows = FILES[name]
    path = written(tmp_path / file, body)
    piece = Slice(path.name, version(path), kind)
    columns = Columns("txt" if kind == "webdataset" else "text", None)
    found = list(read_rows(FolderStore(tmp_path), piece, columns))
    assert sum(row.rows if isinstance(row, BadRow) else 1 for row in found) == rows
    assert counted(path, kind) == rows


def test_json_that_is_too_long_to_be_held_is_unknown(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr(input_counts, "MAX_JSON_BYTES", 10)
    assert counted(written(tmp_path / "a.json", b"[" + RECORD + b"]"), "json") is None


def test_broken_json_is_unknown(tmp_path: Path) -> None:
    assert counted(written(tmp_path / "a.json", b"[" + RECORD), "json") is None


def test_format_without_another_way_is_unknown(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr(input_counts, "COUNTERS", {})
    assert counted(written(tmp_path / "a.jsonl", RECORD), "jsonl") is None


def test_table_with_a_record_that_is_too_long_leaves_no_thread_that_reads(
    monkeypatch: pytest.MonkeyPatch,
) -> None:
    """A thread of pyarrow that asked for bytes while the process ended aborted it."""
    monkeypatch.setattr(input_counts, "TABLE_BLOCK_BYTES", 2**12)
    stream = io.BytesIO(b"id,text\n1,hello\n2," + b"a" * 2**14 + b"\n" + b"3,again\n" * 2**16)
    count, held = input_counts.COUNTERS["csv"][1], sys.getrefcount(stream)
    with pytest.raises(pa.ArrowInvalid, match="straddl") as caught:
        count(stream, "csv", None)
    assert sys.getrefcount(stream) == held + 1  # the frame that raised it
    assert caught.value is not None


@pytest.mark.parametrize("block", [1, 4, 2**20])
def test_padded_streams_of_xz_are_counted(
    tmp_path: Path, block: int, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setattr(input_counts, "BLOCK_BYTES", block)
    packed = lzma.compress(b"a\nb\n") + bytes(8) + lzma.compress(b"c\n") + bytes(4)
    path = written(tmp_path / "a.txt.xz", packed)
    assert counted(path, "text") == 3
    assert (
        len(
            list(
                read_rows(
                    FolderStore(tmp_path), Slice(path.name, version(path), "text"), Columns("text", None)
                )
            )
        )
        == 3
    )
    assert counted(written(tmp_path / "b.txt.xz", packed[:-30]), "text") is None
    assert counted(written(tmp_path / "c.jsonl.xz", lzma.compress(b'[{"a": 1}, {"a": 2}]')), "jsonl") == 2


def test_links_of_an_archive_are_counted_as_they_are_set_aside(tmp_path: Path) -> None:
    with tarfile.open(tmp_path / "a.tar", "w") as tar:
        for name, kind in (
            ("1.txt", tarfile.LNKTYPE),
            ("2.txt", tarfile.SYMTYPE),
            ("3.txt", tarfile.CHRTYPE),
        ):
            member = tarfile.TarInfo(name)
            member.type = kind
            tar.addfile(member)
    assert counted(tmp_path / "a.tar", "webdataset") == 2
