from pathlib import Path

import pytest

from demo.folder import PDF_FILES, write_folder

FILES = 300


@pytest.fixture(scope="module")
def folder(tmp_path_factory: pytest.TempPathFactory) -> Path:
    folder = tmp_path_factory.mktemp("demo") / "library"
    assert sum(write_folder(folder, FILES).values()) == FILES
    return folder


def test_files_are_of_four_kinds(folder: Path) -> None:
    kinds = write_folder(folder, FILES)
    assert set(kinds) >= {".txt", ".md", ".pdf"}
    assert set(kinds) <= {".txt", ".md", ".pdf", ".html"}
    assert 0 < kinds[".pdf"] <= PDF_FILES


def test_a_folder_that_is_there_is_left_alone(folder: Path) -> None:
    times = {path: path.stat().st_mtime_ns for path in folder.rglob("*")}
    write_folder(folder, FILES)
    assert {path: path.stat().st_mtime_ns for path in folder.rglob("*")} == times


def test_no_two_names_differ_only_in_capitals(folder: Path) -> None:
    names = [str(path.relative_to(folder)).lower() for path in folder.rglob("*")]
    assert len(set(names)) == len(names)


def test_every_file_holds_text(folder: Path) -> None:
    assert all(path.stat().st_size > 12 for path in folder.rglob("*") if path.is_file())
    assert all(path.read_bytes().startswith(b"%PDF-") for path in folder.rglob("*.pdf"))


def test_no_file_or_folder_is_hidden(folder: Path) -> None:
    assert [path for path in folder.rglob("*") if path.name[0] in "._"] == []
