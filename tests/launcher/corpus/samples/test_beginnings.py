"""What is wrong with the beginning of a file is refused before sampling, with the file and the cause."""

# the stubs of pyarrow are generic in what a file decides
# pyright: reportUnknownMemberType=false, reportUnknownArgumentType=false, reportUnknownVariableType=false

import bz2
import gzip
import io
import json
import lzma
import tarfile
from pathlib import Path

import pyarrow as pa
import pyarrow.parquet as pq
import pytest
import yaml
from backports import zstd
from pyarrow import ipc

from launcher.corpus.files.listing import find_files
from launcher.corpus.samples.beginnings import BEGINNING_BYTES, LONG_BEGINNING_BYTES, check_beginnings
from launcher.corpus.samples.sampling import READ_WHOLE_BYTES, sample_corpus
from launcher.errors import Problem
from tasks.formats.rows import Columns
from tasks.models.tokenizing.pieces import ChunkSpec
from tasks.models.tokenizing.tokenizer import HashTokenizer
from tasks.protocol.csv_format import CsvFormat


def sampled(folder: Path, columns: Columns = Columns("text", "id")) -> int:  # noqa: B008 - frozen
    """Sample the corpus; return how many bad rows were seen."""
    found = sample_corpus(
        find_files(str(folder), folder, unit="line"), columns, HashTokenizer(), ChunkSpec(512)
    )
    return sum(block.bad for stratum in found.strata.values() for block in stratum.blocks)


def refusal(folder: Path, columns: Columns = Columns("text", "id")) -> Problem:  # noqa: B008 - frozen
    with pytest.raises(Problem) as caught:
        sampled(folder, columns)
    return caught.value


def test_header_of_a_table_is_not_looked_for_behind_a_billion_blank_lines(tmp_path: Path) -> None:
    blank = gzip.compress(b"\n" * (LONG_BEGINNING_BYTES + 1), 1)
    (tmp_path / "a.csv.gz").write_bytes(blank + gzip.compress(b"id,other\n1,a\n"))
    store = find_files(str(tmp_path), tmp_path)
    check_beginnings(store, store.files, Columns("text", "id"), whole=False)


def test_two_columns_of_one_name_are_refused(tmp_path: Path) -> None:
    (tmp_path / "good.csv").write_text("id,text\n1,one\n")
    (tmp_path / "twice.csv").write_text("id,text,text\n1,one,two\n")
    assert str(refusal(tmp_path)) == "twice.csv has 2 columns named 'text'"


def test_a_missing_column_names_those_that_are_there(tmp_path: Path) -> None:
    (tmp_path / "a.csv").write_text("id,body\n1,one\n")
    assert str(refusal(tmp_path)) == "a.csv has no column 'text'; it has 'id', 'body'"


@pytest.mark.parametrize("delimiter", [";", "\t", "|", "\x01"])
def test_another_delimiter_is_suggested(tmp_path: Path, delimiter: str) -> None:
    (tmp_path / "a.csv").write_text(f"id{delimiter}text\n1{delimiter}one\n")
    problem = refusal(tmp_path)
    assert f"{f'id{delimiter}text'!r}" in str(problem)
    assert problem.hint == f"set corpus.csv.delimiter, perhaps to {json.dumps(delimiter)}"  # as YAML reads it
    assert yaml.safe_load(problem.hint.rpartition(" ")[2]) == delimiter


def test_the_line_in_which_excel_reads_the_delimiter_is_named(tmp_path: Path) -> None:
    for line in ("sep=,", "sep=;"):
        (tmp_path / "a.csv").write_text(f"{line}\nid,text\n1,one\n")
        problem = refusal(tmp_path)
        assert str(problem).startswith("a.csv begins with a line for Excel, 'sep=")
        assert problem.hint.startswith("take that line out")


def test_a_header_that_is_not_utf8_is_no_other_column(tmp_path: Path) -> None:
    (tmp_path / "a.csv").write_bytes("id,täxt\n1,one\n".encode("latin-1"))
    problem = refusal(tmp_path, Columns("täxt", "id"))
    assert str(problem) == "the header of a.csv is not UTF-8"
    assert problem.hint.startswith("set corpus.csv.encoding")


def test_rows_with_another_number_of_fields_say_what_may_help(tmp_path: Path) -> None:
    (tmp_path / "a.csv").write_text("id,text\n1,one,\n2,two,\n")
    problem = refusal(tmp_path)
    assert str(problem).endswith("line 2: 3 fields, and the table has 2 columns")
    assert problem.hint.startswith("quote fields that hold the delimiter, or set corpus.csv")


def test_zstd_may_begin_with_a_frame_without_data(tmp_path: Path) -> None:
    skipped = b"\x5a\x2a\x4d\x18" + (4).to_bytes(4, "little") + b"more"
    rows = zstd.compress(b'{"id": "1", "text": "one"}\n')
    (tmp_path / "a.jsonl.zst").write_bytes(skipped + rows + skipped)
    assert sampled(tmp_path) == 0


