"""Read the dataset of a run: exactly the rows that its manifest lists, each once, a batch in memory at a time.

The one way that every reader of ours goes: `embedfleet.load`, `export`, `search`. Files that no manifest lists are never
read, and a file that is not what its manifest says is refused.
"""

# the stubs of pyarrow are generic in what a file decides
# pyright: reportUnknownMemberType=false, reportUnknownArgumentType=false, reportUnknownVariableType=false
from collections.abc import Collection, Iterator, Sequence
from dataclasses import dataclass
from typing import Any, Literal

import pyarrow as pa

from launcher.output.taken_over import SAME_AS_EARLIER
from launcher.vectors.find_dataset import find_dataset
from tasks.errors import Problem
from tasks.formats.parquet.checked_table import CheckedTable
from tasks.formats.parquet.open_parquet import open_parquet
from tasks.formats.parquet.parquet_reader import FOOTER_SPAN, read_small_table
from tasks.formats.vectors.quantize import dequantize
from tasks.formats.vectors.vector_file import TEXT_HASH
from tasks.models.fingerprint import short
from tasks.protocol import manifest
from tasks.protocol.keys import dataset_key
from tasks.protocol.manifest import Header
from tasks.stores.base import Store, read
from tasks.stores.open import open_store

Form = Literal["float32", "stored"]  # vectors as float32, or the numbers as they are in the files

BATCH_ROWS = 65_536  # at most
BATCH_VECTOR_BYTES = 16 * 2**20  # of the vectors of a batch, as float32
LISTED = ["file", "rows", "bytes", "sha256", "shard", "position", "run"]


@dataclass(frozen=True, slots=True)
class DatasetFile:
    """A file of vectors as the manifest lists it, and the shard and run whose vectors they are."""

    key: str  # relative to the output path
    rows: int
    bytes: int
    sha256: str = ""
    shard: str = ""  # its id
    position: int = 0  # of the shard in the manifest of `run`
    run: str = ""


