"""Select the files of a corpus that are new: no finished run with the same settings under this output path has them.

Two runs have the same settings where they would give the same vectors: model (its name and its fingerprint), chunking,
precision, dimensions, dtype and columns.
A shard of a finished run counts as long as all of its files are unchanged; a file that shares a shard with a changed
one is embedded again, so that each document of the corpus has its vectors once. Of those texts that have not changed the
vectors are taken from the earlier run all the same: its files are `EarlierShard`s, and a worker finds a vector in them by
the hash of what the model reads (`tasks.worker.reading.earlier_vectors`).
"""
# the stubs of pyarrow are generic in what a file decides
# pyright: reportUnknownMemberType=false, reportUnknownArgumentType=false, reportUnknownVariableType=false

import json
from collections import defaultdict
from collections.abc import Callable, Collection, Iterable, Iterator, Mapping, Sequence
from dataclasses import dataclass, replace
from typing import Any

import pyarrow as pa

from launcher.corpus.files.listing import Listing
from launcher.format import plural, verb
from launcher.output.stored_files import StoredFiles
from tasks.errors import Problem
from tasks.formats.documents.readers import installed_versions, libraries_of, locked_versions
from tasks.formats.parquet.parquet_reader import read_small_table
from tasks.models.files import HASH_MODEL
from tasks.models.fingerprint import short
from tasks.protocol import manifest
from tasks.protocol.keys import VECTORS_PREFIX, base_dataset_key, dataset_key
from tasks.protocol.manifest import Header
from tasks.protocol.reuse import EarlierFile, write_reuse
from tasks.protocol.runs import runs_of
from tasks.protocol.shard import SLAB, Kind, Shard, Slice
from tasks.stores.base import Store, StoreError, create_once, read

# Settings that change the vectors of the same texts, and their names in a job file.
VECTOR_SETTINGS = {
    "model": "model",
    "prompt": "prompt",
    "tokens": "chunk.tokens",
    "overlap": "chunk.overlap",
    "by": "chunk.by",
    "splitter": "the library that cuts chunks",
    "dimensions": "output.dimensions",
    "dtype": "output.dtype",
    "text": "corpus.text",
    "id": "corpus.id",
    "keep": "output.keep",
    "csv": "corpus.csv",
    "join": "corpus.join",
    "remote_code": "model.trust_remote_code",
    "precision": "precision",
}

DATASET_COLUMNS = ("run", "shard", "position", "file", "sha256", "bytes")  # that are read of a dataset
MOST_EARLIER_FILES = 64  # that a worker reads for one shard
NEIGHBOURS = 3  # shards of an earlier run that are looked at for one slice: those that begin nearest to it

KeptShard = tuple[str, str]  # run and id of the shard


@dataclass(frozen=True, slots=True)
class EarlierShard:
    """A shard of an earlier run whose files have changed, or shared a shard with others, and its files of vectors."""

    slices: tuple[Slice, ...]
    files: tuple[EarlierFile, ...]


@dataclass(frozen=True, slots=True)
class NewFiles:
    """The files to embed, and the shards of earlier runs that hold the vectors of the others."""

    listing: Listing
    kept: tuple[KeptShard, ...] = ()
    runs: tuple[str, ...] = ()
    same: bool = False  # one run holds the vectors of exactly this corpus
    earlier: tuple[EarlierShard, ...] = ()  # of runs with the very same model, the newest first
    hashed: bool = (
        True  # the kept shards have `text_hash`, so that a reader finds the same columns in all files
    )
    hash_as_text: bool = True  # they have it as text


def select_new_files(
    listing: Listing, store: Store, settings: Mapping[str, Any], but: str | None, say: Callable[[str], None]
) -> NewFiles:
    """Select the files that no run but `but` has embedded.

    `settings` has the keys of VECTOR_SETTINGS, and model_fingerprint. `say` is called with a line for each
    finished run whose settings or model differ, or may differ.
    """
    selection = _Selection(listing, store, settings, say)
    for run in _finished(store, but):
        selection.use(run)
    return selection.result()


