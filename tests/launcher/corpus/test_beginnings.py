"""What is wrong with the beginning of a file is refused before sampling, with the file and the cause."""

import gzip
from pathlib import Path

import pytest

from launcher.corpus.beginnings import BEGINNING_BYTES
from launcher.corpus.listing import find_files
from launcher.corpus.sampling import READ_WHOLE_BYTES, sample_corpus
from launcher.errors import Problem
from tasks.formats.rows import Columns
from tasks.models.pieces import ChunkSpec
from tasks.models.tokenizer import HashTokenizer
from tasks.protocol.csv_format import CsvFormat


def sampled(folder: Path, columns: Columns = Columns("text", "id")) -> int:  # noqa: B008 - frozen
    """Sample the corpus; return how many bad rows were seen."""
    found = sample_corpus(find_files(str(folder), folder), columns, HashTokenizer(), ChunkSpec(512))
    return sum(block.bad for stratum in found.strata.values() for block in stratum.blocks)


def refusal(folder: Path) -> Problem:
    with pytest.raises(Problem) as caught:
        sampled(folder)
    return caught.value


def test_two_columns_of_one_name_are_refused(tmp_path: Path) -> None:
    (tmp_path / "good.csv").write_text("id,text\n1,one\n")
    (tmp_path / "twice.csv").write_text("id,text,text\n1,one,two\n")
    assert str(refusal(tmp_path)) == "twice.csv has 2 columns named 'text'"


def test_a_missing_column_names_those_that_are_there(tmp_path: Path) -> None:
    (tmp_path / "a.csv").write_text("id,body\n1,one\n")
    assert str(refusal(tmp_path)) == "a.csv has no column 'text'; it has 'id', 'body'"


@pytest.mark.parametrize("delimiter", [";", "\t", "|"])
def test_another_delimiter_is_suggested(tmp_path: Path, delimiter: str) -> None:
    (tmp_path / "a.csv").write_text(f"id{delimiter}text\n1{delimiter}one\n")
    problem = refusal(tmp_path)
    assert f"{f'id{delimiter}text'!r}" in str(problem)
    assert problem.hint == f"set corpus.csv.delimiter, perhaps to {delimiter!r}"


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
    wide = encoding[:6].upper()
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
