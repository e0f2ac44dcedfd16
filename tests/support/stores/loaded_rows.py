"""What a vector store is to hold, and datasets that differ by a little."""

from pathlib import Path
from typing import Any

import numpy as np

from launcher.loading.dataset_rows.rows import rows_of
from launcher.loading.loader import schema_of
from launcher.loading.vector_store import Key, VectorStore
from launcher.vectors.read_dataset import Dataset, open_dataset
from tests.support.vector_datasets import unit_vectors, write_dataset_of, write_vectors

OTHER_WEIGHTS = "sha256:" + "2" * 64


def all_rows(dataset: Dataset, store: VectorStore) -> dict[Key, Any]:
    """All vectors of a dataset in the type of the store."""
    schema = schema_of(dataset, store, ())
    batches = [rows for file in dataset.files for rows in rows_of(dataset, file, schema)]
    return {key: vector for rows in batches for key, vector in zip(rows.keys(), rows.vectors, strict=True)}


def assert_holds(store: VectorStore, dataset: Dataset) -> None:
    """The store has exactly the rows of the dataset, bit for bit."""
    wanted = all_rows(dataset, store)
    found = store.fetch(list(wanted))
    assert store.count() == len(wanted) == dataset.rows
    assert found.keys() == wanted.keys()
    assert all(found[key].tobytes() == vector.tobytes() for key, vector in wanted.items())


class Grown:
    """A run of files a, b, c and a later one: a row of b changed and one is gone, c is gone, d is new."""

    def __init__(self, output: Path) -> None:
        vectors = unit_vectors(60, 32, 1)
        names = {part: [f"{part}{n}" for n in range(20)] for part in "abcd"}
        a = write_vectors(output, "a", names["a"], vectors[:20])
        b = write_vectors(output, "b", names["b"], vectors[20:40])
        c = write_vectors(output, "c", names["c"], vectors[40:])
        changed = np.delete(vectors[20:40], 7, axis=0)
        changed[3] = vectors[0]
        b_later = write_vectors(output, "b-later", [n for n in names["b"] if n != "b7"], changed)
        d = write_vectors(output, "d", names["d"], unit_vectors(20, 32, 2))
        write_dataset_of(output, [a, b, c])
        write_dataset_of(output, [a, b_later, d], run="run-2")
        self.first, self.second = (open_dataset(str(output), run) for run in ("run-1", "run-2"))