class _Selection:
    """What earlier runs have embedded of a listing, gathered one run after another, the newest first."""

    def __init__(
        self, listing: Listing, store: Store, settings: Mapping[str, Any], say: Callable[[str], None]
    ) -> None:
        self.listing, self.store, self.settings, self.say = listing, store, settings, say
        self.now: dict[str, tuple[str, Kind]] = {
            file.path: (file.version, file.kind) for file in listing.files if file.bytes
        }
        self.covered: set[str] = set()
        self.kept: list[KeptShard] = []
        self.earlier: list[EarlierShard] = []
        self.columns: dict[str, tuple[bool, bool]] = {}  # `text_hash` and its form in the kept shards, by run
        self.same = False
        self.there: StoredFiles | None = None  # all files of vectors, listed when first asked for

    def use(self, run: str) -> None:
        """Take the shards of `run` whose files are unchanged, if its vectors are such as this job asks for."""
        try:
            header = manifest.read_header(self.store, run)
            dataset = _read_dataset(self.store, run) if header.corpus == self.listing.root else None
        except (Problem, pa.ArrowException, OSError, ValueError) as error:
            if isinstance(error, StoreError):
                raise
            self.say(f"run {run} is damaged, so its vectors are not used: {error}")
            return
        if dataset is None or not self._has_these_settings(run, header):
            return
        fingerprint = self.settings["model_fingerprint"]
        if _same_model(header, fingerprint, self.say):
            self._keep(run, header, dataset, self._lost(run, dataset))

    def result(self) -> NewFiles:
        """The files that are left, and the shards that are kept."""
        left = tuple(file for file in self.listing.files if file.path not in self.covered)
        owners = tuple(dict.fromkeys(owner for owner, _ in self.kept))
        wanted = {file.path for file in left}
        useful = tuple(one for one in self.earlier if any(piece.path in wanted for piece in one.slices))
        return NewFiles(
            replace(self.listing, files=left),
            tuple(self.kept),
            owners,
            self.same,
            useful,
            hashed=all(hashed for hashed, _ in self.columns.values()),
            hash_as_text=all(as_text for _, as_text in self.columns.values()),
        )

    def _has_these_settings(self, run: str, header: Header) -> bool:
        """Whether the run was embedded with the settings of this job; `say` says which differ."""
        other = [name for name in VECTOR_SETTINGS if getattr(header, name) != self.settings[name]]
        if other:
            changed = ", ".join(
                f"{VECTOR_SETTINGS[n]} was {getattr(header, n)}, is {self.settings[n]}" for n in other
            )
            self.say(f"run {run} has other settings, so its vectors are not used: {changed}")
        return not other

    def _lost(self, run: str, dataset: "_Dataset") -> dict[KeptShard, str]:
        """The shards whose files are gone, or longer or shorter than they were."""
        if self.there is None:
            self.there = StoredFiles.under(self.store, VECTORS_PREFIX)
        lost = dataset.without_files(self.there)
        if lost:
            gone = next(iter(lost.values()))
            self.say(
                f"{plural(len(lost), 'shard')} of run {run} "
                f"{verb(len(lost), 'is', 'are')} embedded again, because files are gone or of another size: {gone}"
            )
        return lost

    def _keep(self, run: str, header: Header, dataset: "_Dataset", lost: Mapping[KeptShard, str]) -> None:
        """Keep the shards of unchanged files, and the vectors of unchanged texts of the others."""
        fingerprint = self.settings["model_fingerprint"]
        found = unchanged_shards(dataset.shards, self.now, self.covered, lost)
        for line in _other_readers(self.store, found):
            self.say(line)
        whole = bool(found) and len(found) == len(dataset.shards) and {owner for owner, _ in found} == {run}
        self.same = self.same or (whole and header.model_fingerprint == fingerprint)
        self.covered.update(piece.path for _, shard in found for piece in shard.slices)
        self.kept += [(owner, shard.id) for owner, shard in found]
        hashes = (header.text_hash, header.hash_as_text)
        self.columns |= dict.fromkeys((owner for owner, _ in found), hashes)
        if header.text_hash and _certainly_same_model(header, fingerprint):
            used = {*((owner, shard.id) for owner, shard in found), *lost}
            self.earlier += _earlier_shards(dataset, used, self.earlier)


