"""Files of earlier runs in which a shard may find vectors of texts that have not changed, written with the manifest.

A hint, and no more: a worker takes a vector over only where the hash of what the model reads is the same, and embeds
all else. So a list that is gone, damaged or wrong costs time and never gives a wrong vector.
"""

from collections.abc import Mapping, Sequence
from dataclasses import dataclass

from tasks.protocol import documents
from tasks.protocol.bounds import VectorsKey
from tasks.protocol.keys import reuse_key
from tasks.stores.base import Store, create_once, read

SCHEMA = "embedfleet/reuse/1"


@dataclass(frozen=True, slots=True)
class EarlierFile:
    """A file of vectors of an earlier run; `digest` is its sha256, in hexadecimal."""

    key: VectorsKey
    digest: str


@dataclass(frozen=True, slots=True)
class _ReuseList:
    """The files by the id of the shard that they may serve."""

    shards: dict[str, tuple[EarlierFile, ...]]


def write_reuse(store: Store, run: str, slab: str, files: Mapping[str, Sequence[EarlierFile]]) -> None:
    """Write down the files for the shards of a slab, once."""
    body = _ReuseList({shard: tuple(found) for shard, found in files.items()})
    create_once(store, reuse_key(run, slab), documents.encode(body, SCHEMA))


def read_reuse(store: Store, run: str, slab: str) -> Mapping[str, tuple[EarlierFile, ...]]:
    """The files by shard; empty where there is no list, or none that can be read."""
    body = read(store, reuse_key(run, slab))
    if body is None:
        return {}
    try:
        return documents.decode(body, _ReuseList, "a list of files of earlier runs", SCHEMA).shards
    except documents.BadDocument:
        return {}
