"""A plan says where texts seem to hold the escapes of a database, and only there."""

from pathlib import Path

import pytest

from launcher.corpus.files.listing import find_files
from launcher.corpus.samples.sampling import sample_corpus
from launcher.errors import Problem
from tasks.formats.rows import Columns
from tasks.models.tokenizing.pieces import ChunkSpec
from tasks.models.tokenizing.tokenizer import HashTokenizer
from tasks.protocol.csv_format import CsvFormat


def warnings(folder: Path, given: CsvFormat | None = None) -> list[str]:
    columns = Columns("text", "id", (), given)
    found = sample_corpus(find_files(str(folder), folder), columns, HashTokenizer(), ChunkSpec(512))
    return list(found.warnings())


@pytest.mark.parametrize("text", ["a\\nb", "a\\tb", "a \\\\ b", "before a line end \\"])
def test_escapes_in_a_table_without_quotes_are_told(text: str, tmp_path: Path) -> None:
    (tmp_path / "a.tsv").write_text(f"id\ttext\n1\t{text}\n2\ttwo\n")
    (line,) = warnings(tmp_path)
    assert line.startswith("1 of 2 sampled texts in tables without quotes hold a backslash before n, t")
    assert "(a.tsv)" in line
    assert 'Set corpus.csv.escape to "\\\\"' in line


@pytest.mark.parametrize("escape", ["\\", ""], ids=["escapes", "none"])
def test_nothing_is_told_where_the_job_says_it(escape: str, tmp_path: Path) -> None:
    (tmp_path / "a.tsv").write_text("id\ttext\n1\ta\\nb\n")
    assert warnings(tmp_path, CsvFormat(escape=escape)) == []


def test_nothing_is_told_of_other_files_and_texts(tmp_path: Path) -> None:
    (tmp_path / "a.csv").write_text('id,text\n1,"a\\nb"\n')
    (tmp_path / "b.jsonl").write_text('{"id": 2, "text": "a\\\\nb"}\n')
    (tmp_path / "c.tsv").write_text("id\ttext\n3\tC:\\games\n")
    assert warnings(tmp_path) == []


def test_quotes_in_a_table_without_quoting_are_told(tmp_path: Path) -> None:
    (tmp_path / "a.tsv").write_text('id\ttext\n1\t"say ""hi"" to them"\n2\ttwo "words"\n')
    (line,) = warnings(tmp_path)
    assert line.startswith("1 of 2 sampled texts in tables without quotes stand in quotation marks")
    assert 'Set corpus.csv.quote to "\\""' in line
    assert warnings(tmp_path, CsvFormat(quote="")) == []
    assert warnings(tmp_path, CsvFormat(quote='"')) == []


def test_a_header_in_quotes_says_which_key_to_set(tmp_path: Path) -> None:
    (tmp_path / "a.tsv").write_text('"id"\t"text"\n"1"\t"one"\n')
    with pytest.raises(Problem) as caught:
        warnings(tmp_path)
    assert caught.value.hint == 'set corpus.csv.quote to "\\"": its fields stand in quotation marks'
