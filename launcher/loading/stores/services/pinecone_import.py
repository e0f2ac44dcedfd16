"""Pinecone's bulk import: Parquet files in a bucket of the user's, which Pinecone reads into a new namespace in one job.

Each file of vectors becomes one of `id`, `values` and `metadata` under BUCKET/FOLDER/LOAD/NAMESPACE/, which the job reads
whole: its address names the load, so that a job whose start was not answered is found in the list of jobs, and no second
one is started. An import fills namespaces that do not exist yet, so that a difference of two runs goes by upserts.
"""

# pinecone is an extra, and no part of `dev`; the stubs of pyarrow are generic in what a file decides
# pyright: reportMissingImports=false, reportUnknownVariableType=false, reportUnknownMemberType=false
# pyright: reportUnknownArgumentType=false, reportUnknownParameterType=false
import contextlib
import json
import tempfile
import time
from collections.abc import Iterable, Mapping, Sequence
from pathlib import Path
from typing import Any

import pyarrow as pa
import pyarrow.parquet as pq
from pinecone.errors.exceptions import ApiError, PineconeError

from launcher.errors import Problem
from launcher.loading.contents import Contents
from launcher.loading.stores.common.signs import numbers_of
from launcher.loading.stores.services.pinecone_client import AGAIN, problems
from launcher.loading.stores.services.pinecone_index import PineconeNamespace
from launcher.loading.stores.services.pinecone_rows import metadata_of, row_id
from launcher.loading.vector_store import FileId, Guarantee, Rows, Schema
from launcher.sinks.index import IndexSpec
from launcher.sinks.targets import Target
from tasks.stores.base import Eraser, list_all
from tasks.stores.open import open_store

# https://docs.pinecone.io/guides/index-data/import-data, read 2026-11-30
LAYOUT = pa.schema([("id", pa.string()), ("values", pa.list_(pa.float32())), ("metadata", pa.string())])
IMPORT_POLL = 5.0  # seconds between looks at a job
LISTED_WITHIN = 30.0  # seconds until a job that was started is in the list
RUNNING, FAILED = ("Pending", "InProgress"), ("Failed", "Cancelled")


class ImportedNamespace(PineconeNamespace):
    """A namespace that one import fills."""

    guarantee: Guarantee = "one commit"
    most_files = 100_000  # of an import, by the same page

    def __init__(self, target: Target, api_key: str | None = None) -> None:
        super().__init__(target, api_key)
        self._folder = target.options["import"].rstrip("/")
        self._integration = target.options.get("integration") or None
        self._bucket = open_store(self._folder)
        self._load = ""

    def prepare(self, contents: Contents, schema: Schema, index: IndexSpec, *, replace: bool) -> Contents:
        """Write the record; the namespace is made by the import.

        Raises:
            Problem: a difference is to be loaded.
        """
        if contents.following is not None:
            raise Problem(
                "an import fills new namespaces alone, and --since changes one that is there",
                hint="leave ?import= out of the address: a difference goes by upserts; or --replace loads all",
            )
        now = super().prepare(contents, schema, index, replace=replace)
        self._load = now.load
        return now

    def write(self, file: FileId, batches: Iterable[Rows], *, merge: bool) -> Mapping[str, Any]:
        """Write a file as the import reads it: into the bucket, over one of an attempt before."""
        del merge
        with tempfile.TemporaryDirectory(prefix="embedfleet-import-") as folder:
            path = Path(folder) / "rows.parquet"
            # without the Arrow schema in the footer: readers that are strict refuse a type that they do not know
            with pq.ParquetWriter(path, LAYOUT, compression="zstd", store_schema=False) as writer:
                for rows in batches:
                    writer.write_batch(_batch(rows))
            self._bucket.put(f"{self._load}/{self._namespace}/{file.sha256}.parquet", path)
        return {}

    def seal(self, contents: Contents, receipts: Sequence[Mapping[str, Any]]) -> str | None:
        """Import the files, wait for the job and for the count, and delete them."""
        del receipts
        if contents.rows:
            with problems():
                self._wait_for_job(self._job(), contents.rows)
        before = super().seal(contents, ())
        if isinstance(self._bucket, Eraser):
            for entry in list(list_all(self._bucket, f"{self._load}/")):
                self._bucket.erase(entry.key)
        return before

    # --- below, errors are those of pinecone

    @property
    def _uri(self) -> str:
        return f"{self._folder}/{self._load}"

    def _jobs(self) -> list[Any]:
        """The jobs of this load, the first one first."""
        found = [job for job in self._index.list_imports() if job.uri.rstrip("/") == self._uri]
        return sorted(found, key=lambda job: job.created_at)

    def _job(self) -> str:
        """The job that imports the files: the one that is there, else a new one.

        The client sends a request again whose answer was lost, so that there may be two: all but one are cancelled.
        """
        if not _living(self._jobs()):
            try:
                self._index.start_import(self._uri, error_mode="abort", integration_id=self._integration)
            except ApiError as error:
                if error.status_code < 500:
                    raise
            except PineconeError:  # the answer was lost: the list says whether there is a job
                pass
        end = time.monotonic() + LISTED_WITHIN
        while not (jobs := _living(self._jobs())):
            if self._jobs() or time.monotonic() >= end:
                break
            time.sleep(1.0)
        if not jobs:
            failed = self._jobs()
            raise Problem(
                f"Pinecone imports nothing: {failed[-1].error if failed else 'no job was started'}",
                hint=f"see that it may read {self._uri} (?integration=ID); --replace imports into another namespace",
            )
        for job in jobs[1:]:
            with contextlib.suppress(ApiError):
                self._index.cancel_import(job.id)
        return str(jobs[0].id)

    def _wait_for_job(self, job_id: str, rows: int) -> None:
        while True:
            job = self._index.describe_import(job_id)
            if job.status not in RUNNING:
                break
            time.sleep(IMPORT_POLL)
        if job.status in FAILED:
            raise Problem(
                f"Pinecone's import {job_id} ended as {job.status}: {job.error}"[:300],
                hint="--replace imports into another namespace",
            )
        if job.records_imported is not None and job.records_imported != rows:
            raise Problem(
                f"Pinecone's import {job_id} read {job.records_imported:,} rows, and the run has {rows:,}",
                hint=f"--replace imports into another namespace; {AGAIN}",
            )


def _living(jobs: Sequence[Any]) -> list[Any]:
    return [job for job in jobs if job.status not in FAILED]


def _batch(rows: Rows) -> pa.RecordBatch:
    numbers = numbers_of(rows.vectors)
    width = numbers.shape[1]
    offsets = pa.array(range(0, (len(rows) + 1) * width, width), pa.int32())
    values = pa.ListArray.from_arrays(offsets, pa.array(numbers.reshape(-1), pa.float32()))
    ids = [row_id(key) for key in rows.keys()]  # noqa: SIM118 - of rows, which are no mapping
    metadata = [json.dumps(metadata_of(rows, row), ensure_ascii=False) for row in range(len(rows))]
    return pa.RecordBatch.from_arrays([pa.array(ids), values, pa.array(metadata)], schema=LAYOUT)
