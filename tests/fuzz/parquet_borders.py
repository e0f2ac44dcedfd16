"""Borders of Parquet: files of a corpus as many writers make them, and the vectors of a run as its readers read them.

pyarrow may end its process on damaged bytes, so these are fuzzed in processes of their own like all borders. What is read
of a damaged file is the rows that were written, or rows that are set aside: anything else is a defect.
"""
# the stubs of pyarrow are generic in what a file decides
# pyright: reportUnknownMemberType=false, reportUnknownArgumentType=false, reportUnknownVariableType=false

import hashlib
import io
from collections.abc import Callable, Iterator
from functools import cached_property
from pathlib import Path
from typing import Any

import pyarrow as pa
import pyarrow.parquet as pq

from launcher.corpus.files.listing import find_files
from launcher.corpus.samples.sampling import sample_corpus
from launcher.errors import Problem
from launcher.output.dataset import write_dataset
from launcher.output.garbage import find_garbage
from launcher.output.vector_sample import sample_vectors
from launcher.output.verification.input_counts import count_input
from launcher.output.verification.verify import verify
from launcher.vectors.read_dataset import open_dataset
from tasks.formats.read import read_rows
from tasks.formats.rows import Columns, Document
from tasks.models.tokenizing.pieces import ChunkSpec
from tasks.models.tokenizing.tokenizer import load_tokenizer
from tasks.protocol.manifest import Header
from tasks.protocol.shard import Slice
from tasks.stores.base import ObjectChanged
from tasks.stores.folder import FolderStore
from tests.fuzz.border import Border, Place
from tests.support.finished_run import finished_run, read_through
from tests.support.runs import receipts_of, version

COLUMNS = Columns("text", "id", keep=("n",), join="\n")
ROWS = 60


class OtherRowsError(Exception):
    """Damage gave other rows than were written, without a word."""


def parquet_borders(place: Place) -> Iterator[Border]:
    """The borders of this module; `place` has their files."""
    corpus, vectors = _Corpus(place), _Vectors(place)
    refusals = (Problem, ObjectChanged)
    yield Border("parquet: corpus", corpus.bodies, corpus.read, refusals)
    yield Border("parquet: pages of a corpus", corpus.checked_bodies, corpus.read_pages, refusals)
    yield Border("parquet: vectors", (vectors.body,), vectors.read, refusals)
    yield Border("parquet: verified vectors", (vectors.body,), vectors.verify, refusals)


class _Corpus:
    """Files as pyarrow, Spark, DuckDB and polars write them."""

    def __init__(self, place: Place) -> None:
        self.place = place
        ids = [f"r{n}" for n in range(ROWS)]
        texts = [f"text {n} of a corpus, " * (1 + n % 5) for n in range(ROWS)]
        numbers = pa.array(range(ROWS))
        plain = pa.table({"id": ids, "text": texts, "n": numbers})
        lists = pa.table({"id": ids, "text": pa.array([[one, one] for one in texts]), "n": numbers})
        large = pa.table({"id": pa.array(ids, pa.large_string()), "text": pa.array(texts, pa.large_string())})
        named = pa.table({"id": ids, "text": pa.array(texts).dictionary_encode(), "n": numbers})
        inside = pa.table({"id": ids, "text": texts, "n": pa.array([{"a": n} for n in range(ROWS)])})
        self.bodies = (
            _body(plain, row_group_size=20),
            _body(plain, compression="zstd", data_page_version="2.0", write_page_index=True),
            _body(plain, compression="gzip", data_page_size=64, use_dictionary=False),
            _body(plain, compression="none", store_schema=False),
            _body(lists, compression="brotli"),
            _body(large.append_column("n", numbers), compression="lz4", row_group_size=7),
            _body(named, write_statistics=False),
            _body(inside),
        )
        self.checked_bodies = tuple(
            _body(plain, write_page_checksum=True, row_group_size=20, **how)
            for how in ({"compression": "none"}, {"data_page_version": "2.0"}, {"use_dictionary": False})
        )
        self.written = dict(zip(ids, texts, strict=True))

    def read(self, body: bytes) -> object:
        """List, sample, read and count a file, as `plan`, a worker and `verify` do."""
        path = self.place.file("parquet-in/a.parquet", body)
        piece = Slice(path.name, version(path), "parquet")
        store = FolderStore(path.parent)
        rows = list(read_rows(store, piece, COLUMNS))
        count_input(store, piece, None)
        sample_corpus(find_files(str(path), path.parent), COLUMNS, load_tokenizer("hash"), ChunkSpec(512))
        return rows

    def read_pages(self, body: bytes) -> object:
        """Pages are damaged, and the footer is as it was: a row is as it was written, or set aside."""
        whole = self.checked_bodies[0]
        for one in self.checked_bodies:
            whole = one if body[:64] == one[:64] else whole
        footer = len(whole) - 8 - int.from_bytes(whole[-8:-4], "little")
        pages = body[:footer] + whole[len(body[:footer]) : footer]
        path = self.place.file("parquet-pages/a.parquet", pages + whole[footer:])
        piece = Slice(path.name, version(path), "parquet")
        rows = list(read_rows(FolderStore(path.parent), piece, COLUMNS))
        for row in rows:
            if isinstance(row, Document) and self.written.get(row.id) != row.text:
                raise OtherRowsError(f"{row.id}: {row.text[:40]!r}")
        return rows


