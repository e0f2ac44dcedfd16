"""A vector store as the loader sees it: one table or collection, and the values that cross the border.

Every store passes tests/contract/vector_stores.
"""

from collections.abc import Collection, Iterable, Mapping, Sequence
from dataclasses import dataclass
from typing import Any, Literal, NamedTuple, Protocol, runtime_checkable

from numpy.typing import NDArray

from launcher.loading.contents import Contents
from launcher.sinks.index import IndexSpec
from tasks.protocol.dtypes import Dtype

REFUSED = "refused"  # in what `write` returns: the rows that the store refused

# transactional: rows and the ledger row of their file are one transaction.
# idempotent: a row is written under its key, so that writing it again changes nothing; receipts say which files are done.
# one commit: files are written aside, and become rows together.
Guarantee = Literal["transactional", "idempotent", "one commit"]
Element = Literal[
    "float32", "float16", "bits"
]  # of a stored vector; bits are packed, the first in the highest bit
Vectors = NDArray[Any]  # [rows, width]: float32, float16, or uint8 of packed bits


class Key(NamedTuple):
    """What identifies a row."""

    id: str  # of the document
    chunk: int


class RefusedRow(NamedTuple):
    """A row that a store refuses for what it holds, such as a text that is too long: sent again, it is refused again."""

    id: str
    chunk: int
    reason: str  # in the store's words


class LoadedFile(NamedTuple):
    """A file whose rows a load has written."""

    sha256: str
    key: str  # in the output path
    rows: int


def text_of_key(key: Key) -> str:
    """A key as one text, for stores whose rows have one: the number behind the last colon is the chunk."""
    return f"{key.id}:{key.chunk}"


def key_of_text(text: str) -> Key:
    """The key of a text of `text_of_key`."""
    name, _, chunk = text.rpartition(":")
    return Key(name, int(chunk))


def keys_of(table: Any) -> list[Key]:
    """The keys of a pyarrow table or batch."""
    return list(map(Key, table.column("id").to_pylist(), table.column("chunk").to_pylist()))


def written(refused: Sequence[RefusedRow] = ()) -> Mapping[str, Any]:
    """What `write` returns of a store whose receipts hold nothing else."""
    return {REFUSED: [list(row) for row in refused]} if refused else {}


def refused_rows(result: Mapping[str, Any]) -> list[RefusedRow]:
    """The rows that the store refused, of what `write` returned or a receipt holds."""
    return [RefusedRow(str(row[0]), int(row[1]), str(row[2])) for row in result.get(REFUSED, ())]


@dataclass(frozen=True, slots=True)
class Rows:
    """Some rows of one file. `kept` has the columns of the source that are loaded with the vectors."""

    ids: Sequence[str]
    chunks: Sequence[int]
    vectors: Vectors
    kept: Mapping[str, Sequence[str | None]]

    def __len__(self) -> int:
        return len(self.ids)

    def keys(self) -> list[Key]:
        return list(map(Key, self.ids, self.chunks))

    def part(self, start: int, end: int) -> "Rows":
        """The rows from `start` to before `end`."""
        kept = {name: values[start:end] for name, values in self.kept.items()}
        return Rows(self.ids[start:end], self.chunks[start:end], self.vectors[start:end], kept)


@dataclass(frozen=True, slots=True)
class Schema:
    """The columns of a collection."""

    dimensions: int
    element: Element
    kept: tuple[str, ...]
    rows: int  # that it will have

    @property
    def metric(self) -> Literal["cosine", "hamming"]:
        """How near two vectors are. All vectors have length 1, so the cosine is the inner product."""
        return "hamming" if self.element == "bits" else "cosine"


@dataclass(frozen=True, slots=True)
class FileId:
    """A file of vectors: by what it holds, not by its name."""

    run: str  # whose load it belongs to
    load: str  # see `Contents.load`
    sha256: str
    key: str  # in the output path, for messages
    rows: int


class VectorStore(Protocol):
    """One table or collection. Methods raise `Problem` for all that a user can act on.

    `write` may be called by several threads at once, for different files.
    """

    guarantee: Guarantee
    exact_search: bool  # a search with `exact` looks at every row

    def element(self, dtype: Dtype, dimensions: int) -> Element:
        """The type in which vectors of this dtype are stored here."""
        ...

    def contents(self) -> Contents | None:
        """What the collection says that it holds; None: there is none.

        Raises:
            Problem: it is there, and we did not make it.
        """
        ...

    def prepare(self, contents: Contents, schema: Schema, index: IndexSpec, *, replace: bool) -> Contents:
        """Make the collection, or go on with it; returns what it says of itself from now on. Idempotent.

        `replace`: beside the one that is there, which serves until `seal`.
        """
        ...

    def loaded(self, contents: Contents) -> Collection[LoadedFile] | None:
        """The files that its own ledger holds; None: it keeps none, and receipts count."""
        ...

    def write(self, file: FileId, batches: Iterable[Rows], *, merge: bool) -> Mapping[str, Any]:
        """Write all rows of a file. When it returns, the store has acknowledged them, or refused some: see `written`.

        `merge`: rows of these keys may be there already. Returns what its receipt is to hold.
        """
        ...

    def delete(self, keys: Sequence[Key]) -> int:
        """Delete the rows that are there of these; returns how many were."""
        ...

    def seal(self, contents: Contents, receipts: Sequence[Mapping[str, Any]]) -> str | None:
        """Build the index, wait for it, take the place of a collection that is replaced, and say `contents` from now on.

        Returns the name under which a replaced collection is kept; None: there is none.
        """
        ...

    def count(self) -> int:
        """How many rows there are, exactly."""
        ...

    def fetch(self, keys: Sequence[Key]) -> Mapping[Key, Vectors]:
        """The stored vectors of those of these keys that are there."""
        ...

    def search(self, vector: Vectors, k: int, *, exact: bool) -> list[Key]:
        """The keys of the nearest rows, the nearest first; `exact`: without the index."""
        ...

    def describe_index(self, schema: Schema, index: IndexSpec) -> str:
        """The index that `seal` builds for these rows, in words; why there is none."""
        ...

    def columns(self, schema: Schema) -> tuple[str, ...]:
        """The columns with their types."""
        ...

    def close(self) -> None:
        """Close the connections."""
        ...


@runtime_checkable
class Limited(Protocol):
    """A store whose limits are checked before anything is written or paid for. Both raise `Problem`."""

    def check_schema(self, schema: Schema) -> None:
        """Refuse what a collection cannot hold."""
        ...

    def check_rows(self, schema: Schema, rows: Rows) -> None:
        """Refuse rows that are too long. They come without vectors, [rows, 0]."""
        ...


@runtime_checkable
class FileLimited(Protocol):
    """A store that takes so many files of vectors in one load at most."""

    most_files: int


@runtime_checkable
class WithoutAliases(Protocol):
    """A store without aliases: clients need the name of the collection that serves."""

    def read_as(self) -> str:
        """The name of the collection that serves."""
        ...