def _earlier_shards(
    dataset: "_Dataset", but: Collection[KeptShard], newer: Sequence[EarlierShard]
) -> list[EarlierShard]:
    """The shards of a dataset `but` these, without the files that a newer run has had."""
    known = {piece.path for one in newer for piece in one.slices}
    found: list[EarlierShard] = []
    for owner, shard in dataset.shards:
        slices = tuple(piece for piece in shard.slices if piece.path not in known)
        if slices and (owner, shard.id) not in but:
            found.append(EarlierShard(slices, dataset.files[owner, shard.id]))
    return found


def _certainly_same_model(header: Header, fingerprint: str | None) -> bool:
    """Whether vectors may be taken over row by row: the fingerprint is known, or the model has no files."""
    return header.model_fingerprint == fingerprint and (fingerprint is not None or header.model == HASH_MODEL)


def _same_model(header: Header, fingerprint: str | None, say: Callable[[str], None]) -> bool:
    """Whether a run with a model of this name had the very same one, or one that nothing is known of."""
    if header.model_fingerprint == fingerprint:
        return True
    if header.model_fingerprint is None:
        say(
            f"run {header.run} did not record which weights {header.model} had: its vectors are taken for those of the"
            " model as it is now; if it changed since, use another output.path"
        )
        return True
    say(
        f"run {header.run} was made with another model of the same name, so its vectors are not used: fingerprint"
        f" {short(header.model_fingerprint)}, now {short(fingerprint)}"
    )
    return False


def _other_readers(store: Store, found: Sequence[tuple[str, Shard]]) -> Iterator[str]:
    """What to say of runs that read the documents of these shards by versions that no machine here has now."""
    kinds: dict[str, set[Kind]] = defaultdict(set)
    for owner, shard in found:
        kinds[owner].update(piece.kind for piece in shard.slices)
    for owner, of_owner in kinds.items():
        libraries = libraries_of(of_owner)
        if not libraries:
            continue
        here, rented = installed_versions(libraries), locked_versions(libraries)
        changed = [
            f"{name} {was} (now {here.get(name) or rented.get(name, '?')})"
            for name, was in manifest.read_header(store, owner).readers.items()
            if (name in libraries or name in here) and was not in (here.get(name), rented.get(name))
        ]
        if changed:
            yield (
                f"run {owner} read its documents by {', '.join(changed)}, which may have given other texts: "
                "its vectors are used; another output.path embeds all again"
            )


def unchanged_shards(
    shards: Sequence[tuple[str, Shard]],
    now: Mapping[str, tuple[str, Kind]],
    covered: Iterable[str],
    lost: Collection[KeptShard] = (),
) -> list[tuple[str, Shard]]:
    """Return the shards whose vectors are still valid: all of their files are unchanged, and no other run covers them.

    `now` has the version and the format of each file: another format would give other documents. The vectors of the
    `lost` shards are gone.
    Where a shard is dropped, all other shards of its files are dropped, too: those files are embedded again as a whole.
    """
    gone = {
        piece.path
        for owner, shard in shards
        for piece in shard.slices
        if now.get(piece.path) != (piece.version, piece.kind) or (owner, shard.id) in lost
    }.union(covered)
    left = list(shards)
    while True:
        good = [one for one in left if not any(piece.path in gone for piece in one[1].slices)]
        if len(good) == len(left):
            return good
        kept = {(owner, shard.id) for owner, shard in good}
        gone.update(
            piece.path for owner, shard in left for piece in shard.slices if (owner, shard.id) not in kept
        )
        left = good


