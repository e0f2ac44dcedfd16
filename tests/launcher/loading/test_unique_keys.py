"""Two rows of one key are found in any two files, by hashes that decide nothing; files that are known are not read."""

from collections.abc import Sequence
from pathlib import Path

import numpy as np
import pyarrow as pa
import pytest

from launcher.errors import Problem
from launcher.loading.dataset_rows import unique_keys
from launcher.loading.dataset_rows.columns import ArrowColumn
from launcher.loading.dataset_rows.rows import rows_of
from launcher.loading.dataset_rows.unique_keys import Hashes, check_unique_keys, hash_keys, hashed
from launcher.loading.loader import schema_of
from launcher.loading.stores.lance import Lance
from launcher.sinks.targets import parse_target
from launcher.vectors.read_dataset import Dataset, open_dataset
from tests.support.vector_datasets import dataset_of, unit_vectors, write_dataset_of, write_vectors


def twice(output: Path) -> Dataset:
    """Three files; the first and the last have one key."""
    names = (["a", "both"], ["b", "c"], ["both", "d"])
    files = [
        write_vectors(output, str(number), some, unit_vectors(2, 32, number))
        for number, some in enumerate(names)
    ]
    write_dataset_of(output, files)
    return open_dataset(str(output))


def written(dataset: Dataset, output: Path, files: slice) -> dict[str, list[Hashes]]:
    """The hashes of these files, as a load has them that wrote them."""
    schema = schema_of(dataset, Lance(parse_target(str(output / "any.lance"))), None)
    found: dict[str, list[Hashes]] = {}
    for file in dataset.files[files]:
        list(hashed(rows_of(dataset, file, schema), found.setdefault(file.sha256, [])))
    return found


@pytest.mark.parametrize("files", [slice(0, 0), slice(0, 1), slice(0, 3)], ids=["none", "one", "all"])
def test_one_key_in_two_files_is_named_whoever_wrote_them(files: slice, tmp_path: Path) -> None:
    dataset = twice(tmp_path)
    with pytest.raises(Problem, match=r"of data/0\.parquet and one of data/2\.parquet .* id 'both', chunk 0"):
        check_unique_keys(dataset, dataset.files, written(dataset, tmp_path, files))


def test_files_that_this_command_wrote_are_not_read_again(tmp_path: Path) -> None:
    dataset = dataset_of(tmp_path, 3, 50)
    known = written(dataset, tmp_path, slice(0, 3))
    for file in dataset.files:
        (tmp_path / file.key).unlink()
    check_unique_keys(dataset, dataset.files, known)


def test_hashes_decide_nothing(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    """Were all hashes equal, other keys would still be others."""

    def all_equal(ids: Sequence[str], _chunks: Sequence[int]) -> Hashes:
        return np.zeros(len(ids), np.uint64)

    monkeypatch.setattr(unique_keys, "hash_keys", all_equal)
    dataset = dataset_of(tmp_path / "other", 2, 20)
    check_unique_keys(dataset, dataset.files, {})
    dataset = twice(tmp_path / "twice")
    with pytest.raises(Problem, match="have one key"):
        check_unique_keys(dataset, dataset.files, {})


@pytest.mark.parametrize("at_once", [1, 7, 2**22])
def test_hash_is_of_the_key_alone(at_once: int, monkeypatch: pytest.MonkeyPatch) -> None:
    """Not of the place of a row, nor of how many are hashed at once."""
    monkeypatch.setattr(unique_keys, "TEXT_BYTES", at_once)
    ids = ["", "a", "aa", "ab", "ba", "\0", "\0\0", "ü", "x" * 40, "x" * 41, "1", "11"]
    keys = [(name, chunk) for name in ids for chunk in (0, 1, 2**31 - 1)]
    names, chunks = [name for name, _ in keys], [chunk for _, chunk in keys]
    found = hash_keys(names, chunks)
    assert len(set(found.tolist())) == len(keys)
    alone = [int(hash_keys([name], [chunk])[0]) for name, chunk in keys]
    assert found.tolist() == alone
    columns = ArrowColumn(pa.array(names)), ArrowColumn(pa.array(chunks, pa.int32()))
    sliced = columns[0][5:25], columns[1][5:25]
    assert hash_keys(*sliced).tolist() == alone[5:25]


def test_hashes_of_many_keys_differ() -> None:
    ids = [f"doc-{number}" for number in range(200_000)]
    assert len(np.unique(hash_keys(ids, [0] * len(ids)))) == len(ids)
