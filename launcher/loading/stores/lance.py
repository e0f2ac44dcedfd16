"""Lance, the format of LanceDB: a folder, or a prefix of a bucket. No server.

Files of a new dataset are written as fragments by any number of loaders, each with its receipt, and become rows in one
commit, which writes the record of what the dataset holds as well. A difference of two runs is upserted file by file.
What a replaced dataset held is a version with a tag. Credentials of a bucket come from the environment, as for AWS.
"""

# lance is typed in part
# pyright: reportMissingTypeStubs=false, reportUnknownMemberType=false, reportUnknownArgumentType=false
# pyright: reportUnknownVariableType=false, reportMissingImports=false
import json
import os
import threading
from collections.abc import Collection, Iterable, Iterator, Mapping, Sequence
from dataclasses import replace as replaced
from itertools import groupby
from pathlib import Path
from typing import Any

import lance
import pyarrow as pa
from lance.fragment import FragmentMetadata, write_fragments

from launcher.errors import Problem
from launcher.loading.contents import (
    Contents,
    check_goes_on,
    check_takes_place,
    decode,
    encode,
    is_beside,
    is_rest_of,
    resumed,
)
from launcher.loading.dataset_rows.columns import arrow_of
from launcher.loading.stores.common.fence import Fence
from launcher.loading.stores.lance_errors import problems, retried
from launcher.loading.stores.lance_index import build_indexes, index_text, nearest_rows
from launcher.loading.vector_store import (
    Element,
    FileId,
    Guarantee,
    Key,
    LoadedFile,
    Rows,
    Schema,
    Vectors,
    keys_of,
)
from launcher.sinks.index import IndexSpec
from launcher.sinks.targets import Target
from tasks.protocol.dtypes import Dtype

HELD = "embedfleet"  # key of the schema's metadata: what the dataset holds
NEXT = "embedfleet.next"  # what will replace it
COMMITTED = "embedfleet.committed"  # the load whose fragments are rows already
PREVIOUS_TAG = "embedfleet-previous"
OWN_COLUMNS = ("id", "chunk", "vector")
KEYS_AT_ONCE = 500  # in a filter
# Rows are given to lance in parts of so many bytes of vectors, which stay in a processor's cache.
PART_BYTES = 2**21
TYPES: Mapping[Element, pa.DataType] = {"float32": pa.float32(), "float16": pa.float16(), "bits": pa.uint8()}
ELEMENTS: Mapping[Dtype, Element] = {
    "float32": "float32",
    "float16": "float16",
    "int8": "float16",  # Lance has no index over vectors of signed bytes
    "binary": "bits",
}


