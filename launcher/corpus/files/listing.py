"""List the input files of a corpus, with the size and version of each.

Reads names, sizes and versions, never contents. A path names a folder, a file or a glob, on this machine or in a bucket.
What it names and is not read is counted by kind.
"""

import os
import re
from collections.abc import Callable, Iterable
from dataclasses import dataclass, replace
from difflib import get_close_matches
from glob import has_magic
from hashlib import blake2b
from itertools import takewhile
from pathlib import Path

from launcher.corpus.files.companions import without_companions
from launcher.corpus.files.corpus_file import CorpusFile
from launcher.corpus.files.folder_walk import FolderWalk, FoundFile
from launcher.corpus.files.globs import Pattern, Place
from launcher.corpus.files.left_out import LeftOut, Likeliness, Tally, left_out_text
from launcher.corpus.files.table_formats import (
    ICEBERG_NOTE,
    LANCE_VERSIONS,
    check_no_lance,
    iceberg_folder,
    logs_on_disk,
)
from launcher.errors import Problem
from launcher.jobs.job import Unit
from tasks.formats.endings import (
    COMPRESSED_ENDINGS,
    KIND_OF_ENDING,
    compression_of,
    is_packed_parquet,
    kind_of,
)
from tasks.protocol.shard import Kind
from tasks.stores.base import Entry, Store, check_read_key, list_all
from tasks.stores.folder import version_of
from tasks.stores.open import open_store

COMPRESSED_INSIDE: tuple[Kind, ...] = ("parquet",)  # whatever their names end with


@dataclass(frozen=True, slots=True)
class Listing:
    """The files of a corpus. `root` is an absolute path or a URL. Empty files are among both `files` and `left_out`."""

    root: str
    files: tuple[CorpusFile, ...]
    left_out: tuple[LeftOut, ...] = ()

    @property
    def bytes(self) -> int:
        """Bytes of all files, as stored."""
        return sum(f.bytes for f in self.files)

    @property
    def digest(self) -> str:
        """A hash that changes when a file is added, removed or changed."""
        digest = blake2b(digest_size=16)
        for file in self.files:
            digest.update(f"{file.path}\0{file.version}\0".encode())
        return digest.hexdigest()

    def location(self, file: CorpusFile) -> str:
        """Return the full path or URL of one of the files."""
        return f"{self.root.rstrip('/')}/{file.path}"

    def open(self) -> Store:
        """Open the store that the files are read from."""
        return open_store(self.root)


def find_files(
    path: str,
    base: Path,
    opened: Callable[[str], Store] = open_store,
    *,
    kind: Kind | None = None,
    unit: Unit | None = None,
    text_named: bool = False,
) -> Listing:
    """List the files of a corpus path; relative paths are relative to `base`.

    `kind` is the format of all files, whatever their names end with, and `unit` what a document of text files is; None:
    a file. `text_named`: the job names a column of the text, which documents do not have. `opened` opens a store.

    Raises:
        Problem: there is nothing that can be read, or something that must not be passed over.
    """
    scheme, separator, rest = path.partition("://")
    tally = Tally()
    if separator and scheme != "file":
        root, files = _list_bucket(path, opened, kind, tally)
        place = path
    else:
        given = Path(rest if separator else path)
        place = str((base / given).absolute())
        root, files = _list_disk(given, base, kind, tally)
        for log, note in logs_on_disk(Path(root), (file.path for file in files)):
            tally.add_log(log, note)
    files = _without_metadata(files, tally)
    if kind is None:
        files = without_companions(files, path, tally, text_named=text_named, unit=unit)
    for file in files:
        if not file.bytes:
            tally.add(file.path, "empty file", Likeliness.EMPTY)
    listing = Listing(root, tuple(_with_unit(file, kind, unit) for file in files), tally.result())
    if not any(file.bytes for file in files):
        _refuse_empty(listing, place)
    return listing


def _without_metadata(files: list[CorpusFile], tally: Tally) -> list[CorpusFile]:
    """The files without those that describe an Iceberg table, as JSON."""
    folders = {file.path: folder for file in files if (folder := iceberg_folder(file.path))}
    for folder in folders.values():
        tally.add_log(folder, ICEBERG_NOTE)
    return [file for file in files if file.path not in folders]


