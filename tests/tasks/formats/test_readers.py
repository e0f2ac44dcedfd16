"""Readers: lines of text, and files that changed, are gone or lead out of the corpus."""
# the stubs of pyarrow are generic in what a file decides
# pyright: reportUnknownMemberType=false, reportUnknownArgumentType=false, reportUnknownVariableType=false

import os
from pathlib import Path

import pytest

from tasks.formats.read import read_rows
from tasks.protocol.shard import Slice
from tasks.stores.base import ObjectChanged, StoreError
from tasks.stores.folder import FolderStore
from tests.support.read_rows import BY_ID, UNNAMED, found, jsonl, short
from tests.support.runs import version


def test_every_line_of_a_text_file_is_a_document(tmp_path: Path) -> None:
    path = tmp_path / "notes.txt"
    path.write_bytes(b"\xef\xbb\xbffirst\r\n\n  second  \ncaf\xe9\n\xe6\xa1\xb6")
    assert short(found(path, "text", UNNAMED)) == [
        (0, "notes.txt#0", "first"),
        (11, "notes.txt#11", "  second  "),
        (22, "invalid UTF-8 at byte 3 of the line"),
        (27, "notes.txt#27", "桶"),
    ]


def test_a_text_file_needs_no_id_whatever_the_columns(tmp_path: Path) -> None:
    path = tmp_path / "notes.txt"
    path.write_bytes(b"first\n")
    assert short(found(path, "text", BY_ID)) == [(0, "notes.txt#0", "first")]


def test_a_file_that_changed_its_size_is_refused(tmp_path: Path) -> None:
    path = jsonl(tmp_path, b'{"id": "a", "text": "one"}')
    planned = Slice(path.name, version(path), "jsonl")
    with path.open("ab") as stream:
        stream.write(b"\n")
    with pytest.raises(ObjectChanged, match=r"part\.jsonl changed after the plan was made") as problem:
        list(read_rows(FolderStore(tmp_path), planned, BY_ID))
    assert problem.value.hint == "plan and launch again: a changed corpus is a new run"


def test_a_file_that_was_rewritten_at_the_same_size_is_refused(tmp_path: Path) -> None:
    path = jsonl(tmp_path, b'{"id": "a", "text": "one"}')
    planned = Slice(path.name, version(path), "jsonl")
    path.write_bytes(b'{"id": "a", "text": "two"}')
    os.utime(path, (1_000, 1_000))
    with pytest.raises(ObjectChanged, match="changed after the plan was made"):
        list(read_rows(FolderStore(tmp_path), planned, BY_ID))


def test_a_corpus_that_is_gone_is_not_a_changed_file(tmp_path: Path) -> None:
    """A disk that is not mounted must not fail every shard for good."""
    with pytest.raises(StoreError, match=r"cannot read gone\.jsonl: nothing is left of the corpus"):
        list(read_rows(FolderStore(tmp_path / "unmounted"), Slice("gone.jsonl", "1-1", "jsonl"), BY_ID))


def test_a_missing_file_is_refused(tmp_path: Path) -> None:
    jsonl(tmp_path, b"{}")
    with pytest.raises(ObjectChanged, match=r"gone\.jsonl changed after the plan was made \(it is gone\)"):
        list(read_rows(FolderStore(tmp_path), Slice("gone.jsonl", "1-1", "jsonl"), BY_ID))


@pytest.mark.parametrize("where", ["absolute", "above", "round about"])
def test_a_path_that_leads_out_of_the_corpus_is_refused(tmp_path: Path, where: str) -> None:
    """A manifest must not make a worker read files outside the corpus."""
    path = jsonl(tmp_path, b'{"id": "a", "text": "one"}')
    root = tmp_path / "corpus"
    root.mkdir()
    name = {"absolute": str(path), "above": f"../{path.name}", "round about": f"x/../../{path.name}"}[where]
    with pytest.raises(StoreError, match="is not a path inside the corpus") as problem:
        list(read_rows(FolderStore(root), Slice(name, version(path), "jsonl"), BY_ID))
    assert problem.value.hint == "plan and launch again"
