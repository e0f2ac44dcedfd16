import gzip
import json
from pathlib import Path
from typing import Any

import pyarrow.parquet as pq
import pytest

from demo.corpus import Document, build, docstrings, documents, readable, sections, unused

DOCUMENTS = 300
READ_BY_NOBODY = "# a comment\nx = 1\n"
SOURCE = '''"""A module."""
class Box:
    """Holds things."""
    @property
    def size(self):
        """How much it holds."""
    async def fill(self): "Until it is full."
    def empty(self): ...
'''


@pytest.fixture(scope="module")
def folder(tmp_path_factory: pytest.TempPathFactory) -> Path:
    folder = tmp_path_factory.mktemp("corpus")
    assert build(folder, DOCUMENTS) == DOCUMENTS
    return folder


@pytest.fixture(scope="module")
def rows(folder: Path) -> list[dict[str, str]]:
    found: list[Any] = []
    for path in sorted(folder.glob("*.parquet")):
        found += pq.read_table(path).to_pylist()  # pyright: ignore[reportUnknownMemberType]
    for path in sorted(folder.glob("*.jsonl.gz")):
        found += map(json.loads, gzip.decompress(path.read_bytes()).splitlines())
    return found


def files(folder: Path) -> dict[str, bytes]:
    return {path.name: path.read_bytes() for path in folder.iterdir()}


def test_every_document_is_there_once(rows: list[dict[str, str]]) -> None:
    assert len(rows) == DOCUMENTS
    assert len({row["id"] for row in rows}) == DOCUMENTS
    assert len({row["text"] for row in rows}) == DOCUMENTS


def test_every_document_has_id_title_and_text(rows: list[dict[str, str]]) -> None:
    assert all(list(row) == ["id", "title", "text"] and all(row.values()) for row in rows)


def test_lengths_are_from_a_line_to_many_pages(rows: list[dict[str, str]]) -> None:
    lengths = sorted(len(row["text"]) for row in rows)
    assert lengths[0] < 50
    assert lengths[-1] > 5000
    assert 200 < lengths[DOCUMENTS // 2] < 2000


def test_both_formats_hold_half(folder: Path) -> None:
    parquet = [pq.ParquetFile(path) for path in sorted(folder.glob("*.parquet"))]
    assert sum(file.metadata.num_rows for file in parquet) == DOCUMENTS // 2
    assert [file.num_row_groups for file in parquet] == [4, 4]
    assert len(list(folder.glob("*.jsonl.gz"))) == 6


def test_the_same_machine_gives_the_same_bytes(folder: Path, tmp_path: Path) -> None:
    build(tmp_path, DOCUMENTS)
    assert files(tmp_path) == files(folder)


def test_a_corpus_that_is_there_is_left_alone(folder: Path) -> None:
    before = {path: path.stat().st_mtime_ns for path in folder.iterdir()}
    assert build(folder, DOCUMENTS) == DOCUMENTS
    assert {path: path.stat().st_mtime_ns for path in folder.iterdir()} == before


def test_a_build_that_was_killed_is_done_again(tmp_path: Path) -> None:
    build(tmp_path, 20)
    whole = files(tmp_path)
    (tmp_path / "docs-3.jsonl.gz").unlink()
    (tmp_path / ".docs-3.jsonl.gz.part").write_bytes(b"half")
    build(tmp_path, 20)
    assert files(tmp_path) == whole


def test_another_size_is_another_corpus(tmp_path: Path) -> None:
    assert build(tmp_path, 20) == 20
    assert build(tmp_path, 24) == 24


def test_docstrings_are_named_as_python_names_them() -> None:
    assert list(docstrings("shop/box.py", SOURCE)) == [
        Document("shop.box", "module shop.box", "A module."),
        Document("shop.box.Box", "class shop.box.Box", "Holds things."),
        Document("shop.box.Box.size", "function shop.box.Box.size", "How much it holds."),
        Document("shop.box.Box.fill", "function shop.box.Box.fill", "Until it is full."),
    ]


def test_the_file_of_a_package_has_the_name_of_the_package() -> None:
    assert [document.id for document in docstrings("shop/__init__.py", '"""Sells."""')] == ["shop"]


@pytest.mark.parametrize("text", [READ_BY_NOBODY, "def broken(:", "\0", 'x = "\\d" is 1'])
def test_a_file_without_docstrings_has_no_documents_and_no_warnings(text: str) -> None:
    assert list(docstrings("odd.py", text)) == []


def test_a_readme_is_cut_at_its_headings() -> None:
    text = "Box\n===\nHolds.\n\n## Use\nFill it.\n"
    assert [(part.id, part.text) for part in sections("box/README.md", text)] == [
        ("box/README.md#1", "Box\n===\nHolds."),
        ("box/README.md#2", "## Use\nFill it."),
    ]


def test_metadata_is_read_without_its_headers() -> None:
    (part,) = documents("box/METADATA", "Metadata-Version: 2.4\nName: box\n\nHolds things.\n")
    assert part == Document("box/METADATA#1", "box/METADATA: Holds things.", "Holds things.")


@pytest.mark.parametrize(
    "text", ["too short", "0.1 0.2 0.3 0.4 0.5", "one\ntwo\nthree\nfour\nfive", "a lone \ud800 surrogate"]
)
def test_what_nobody_reads_is_left_out(text: str) -> None:
    assert not readable(text)
    assert readable("Read this line.")


def test_a_name_in_use_gets_a_number() -> None:
    assert unused("a.b", {"a.b", "a.b~2"}) == "a.b~3"
