"""Small real corpora, manifests and stores for the tests of `tasks`."""
# the stubs of pyarrow are generic in what a file decides
# pyright: reportUnknownMemberType=false, reportUnknownArgumentType=false, reportUnknownVariableType=false

import json
from collections.abc import Iterable, Sequence
from datetime import UTC, datetime, timedelta
from pathlib import Path
from typing import Any

import pyarrow.parquet as pq

from tasks.protocol import manifest, receipt
from tasks.protocol.lease import receipts
from tasks.protocol.manifest import Header
from tasks.protocol.shard import Kind, Shard, Slice, identify
from tasks.stores.base import Store, list_all, read
from tasks.stores.folder import FolderStore, version_of

NOON = datetime(2026, 3, 1, 12, tzinfo=UTC)


class Clock:
    """A clock that moves when told to."""

    def __init__(self, now: datetime = NOON) -> None:
        self.now = now

    def __call__(self) -> datetime:
        return self.now

    def pass_seconds(self, seconds: float) -> None:
        self.now += timedelta(seconds=seconds)


def version(path: Path) -> str:
    """The version of a file in a folder store."""
    return version_of(path.stat())


def header_of(corpus: Path | str, shards: int, **changes: Any) -> Header:
    """A run of the hash engine over JSON Lines with `text` and `id`, but for `changes`."""
    fields: dict[str, Any] = {
        "run": "run-1",
        "corpus": str(corpus),
        "text": "text",
        "id": "id",
        "model": "hash",
        "engine": "auto",
        "prompt": "",
        "tokens": None,
        "overlap": None,
        "dtype": "float32",
        "dimensions": None,
        "ttl": 30.0,
        "keep": (),
        "remote_code": False,
        "shards": shards,
    }
    return Header(**fields | changes)


def whole(root: Path, name: str, kind: Kind) -> Slice:
    """The file as one slice."""
    return Slice(name, version(root / name), kind)


def shard_of(slices: Sequence[Slice], position: int = 0) -> Shard:
    return Shard(identify(slices), position, tuple(slices), 1_000)


def shards_of(count: int) -> list[Shard]:
    """Shards of files that do not exist."""
    return [shard_of([Slice(f"part-{n:06d}.jsonl", "1-1", "jsonl")], n) for n in range(count)]


def write_jsonl(path: Path, records: Iterable[object]) -> None:
    path.write_text("".join(json.dumps(record) + "\n" for record in records), encoding="utf-8")


def corpus(root: Path, files: int, documents: int, words: int = 12) -> list[str]:
    """JSON Lines files of `documents` records each; the ids."""
    ids: list[str] = []
    for number in range(files):
        names = [f"{number}-{n}" for n in range(documents)]
        write_jsonl(
            root / f"{number}.jsonl",
            ({"id": name, "text": " ".join(f"{name}w{w}" for w in range(words))} for name in names),
        )
        ids += names
    return ids


def launch(store: Store, root: Path, files: int, **changes: Any) -> Header:
    """A run over `corpus(root, files, …)`, a shard for each file."""
    shards = [shard_of([whole(root, f"{n}.jsonl", "jsonl")], n) for n in range(files)]
    header = header_of(root, files, **changes)
    manifest.write(store, header, shards)
    return header


def receipts_of(store: Store, header: Header) -> list[receipt.Receipt]:
    """The receipts of a run, by position."""
    prefix = f"_embedfleet/{header.run}/receipts/"
    bodies = [read(store, entry.key) for entry in list_all(store, prefix)]
    return sorted((receipt.load(body) for body in bodies if body), key=lambda one: one.position)


def done(store: Store, header: Header) -> int:
    """How many shards have a receipt."""
    slabs = range(manifest.slab_count(header))
    return sum(len(receipts(store, header.run, f"{slab:05d}")) for slab in slabs)


def ids_out(store: FolderStore, header: Header) -> list[str]:
    """The ids in the files that the receipts name, as they come."""
    return [
        name
        for r in receipts_of(store, header)
        for key, _ in r.files
        for name in column(store.root / key, "id")
    ]


def column(path: Path, name: str) -> list[Any]:
    found: list[Any] = pq.read_table(path, columns=[name]).column(name).to_pylist()
    return found


def nothing() -> None:
    """The check of a worker that nobody stops."""
