"""The text of a hit is that of its vector, read from the corpus: by place or by id, verified, or said to be missing."""

# the stubs of pyarrow are generic in what a file decides
# pyright: reportUnknownMemberType=false, reportUnknownArgumentType=false, reportUnknownVariableType=false
import gzip
import json
import os
from collections.abc import Callable
from pathlib import Path
from typing import Any

import pyarrow as pa
import pyarrow.parquet as pq
import pytest

from launcher.output.dataset import write_dataset
from launcher.vectors.hit_texts import texts_of_hits
from launcher.vectors.read_dataset import Dataset, open_dataset
from launcher.vectors.search import search
from launcher.vectors.shard_texts import HitPlace, HitText
from tasks.models.tokenizing.tokenizer import HashTokenizer
from tasks.protocol import manifest
from tasks.protocol.shard import Kind
from tasks.stores.folder import FolderStore
from tests.support.runs import header_of, receipts_of, shard_of, whole, write_jsonl
from tests.support.vector_runs import incremental_run, run_of_dtype
from tests.support.workers import make_worker

TEXTS = ["one fish", "two fish", "red fish, with a longer text than the others", "blue fish"]
HASHED = {"text_hash": True, "hash_as_text": True}


def write_csv(path: Path) -> None:
    path.write_text("id,text\n" + "".join(f'n{n},"{text}"\n' for n, text in enumerate(TEXTS)))


def write_parquet(path: Path) -> None:
    columns = {"id": [f"n{n}" for n in range(len(TEXTS))], "text": TEXTS}
    pq.write_table(pa.table(columns), path, row_group_size=3)


def write_lines(path: Path) -> None:
    write_jsonl(path, ({"id": f"n{n}", "text": text} for n, text in enumerate(TEXTS)))


def write_packed(path: Path) -> None:
    write_lines(path)
    path.write_bytes(gzip.compress(path.read_bytes()))


def write_array(path: Path) -> None:
    path.write_text(json.dumps([{"id": f"n{n}", "text": text} for n, text in enumerate(TEXTS)]))


def write_text(path: Path) -> None:
    path.write_text("".join(f"{text}\n" for text in TEXTS))


WRITERS: dict[str, tuple[Kind, Callable[[Path], None]]] = {
    "a.jsonl": ("jsonl", write_lines),
    "a.jsonl.gz": ("jsonl", write_packed),
    "a.parquet": ("parquet", write_parquet),
    "a.csv": ("csv", write_csv),
    "a.json": ("json", write_array),
    "a.txt": ("text", write_text),
}


def embed(folder: Path, files: dict[str, Kind], **changes: Any) -> Dataset:
    """A finished run over these files of `folder/in`, in one shard."""
    store = FolderStore(folder / "out")
    header = header_of(folder / "in", 1, **changes)
    manifest.write(
        store, header, [shard_of([whole(folder / "in", name, kind) for name, kind in files.items()])]
    )
    make_worker(store, header, folder / "scratch").run()
    write_dataset(store, header, receipts_of(store, header))
    return open_dataset(str(folder / "out"))


def one_file(folder: Path, name: str, **changes: Any) -> Dataset:
    (folder / "in").mkdir()
    kind, write = WRITERS[name]
    write(folder / "in" / name)
    return embed(folder, {name: kind}, **changes)


def texts(dataset: Dataset, most_bytes: int = 10_000) -> list[HitText]:
    """The texts of all rows, in the order of the corpus."""
    rows = dataset.reader("stored", [name for name in dataset.stored.names if name != "vector"]).read_all()
    places = [
        HitPlace(row["id"], row["chunk"], dataset.files[0], row.get("text_hash")) for row in rows.to_pylist()
    ]
    return texts_of_hits(dataset, HashTokenizer(), places, most_bytes)


@pytest.mark.parametrize("hashes", [{}, HASHED], ids=["plain", "hashed"])
@pytest.mark.parametrize("column", ["id", None])
@pytest.mark.parametrize("name", list(WRITERS))
def test_texts_are_found_in_every_format(
    name: str, column: str | None, hashes: dict[str, Any], tmp_path: Path
) -> None:
    dataset = one_file(tmp_path, name, id=column, **hashes)
    assert texts(dataset) == [HitText(text, name) for text in TEXTS]


@pytest.mark.parametrize("name", ["a.jsonl", "a.parquet", "a.txt"])
def test_row_whose_place_is_known_is_read_alone(name: str, tmp_path: Path) -> None:
    dataset = one_file(tmp_path, name, id=None)
    assert [one.text for one in texts(dataset, most_bytes=0)] == TEXTS


def test_more_of_the_corpus_than_allowed_is_not_read(tmp_path: Path) -> None:
    dataset = one_file(tmp_path, "a.csv")
    assert [(one.text, one.missing) for one in texts(dataset, most_bytes=999)] == [
        (None, "finding them means reading 1.0 kB of the corpus")
    ] * len(TEXTS)