@dataclass(frozen=True, slots=True)
class Dataset:
    """The dataset of one run. `stored` is the schema of its files."""

    store: Store
    output: str
    header: Header
    files: tuple[DatasetFile, ...]
    stored: pa.Schema

    @property
    def run(self) -> str:
        """The run whose dataset it is; earlier runs may have embedded some of its rows."""
        return self.header.run

    @property
    def rows(self) -> int:
        """How many vectors there are."""
        return sum(file.rows for file in self.files)

    @property
    def dimensions(self) -> int:
        """How many numbers a vector has."""
        return dimensions_of(self.stored)

    def schema(self, form: Form = "float32", columns: Sequence[str] | None = None) -> pa.Schema:
        """The schema of the batches that `batches` gives."""
        fields = [self.stored.field(name) for name in self._read(form, columns)]
        if form == "float32":
            numbers = pa.list_(pa.field("element", pa.float32(), nullable=False), self.dimensions)
            vector = pa.field("vector", numbers, nullable=False)
            fields = [
                vector if field.name == "vector" else field for field in fields if field.name != "scale"
            ]
        return pa.schema(fields, self._metadata(form))

    def batches(
        self, form: Form = "float32", columns: Sequence[str] | None = None
    ) -> Iterator[pa.RecordBatch]:
        """All rows, in the order of the corpus.

        Args:
            form: `float32` gives vectors ready for use: int8 times its scale, signs of binary divided by the square root
                of the dimensions. `stored` gives the columns of the files.
            columns: only these, in this order; None: all. `scale` is a column of the form `stored` alone.

        Raises:
            Problem: a file is gone, damaged, or not what the manifest lists; or there is no such column.
        """
        for file in self.files:
            yield from self.batches_of(file, form, columns)

    def batches_of(
        self, file: DatasetFile, form: Form = "float32", columns: Sequence[str] | None = None
    ) -> Iterator[pa.RecordBatch]:
        """The rows of one file of the dataset, as `batches` gives them."""
        schema = self.schema(form, columns)
        rows = max(1, min(BATCH_ROWS, BATCH_VECTOR_BYTES // (4 * self.dimensions)))
        for batch in self._read_file(file, self._read(form, columns), rows):
            if form == "float32":
                yield _as_float32(batch.replace_schema_metadata(self.stored.metadata), schema)
            else:
                yield batch.cast(schema)

    def reader(self, form: Form = "float32", columns: Sequence[str] | None = None) -> pa.RecordBatchReader:
        """`batches` as a RecordBatchReader."""
        return pa.RecordBatchReader.from_batches(self.schema(form, columns), self.batches(form, columns))

    def _read(self, form: Form, columns: Sequence[str] | None) -> list[str]:
        """The columns to read of the files: `columns`, and the scale where vectors are made of it."""
        offered = [name for name in self.stored.names if form == "stored" or name != "scale"]
        # What a text was is of use to the next run alone: given where it is asked for.
        wanted = [name for name in offered if name != TEXT_HASH] if columns is None else list(columns)
        for name in wanted:
            if name not in offered:
                raise Problem(
                    f"the dataset of run {self.run} has no column {name!r}",
                    hint=f"its columns are {', '.join(offered)}; `output.keep` of the job adds others",
                )
        needs_scale = form == "float32" and "vector" in wanted and "scale" in self.stored.names
        return [*wanted, *(["scale"] if needs_scale else [])]

    def _metadata(self, form: Form) -> dict[bytes | str, bytes | str]:
        known: dict[bytes | str, bytes | str | None] = {
            "embedfleet.run": self.run,
            "embedfleet.model": self.header.model,
            "embedfleet.model_fingerprint": self.header.model_fingerprint,
            "embedfleet.dimensions": str(self.dimensions),
            "embedfleet.dtype": "float32" if form == "float32" else self.header.dtype,
            "embedfleet.stored_dtype": self.header.dtype,
        }
        return {name: value for name, value in known.items() if value}

    def _read_file(self, file: DatasetFile, columns: list[str], rows: int) -> Iterator[pa.RecordBatch]:
        stream = self.store.get(file.key)
        if stream is None:
            raise _not_as_listed(self.run, file.key, "is missing")
        with stream:
            try:
                with CheckedTable(stream) as opened:
                    found = opened.rows
                    if found != file.rows:
                        raise _not_as_listed(self.run, file.key, f"has {found:,} rows, not {file.rows:,}")
                    if not opened.schema.equals(self.stored):
                        raise _not_as_listed(
                            self.run, file.key, f"has other columns than {self.files[0].key}"
                        )
                    self._check_model(file.key, opened.schema)
                    yield from opened.batches(rows, columns)
            except (pa.ArrowException, OSError) as error:
                raise _not_as_listed(self.run, file.key, f"cannot be read: {error}") from error

    def _check_model(self, key: str, schema: pa.Schema) -> None:
        """Check that a file says no other model than the run's: one that says none is of an earlier version."""
        theirs = (schema.metadata or {}).get(b"embedfleet.model_fingerprint", b"").decode()
        ours = self.header.model_fingerprint
        if theirs and ours and theirs != ours:
            raise _not_as_listed(
                self.run, key, f"is of another model: fingerprint {short(theirs)}, not {short(ours)}"
            )


def open_dataset(output: str, run: str | None = None) -> Dataset:
    """The dataset of a run under an output path.

    Args:
        output: a folder, s3://BUCKET/PREFIX or gs://BUCKET/PREFIX.
        run: its name, or the beginning of it; None: the newest, where all runs there were made by the same settings.

    Raises:
        Problem: there is no such run, it has no dataset yet, or it is not clear which run is meant.
    """
    store = open_store(output)
    name = find_dataset(store, output, run)
    header = manifest.read_header(store, name)
    body = read(store, dataset_key(name))
    try:
        listed = read_small_table(body or b"", LISTED).to_pylist()
    except (pa.ArrowException, OSError) as error:
        raise Problem(
            f"{dataset_key(name)} cannot be read: {error}", hint=f"embedfleet finish {name} writes it again"
        ) from error
    _check_same_settings(store, header, {row["run"] for row in listed} - {name})
    files = tuple(DatasetFile(*(row[name] for name in LISTED)) for row in listed)
    filled = [file for file in files if file.rows] or list(files)
    if not filled:
        raise Problem(
            f"run {name} has no vectors: no row could be embedded", hint=f"embedfleet report {name} says why"
        )
    stored = read_schema(store, filled[0].key)
    if stored is None:
        raise _not_as_listed(name, filled[0].key, "is missing or is no file of vectors")
    return Dataset(store, output, header, files, stored)


def _check_same_settings(store: Store, header: Header, owners: Collection[str]) -> None:
    """Check that earlier runs, whose files the dataset lists, had its model and settings: else it mixes two spaces.

    Raises:
        Problem: one had others. A run that is gone, or that recorded no fingerprint, says nothing.
    """
    for owner in sorted(owners):
        try:
            theirs = manifest.read_header(store, owner)
        except manifest.RunNotFound:
            continue
        for name in SAME_AS_EARLIER:
            was, now = getattr(theirs, name), getattr(header, name)
            if was != now and not (name == "model_fingerprint" and was is None):
                raise Problem(
                    f"the dataset of run {header.run} lists files of run {owner}, whose {name} is {was}, and not {now}",
                    hint="such vectors cannot be compared: plan and launch again into another output.path",
                )


def read_schema(store: Store, key: str) -> pa.Schema | None:
    """The schema of a file of vectors; None where it is gone or cannot be read. Fetches its footer alone."""
    stream = store.get(key, None, FOOTER_SPAN)
    if stream is None:
        return None
    with stream:
        try:
            with open_parquet(stream) as opened:
                found = opened.schema_arrow
                return found if "vector" in found.names else None
        except (pa.ArrowException, OSError):
            return None


def dimensions_of(stored: pa.Schema) -> int:
    """The dimensions of the vectors of a file with this schema."""
    said = (stored.metadata or {}).get(b"embedfleet.dimensions", b"").decode()
    return int(said) if said.isdecimal() else int(stored.field("vector").type.list_size)


def _as_float32(batch: pa.RecordBatch, schema: pa.Schema) -> pa.RecordBatch:
    arrays: list[Any] = []
    for field in schema:
        if field.name == "vector":
            flat = pa.array(dequantize(batch).reshape(-1), pa.float32())
            arrays.append(pa.FixedSizeListArray.from_arrays(flat, type=field.type))
        else:
            arrays.append(batch.column(field.name))
    return pa.RecordBatch.from_arrays(arrays, schema=schema)


def _not_as_listed(run: str, key: str, what: str) -> Problem:
    return Problem(
        f"{key}, which the dataset of run {run} lists, {what}",
        hint=f"embedfleet verify {run} names what is wrong; embedfleet resume {run} embeds it again",
    )
