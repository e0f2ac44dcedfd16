"""Which files and records a proposal rests on."""

from pathlib import Path

import pytest

from launcher.corpus.files.listing import find_files
from launcher.proposal.records import FILES, RECORDS, WHOLE_TEXT, first_records
from tests.support.runs import write_jsonl

BINARY = bytes(range(256)) * 2


def texts(folder: Path) -> list[str]:
    return [record[WHOLE_TEXT] for record in first_records(find_files(str(folder), folder.parent))]


@pytest.mark.parametrize("count", [1, 3, FILES, FILES + 1, 5 * FILES])
@pytest.mark.parametrize("name", ["0.txt", "a.txt", "z.txt", "z.pdf"])
def test_file_that_cannot_be_read_changes_nothing(tmp_path: Path, count: int, name: str) -> None:
    for number in range(count):
        (tmp_path / f"d{number:02}.txt").write_text(f"document {number}")
    before = texts(tmp_path)
    assert len(before) == min(count, FILES)
    (tmp_path / name).write_bytes(BINARY)
    assert texts(tmp_path) == before


def test_each_file_gives_as_many_records_and_one_that_cannot_be_read_takes_none(tmp_path: Path) -> None:
    for number in range(3):
        write_jsonl(tmp_path / f"{number}.jsonl", [{"text": f"{number} {n}"} for n in range(RECORDS)])
    (tmp_path / "9.jsonl").write_bytes(BINARY)
    found = [str(record["text"])[0] for record in first_records(find_files(str(tmp_path), tmp_path.parent))]
    assert {name: found.count(name) for name in "012"} == dict.fromkeys("012", -(-RECORDS // 3))
