"""Reading and writing of text files that the user names."""

from pathlib import Path

import pytest

from launcher.errors import Problem, Usage
from launcher.files import read, write


def test_read_of_a_missing_file_is_usage_error(tmp_path: Path) -> None:
    with pytest.raises(Usage, match="no file"):
        read(tmp_path / "job.yaml")


def test_read_of_bytes_that_are_no_text_is_usage_error(tmp_path: Path) -> None:
    (tmp_path / "job.yaml").write_bytes(b"\xff\xfe")
    with pytest.raises(Usage, match="cannot read"):
        read(tmp_path / "job.yaml")


def test_write_replaces_the_file_and_leaves_no_temporary(tmp_path: Path) -> None:
    path = tmp_path / "pages" / "report.html"
    write(path, "old")
    write(path, "new")
    assert [one.name for one in path.parent.iterdir()] == ["report.html"]
    assert path.read_text() == "new"


def test_write_that_fails_leaves_the_file_alone(tmp_path: Path) -> None:
    (tmp_path / "folder").mkdir()
    with pytest.raises(Problem, match="cannot write"):
        write(tmp_path / "folder", "text")
    assert list(tmp_path.iterdir()) == [tmp_path / "folder"]
