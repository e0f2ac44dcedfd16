"""A Shard: a slice of the corpus whose id depends only on its content.

The id comes from the names, versions and ranges of its files, so the same corpus cut twice gives the same shards, on
any laptop. Pure: knows no disk and no store.
"""

from collections.abc import Sequence
from dataclasses import dataclass
from hashlib import blake2b
from typing import Literal, NamedTuple, get_args

from tasks.protocol import documents
from tasks.protocol.bounds import Count, Name
from tasks.stores.base import check_read_key

SLAB = 1_000  # shards of a slab: one page of an object store's listing covers it

# `text` is a document a line; `document` is a text file that is one document, as each file of the three after it is.
Kind = Literal[
    "parquet",
    "jsonl",
    "csv",
    "tsv",
    "text",
    "json",
    "arrow",
    "webdataset",
    "document",
    "html",
    "pdf",
    "docx",
]
KINDS: tuple[Kind, ...] = get_args(Kind)
WHOLE_FILES: tuple[Kind, ...] = ("document", "html", "pdf", "docx")  # formats of which a file is one document


@dataclass(frozen=True, slots=True)
class Slice:
    """A range of one input file.

    `start` and `end` count rows in Parquet, and bytes in JSON Lines and text (a line belongs to the slice in
    which it starts). `end` None is the end of the file; compressed files and those of other formats allow nothing else.
    """

    path: str  # relative to the corpus root, with forward slashes
    version: str  # changes when the file does: size and mtime of a local file, the ETag of an object
    kind: Kind
    start: int = 0
    end: int | None = None


@dataclass(frozen=True, slots=True)
class Shard:
    """The unit of work and of recovery. `tokens` is the planner's estimate; None: unknown."""

    id: str
    position: int
    slices: tuple[Slice, ...]
    bytes: int
    tokens: int | None = None

    @property
    def slab(self) -> str:
        return slab_name(self.position // SLAB)


def slab_name(number: int) -> str:
    """The name of a slab, as it is in keys."""
    return f"{number:05d}"


def identify(slices: Sequence[Slice]) -> str:
    """The id of a shard of these slices: 16 hexadecimal digits."""
    digest = blake2b(digest_size=8)
    for s in slices:
        for part in (s.path, s.version, s.kind, str(s.start), str(s.end)):
            try:
                raw = part.encode("utf-8", "surrogateescape")
            except UnicodeEncodeError:  # no name of a file, but a damaged manifest may hold it
                raw = part.encode("utf-8", "surrogatepass")
            digest.update(len(raw).to_bytes(4, "big") + raw)
    return digest.hexdigest()


class _SliceLine(NamedTuple):
    """A slice as a line of the manifest holds it: an array."""

    path: str
    version: str
    kind: Kind
    start: Count
    end: Count | None


@dataclass(frozen=True, slots=True)
class _ShardLine:
    """A shard as a line of the manifest."""

    id: Name
    position: Count
    bytes: Count
    tokens: Count | None
    slices: tuple[_SliceLine, ...]


def dump(shard: Shard) -> bytes:
    """The shard as a line of the manifest."""
    slices = tuple(
        _SliceLine(path=s.path, version=s.version, kind=s.kind, start=s.start, end=s.end)
        for s in shard.slices
    )
    line = _ShardLine(
        id=shard.id, position=shard.position, bytes=shard.bytes, tokens=shard.tokens, slices=slices
    )
    return documents.encode(line)


def load(line: bytes) -> Shard:
    """The shard that `dump` wrote.

    Raises:
        BadDocument: it is not a shard, or not the one that its id names.
    """
    found = documents.decode(line, _ShardLine, "a shard")
    slices = tuple(Slice(*entry) for entry in found.slices)
    try:
        for piece in slices:
            check_read_key(piece.path)
    except ValueError as error:
        raise documents.BadDocument(f"not a shard: {error}") from error
    if identify(slices) != found.id:
        raise documents.BadDocument(f"not a shard: its files are not those of the id {found.id}")
    return Shard(id=found.id, position=found.position, slices=slices, bytes=found.bytes, tokens=found.tokens)