def _refuse_empty(listing: Listing, place: str) -> None:
    left_out = left_out_text(listing.left_out, examples=True)
    left_out = f"; {left_out}" if left_out else ""
    if has_magic(place) and "[" in place and not listing.files:
        raise Problem(
            f"no input matches {place}{left_out}",
            hint="[ and ] stand for one of the characters between them; write [[] for a [ of a name",
        )
    if "{" in place and "}" in place and not listing.files:
        raise Problem(
            f"no input at {place}{left_out}",
            hint="{ and } stand for themselves; a glob has *, **, ? and [ ] alone: name a folder, or a pattern for all",
        )
    raise Problem(
        f"no input at {place}{left_out}",
        hint=f"files that are read end in {', '.join(KIND_OF_ENDING)}, all but Parquet also with "
        f"{' or '.join(COMPRESSED_ENDINGS)}; corpus.format says what files with other names are",
    )


def _list_disk(given: Path, base: Path, kind: Kind | None, tally: Tally) -> tuple[str, list[CorpusFile]]:
    """List the files of a folder, file or glob of this machine, below the root that is returned."""
    place = (base / given).absolute()
    found: Iterable[FoundFile]
    if has_magic(str(given)) and not place.exists():
        fixed = fixed_folder(given, base)
        root = (base / fixed).absolute()
        pattern = Pattern(given.relative_to(fixed).parts)
        found = FolderWalk(root, pattern, tally).files() if root.is_dir() else []
    elif place.is_dir():
        root = place
        found = FolderWalk(root, Pattern(()), tally).files()
    else:
        root, found = place.parent, [FoundFile(place, place.name)]
        if not place.exists():
            raise _no_corpus(place)
        if not place.is_file():  # a pipe would be waited for, and a device never ends
            raise Problem(
                f"the corpus {place} is a pipe, a socket or a device, not a file",
                hint="write what it gives to a file",
            )
    files = (_file_on_disk(file, kind, tally) for file in found)
    return str(root), [file for file in files if file is not None]


def _no_corpus(place: Path) -> Problem:
    """The error for a path of this machine that is not there, with the nearest name beside its first part that is not."""
    first = place
    while not first.parent.exists():
        first = first.parent
    known = first.parent.is_dir() and os.access(first.parent, os.R_OK)
    names = {one.name.casefold(): one.name for one in first.parent.iterdir()} if known else {}
    near = get_close_matches(first.name.casefold(), list(names), n=1)
    hint = "set corpus.path to a file, a folder or a glob"
    return Problem(f"no corpus at {place}", hint=f"{hint}; did you mean {names[near[0]]}?" if near else hint)


def fixed_folder(given: Path, base: Path) -> Path:
    """Return the part of a glob before its first wildcard; a folder that has brackets in its name is none."""
    fixed = Path()
    for part in given.parts:
        if has_magic(part) and not (base / fixed / part).exists():
            break
        fixed /= part
    return fixed


def _file_on_disk(file: FoundFile, kind: Kind | None, tally: Tally) -> CorpusFile | None:
    known = _kind(file.name, kind)
    if known is None:
        tally.add_unknown(file.name)
        return None
    try:
        file.name.encode()
    except UnicodeEncodeError as error:
        raise Problem(f"the file name {file.name!r} is not valid UTF-8", hint="rename the file") from error
    try:
        with file.path.open("rb"):  # fail now, and not on the first machine, where it cannot be read
            status = file.path.stat()
    except OSError as error:
        raise Problem(
            f"cannot read {file.path}: {error.strerror}", hint="make the file readable, or move it away"
        ) from error
    return _corpus_file(file.name, status.st_size, version_of(status), known)


def _list_bucket(
    url: str, opened: Callable[[str], Store], kind: Kind | None, tally: Tally
) -> tuple[str, list[CorpusFile]]:
    """List the objects of a prefix, key or glob, below the root that is returned."""
    root, pattern, entries = _list_entries(url, opened)
    places = {"": pattern.start if pattern else Pattern(()).start}
    files: list[CorpusFile] = []
    any_entry = False
    for entry in entries:
        any_entry = True
        folder, versions, _ = entry.key.partition(f"/{LANCE_VERSIONS}/")
        check_no_lance(folder, f"{root}/{folder}", is_dataset=bool(versions))
        if f"/{entry.key}".endswith("/"):  # some tools keep an object for a folder
            continue
        if pattern is None or _is_read(entry.key, pattern, places, tally):
            file = _file_in_bucket(entry, kind, tally)
            files += [] if file is None else [file]
    if not any_entry:
        raise Problem(
            f"no corpus at {url}",
            hint="set corpus.path to an object, to the beginning of a path, or to a glob",
        )
    return root, files


