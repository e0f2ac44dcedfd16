"""A Shard: a slice of the corpus with an id that depends on nothing but what it holds.

Knows no disk and no store. The id comes from the file's name, version and range, so the same
corpus cut twice gives the same shards, on any laptop.
"""

from collections.abc import Sequence
from dataclasses import dataclass
from hashlib import blake2b
from typing import Any, Literal

SLAB = 1_000  # shards; one page of an object-store listing answers a question about a slab

Kind = Literal["parquet", "jsonl", "csv", "tsv", "text"]
KINDS: tuple[Kind, ...] = ("parquet", "jsonl", "csv", "tsv", "text")


@dataclass(frozen=True, slots=True)
class Slice:
    """A range of one input file.

    `start` and `end` count rows in Parquet and bytes in JSON Lines and text (a line belongs to the slice
    in which it starts). `end` None means to the end of the file, which is all that a compressed or CSV
    file allows.
    """

    path: str  # relative to the corpus root, with forward slashes
    version: str  # changes when the file does: size and mtime of a local file, the ETag of an object
    kind: Kind
    start: int = 0
    end: int | None = None


@dataclass(frozen=True, slots=True)
class Shard:
    """The unit of work and of recovery. `tokens` is the planner's estimate, None when nobody knows."""

    id: str
    position: int
    slices: tuple[Slice, ...]
    bytes: int
    tokens: int | None = None

    @property
    def slab(self) -> str:
        return slab_name(self.position // SLAB)


def slab_name(number: int) -> str:
    """A slab as keys have it."""
    return f"{number:05d}"


def identify(slices: Sequence[Slice]) -> str:
    """16 hexadecimal digits that name these slices and no others."""
    digest = blake2b(digest_size=8)
    for s in slices:
        for part in (s.path, s.version, s.kind, str(s.start), str(s.end)):
            raw = part.encode("utf-8", "surrogateescape")
            digest.update(len(raw).to_bytes(4, "big") + raw)
    return digest.hexdigest()


def dump(shard: Shard) -> dict[str, Any]:
    """The shard as a line of the manifest."""
    return {
        "id": shard.id,
        "position": shard.position,
        "bytes": shard.bytes,
        "tokens": shard.tokens,
        "slices": [[s.path, s.version, s.kind, s.start, s.end] for s in shard.slices],
    }


def load(line: dict[str, Any]) -> Shard:
    """The shard that `dump` wrote."""
    slices = tuple(Slice(*entry) for entry in line["slices"])
    return Shard(line["id"], line["position"], slices, line["bytes"], line["tokens"])