def test_a_zstd_dictionary_is_named_and_is_no_damage(tmp_path: Path) -> None:
    lines = [f'{{"id": "{n}", "text": "text number {n}"}}\n'.encode() for n in range(2_000)]
    packed = zstd.compress(b"".join(lines[:9]), zstd_dict=zstd.train_dict(lines, 2_000))
    (tmp_path / "a.jsonl.zst").write_bytes(packed)
    problem = refusal(tmp_path)
    assert "it was packed with the zstd dictionary" in str(problem)
    assert problem.hint == "unpack it with that dictionary, or move it away"


@pytest.mark.parametrize("quote", ["", '"'])
def test_a_missing_column_of_a_long_header_is_refused(tmp_path: Path, quote: str) -> None:
    names = [f"{quote}{n:020}{quote}" for n in range(BEGINNING_BYTES // 20)]
    (tmp_path / "a.csv").write_text(",".join([*names, "id"]) + "\n" + "," * len(names) + "1\n")
    assert "a.csv has no column 'text'" in str(refusal(tmp_path))


def test_a_mark_that_is_never_closed_in_a_long_table_is_refused(tmp_path: Path) -> None:
    (tmp_path / "a.csv").write_text('id,"text\n' + "1,one\n" * BEGINNING_BYTES * 4)
    assert "opened in line 1 and never closed" in str(refusal(tmp_path))


@pytest.mark.parametrize("quote", ["", '"'])
def test_a_header_longer_than_what_is_fetched_is_no_fault(tmp_path: Path, quote: str) -> None:
    others = [f"{quote}{n:020}{quote}" for n in range(BEGINNING_BYTES // 20)]
    (tmp_path / "a.csv").write_text(",".join([*others, "id", "text"]) + "\n" + "," * len(others) + "1,one\n")
    assert sampled(tmp_path) == 0


def test_a_missing_column_of_a_long_table_is_refused(tmp_path: Path) -> None:
    (tmp_path / "a.csv").write_text("id,body\n" + "1,one\n" * BEGINNING_BYTES)
    assert str(refusal(tmp_path)) == "a.csv has no column 'text'; it has 'id', 'body'"


@pytest.mark.parametrize("name", ["a.csv", "a.csv.gz", "a.tsv", "a.jsonl", "a.txt", "a.txt.gz"])
@pytest.mark.parametrize("encoding", ["utf-16", "utf-16-le", "utf-16-be", "utf-32", "utf-32-le", "utf-32-be"])
def test_wide_encodings_are_refused_by_name(tmp_path: Path, name: str, encoding: str) -> None:
    body = '{"id": "1", "text": "one"}\n'.encode(encoding)
    (tmp_path / name).write_bytes(gzip.compress(body) if name.endswith(".gz") else body)
    problem = refusal(tmp_path)
    wide = encoding[:6].upper() + encoding[7:].upper()
    assert f"{name} is {wide}, not UTF-8" in str(problem).replace(": the file is", " is")
    assert wide in f"{problem} {problem.hint}".partition("not UTF-8")[2].upper()


def test_tables_are_sampled_as_workers_read_them(tmp_path: Path) -> None:
    (tmp_path / "a.csv").write_text("1;one\n2;two;three\n3;three\n", encoding="utf-16")
    given = CsvFormat(delimiter=";", header=("id", "text"), encoding="utf-16")
    assert sampled(tmp_path, Columns("text", "id", (), given)) == 1


def test_a_large_table_is_sampled_in_its_encoding(tmp_path: Path) -> None:
    line = "'a';'some words; and more'\n"
    (tmp_path / "a.csv").write_text("id;text\n" + line * (READ_WHOLE_BYTES // 20), encoding="utf-16")
    given = CsvFormat(delimiter=";", quote="'", encoding="utf-16")
    assert sampled(tmp_path, Columns("text", "id", (), given)) == 0


# --- other formats than the name says


@pytest.mark.parametrize("name", ["a.jsonl", "a.json", "a.csv", "a.txt"])
@pytest.mark.parametrize(
    ("body", "what"),
    [
        (gzip.compress(b"text\none\n", mtime=0), "compressed with gzip"),
        (bz2.compress(b"text\none\n"), "compressed with bzip2"),
        (lzma.compress(b"text\none\n"), "compressed with xz"),
        (b"PAR1" + bytes(99), "Parquet"),
        (b"ARROW1" + bytes(99), "Arrow"),
        (b"%PDF-1.7\n", "a PDF"),
        (b"version https://git-lfs.github.com/spec/v1\noid sha256:12\nsize 9\n", "a pointer of Git LFS"),
        (b"<!DOCTYPE html><title>404</title>", "a page of HTML"),
        (b"\x04\x22\x4d\x18" + bytes(99), "compressed with lz4"),
        (bytes(600), "nothing but zeros at its beginning"),
        (tarfile.TarInfo("a.txt").tobuf(), "a tar archive"),
    ],
)
def test_another_format_than_the_name_says_is_refused(
    tmp_path: Path, name: str, body: bytes, what: str
) -> None:
    (tmp_path / name).write_bytes(body)
    assert str(refusal(tmp_path)).startswith(f"{name} is {what}, not ")


@pytest.mark.parametrize(
    ("name", "body", "said"),
    [
        (
            "a.jsonl.gz",
            b'{"id": 1, "text": "one"}\n',
            "a.jsonl.gz is not compressed, and no gzip as its name says",
        ),
        (
            "a.jsonl.gz",
            bz2.compress(b"{}"),
            "a.jsonl.gz is compressed with bzip2, and no gzip as its name says",
        ),
        ("a.csv.xz", b"<html>", "a.csv.xz is a page of HTML, and no xz as its name says"),
        (
            "a.jsonl.gz",
            gzip.compress(gzip.compress(b"{}", mtime=0), mtime=0),
            "a.jsonl.gz is compressed with gzip inside, not jsonl ",
        ),
        ("a.parquet", b"ORC" + bytes(99), "a.parquet is ORC, not parquet as its name or the job says"),
        (
            "a.parquet",
            b"version https://git-lfs.github.com/spec/v1\n",
            "a.parquet is a pointer of Git LFS, not parquet",
        ),
        ("a.arrow", b"PAR1" + bytes(99), "a.arrow is Parquet, not arrow as its name or the job says"),
        ("a.parquet", b"PAR1" + bytes(99), "cannot read {folder}/a.parquet: "),
    ],
)
def test_what_a_file_is_instead_is_said(tmp_path: Path, name: str, body: bytes, said: str) -> None:
    (tmp_path / name).write_bytes(body)
    assert str(refusal(tmp_path)).startswith(said.format(folder=tmp_path))


def test_keys_of_an_archive_that_repeat_are_told(tmp_path: Path) -> None:
    with tarfile.open(tmp_path / "a.tar", "w") as tar:
        for name in ("1.txt", "2.txt", "1.txt"):
            member = tarfile.TarInfo(name)
            member.size = 3
            tar.addfile(member, io.BytesIO(b"one"))
    (told,) = sample_corpus(
        find_files(str(tmp_path), tmp_path), Columns("txt", None), HashTokenizer(), ChunkSpec(512)
    ).warnings()
    assert told.startswith("ids are not unique: at least 1 document of 3 sampled have an id that another has")


def test_a_compressed_archive_is_what_its_name_says(tmp_path: Path) -> None:
    with tarfile.open(tmp_path / "a.tar.gz", "w:gz") as tar:
        member = tarfile.TarInfo("1.txt")
        member.size = 3
        tar.addfile(member, io.BytesIO(b"one"))
    assert sampled(tmp_path, Columns("txt", None)) == 0


def test_a_large_array_of_lines_is_refused_with_the_format_to_set(tmp_path: Path) -> None:
    (tmp_path / "a.jsonl").write_text('[\n{"id": 1, "text": "one"}\n]')
    (tmp_path / "b.jsonl").write_text('{"id": 2, "text": "two"}\n' * (READ_WHOLE_BYTES // 20))
    problem = refusal(tmp_path)
    assert str(problem) == "a.jsonl is one array of records, not a record a line"
    assert "corpus.format to json" in (problem.hint or "")


# --- columns of Arrow and Parquet


def written(path: Path, table: pa.Table) -> None:
    if path.suffix == ".parquet":
        pq.write_table(table, path)
        return
    with pa.OSFile(str(path), "wb") as file, ipc.new_file(file, table.schema) as writer:
        writer.write_table(table)


@pytest.mark.parametrize("name", ["y=1/a.parquet", "y=1/a.arrow"])
def test_columns_of_schemas_are_checked(tmp_path: Path, name: str) -> None:
    (tmp_path / "y=1").mkdir()
    written(
        tmp_path / name,
        pa.table({"id": [1], "doc": [{"text": "a", "n": 1}], "parts": [["p"]], "turns": [[{"a": "b"}]]}),
    )
    assert str(refusal(tmp_path)) == (
        f"{name} has no column 'text'; it has 'id', 'doc.text', 'doc.n', 'parts', 'turns', 'y'"
    )
    assert sampled(tmp_path, Columns("doc.text", "y")) == 0
    with pytest.raises(Problem, match=r"the texts in 'parts' are lists") as caught:
        sampled(tmp_path, Columns("parts", "id"))
    assert "corpus.join" in (caught.value.hint or "")
    assert sampled(tmp_path, Columns("parts", "id", join=" ")) == 0
    with pytest.raises(Problem, match=r"the texts in 'turns' are lists") as caught:
        sampled(tmp_path, Columns("turns", "id", join=" "))
    assert "only those of strings can be joined" in (caught.value.hint or "")


def test_a_file_that_is_no_arrow_is_refused(tmp_path: Path) -> None:
    (tmp_path / "a.arrow").write_bytes(b"ARROW1\0\0" + bytes(200))
    assert str(refusal(tmp_path)).startswith("cannot read a.arrow: the file is damaged")
