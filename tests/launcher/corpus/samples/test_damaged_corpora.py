"""Columns that are missing or double, and files that are damaged."""
# the stubs of pyarrow are generic in what a file decides
# pyright: reportUnknownMemberType=false, reportUnknownArgumentType=false, reportUnknownVariableType=false

import gzip
import random
from pathlib import Path

import pyarrow as pa
import pyarrow.parquet as pq
import pytest

from launcher.corpus.samples.profile import Stratum
from tasks.formats.rows import Columns
from tests.launcher.corpus.samples.written_corpora import (
    WRITERS,
    Truth,
    exactly,
    jsonl_gz,
    look,
    parquet,
    profile,
    refusal,
)


@pytest.mark.parametrize("name", ["id", "text"])
def test_two_columns_of_one_name_are_refused(tmp_path: Path, name: str) -> None:
    columns = [pa.array(["a"]), pa.array(["b"]), pa.array(["c"])]
    pq.write_table(pa.Table.from_arrays(columns, ["id", "text", name]), tmp_path / "a.parquet")
    problem = refusal(tmp_path)
    assert str(problem) == f"a.parquet has 2 columns named {name!r}"
    assert problem.hint == "rename all but one of them, or name another column in the job file"


def test_two_columns_of_a_name_that_is_not_read_are_accepted(tmp_path: Path) -> None:
    columns = [pa.array(["a"]), pa.array(["b"]), pa.array([1]), pa.array([2])]
    pq.write_table(pa.Table.from_arrays(columns, ["id", "text", "n", "n"]), tmp_path / "a.parquet")
    assert profile(tmp_path).documents == exactly(1)


def test_missing_parquet_column_is_a_problem_that_lists_the_columns(tmp_path: Path) -> None:
    parquet(tmp_path / "a.parquet", [{"id": "1", "body": "one", "title": "two"}])
    problem = refusal(tmp_path)
    assert str(problem) == "a.parquet has no column 'text'; it has 'id', 'body', 'title'"
    assert problem.hint == "set corpus.text to the column or key that holds the text, as a string"


def test_missing_id_column_of_parquet_is_a_problem(tmp_path: Path) -> None:
    parquet(tmp_path / "a.parquet", [{"text": "one"}])
    assert str(refusal(tmp_path)) == "a.parquet has no column 'id'; it has 'text'"


@pytest.mark.parametrize("suffix", [".jsonl", ".jsonl.gz"])
def test_missing_column_of_lines_is_a_problem_with_the_first_bad_row(tmp_path: Path, suffix: str) -> None:
    WRITERS[suffix](tmp_path / f"a{suffix}", [{"id": "1", "text": "one"}])
    problem = refusal(tmp_path, Columns("body", "id"))
    said = "no text in the corpus: a{}: no text: 'body' is missing or null; the line has 'id', 'text'"
    assert str(problem) == said.format(suffix)
    assert problem.hint == "set corpus.text to the column or key that holds the text, as a string"


def test_damaged_parquet_file_is_a_problem_that_names_it(tmp_path: Path) -> None:
    path = tmp_path / "a.parquet"
    parquet(path, [{"id": "1", "text": "one"}])
    path.write_bytes(path.read_bytes()[:-9])
    problem = refusal(tmp_path)
    assert str(problem).startswith(f"cannot read {path}: ")
    assert problem.hint == "move the file away, or repair it"


def test_file_that_is_not_parquet_is_a_problem_that_names_it(tmp_path: Path) -> None:
    (tmp_path / "a.parquet").write_text("these are no columns")
    assert str(refusal(tmp_path)).startswith(f"cannot read {tmp_path / 'a.parquet'}: ")


def test_damaged_gz_of_a_small_corpus_is_counted_up_to_the_damage(tmp_path: Path) -> None:
    truth = Truth()
    path = tmp_path / "a.jsonl.gz"
    jsonl_gz(path, truth.texts(400_000, random.Random(5)))
    path.write_bytes(path.read_bytes()[: path.stat().st_size // 2])
    found = profile(tmp_path)
    assert found.bad_rows == exactly(1)
    assert 0 < found.documents.mid < truth.documents


def test_gz_that_is_no_gzip_is_a_problem_that_names_it(many_compressed: Path) -> None:
    path = many_compressed / "07.jsonl.gz"
    path.write_bytes(b"these are no bytes of gzip\n" * 9_999)
    assert str(refusal(many_compressed)) == "07.jsonl.gz is not compressed, and no gzip as its name says"


def test_damaged_gz_is_read_up_to_the_damage(many_compressed: Path) -> None:
    path = many_compressed / "07.jsonl.gz"
    body = bytearray(gzip.compress(b'{"id": "x", "text": "a few words"}\n' * 99_999, 1))
    body += random.Random(8).randbytes(2**17)
    body[4_500:4_600] = bytes(100)
    path.write_bytes(body)
    assert profile(many_compressed).documents.mid > 0


def test_gz_of_several_members_is_read_whole(many_compressed: Path) -> None:
    path = many_compressed / "07.jsonl.gz"
    part = gzip.compress(b'{"id": "x", "text": "one two three"}\n' * 10)
    path.write_bytes(part * 500)
    alone = look(many_compressed, path="07.jsonl.gz")[1].strata["jsonl compressed"]
    assert isinstance(alone, Stratum)
    assert sum(b.documents for b in alone.blocks) == 5_000
