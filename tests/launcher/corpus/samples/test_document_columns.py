"""Columns that a job names of files that have none."""

from pathlib import Path

import pytest

from launcher.corpus.files.listing import find_files
from launcher.corpus.samples.document_columns import check_columns, document_note
from launcher.errors import Problem
from launcher.jobs.job import CorpusSource
from tasks.formats.rows import Columns


def check(folder: Path, columns: Columns) -> None:
    check_columns(find_files(".", folder), columns)


def refusal(folder: Path, columns: Columns) -> Problem:
    with pytest.raises(Problem) as error:
        check(folder, columns)
    return error.value


def test_documents_have_a_path_a_title_and_their_text(tmp_path: Path) -> None:
    (tmp_path / "lang=en").mkdir()
    (tmp_path / "lang=en" / "a.md").write_text("# One")
    check(tmp_path, Columns("text", None, keep=("path", "title", "text", "lang")))
    check(tmp_path, Columns("text", "path"))


def test_another_column_is_refused_with_those_that_there_are(tmp_path: Path) -> None:
    (tmp_path / "a.md").write_text("# One")
    problem = refusal(tmp_path, Columns("text", None, keep=("path", "author")))
    assert "output.keep names 'author'" in str(problem)
    assert problem.hint == "keep some of text, path, title"


def test_an_id_is_refused_because_the_path_is_it(tmp_path: Path) -> None:
    (tmp_path / "a.pdf").write_bytes(b"%PDF-")
    assert "corpus.id is 'review_id'" in str(refusal(tmp_path, Columns("text", "review_id")))


def test_beside_tables_every_column_may_be_named(tmp_path: Path) -> None:
    (tmp_path / "a.md").write_text("# One")
    (tmp_path / "b.jsonl").write_text('{"review_id": 1, "author": "x", "text": "one"}')
    check(tmp_path, Columns("text", "review_id", keep=("author",)))


@pytest.mark.parametrize(
    ("names", "source", "said"),
    [
        (
            ["a.md", "b.jsonl"],
            CorpusSource(".", "body"),
            (
                "corpus.text: body is a column of tables: documents beside them are left out; "
                "corpus.unit: file reads them, too"
            ),
        ),
        (
            ["a.md", "c.txt", "b.jsonl"],
            CorpusSource(".", text_by_default=True),
            (
                "2 files without columns beside 1 table are read, each file as one document; "
                "with corpus.text in the job file they would be left out"
            ),
        ),
        (
            ["a.md", "b.jsonl"],
            CorpusSource(".", "body", unit="line"),
            "1 file without columns beside 1 table is read, each line as one document",
        ),
        (["a.md"], CorpusSource(".", "body"), "corpus.text: body names no column here: each file is one document"),
        (["a.md"], CorpusSource(".", text_by_default=True), None),
        (["b.jsonl"], CorpusSource(".", "body"), None),
        (["README.md", "b.jsonl"], CorpusSource(".", "body"), None),  # said with what is left out
    ],
)  # fmt: skip
def test_how_documents_are_read_is_said(
    tmp_path: Path, names: list[str], source: CorpusSource, said: str | None
) -> None:
    for name in names:
        (tmp_path / name).write_text("x")
    listing = find_files(".", tmp_path, unit=source.unit, text_named=not source.text_by_default)
    assert document_note(listing, source) == said


def test_lines_have_their_text_and_no_id(tmp_path: Path) -> None:
    (tmp_path / "lang=en").mkdir()
    (tmp_path / "lang=en" / "a.txt").write_text("one\ntwo\n")
    listing = find_files(".", tmp_path, unit="line")
    check_columns(listing, Columns("text", None, keep=("text", "lang")))
    for name in ("uid", "path"):
        with pytest.raises(
            Problem, match="each line of this corpus is one document without columns"
        ) as error:
            check_columns(listing, Columns("text", name))
        assert error.value.hint.endswith("its path below corpus.path and its position")
    with pytest.raises(Problem, match=r"output\.keep names 'title', and each line"):
        check_columns(listing, Columns("text", None, keep=("title",)))
