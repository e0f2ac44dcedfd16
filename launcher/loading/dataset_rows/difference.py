"""The files and keys in which two datasets differ, or one before and after shards were embedded again."""

from collections.abc import Sequence
from dataclasses import dataclass

from launcher.loading.dataset_rows.rows import keys_in
from launcher.loading.vector_store import Key
from launcher.vectors.read_dataset import Dataset, DatasetFile


@dataclass(frozen=True, slots=True)
class Difference:
    """The files of the newer dataset that the older lacks, and those of the older that the newer lacks."""

    new: tuple[DatasetFile, ...]
    gone: tuple[DatasetFile, ...]


def difference(older: Dataset, newer: Dataset) -> Difference:
    """Files are compared by what they hold (SHA-256), not by their names."""
    before, now = ({file.sha256 for file in dataset.files} for dataset in (older, newer))
    return Difference(
        new=tuple(file for file in newer.files if file.rows and file.sha256 not in before),
        gone=tuple(file for file in older.files if file.rows and file.sha256 not in now),
    )


def deleted_keys(older: Dataset, newer: Dataset, found: Difference) -> list[Key]:
    """The keys of the files that are gone, without those that the new files have as well. Holds the first in memory."""
    keys = dict.fromkeys(key for _, key in keys_in(older, found.gone))
    for _, key in keys_in(newer, found.new):
        keys.pop(key, None)
    return list(keys)


def superseded_keys(dataset: Dataset, files: Sequence[DatasetFile]) -> list[Key]:
    """The keys of files that a dataset lists no more, without those that it has now.

    A file that is gone from the output path has none.

    Raises:
        Problem: one that is there cannot be read.
    """
    there = [one for one in files if any(entry.key == one.key for entry in dataset.store.list(one.key))]
    keys = dict.fromkeys(key for _, key in keys_in(dataset, there))
    for _, key in keys_in(dataset, dataset.files) if keys else ():
        keys.pop(key, None)
    return list(keys)
