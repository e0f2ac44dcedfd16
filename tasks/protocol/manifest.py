"""The manifest of a run, written once: how to embed, and every shard.

Slabs first, the header last, all create-only. So a header means that the manifest is complete, two launches of one run
agree on it, and a third with another corpus cannot change it under the workers.
"""

import re
from collections.abc import Iterable, Iterator
from dataclasses import dataclass, field
from pathlib import Path

from tasks.errors import Problem
from tasks.models.precision import Precision
from tasks.models.tokenizing.chunk_by import ChunkBy
from tasks.protocol import documents
from tasks.protocol.bounds import Count, Lifetime, Name, Positive
from tasks.protocol.csv_format import CsvFormat
from tasks.protocol.dtypes import Dtype
from tasks.protocol.keys import manifest_header_key, manifest_slab_key, manifest_slabs_prefix
from tasks.protocol.shard import SLAB, Shard, dump, load
from tasks.stores.base import Store, create_once, list_all, read

SCHEMA = "embedfleet/manifest/2"
SLAB_NAME = re.compile(r"[0-9]{5,9}\.jsonl")  # the end of a slab's key


@dataclass(frozen=True, slots=True)
class Header:
    """How a run reads, embeds and writes: all that a worker needs besides its shards."""

    run: Name
    corpus: str  # root of the input files
    text: str  # column or key of the text
    id: str | None  # column or key of the document's id; None: file and position
    model: str  # a local folder, a hub id, or `hash`
    engine: str  # auto, vllm, torch, hash
    prompt: str  # put before every text
    tokens: Positive | None  # longest chunk, special tokens included; None: the model's own maximum
    overlap: Count | None  # tokens shared by neighbouring chunks; None: truncate, one chunk a document
    dtype: Dtype
    dimensions: Positive | None  # leading dimensions kept and renormalised (Matryoshka); None: all
    ttl: Lifetime  # seconds a lease lasts without renewal
    shards: Count
    keep: tuple[str, ...] = ()  # columns of the source that are stored with the vectors
    remote_code: bool = False  # run code from the model's own folder: only when the user says so
    once: bool = True  # deduplicate: texts that come again soon are embedded once
    csv: CsvFormat | None = None  # how tables are written, where the job says so
    join: str | None = None  # what stands between the strings of a list that is a text
    # Which model exactly: see `tasks.models.fingerprint`. None: `hash`, or a run of a version that did not record it.
    model_fingerprint: str | None = None
    precision: Precision | None = None  # of weights and activations, where it is reduced: other vectors
    plain_ids: bool = (
        False  # numbers as ids have one form (`tasks.formats.ids`); False: as earlier versions wrote
    )
    by: ChunkBy | None = None  # where chunks may end; None: behind any token
    splitter: str | None = (
        None  # the library that finds the places, with its version: another one may cut otherwise
    )
    # Put before a query, so that it is embedded as the model wants it; "" is none. None: nothing was recorded.
    query_prompt: str | None = None
    normalized: bool = (
        False  # every vector has length 1; False: an earlier version, which wrote that length as well
    )
    text_hash: bool = False  # the output has the column `text_hash`; False: as earlier versions wrote
    # That column is hexadecimal text, so that every column but the vector can be printed as JSON; False: 16 bytes, as an
    # earlier version wrote.
    hash_as_text: bool = False
    reuse: bool = (
        False  # some shards find vectors of unchanged texts in earlier runs: see `tasks.protocol.reuse`
    )
    # The libraries that read the corpus' documents, with their versions as the launcher knows them. Empty: plain text
    # and records alone, or an earlier version.
    readers: dict[str, str] = field(default_factory=dict[str, str])
    repeats: bool = False  # texts that the corpus repeats are embedded first: see `tasks.protocol.repeats`


class RunNotFound(Problem):
    """This output path does not hold the run."""


class OtherManifest(Problem):
    """The output path holds another run of this name."""


