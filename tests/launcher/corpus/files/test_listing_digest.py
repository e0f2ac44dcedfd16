"""The digest of a corpus: another where a file of it is another."""

import os
from pathlib import Path

import pytest

from launcher.corpus.files.listing import find_files
from tests.support.input_files import put
from tests.support.runs import write_jsonl


@pytest.fixture
def corpus(tmp_path: Path) -> Path:
    for number in range(3):
        write_jsonl(tmp_path / f"{number}.jsonl", [{"text": f"number {number}"}])
    return tmp_path


def digest(folder: Path) -> str:
    return find_files(str(folder), Path("/")).digest


def test_same_files_have_the_same_digest(corpus: Path) -> None:
    assert digest(corpus) == digest(corpus)


def test_digest_changes_when_a_file_grows(corpus: Path) -> None:
    before = digest(corpus)
    with (corpus / "1.jsonl").open("a") as stream:
        stream.write('{"text": "more"}\n')
    assert digest(corpus) != before


def test_digest_changes_when_a_file_is_written_again(corpus: Path) -> None:
    before = digest(corpus)
    path = corpus / "1.jsonl"
    moment = path.stat().st_mtime_ns + 1_000
    os.utime(path, ns=(moment, moment))
    assert digest(corpus) != before


def test_digest_changes_when_a_file_is_added(corpus: Path) -> None:
    before = digest(corpus)
    put(corpus, "3.jsonl")
    assert digest(corpus) != before


def test_digest_changes_when_a_file_is_removed(corpus: Path) -> None:
    before = digest(corpus)
    (corpus / "1.jsonl").unlink()
    assert digest(corpus) != before


def test_digest_changes_when_a_file_is_renamed(corpus: Path) -> None:
    before = digest(corpus)
    (corpus / "2.jsonl").rename(corpus / "9.jsonl")
    assert digest(corpus) != before


def test_digest_does_not_depend_on_ignored_files(corpus: Path) -> None:
    before = digest(corpus)
    put(corpus, "notes.odt", "_SUCCESS", ".crc")
    assert digest(corpus) == before
