"""The child that reads files: what a hostile file does to it is a reason, and the next file is read."""

from collections.abc import Iterator
from signal import SIGKILL, SIGPROF

import psutil
import pytest

from tasks.formats.documents.file_text import FileText, NoTextError
from tasks.formats.documents.reader_process import ReaderProcess, end_reason
from tests.support.documents import pdf, word

NESTED = b"<div>" * 2_000_000  # takes browsers' parser hours


@pytest.fixture
def reader() -> Iterator[ReaderProcess]:
    found = ReaderProcess()
    yield found
    found.close()


def test_one_child_reads_all_formats(reader: ReaderProcess) -> None:
    before = set(children())
    assert reader.text_of("html", b"<p>one") == FileText("one")
    assert reader.text_of("pdf", pdf(["two"])) == FileText("two")
    assert reader.text_of("docx", word(["three"])).text.startswith("three\n")
    assert len(set(children()) - before) == 1


def test_a_file_that_ends_the_child_is_a_reason_and_the_next_is_read(reader: ReaderProcess) -> None:
    before = set(children())
    assert reader.text_of("html", b"one").text == "one"
    (child,) = set(children()) - before
    child.kill()
    with pytest.raises(NoTextError, match=rf"its reader crashed \(signal {SIGKILL}\)"):
        reader.text_of("html", b"two")
    assert reader.text_of("html", b"three").text == "three"


def test_a_file_that_takes_too_long_is_a_reason() -> None:
    reader = ReaderProcess(seconds=0.5)
    try:
        with pytest.raises(NoTextError, match=r"^takes more than 0\.5 s of processor time to read$"):
            reader.text_of("html", NESTED)
        assert reader.text_of("html", b"next").text == "next"
    finally:
        reader.close()


def test_how_the_child_ended_saysend_reason() -> None:
    assert end_reason(-SIGPROF, 60.0) == "takes more than 60 s of processor time to read"
    assert (
        end_reason(-6, 60.0) == "its reader crashed (signal 6): the file is broken, or needs too much memory"
    )


def children() -> list[psutil.Process]:
    return [c for c in psutil.Process().children() if "tasks.formats.documents.child" in c.cmdline()]