def write(store: Store, header: Header, shards: Iterable[Shard]) -> None:
    """Write the manifest. Idempotent: the same manifest may be there already, whole or in part.

    Raises:
        OtherManifest: another manifest is there.
        ValueError: the shards are not in order, or not `header.shards` of them.
    """
    lines: list[bytes] = []
    count = 0
    for shard in shards:
        if shard.position != count:
            raise ValueError(f"shard {shard.id} has position {shard.position}, not {count}")
        lines.append(dump(shard))
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
    body = documents.encode(
        header,
        SCHEMA,
        indent=1,
        without_none=("csv", "join", "model_fingerprint", "precision", "by", "splitter", "query_prompt"),
        without_zero=("plain_ids", "normalized", "text_hash", "hash_as_text", "reuse", "readers", "repeats"),
    )
    _write_once(store, header.run, manifest_header_key(header.run), body)


def _write_once(store: Store, run: str, key: str, body: bytes) -> None:
    if not create_once(store, key, body):
        raise OtherManifest(
            f"run {run!r} has another manifest already", hint="launch the job under another name"
        )


def read_header(store: Store, run: str) -> Header:
    """The header of a run.

    Raises:
        RunNotFound: the run is not there, or another version made it.
        BadDocument: the header is damaged.
    """
    body = read(store, manifest_header_key(run))
    if body is None:
        raise RunNotFound(
            f"no run {run!r} under this output path",
            hint="see which runs it holds under _embedfleet/",
        )
    try:
        header = documents.decode(body, Header, f"the manifest of run {run!r}", SCHEMA)
    except documents.OtherSchema as error:
        raise RunNotFound(
            f"run {run!r} was made by another version of embedfleet", hint="use that version"
        ) from error
    if header.run != run:
        raise documents.BadDocument(f"not the manifest of run {run!r}: it is of run {header.run!r}")
    return header


def check_corpus_reachable(header: Header) -> None:
    """Check that this machine reaches the corpus of a run. Without this, every shard would fail as a changed file.

    Raises:
        RunNotFound: the corpus is a folder of another machine.
    """
    scheme, separator, rest = header.corpus.partition("://")
    if (not separator or scheme == "file") and not Path(rest if separator else header.corpus).exists():
        raise RunNotFound(
            f"the corpus of run {header.run!r} is at {header.corpus}, and there is no such folder on this machine",
            hint="go on where the corpus is, or mount it here under the same path: nothing is lost",
        )


def slab_count(header: Header) -> int:
    """How many slabs hold the shards of a run."""
    return -(-header.shards // SLAB)


def present_slabs(store: Store, header: Header) -> range:
    """The numbers of the slabs that a run has, up to the last one that is there: a damaged header may claim more."""
    names = [entry.key.rpartition("-")[2] for entry in list_all(store, manifest_slabs_prefix(header.run))]
    numbers = [int(name[:-6]) for name in names if SLAB_NAME.fullmatch(name)]
    return range(min(slab_count(header), max(numbers, default=-1) + 1))


def read_slab(store: Store, run: str, slab: int, shards: int | None = None) -> list[Shard]:
    """The shards of one slab, by position. `shards`: how many the whole run has, where it is known.

    Raises:
        RunNotFound: the slab is missing.
        BadDocument: it is damaged, or does not fit the header.
    """
    body = read(store, manifest_slab_key(run, slab))
    if body is None:
        raise RunNotFound(
            f"slab {slab} of run {run!r} is missing", hint="launch the job again under another name"
        )
    try:
        found = [load(line) for line in body.splitlines()]
    except documents.BadDocument as error:
        raise documents.BadDocument(f"slab {slab} of run {run!r} is damaged: {error}") from error
    first = slab * SLAB
    whole = shards is None or len(found) == min(SLAB, shards - first)
    if not whole or [shard.position for shard in found] != list(range(first, first + len(found))):
        said = "" if shards is None else f", and its header says {shards:,} in all"
        raise documents.BadDocument(f"slab {slab} of run {run!r} holds {len(found):,} shards{said}")
    return found


def all_shards(store: Store, header: Header) -> Iterator[Shard]:
    """All shards of a run, by position; one slab is in memory at a time."""
    for slab in range(slab_count(header)):
        yield from read_slab(store, header.run, slab, header.shards)
