"""Reading and writing of text files that the user names."""

from pathlib import Path

import pytest

from launcher import files
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


def test_a_file_larger_than_any_plan_is_refused(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr(files, "MAX_FILE_BYTES", 2**20)
    (tmp_path / "big").write_bytes(b"x" * (2**20 + 1))
    with pytest.raises(Usage, match="big has more than 1 MiB"):
        read(tmp_path / "big")
    with pytest.raises(Usage, match="zero has more than 1 MiB"):
        read(Path("/dev/zero"))  # it has no end
