"""Documents beside tables: left out where the job names a column or where they are about the folder, read elsewhere."""

from pathlib import Path

import pytest

from launcher.corpus.files.listing import Listing, find_files
from launcher.jobs.job import Unit

TABLES = {
    "a.jsonl": '{"text": "one"}\n',
    "b.csv": "text\none\n",
    "c.parquet": "PAR1",
    "d.tar": "x",
    "e.json.gz": "x",
}


def listed(
    folder: Path, *names: str, path: str = "in", text_named: bool = False, unit: Unit | None = None
) -> Listing:
    for name in names:
        file = folder / "in" / name
        file.parent.mkdir(parents=True, exist_ok=True)
        file.write_text(TABLES.get(name, "# A title"))
    return find_files(path, folder, text_named=text_named, unit=unit)


def read(listing: Listing) -> list[str]:
    return [file.path for file in listing.files]


def out(listing: Listing) -> dict[str, int]:
    return {one.kind: one.files for one in listing.left_out}


@pytest.mark.parametrize("table", TABLES)
def test_where_the_text_has_a_column_documents_beside_tables_are_left_out(tmp_path: Path, table: str) -> None:
    found = listed(
        tmp_path,
        table,
        "README.md",
        "LICENSE",
        "LICENSE.txt",
        "notes.md",
        "x/page.html",
        "y.pdf",
        "z.TXT",
        text_named=True,
    )
    assert read(found) == [table]
    assert out(found) == {
        ".html beside tables": 1,
        ".md beside tables": 1,
        ".pdf beside tables": 1,
        ".txt beside tables": 1,
        ".md about the others": 1,
        ".txt about the others": 1,
        "without an ending": 1,
    }


def test_documents_alone_are_read_whatever_the_job_names(tmp_path: Path) -> None:
    assert read(listed(tmp_path, "README.md", "a.txt", text_named=True)) == ["README.md", "a.txt"]


def test_a_table_without_a_byte_is_none(tmp_path: Path) -> None:
    listed(tmp_path, "a.md")
    (tmp_path / "in" / "b.csv").touch()
    assert read(listed(tmp_path, text_named=True)) == ["a.md", "b.csv"]


def test_a_unit_speaks_of_documents_and_so_reads_them(tmp_path: Path) -> None:
    found = listed(tmp_path, "a.jsonl", "b.txt", "c.pdf", text_named=True, unit="file")
    assert read(found) == ["a.jsonl", "b.txt", "c.pdf"]


def test_a_path_that_names_documents_reads_them(tmp_path: Path) -> None:
    names = "a.jsonl", "b.md", "README.md"
    assert read(listed(tmp_path, *names, path="in/*.md", text_named=True)) == ["README.md", "b.md"]
    assert read(listed(tmp_path, path="in/*.[jm]*", text_named=True)) == ["a.jsonl"]
    assert read(listed(tmp_path, path="in/README*", text_named=True)) == ["README.md"]


@pytest.mark.parametrize("table", TABLES)
def test_a_readme_is_about_the_tables_beside_it(tmp_path: Path, table: str) -> None:
    found = listed(tmp_path, table, "README.md", "x/README_de.md", "LICENSE-MIT.txt")
    assert read(found) == [table]
    assert out(found) == {".md about the others": 2, ".txt about the others": 1}


def test_a_readme_among_documents_is_one_of_them(tmp_path: Path) -> None:
    assert read(listed(tmp_path, "a.jsonl", "README.md", "guide.md")) == ["README.md", "a.jsonl", "guide.md"]


def test_a_name_that_only_begins_like_one_about_a_folder_is_a_text(tmp_path: Path) -> None:
    assert read(listed(tmp_path, "a.jsonl", "readmeter.md", "notice-of-1850.txt")) == [
        "a.jsonl",
        "notice-of-1850.txt",
        "readmeter.md",
    ]


def test_what_could_be_a_text_is_named_before_what_is_about_them(tmp_path: Path) -> None:
    found = listed(tmp_path, "a.jsonl", "README.md", "LICENSE.md", "notes.md", text_named=True)
    assert list(out(found)) == [".md beside tables", ".md about the others"]