class Lance:
    """A Lance dataset."""

    guarantee: Guarantee = "one commit"
    exact_search = True

    def __init__(self, target: Target, environ: Mapping[str, str] = os.environ) -> None:
        self._uri = target.collection
        self._storage = storage_options(self._uri, environ)
        self._schema: Schema | None = None
        self._index = IndexSpec()
        self._replace = False
        self._replaced_version: int | None = None
        self._fence: Fence | None = None
        self._commits = threading.Lock()  # commits of one process wait here, and not in retries

    def element(self, dtype: Dtype, dimensions: int) -> Element:
        """Int8 becomes half precision."""
        del dimensions
        return ELEMENTS[dtype]

    def contents(self) -> Contents | None:
        """What the metadata of the schema says.

        Raises:
            Problem: there is a dataset without ours.
        """
        with problems(self._uri):
            found = self._opened()
        if found is None:
            return None
        held = _record(found, HELD)
        if held is None:
            raise Problem(
                f"the Lance dataset {self._uri} is there, and embedfleet load did not make it",
                hint="name another path: rows are not mixed into datasets of others",
            )
        return held

    def prepare(self, contents: Contents, schema: Schema, index: IndexSpec, *, replace: bool) -> Contents:
        """Make an empty dataset; of one that is replaced, only say by what."""
        _check_names(schema)
        self._schema, self._index, self._replace = schema, index, replace
        with problems(self._uri):
            now = retried(lambda: self._begin(contents))
        key = NEXT if replace else HELD
        self._fence = Fence(now, lambda: _record(self._there(), key), self._uri)
        return now

    def loaded(self, contents: Contents) -> Collection[LoadedFile] | None:
        """None: the store does not record loaded files, so receipts in the output path count."""
        del contents

    def write(self, file: FileId, batches: Iterable[Rows], *, merge: bool) -> Mapping[str, Any]:
        """Write fragments, or upsert in one commit; the receipt of fragments holds them."""
        del file
        failed: list[Problem] = []
        reader = pa.RecordBatchReader.from_batches(self._arrow(), self._batches(batches, failed))
        try:
            with problems(self._uri):
                return self._write(reader, merge=merge)
        except Problem as error:
            raise (failed or [error])[0] from None

    def delete(self, keys: Sequence[Key]) -> int:
        """A commit for each few hundred keys."""
        with problems(self._uri), self._commits:
            if self._fence is not None:
                self._fence.check_delete()
            return sum(int(self._there().delete(where)["num_deleted_rows"]) for where in _filters(keys))

    def seal(self, contents: Contents, receipts: Sequence[Mapping[str, Any]]) -> str | None:
        """Make the fragments rows, then build the index."""
        fragments = [
            FragmentMetadata.from_json(json.dumps(found))
            for receipt in receipts
            for found in receipt.get("fragments", ())
        ]
        with problems(self._uri), self._commits:
            return retried(lambda: self._finish(contents, fragments))

    def count(self) -> int:
        """Rows that are not deleted."""
        with problems(self._uri):
            return int(self._there().count_rows())

    def fetch(self, keys: Sequence[Key]) -> Mapping[Key, Vectors]:
        """Fetch the vectors of these keys, by the index of the ids where there is one."""
        found: dict[Key, Vectors] = {}
        with problems(self._uri):
            there = self._there()
            for where in _filters(keys):
                table = there.to_table(columns=["id", "chunk", "vector"], filter=where).combine_chunks()
                if table.num_rows:
                    column: Any = table.column("vector").chunk(0)
                    matrix = column.flatten().to_numpy(zero_copy_only=False).reshape(table.num_rows, -1)
                    found |= dict(zip(keys_of(table), matrix, strict=True))
        return found

    def search(self, vector: Vectors, k: int, *, exact: bool) -> list[Key]:
        """Search by the index and compare its best candidates again in full; `exact`: through all rows."""
        with problems(self._uri):
            table = self._there().to_table(
                columns=["id", "chunk", "_distance"], nearest=nearest_rows(vector, k, exact=exact)
            )
        return keys_of(table)

    def describe_index(self, schema: Schema, index: IndexSpec) -> str:
        """The index that `seal` builds."""
        return index_text(schema, index)

    def columns(self, schema: Schema) -> tuple[str, ...]:
        """The columns with their types."""
        return tuple(f"{field.name} {field.type}" for field in _arrow_schema(schema))

    def close(self) -> None:
        """Nothing is open."""

    # --- below, errors are those of lance

    def _opened(self) -> "lance.LanceDataset | None":
        try:
            return lance.dataset(self._uri, storage_options=self._storage)
        except (ValueError, FileNotFoundError, OSError) as error:
            if "not found" in str(error).lower() or "no such" in str(error).lower():
                return None
            raise

    def _there(self) -> "lance.LanceDataset":
        return lance.dataset(self._uri, storage_options=self._storage)

    def _create(self, contents: Contents) -> "lance.LanceDataset":
        """An empty dataset; of two loaders at once, one makes it."""
        if "://" not in self._uri:
            Path(self._uri).parent.mkdir(parents=True, exist_ok=True)
        schema = self._arrow().with_metadata({HELD: encode(contents)})
        try:
            return lance.write_dataset(
                schema.empty_table(), self._uri, mode="create", storage_options=self._storage
            )
        except OSError:
            found = self._opened()
            if found is None:
                raise
            return found

    def _begin(self, contents: Contents) -> Contents:
        """Say what is being loaded, unless a load of it is under way."""
        there = self._opened()
        if there is None:
            there = self._create(contents)
        key = NEXT if self._replace else HELD
        have = _record(there, key)
        if have is not None and self._replace and not is_rest_of(have, contents):  # one that was given up
            have = None
        if have is not None and not self._replace:
            check_goes_on(have, contents, self._uri)
        now = contents if have is None else resumed(have, contents)
        if have != now:
            there.update_schema_metadata({key: encode(now)})
        if not self._replace and there.count_rows():
            self._check_columns(there)
        return now

    def _finish(self, contents: Contents, fragments: Sequence[FragmentMetadata]) -> str | None:
        """What `seal` does, from wherever it is: another loader may do the same."""
        there = self._there()
        held = _record(there, HELD)
        if not self._replace and is_beside(held, contents):
            if held is not None and held.complete:
                return None  # the other's rows are those of the same run
        else:
            check_takes_place(held, contents, self._uri)
        if contents.load != _text(there, COMMITTED) and (fragments or self._replace):
            if self._replace:
                self._replaced_version = int(there.version)
            self._commit(there, contents, fragments)
        assert self._schema is not None, "prepare comes first"
        build_indexes(self._there, self._schema, self._index)
        done = self._there()
        if _record(done, HELD) != contents:
            done.update_schema_metadata({HELD: encode(contents)})
        return self._tag(self._replaced_version)

    def _arrow(self) -> pa.Schema:
        assert self._schema is not None, "prepare comes first"
        return _arrow_schema(self._schema)

    def _write(self, reader: pa.RecordBatchReader, *, merge: bool) -> Mapping[str, Any]:
        if not merge:
            # "append" refuses columns that the dataset does not have, which a replacement may bring.
            mode = "overwrite" if self._replace else "append"
            fragments = write_fragments(
                reader, self._uri, self._arrow(), mode=mode, storage_options=self._storage
            )
            return {"fragments": [fragment.to_json() for fragment in fragments]}
        assert self._fence is not None, "prepare comes first"
        with self._commits, self._fence.alone():
            upsert = self._there().merge_insert(["id", "chunk"])
            upsert.when_matched_update_all().when_not_matched_insert_all().execute(reader)
        return {}

    def _batches(self, batches: Iterable[Rows], failed: list[Problem]) -> Iterator[pa.RecordBatch]:
        """The rows for lance; a problem of reading them is put into `failed`, because lance gives its text alone."""
        schema = self._arrow()
        kind: Any = schema.field("vector").type
        try:
            for rows in batches:
                vectors = pa.FixedSizeListArray.from_arrays(pa.array(rows.vectors.reshape(-1)), type=kind)
                kept = [arrow_of(values, pa.string()) for values in rows.kept.values()]
                columns = [arrow_of(rows.ids, pa.string()), arrow_of(rows.chunks, pa.int32()), vectors, *kept]
                batch = pa.RecordBatch.from_arrays(columns, schema=schema)
                step = max(1, PART_BYTES // (rows.vectors.itemsize * max(1, rows.vectors.shape[1])))
                yield from (batch.slice(start, step) for start in range(0, len(rows), step))
        except Problem as error:
            failed.append(error)
            raise

    def _check_columns(self, there: "lance.LanceDataset") -> None:
        for name in self._arrow().names:
            if name not in there.schema.names:
                raise Problem(
                    f"the dataset {self._uri} has no column {name!r}",
                    hint="--keep with the columns that it has; or --replace",
                )

    def _commit(
        self, there: "lance.LanceDataset", contents: Contents, fragments: Sequence[FragmentMetadata]
    ) -> None:
        """Make the fragments the rows of the dataset, and say so in the same commit."""
        held = replaced(contents, complete=False, rows=None)
        schema = self._arrow().with_metadata({HELD: encode(held), COMMITTED: contents.load})
        operation = lance.LanceOperation.Overwrite(schema, fragments)
        lance.LanceDataset.commit(
            self._uri, operation, read_version=there.version, storage_options=self._storage
        )

    def _tag(self, version: int | None) -> str | None:
        """Keep what was replaced under a tag."""
        if version is None:
            return None
        there = self._there()
        if PREVIOUS_TAG in there.tags.list():
            there.tags.update(PREVIOUS_TAG, version)
        else:
            there.tags.create(PREVIOUS_TAG, version)
        return f"version {version}, tag {PREVIOUS_TAG}"


def open_lance(target: Target, secret: str | None) -> Lance:
    """The dataset that a target names.

    Raises:
        Problem: there is a secret, which no dataset takes.
    """
    if secret is not None:
        raise Problem(
            "a Lance dataset takes no --secret",
            hint="credentials of a bucket come from the environment, as for AWS: AWS_ACCESS_KEY_ID, or a profile",
        )
    return Lance(target)


def storage_options(uri: str, environ: Mapping[str, str]) -> dict[str, str] | None:
    """What lance's client of S3 does not take from the environment: that an endpoint of one's own has no TLS."""
    endpoint = environ.get("AWS_ENDPOINT_URL_S3") or environ.get("AWS_ENDPOINT_URL") or ""
    if not uri.startswith("s3://") or not endpoint:
        return None
    plain = {"allow_http": "true"} if endpoint.startswith("http://") else {}
    return {"aws_endpoint": endpoint, **plain}


def _check_names(schema: Schema) -> None:
    """Refuse kept columns with names of ours or of Lance's own: searches would fail where the load does not.

    Raises:
        Problem: a kept column has such a name.
    """
    for name in schema.kept:
        own = name in OWN_COLUMNS or name in ("_distance", "_score") or name.startswith("_row")
        if own or not name or "." in name or "`" in name:
            raise Problem(
                f"the kept column {name!r} cannot be a column of a Lance dataset",
                hint="leave it out: --keep with the other columns, or --keep none",
            )


def _arrow_schema(schema: Schema) -> pa.Schema:
    width = schema.dimensions // 8 if schema.element == "bits" else schema.dimensions
    return pa.schema(
        [
            pa.field("id", pa.string(), nullable=False),
            pa.field("chunk", pa.int32(), nullable=False),
            pa.field("vector", pa.list_(TYPES[schema.element], width), nullable=False),
            *(pa.field(name, pa.string()) for name in schema.kept),
        ]
    )


def _text(there: "lance.LanceDataset", key: str) -> str:
    return (there.schema.metadata or {}).get(key.encode(), b"").decode()


def _record(there: "lance.LanceDataset", key: str) -> Contents | None:
    return decode(_text(there, key))


def _filters(keys: Sequence[Key]) -> Iterator[str]:
    """SQL that these keys and no others meet, a few hundred in each: ids by their chunk."""
    for start in range(0, len(keys), KEYS_AT_ONCE):
        some = sorted(keys[start : start + KEYS_AT_ONCE], key=lambda key: key.chunk)
        groups = groupby(some, key=lambda key: key.chunk)
        yield " OR ".join(
            f"(chunk = {chunk} AND id IN ({', '.join(_quoted(key.id) for key in group)}))"
            for chunk, group in groups
        )


def _quoted(text: str) -> str:
    return "'" + text.replace("'", "''") + "'"