def _list_entries(url: str, opened: Callable[[str], Store]) -> tuple[str, Pattern | None, Iterable[Entry]]:
    """Return the root, what of it is read (None: one object), and what a listing by prefix shows below it."""
    scheme, _, rest = url.partition("://")
    bucket, *parts = [part for part in rest.split("/") if part]
    if any(part in (".", "..") for part in parts):
        raise Problem(f"no path in a bucket has . or .. in it: {url}", hint="write corpus.path in full")
    if not parts:
        return f"{scheme}://{bucket or ''}", Pattern(()), list_all(opened(url), "")
    folder, name = parts[:-1], parts[-1]
    root = "/".join([f"{scheme}:/", bucket, *folder])
    # One object, perhaps with brackets in its name; other objects whose keys begin with it are not of this corpus.
    first = [] if rest.endswith("/") else opened(root).list(name)[:1]
    if first and first[0].key == name:
        return root, None, first
    if has_magic(url):
        fixed = list(takewhile(lambda part: not has_magic(part), parts))
        pattern = parts[len(fixed) :]
        root = "/".join([f"{scheme}:/", bucket, *fixed])
        return root, Pattern(pattern), list_all(opened(root), _literal(pattern[0]))
    root = "/".join([f"{scheme}:/", bucket, *parts])
    return root, Pattern(()), list_all(opened(root), "")


def _literal(pattern: str) -> str:
    """Return the beginning of every name that matches a pattern."""
    return re.split(r"[*?[]", pattern, maxsplit=1)[0]


def _is_read(key: str, pattern: Pattern, places: dict[str, Place], tally: Tally) -> bool:
    """Whether an object is read; `places` keeps those of folders."""
    folder, _, name = key.rpartition("/")
    above = _place_of(folder, pattern, places, tally)
    place = pattern.step(above, name, folder=False)
    if pattern.hides(place) and pattern.reads_hidden(place) and not pattern.hides(above):
        tally.add_hidden(key, folder=False)
    return pattern.reads(place)


def _place_of(folder: str, pattern: Pattern, places: dict[str, Place], tally: Tally) -> Place:
    if folder not in places:
        outer, _, name = folder.rpartition("/")
        above = _place_of(outer, pattern, places, tally)
        place = places[folder] = pattern.step(above, name, folder=True)
        if pattern.hides(place) and not pattern.hides(above):
            tally.add_hidden(folder, folder=True)
    return places[folder]


def _file_in_bucket(entry: Entry, kind: Kind | None, tally: Tally) -> CorpusFile | None:
    try:
        check_read_key(entry.key)
    except ValueError:  # a bucket may have a key that is no path
        tally.add(entry.key, "key that is no path")
        return None
    known = _kind(entry.key, kind)
    if known is None:
        tally.add_unknown(entry.key)
        return None
    return _corpus_file(entry.key, entry.size, entry.version, known)


def _corpus_file(name: str, size: int, version: str, kind: Kind) -> CorpusFile:
    compressed = kind not in COMPRESSED_INSIDE and compression_of(name) is not None
    return CorpusFile(path=name, bytes=size, version=version, kind=kind, compressed=compressed)


def _kind(name: str, given: Kind | None) -> Kind | None:
    """The format of a file: what the job says, else what its name says."""
    if given is not None:
        return given
    found = kind_of(name)
    if found is None and is_packed_parquet(name):
        raise Problem(
            f"{name} is Parquet inside a compressed file, which cannot be read in parts",
            hint="decompress it (Parquet is compressed inside), or move it out of the corpus; "
            "if it is Parquet under a wrong name, set corpus.format to parquet",
        )
    return found


def _with_unit(file: CorpusFile, kind: Kind | None, unit: Unit | None) -> CorpusFile:
    """The file with the format that the unit of its documents says, where its text could be one document or lines."""
    if file.kind == "text" and unit != "line":
        return replace(file, kind="document")
    if file.kind == "document" and unit == "line" and kind is None:
        return replace(file, kind="text")
    return file
