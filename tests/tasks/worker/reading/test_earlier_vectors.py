"""Vectors of earlier runs: only those are given that are certainly the right ones."""

from collections.abc import Sequence
from dataclasses import replace
from pathlib import Path
from typing import Any

import numpy as np
import pytest

from tasks.engines.base import Vectors
from tasks.engines.batches.piece_hash import piece_hash
from tasks.engines.hash_engine import HashEncoder
from tasks.formats.vectors.vector_file import HashForm, VectorFileWriter, sha256_of
from tasks.models.files import HASH_DIMENSIONS as DIMENSIONS
from tasks.protocol.dtypes import Dtype
from tasks.protocol.keys import reuse_key
from tasks.protocol.manifest import Header
from tasks.protocol.reuse import EarlierFile, read_reuse, write_reuse
from tasks.protocol.shard import Shard, Slice
from tasks.stores.folder import FolderStore
from tasks.worker.reading.earlier_vectors import EarlierVectors

PIECES = [[1, n, 2] for n in range(40)]
NAMES = [piece_hash(piece) for piece in PIECES]
SHARD = Shard("00" * 8, 0, (Slice("a.jsonl", "v", "jsonl"),), 1, 1)
HEADER = Header(
    run="now-12345678",
    corpus="c",
    text="text",
    id="id",
    model="hash",
    engine="hash",
    prompt="",
    tokens=None,
    overlap=None,
    dtype="float32",
    dimensions=None,
    ttl=60.0,
    shards=1,
    text_hash=True,
    reuse=True,
)


def vectors() -> Vectors:
    return HashEncoder().encode(PIECES)


class Output:
    """A store with one file of an earlier run, and the list that names it."""

    def __init__(self, folder: Path, **changes: Any) -> None:
        self.store = FolderStore(folder / "out")
        self.scratch = folder
        self.header = replace(HEADER, dtype=changes.get("dtype", "float32"))
        self.write(folder / "file.parquet", **changes)

    def write(
        self,
        path: Path,
        *,
        dtype: Dtype = "float32",
        found: Vectors | None = None,
        hashes: HashForm | None = "hex",
        meta: dict[str, str] | None = None,
        digest: str | None = None,
        names: Sequence[bytes] = NAMES,
    ) -> None:
        stored = vectors() if found is None else found
        about = {"model": "hash"} if meta is None else meta
        with VectorFileWriter(path, DIMENSIONS, dtype, meta=about, hashes=hashes) as out:
            out.add([f"{n}" for n in range(len(PIECES))], [0] * len(PIECES), stored, (), names)
        self.store.put("data/old.parquet", path)
        file = EarlierFile("data/old.parquet", digest or sha256_of(path))
        write_reuse(self.store, HEADER.run, SHARD.slab, {SHARD.id: [file]})

    def known(self, dimensions: int = DIMENSIONS) -> dict[bytes, Vectors]:
        return EarlierVectors(self.store, self.header, self.scratch).of_shard(SHARD, dimensions)


@pytest.mark.parametrize("dtype", ["float32", "float16", "int8", "binary"])
def test_vectors_are_found_by_the_hash_of_their_text(tmp_path: Path, dtype: Dtype) -> None:
    found = Output(tmp_path, dtype=dtype).known()
    assert found.keys() == set(NAMES)
    if dtype == "float32":
        assert np.array_equal([found[name] for name in NAMES], vectors())
    assert not list(tmp_path.glob("earlier-*"))


def test_a_file_that_is_not_as_it_should_be_is_not_used(tmp_path: Path) -> None:
    wrong: dict[str, dict[str, Any]] = {
        "another digest": {"digest": "0" * 64},
        "another model": {"meta": {"model": "other"}},
        "a fingerprint": {"meta": {"model": "hash", "model_fingerprint": "sha256:1"}},
        "no hashes": {"hashes": None},
    }
    for number, (what, change) in enumerate(wrong.items()):
        folder = tmp_path / f"{number}"
        folder.mkdir()
        assert Output(folder, **change).known() == {}, what
    (tmp_path / "fine").mkdir()
    fine = Output(tmp_path / "fine")
    assert fine.known()
    assert fine.known(DIMENSIONS // 2) == {}
    fine.header = replace(fine.header, dtype="float16")
    assert fine.known() == {}
    fine.header = replace(HEADER, reuse=False)
    assert fine.known() == {}


def test_a_vector_that_is_no_unit_vector_is_not_used(tmp_path: Path) -> None:
    found = vectors()
    found[3] *= 2
    found[4] = np.nan
    known = Output(tmp_path, found=found).known()
    assert known.keys() == set(NAMES) - {NAMES[3], NAMES[4]}


def test_a_list_that_is_gone_or_damaged_is_an_empty_one(tmp_path: Path) -> None:
    output = Output(tmp_path)
    assert read_reuse(output.store, HEADER.run, "00001") == {}
    output.store.put(reuse_key(HEADER.run, SHARD.slab), b"{")
    assert read_reuse(output.store, HEADER.run, SHARD.slab) == {}
    assert output.known() == {}


def test_a_list_is_written_once(tmp_path: Path) -> None:
    output = Output(tmp_path)
    write_reuse(output.store, HEADER.run, SHARD.slab, {})
    assert read_reuse(output.store, HEADER.run, SHARD.slab).keys() == {SHARD.id}
