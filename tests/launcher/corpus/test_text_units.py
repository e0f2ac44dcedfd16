"""What a document of a text file is: said by the job, or asked where a file looks like a list."""

import gzip
from pathlib import Path

import pytest

from launcher.corpus.files.listing import find_files
from launcher.corpus.text_units import LEAST_LINES, check_text_unit
from launcher.errors import Usage
from launcher.jobs.job import Unit
from tasks.formats.rows import MAX_TEXT_BYTES

LIST = "".join(f"review {n}: good\n" for n in range(2 * LEAST_LINES))
PROSE = "\n\n".join("a line of a novel\nand another one\nand a third" for _ in range(2 * LEAST_LINES))


def write(folder: Path, **files: str) -> None:
    for name, body in files.items():
        (folder / name.replace("_", ".")).write_text(body)


def kinds(folder: Path, unit: Unit | None) -> dict[str, str]:
    return {file.path: file.kind for file in find_files(".", folder, unit=unit).files}


def test_text_files_are_one_document_each(tmp_path: Path) -> None:
    write(tmp_path, a_txt="one\ntwo\n", b_md="# Two", c_rst="Three", d_markdown="four", e_jsonl="{}")
    whole = {"a.txt": "document", "b.md": "document", "c.rst": "document", "d.markdown": "document"}
    assert kinds(tmp_path, None) == kinds(tmp_path, "file") == {**whole, "e.jsonl": "jsonl"}


def test_a_line_is_a_document_where_the_job_says_so(tmp_path: Path) -> None:
    write(tmp_path, a_txt="one\ntwo\n", b_md="# Two", e_jsonl="{}")
    assert kinds(tmp_path, "line") == {"a.txt": "text", "b.md": "text", "e.jsonl": "jsonl"}


@pytest.mark.parametrize("ending", [".txt", ".txt.gz"])
def test_a_file_that_looks_like_a_list_is_asked_about(tmp_path: Path, ending: str) -> None:
    body = LIST.encode()
    (tmp_path / f"a{ending}").write_bytes(gzip.compress(body) if ending.endswith("gz") else body)
    with pytest.raises(Usage, match=r"is each line a document, or the whole file one\?") as error:
        check_text_unit(find_files(".", tmp_path))
    assert error.value.hint == "set corpus.unit to line or to file in the job file"


def test_a_text_that_is_too_long_for_one_document_is_asked_about(tmp_path: Path) -> None:
    write(tmp_path, a_txt=PROSE, b_txt=PROSE * (MAX_TEXT_BYTES // len(PROSE) + 1))
    with pytest.raises(Usage, match=r"^b\.txt has about"):
        check_text_unit(find_files(".", tmp_path))


def test_prose_is_no_list_and_the_choice_is_said(tmp_path: Path) -> None:
    write(tmp_path, a_txt=PROSE, b_txt="one", c_md=LIST)
    assert check_text_unit(find_files(".", tmp_path)) == (
        "each of 2 .txt files is read as one document; with corpus.unit: line, each line would be one"
    )


def test_a_single_text_is_not_each_of_one(tmp_path: Path) -> None:
    write(tmp_path, a_txt=PROSE, c_md=LIST)
    said = check_text_unit(find_files(".", tmp_path))
    assert said is not None
    assert said.startswith("the .txt file is read as one document; ")


def test_nothing_is_said_of_texts_of_one_line(tmp_path: Path) -> None:
    write(tmp_path, a_txt="one", b_txt="two\n", c_md=LIST)
    assert check_text_unit(find_files(".", tmp_path)) is None
