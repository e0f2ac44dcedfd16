"""The writing of one load: its files, several at once, alone or with other loaders, and what it deletes."""

import threading
from collections.abc import Callable, Collection, Iterator, Mapping, Sequence
from concurrent.futures import FIRST_EXCEPTION, ThreadPoolExecutor, wait
from dataclasses import dataclass
from typing import Any

from launcher.errors import Problem
from launcher.loading.contents import Action, Contents
from launcher.loading.dataset_rows.difference import deleted_keys, difference, superseded_keys
from launcher.loading.dataset_rows.rows import rows_of
from launcher.loading.dataset_rows.unique_keys import Hashes, hashed
from launcher.loading.progress.receipts import loaded_files, read_receipts, write_receipt
from launcher.loading.progress.shares import Shares
from launcher.loading.vector_store import (
    FileId,
    Key,
    LoadedFile,
    RefusedRow,
    Rows,
    Schema,
    VectorStore,
    refused_rows,
)
from launcher.vectors.read_dataset import Dataset, DatasetFile

DELETE_ROWS = 10_000  # in one request

Progress = Callable[[int, int], None]  # rows that the store has, and rows of the dataset


@dataclass(frozen=True, slots=True)
class LoadPlan:
    """What a load will do, decided before anything is written."""

    action: Action
    contents: Contents  # that the collection is to say while it is loaded
    schema: Schema
    files: tuple[DatasetFile, ...]
    older: Dataset | None


def files_in(store: VectorStore, dataset: Dataset, contents: Contents) -> frozenset[str]:
    """SHA-256 of the files that this load has written: by the store's own ledger, else by receipts."""
    own = store.loaded(contents)
    if own is None:
        return loaded_files(dataset.store, dataset.run, contents.load)
    return frozenset(file.sha256 for file in own)


class LoadWriter:
    """The writing of one load."""

    def __init__(
        self, dataset: Dataset, store: VectorStore, plan: LoadPlan, contents: Contents, progress: Progress
    ) -> None:
        self._dataset = dataset
        self._store = store
        self._plan = plan
        self.contents = contents  # that the collection says while it is loaded
        self._progress = progress
        self._lock = threading.Lock()
        self._done = 0
        self.refused = 0  # rows, by this command
        self._again = False
        self._stopped = threading.Event()
        # of the keys of the files that this command wrote, by SHA-256; None: the store has a row of a key once
        self.hashes: dict[str, list[Hashes]] | None = (
            {} if store.guarantee == "one commit" and plan.older is None else None
        )

    def write_files(self, parallel: int, done: Collection[str]) -> list[DatasetFile]:
        """Write the files that are not `done`, several at once; the first failure ends all."""
        left = [file for file in self._plan.files if file.sha256 not in done]
        self._count(self._dataset.rows - sum(file.rows for file in left))
        with ThreadPoolExecutor(max(1, min(parallel, len(left)))) as pool:
            tasks = [pool.submit(self._write, file) for file in left]
            try:
                wait(tasks, return_when=FIRST_EXCEPTION)
            finally:
                self._stopped.set()  # what still writes ends at its next batch
                pool.shutdown(cancel_futures=True)
            failed = [error for task in tasks if not task.cancelled() and (error := task.exception())]
        if failed:
            raise next((error for error in failed if not isinstance(error, _Stopped)), failed[0])
        return left

    def write_shared(self, parallel: int, shares: Shares) -> list[DatasetFile]:
        """Write the files that this loader gets, several at once; returns when every file is written by some loader."""
        self.look()
        mine: list[DatasetFile] = []

        def work() -> None:
            while found := shares.next(self._plan.files, self._written, self._stopped.is_set):
                file, lease = found
                try:
                    self._write(file)
                except BaseException:
                    self._stopped.set()
                    shares.release(lease, written=False)
                    raise
                shares.release(lease, written=True)
                mine.append(file)

        with ThreadPoolExecutor(max(1, parallel)) as pool:
            tasks = [pool.submit(work) for _ in range(max(1, parallel))]
        failed = [error for task in tasks if (error := task.exception())]
        if failed:
            raise next((error for error in failed if not isinstance(error, _Stopped)), failed[0])
        return mine

    def look(self) -> frozenset[str]:
        """The files that the store has: SHA-256."""
        done = self._written()
        self.expect(again=bool(done - {file.sha256 for file in self._dataset.files}))
        return done

    def expect(self, *, again: bool) -> None:
        """`again`: it has files of shards that were embedded again since, so that rows of these keys may be there."""
        self._again = again and self._store.guarantee == "transactional"  # else a key is written over anyway

    def _written(self) -> frozenset[str]:
        return files_in(self._store, self._dataset, self.contents)

    def delete(self) -> int:
        """Delete the rows whose documents are gone; returns how many."""
        older = self._plan.older
        if older is None:
            return 0
        keys = deleted_keys(older, self._dataset, difference(older, self._dataset))
        return sum(
            self._store.delete(keys[start : start + DELETE_ROWS])
            for start in range(0, len(keys), DELETE_ROWS)
        )

    def delete_superseded(self) -> frozenset[str]:
        """Delete the rows of files of shards that were embedded again since, where the later file lacks them.

        Returns the SHA-256 of all such files. One that is gone from the output path is left to the count.
        """
        done = self._store.loaded(self.contents)
        if done is None:
            receipts = read_receipts(self._dataset.store, self._dataset.run, self.contents.load).values()
            done = [LoadedFile(one.sha256, one.file, one.rows) for one in receipts]
        listed = {file.sha256 for file in self._dataset.files}
        old = [file for file in done if file.sha256 not in listed]
        if (
            old and self._store.guarantee != "one commit"
        ):  # which makes rows of the files that are listed alone
            files = [DatasetFile(one.key, one.rows, 0, one.sha256) for one in old]
            keys = superseded_keys(self._dataset, files)
            for start in range(0, len(keys), DELETE_ROWS):
                self._store.delete(keys[start : start + DELETE_ROWS])
        return frozenset(file.sha256 for file in old)

    def receipts(self) -> list[Mapping[str, Any]]:
        """What the receipts of this load hold for the store, in the order of the corpus."""
        if self._store.loaded(self.contents) is not None:
            return []
        found = read_receipts(self._dataset.store, self._dataset.run, self.contents.load)
        return [found[file.sha256].result for file in self._plan.files if file.sha256 in found]

    def _write(self, file: DatasetFile) -> None:
        name = FileId(self._dataset.run, self.contents.load, file.sha256, file.key, file.rows)
        change = self._plan.action is Action.CHANGE
        hashes: list[Hashes] = []
        batches = self._batches(file) if self.hashes is None else hashed(self._batches(file), hashes)
        result = self._store.write(name, batches, merge=change or self._again)
        refused = refused_rows(result)
        if refused and change:  # the row as it was before
            self._store.delete([Key(row.id, row.chunk) for row in refused])
        if self._store.guarantee != "transactional":
            write_receipt(self._dataset.store, name, result)
        if self.hashes is not None:
            self.hashes[file.sha256] = hashes
        self._count(file.rows, refused)

    def _batches(self, file: DatasetFile) -> Iterator[Rows]:
        for rows in rows_of(self._dataset, file, self._plan.schema):
            if self._stopped.is_set():
                raise _Stopped("another file failed", hint="run the same command again")
            yield rows

    def _count(self, rows: int, refused: Sequence[RefusedRow] = ()) -> None:
        with self._lock:
            self._done += rows
            self.refused += len(refused)
            self._progress(self._done, self._dataset.rows)


class _Stopped(Problem):
    """This file was given up because another one failed."""