def write_base_dataset(store: Store, run: str, kept: Sequence[KeptShard]) -> None:
    """Write down which shards of earlier runs belong to the dataset of this run."""
    by_run: dict[str, list[str]] = defaultdict(list)
    for owner, shard in kept:
        by_run[owner].append(shard)
    create_once(store, base_dataset_key(run), json.dumps(by_run).encode())


def write_reuse_lists(
    store: Store, run: str, shards: Sequence[Shard], earlier: Sequence[EarlierShard]
) -> bool:
    """Write down in which files each shard may find vectors of unchanged texts; False where none finds any."""
    by_path: dict[str, list[tuple[Slice, EarlierShard]]] = defaultdict(list)
    for one in earlier:
        for piece in one.slices:
            by_path[piece.path].append((piece, one))
    slabs: dict[str, dict[str, tuple[EarlierFile, ...]]] = defaultdict(dict)
    for shard in shards:
        if files := _files_for(shard, by_path):
            slabs[shard.slab][shard.id] = files
    for slab, lists in slabs.items():
        write_reuse(store, run, slab, lists)
    return bool(slabs)


def _files_for(
    shard: Shard, by_path: Mapping[str, Sequence[tuple[Slice, EarlierShard]]]
) -> tuple[EarlierFile, ...]:
    """The files of the earlier shards that had what this one has now.

    Rows move within a file when others are added before them, so neighbours of the same place are looked at, too.
    """
    files: dict[EarlierFile, None] = {}
    for piece in shard.slices:
        there = sorted(by_path.get(piece.path, ()), key=lambda found: _apart(piece, found[0]))
        files |= dict.fromkeys(file for _, one in there[:NEIGHBOURS] for file in one.files)
        if len(files) >= MOST_EARLIER_FILES:
            break
    return tuple(files)[:MOST_EARLIER_FILES]


def _apart(one: Slice, other: Slice) -> float:
    """How far the beginnings of two slices of one file are apart, in bytes or rows."""
    return abs(one.start - other.start)


def _finished(store: Store, but: str | None) -> list[str]:
    """Return the runs that have a dataset, the newest first."""
    found = [
        (entry.modified, run)
        for run in runs_of(store)
        if run != but
        for entry in store.list(dataset_key(run))
    ]
    return [run for _, run in sorted(found, reverse=True)]


@dataclass(frozen=True, slots=True)
class _Dataset:
    """The shards of a run's dataset, those of earlier runs included, each with the run that embedded it."""

    shards: list[tuple[str, Shard]]
    files: Mapping[KeptShard, tuple[EarlierFile, ...]]  # of vectors
    sizes: Mapping[str, int]  # bytes of these files

    def without_files(self, there: StoredFiles) -> dict[KeptShard, str]:
        """The shards of which a file of vectors is gone or of another size, with that file."""
        return {
            shard: gone[0]
            for shard, files in self.files.items()
            if (gone := [one.key for one in files if not there.has_sized(one.key, self.sizes[one.key])])
        }


def _read_dataset(store: Store, run: str) -> _Dataset:
    """Read the dataset manifest of a run, and the manifests of the runs that embedded its shards."""
    body = read(store, dataset_key(run))
    assert body is not None  # it was listed
    table = read_small_table(body, list(DATASET_COLUMNS))
    wanted: dict[str, dict[int, set[str]]] = defaultdict(lambda: defaultdict(set))
    files: dict[KeptShard, list[EarlierFile]] = defaultdict(list)
    columns = (table.column(name).to_pylist() for name in DATASET_COLUMNS)
    sizes = dict[str, int]()
    for owner, shard, position, file, digest, size in zip(*columns, strict=True):
        wanted[owner][position // SLAB].add(shard)
        files[owner, shard].append(EarlierFile(file, digest))
        sizes[file] = size
    shards = [
        (owner, shard)
        for owner, slabs in wanted.items()
        for slab, ids in sorted(slabs.items())
        for shard in manifest.read_slab(store, owner, slab)
        if shard.id in ids
    ]
    return _Dataset(shards, {shard: tuple(found) for shard, found in files.items()}, sizes)
