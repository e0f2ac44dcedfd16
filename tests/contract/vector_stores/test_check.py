"""`--verify` finds what is wrong with a collection."""

import re
from collections.abc import Generator
from contextlib import contextmanager
from dataclasses import replace
from pathlib import Path
from uuid import uuid4

import pytest

from launcher.errors import Problem
from launcher.loading.check import check_store
from launcher.loading.contents import completed, contents_of
from launcher.loading.loader import LoadOptions, load, schema_of
from launcher.loading.vector_store import FileId, Key, Rows, VectorStore
from launcher.sinks.targets import Target
from launcher.vectors.read_dataset import Dataset
from tests.support.vector_datasets import dataset_of, unit_vectors


def test_check_of_a_good_store_finds_nothing(store: VectorStore, target: Target, tmp_path: Path) -> None:
    dataset = dataset_of(tmp_path, 3, 300)
    load(dataset, target, store)
    found = check_store(dataset, target, store)
    assert (found.faults, found.rows, found.fetched, found.searched) == ((), 900, 256, 64)
    assert found.recall_at_10 is not None
    assert found.recall_at_10 >= 0.95
    assert found.exact_recall_at_10 == (1.0 if store.exact_search else None)


@contextmanager
def being_changed(later: Dataset, store: VectorStore) -> Generator[FileId, None, None]:
    """A load of the difference to a later run, which says that all is well: only a load under way may write."""
    held = store.contents()
    assert held is not None
    change = replace(held, following=later.run, load=uuid4().hex[:12])
    store.prepare(change, schema_of(later, store, ()), LoadOptions().index, replace=False)
    yield FileId(held.run, change.load, "0" * 64, "by hand", 1)
    store.seal(completed(change, later.run, later.rows), [])


@pytest.mark.parametrize("harm", ["missing", "altered", "extra"])
def test_check_names_what_is_wrong(harm: str, store: VectorStore, target: Target, tmp_path: Path) -> None:
    load(dataset_of(tmp_path, 1, 60), target, store)
    dataset = dataset_of(tmp_path, 1, 60, run="run-2")  # the same rows
    vectors = unit_vectors(1, 32, 99)
    with being_changed(dataset, store) as name:
        match harm:
            case "missing":
                assert store.delete([Key("0-7", 0)]) == 1
            case "altered":
                store.write(name, [Rows(["0-7"], [0], vectors, {})], merge=True)
            case _:
                store.write(name, [Rows(["other"], [0], vectors, {})], merge=True)
    found = check_store(dataset, target, store)
    said = {
        "missing": "counts 59 rows",
        "altered": "1 sampled rows .* numbers: 0-7:0",
        "extra": "counts 61 rows",
    }
    assert re.search(said[harm], " ".join(found.faults))


def test_collection_that_is_not_complete_is_not_checked(
    store: VectorStore, target: Target, tmp_path: Path
) -> None:
    dataset = dataset_of(tmp_path, 1, 5)
    with pytest.raises(Problem, match="is not there"):
        check_store(dataset, target, store)
    contents = contents_of(dataset.header, dataset.dimensions, "a" * 12)
    store.prepare(contents, schema_of(dataset, store, ()), LoadOptions().index, replace=False)
    with pytest.raises(Problem, match="is not loaded to its end"):
        check_store(replace(dataset), target, store)