def test_file_that_is_a_document_is_found_by_its_path(tmp_path: Path) -> None:
    (tmp_path / "in").mkdir()
    (tmp_path / "in" / "a.md").write_text("# Pancakes\n\nFlour and milk.\n")
    (tmp_path / "in" / "ü #2.html").write_text("<html><body><p>A tyre</p></body></html>")
    dataset = embed(tmp_path, {"a.md": "document", "ü #2.html": "html"}, id=None)
    assert [(one.text, one.file) for one in texts(dataset, most_bytes=0)] == [
        ("# Pancakes\n\nFlour and milk.\n", "a.md"),
        ("A tyre", "ü #2.html"),
    ]


def test_chunk_has_its_own_part_of_the_text(tmp_path: Path) -> None:
    dataset = one_file(tmp_path, "a.jsonl", tokens=6, overlap=1, keep=("text",), **HASHED)
    kept = dataset.reader("stored", ["text"]).read_all().column("text").to_pylist()
    assert len(kept) > len(TEXTS)
    assert [one.text for one in texts(dataset)] == kept


def test_truncated_text_ends_where_the_model_ended(tmp_path: Path) -> None:
    dataset = one_file(tmp_path, "a.jsonl", tokens=6, prompt="passage ", **HASHED)
    assert [one.text for one in texts(dataset)][2] == "red fish,"


@pytest.mark.parametrize("hashes", [{}, HASHED], ids=["plain", "hashed"])
def test_changed_file_gives_a_text_only_where_its_hash_is_that_of_the_vector(
    hashes: dict[str, Any], tmp_path: Path
) -> None:
    dataset = one_file(tmp_path, "a.jsonl", **hashes)
    lines = (
        (tmp_path / "in" / "a.jsonl").read_text().replace("two fish", "new fish").splitlines(keepends=True)
    )
    (tmp_path / "in" / "a.jsonl").write_text("".join(lines[:3]))
    changed = "a.jsonl changed since it was embedded"
    known = [HitText(text, "a.jsonl") for text in TEXTS] if hashes else [HitText(missing=changed)] * 4
    assert texts(dataset) == [known[0], HitText(missing=changed), known[2], HitText(missing=changed)]


def test_text_with_other_bytes_in_a_file_of_the_same_version_is_not_shown(tmp_path: Path) -> None:
    dataset = one_file(tmp_path, "a.jsonl", **HASHED)
    path = tmp_path / "in" / "a.jsonl"
    was = path.stat()
    path.write_text(path.read_text().replace("two fish", "new fish"))
    os.utime(path, ns=(was.st_atime_ns, was.st_mtime_ns))
    missing = "a.jsonl is no longer read as the text that was embedded"
    assert texts(dataset)[1] == HitText(missing=missing)


def test_file_and_corpus_that_are_gone_are_said(tmp_path: Path) -> None:
    dataset = one_file(tmp_path, "a.jsonl", **HASHED)
    write_jsonl(tmp_path / "in" / "b.jsonl", [{"id": "x", "text": "y"}])
    (tmp_path / "in" / "a.jsonl").unlink()
    assert texts(dataset)[0] == HitText(missing="a.jsonl is gone since it was embedded")
    (tmp_path / "in").rename(tmp_path / "moved")
    assert "there is no such folder on this machine" in str(texts(dataset)[0].missing)


@pytest.mark.parametrize(("hashes", "found"), [({}, [None, None]), (HASHED, ["one", "two"])])
def test_two_documents_of_one_id_are_told_apart_by_hash_alone(
    hashes: dict[str, Any], found: list[str | None], tmp_path: Path
) -> None:
    (tmp_path / "in").mkdir()
    write_jsonl(tmp_path / "in" / "a.jsonl", [{"id": "n", "text": "one"}, {"id": "n", "text": "two"}])
    dataset = embed(tmp_path, {"a.jsonl": "jsonl"}, **hashes)
    assert [one.text for one in texts(dataset)] == found


def test_search_has_texts_of_earlier_runs_too(tmp_path: Path) -> None:
    ids = incremental_run(tmp_path)
    dataset = open_dataset(str(tmp_path / "out"))
    assert {file.run for file in dataset.files} != {dataset.run}
    found = search(dataset, "words of a number 3", len(ids))
    assert {hit.id: (hit.text, hit.file) for hit in found.hits} == {
        name: (f"words of {name[0]} number {name[2:]}", f"{name[0]}.jsonl") for name in ids
    }


def test_kept_text_is_taken_and_the_corpus_is_not_read(tmp_path: Path) -> None:
    dataset = open_dataset(run_of_dtype(tmp_path, "float32", keep=("text",)))
    (tmp_path / "in").rename(tmp_path / "moved")
    hit = search(dataset, "anything", 1).hits[0]
    assert hit.text == hit.kept["text"] is not None
    assert hit.text_missing is None


def test_texts_are_not_looked_for_where_they_are_not_wanted(tmp_path: Path) -> None:
    dataset = open_dataset(run_of_dtype(tmp_path, "float32"))
    hit = search(dataset, "anything", 1, texts=False).hits[0]
    assert (hit.text, hit.text_missing, hit.file) == (None, None, None)