class _Vectors:
    """A run of the hash engine, one of whose files of vectors is damaged."""

    def __init__(self, place: Place) -> None:
        self.root = place.root / "parquet-run"

    @cached_property
    def run(self) -> tuple[FolderStore, Header]:
        self.root.mkdir(exist_ok=True)
        store = FolderStore(self.root / "out")
        header = finished_run(store, self.root)
        write_dataset(store, header, receipts_of(store, header))
        return store, header

    @cached_property
    def path(self) -> Path:
        store, _ = self.run
        return min(store.root.glob("data/*.parquet"))

    @cached_property
    def body(self) -> bytes:
        return self.path.read_bytes()

    @cached_property
    def rows(self) -> list[dict[str, Any]]:
        self.path.write_bytes(self.body)
        return self._rows()

    def _rows(self) -> list[dict[str, Any]]:
        batches = open_dataset(str(self.run[0].root), self.run[1].run).batches("stored")
        return [row for batch in batches for row in batch.to_pylist()]

    def read(self, body: bytes) -> object:
        """Read the dataset as `load`, `search` and `export` do; the file has its pages damaged."""
        wanted = self.rows
        footer = len(self.body) - 8 - int.from_bytes(self.body[-8:-4], "little")
        damaged = body[:footer] + self.body[len(body[:footer]) : footer] + self.body[footer:]
        self.path.write_bytes(damaged)
        if self._rows() != wanted:
            raise OtherRowsError(f"other rows of {self.path.name}")
        return wanted

    def verify(self, body: bytes) -> object:
        """Verify and sample the run; the receipt is signed for these bytes, as a worker with a bad disk would."""
        store, header = self.run
        digest, now = (hashlib.sha256(one).hexdigest() for one in (self.body, body))
        self.path.write_bytes(body)
        signed = [path for path in store.root.rglob("*") if path.is_file() and path.suffix != ".parquet"]
        texts = {path: path.read_bytes() for path in signed}
        try:
            for path, text in texts.items():
                if digest.encode() in text:
                    path.write_bytes(text.replace(digest.encode(), now.encode()))
            found = verify(store, header, 1, embed_again=False, progress=lambda _done, _of: None)
            sample_vectors(store, receipts_of(store, header))
            find_garbage(read_through(store, header))
            with_problem(self._rows)
        finally:
            for path, text in texts.items():
                path.write_bytes(text)
            self.path.write_bytes(self.body)
        return found


def with_problem(act: Callable[[], object]) -> object:
    """What an action gives, or how it was refused."""
    try:
        return act()
    except Problem as problem:
        return problem


def _body(table: pa.Table, **how: Any) -> bytes:
    out = io.BytesIO()
    pq.write_table(table, out, **how)
    return out.getvalue()
