"""What a run consists of, written once: how to embed, and every shard.

Slabs first, the header last, all create-only: whoever finds a header finds a complete manifest, two
launches of one run agree on it, and a third with another corpus cannot change it under the workers.
"""

import json
from collections.abc import Iterable, Iterator
from dataclasses import asdict, dataclass
from pathlib import Path
from typing import Any

from tasks.errors import Problem
from tasks.formats.vector_file import Dtype
from tasks.protocol.keys import manifest_header_key, manifest_slab_key
from tasks.protocol.shard import SLAB, Shard, dump, load
from tasks.stores.base import Store, create_once, read

SCHEMA = "embedfleet/manifest/2"


@dataclass(frozen=True, slots=True)
class Header:
    """How a run reads, embeds and writes. All that a worker needs beside its shards."""

    run: str
    corpus: str  # root of the input files
    text: str  # column or key of the text
    id: str | None  # column or key of the document's id; None: file and position
    model: str  # a local folder, a hub id, or `hash`
    engine: str  # auto, vllm, torch, hash
    prompt: str  # put before every text
    tokens: int | None  # longest chunk, special tokens included; None: the model's own maximum
    overlap: int | None  # tokens shared by neighbouring chunks; None: truncate, one chunk a document
    dtype: Dtype
    dimensions: int | None  # leading dimensions kept and renormalised (Matryoshka); None: all
    ttl: float  # seconds a lease lasts without renewal
    shards: int
    keep: tuple[str, ...] = ()  # columns of the source that lie beside the vectors
    remote_code: bool = False  # run code from the model's own folder: only on the user's explicit word
    once: bool = True  # texts that come again soon are embedded once


class NoRun(Problem):
    """There is no such run under this output path."""


class Taken(Problem):
    """There is a run of this name already, and it is another one."""


def write(store: Store, header: Header, shards: Iterable[Shard]) -> None:
    """Write the manifest, or find that the same one is there.

    Raises:
        Taken: another manifest is there.
        ValueError: the shards do not count up to `header.shards`.
    """
    lines: list[bytes] = []
    count = 0
    for shard in shards:
        if shard.position != count:
            raise ValueError(f"shard {shard.id} has position {shard.position}, not {count}")
        lines.append(json.dumps(dump(shard)).encode())
        count += 1
        if len(lines) == SLAB:
            _write_once(
                store, header.run, manifest_slab_key(header.run, count // SLAB - 1), b"\n".join(lines)
            )
            lines = []
    if lines:
        _write_once(store, header.run, manifest_slab_key(header.run, count // SLAB), b"\n".join(lines))
    if count != header.shards:
        raise ValueError(f"{count} shards, but the header says {header.shards}")
    body = json.dumps({"schema": SCHEMA} | asdict(header), indent=1).encode()
    _write_once(store, header.run, manifest_header_key(header.run), body)


def _write_once(store: Store, run: str, key: str, body: bytes) -> None:
    if not create_once(store, key, body):
        raise Taken(f"run {run!r} has another manifest already", hint="launch the job under another name")


def read_header(store: Store, run: str) -> Header:
    """The header of a run.

    Raises:
        NoRun: the run is not there, or is of another version.
    """
    body = read(store, manifest_header_key(run))
    if body is None:
        raise NoRun(
            f"no run {run!r} under this output path",
            hint="see which runs it holds under _embedfleet/",
        )
    fields: dict[str, Any] = json.loads(body)
    if fields.pop("schema", None) != SCHEMA:
        raise NoRun(f"run {run!r} was made by another version of embedfleet", hint="use that version")
    fields["keep"] = tuple(fields["keep"])
    return Header(**fields)


def within_reach(header: Header) -> None:
    """See that the corpus of a run is where we are. Without this, every shard would be signed for as gone.

    Raises:
        NoRun: it is a folder of another machine.
    """
    scheme, separator, rest = header.corpus.partition("://")
    if (not separator or scheme == "file") and not Path(rest if separator else header.corpus).exists():
        raise NoRun(
            f"the corpus of run {header.run!r} is at {header.corpus}, and there is no such folder on this machine",
            hint="go on where the corpus is, or mount it here under the same path: nothing is lost",
        )


def slabs(header: Header) -> int:
    """How many slabs hold the shards."""
    return -(-header.shards // SLAB)


def read_slab(store: Store, run: str, slab: int) -> list[Shard]:
    """The shards of one slab, by position."""
    body = read(store, manifest_slab_key(run, slab))
    if body is None:
        raise NoRun(f"slab {slab} of run {run!r} is missing", hint="launch the job again under another name")
    return [load(json.loads(line)) for line in body.splitlines()]


def every_shard(store: Store, header: Header) -> Iterator[Shard]:
    """All shards of a run, by position, a slab in memory at a time."""
    for slab in range(slabs(header)):
        yield from read_slab(store, header.run, slab)
