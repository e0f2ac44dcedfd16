"""List the input files of a corpus, with the size and version of each.

Reads names, sizes and versions, never contents. A path names a folder, a file or a glob, on this machine or in a bucket.
"""

import re
from collections.abc import Callable, Sequence
from dataclasses import dataclass
from fnmatch import fnmatchcase
from glob import has_magic
from hashlib import blake2b
from itertools import takewhile
from pathlib import Path, PurePosixPath

from launcher.errors import Problem
from tasks.protocol.shard import Kind
from tasks.stores.base import Entry, Store, check_read_key, list_all
from tasks.stores.folder import version_of
from tasks.stores.open import open_store

KIND_OF_SUFFIX: dict[str, Kind] = {
    ".parquet": "parquet",
    ".pq": "parquet",
    ".jsonl": "jsonl",
    ".ndjson": "jsonl",
    ".csv": "csv",
    ".tsv": "tsv",
    ".txt": "text",
}
COMPRESSED_SUFFIXES = (".gz", ".zst")
IGNORED_NAME = re.compile(r"(^|/)[._]")  # of files that tools leave beside their data


@dataclass(frozen=True, slots=True)
class CorpusFile:
    """An input file. `path` is relative to the corpus root, with forward slashes."""

    path: str
    bytes: int
    version: str
    kind: Kind
    compressed: bool

    @property
    def indivisible(self) -> bool:
        """Whether it cannot be cut: it is compressed, or has line ends inside quotes."""
        return self.compressed or self.kind in ("csv", "tsv")


@dataclass(frozen=True, slots=True)
class Listing:
    """The files of a corpus. `root` is an absolute path or a URL.

    `skipped` are files whose format is not known by their names, and dead links.
    """

    root: str
    files: tuple[CorpusFile, ...]
    skipped: tuple[str, ...]

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


def find_files(path: str, base: Path, opened: Callable[[str], Store] = open_store) -> Listing:
    """List the files of a corpus path; relative paths are relative to `base`. Names that begin with . or _ are ignored.

    `opened` opens a store.

    Raises:
        Problem: there is nothing that can be read.
    """
    scheme, separator, rest = path.partition("://")
    if separator and scheme != "file":
        listing, place = _list_bucket(path, opened), path
    else:
        listing, place = _list_disk(Path(rest if separator else path), base)
    if not any(file.bytes for file in listing.files):
        skipped = f"; skipped {', '.join(listing.skipped[:3])}" if listing.skipped else ""
        if has_magic(str(place)) and "[" in str(place) and not listing.files:
            raise Problem(
                f"no input matches {place}{skipped}",
                hint="[ and ] stand for one of the characters between them; write [[] for a [ of a name",
            )
        raise Problem(
            f"no input at {place}{skipped}",
            hint=f"files that are read end in {', '.join(KIND_OF_SUFFIX)}, all but Parquet also with "
            f"{' or '.join(COMPRESSED_SUFFIXES)}",
        )
    return listing


def _list_disk(given: Path, base: Path) -> tuple[Listing, str]:
    """List the files of a folder, file or glob of this machine; also return the absolute path."""
    place = (base / given).absolute()
    if has_magic(str(given)) and not place.exists():
        fixed = fixed_folder(given, base)
        root = (base / fixed).absolute()
        found = sorted(root.glob(given.relative_to(fixed).as_posix()))
    elif place.is_dir():
        found, root = sorted(place.rglob("*")), place
    else:
        found, root = [place], place.parent
        if not place.exists():
            raise Problem(f"no corpus at {place}", hint="set corpus.path to a file, a folder or a glob")
    files: list[CorpusFile] = []
    skipped: list[str] = []
    for item in found:
        name = item.relative_to(root).as_posix()
        if IGNORED_NAME.search(name) or (not item.is_file() and not item.is_symlink()):
            continue
        file = _file_on_disk(item, name) if item.is_file() else None  # a link to a folder, or to nothing
        if file is None:
            skipped.append(name)
        else:
            files.append(file)
    return Listing(str(root), tuple(files), tuple(skipped)), str(place)


def fixed_folder(given: Path, base: Path) -> Path:
    """Return the part of a glob before its first wildcard; a folder that has brackets in its name is none."""
    fixed = Path()
    for part in given.parts:
        if has_magic(part) and not (base / fixed / part).exists():
            break
        fixed /= part
    return fixed


def _file_on_disk(path: Path, name: str) -> CorpusFile | None:
    try:
        name.encode()
    except UnicodeEncodeError as error:
        raise Problem(f"the file name {name!r} is not valid UTF-8", hint="rename the file") from error
    try:
        with path.open("rb"):  # fail now, and not on the first machine, where it cannot be read
            status = path.stat()
    except OSError as error:
        if _kind(name) is None:
            return None
        raise Problem(
            f"cannot read {path}: {error.strerror}", hint="make the file readable, or move it away"
        ) from error
    return _corpus_file(name, status.st_size, version_of(status))


def _list_bucket(url: str, opened: Callable[[str], Store]) -> Listing:
    root, entries = _list_entries(url, opened)
    if not entries:
        raise Problem(
            f"no corpus at {url}",
            hint="set corpus.path to an object, to the beginning of a path, or to a glob",
        )
    files: list[CorpusFile] = []
    skipped: list[str] = []
    for entry in entries:
        is_folder = f"/{entry.key}".endswith("/")  # some tools keep an object for a folder
        if IGNORED_NAME.search(entry.key) or is_folder:
            continue
        file = _file_in_bucket(entry)
        if file is None:
            skipped.append(entry.key)
        else:
            files.append(file)
    return Listing(root, tuple(files), tuple(skipped))


def _list_entries(url: str, opened: Callable[[str], Store]) -> tuple[str, list[Entry]]:
    """Return the root and what a listing by prefix shows below it; of a glob, from its first part with a wildcard on."""
    scheme, _, rest = url.partition("://")
    bucket, *parts = [part for part in rest.split("/") if part]
    if any(part in (".", "..") for part in parts):
        raise Problem(f"no path in a bucket has . or .. in it: {url}", hint="write corpus.path in full")
    if not parts:
        return f"{scheme}://{bucket or ''}", list(list_all(opened(url), ""))
    folder, name = parts[:-1], parts[-1]
    root = "/".join([f"{scheme}:/", bucket, *folder])
    # One object, perhaps with brackets in its name; other objects whose keys begin with it are not of this corpus.
    first = [] if rest.endswith("/") else opened(root).list(name)[:1]
    if first and first[0].key == name:
        return root, first
    if has_magic(url):
        fixed = list(takewhile(lambda part: not has_magic(part), parts))
        pattern = parts[len(fixed) :]
        root = "/".join([f"{scheme}:/", bucket, *fixed])
        found = list_all(opened(root), _literal(pattern[0]))
        return root, [entry for entry in found if glob_matches(entry.key.split("/"), pattern)]
    root = "/".join([f"{scheme}:/", bucket, *parts])
    return root, list(list_all(opened(root), ""))


def _file_in_bucket(entry: Entry) -> CorpusFile | None:
    try:
        check_read_key(entry.key)
    except ValueError:  # a bucket may have a key that is no path
        return None
    return _corpus_file(entry.key, entry.size, entry.version)


def _corpus_file(name: str, size: int, version: str) -> CorpusFile | None:
    kind = _kind(name)
    return (
        None
        if kind is None
        else CorpusFile(
            path=name,
            bytes=size,
            version=version,
            kind=kind,
            compressed=PurePosixPath(name).suffix in COMPRESSED_SUFFIXES,
        )
    )


def _kind(name: str) -> Kind | None:
    """Return the kind of a file by its last suffixes; None where it cannot be read."""
    path = PurePosixPath(name)
    compressed = path.suffix in COMPRESSED_SUFFIXES
    kind = KIND_OF_SUFFIX.get(path.with_suffix("").suffix if compressed else path.suffix)
    return None if compressed and kind == "parquet" else kind


def _literal(pattern: str) -> str:
    """Return the beginning of every name that matches a pattern."""
    return re.split(r"[*?[]", pattern, maxsplit=1)[0]


def glob_matches(parts: Sequence[str], pattern: Sequence[str]) -> bool:
    """Whether the parts of a key match those of a glob: `**` is any number of folders, at the end all below."""
    if not pattern:
        return not parts
    first, *others = pattern
    if first == "**":
        return any(glob_matches(parts[n:], others) for n in range(len(parts) + 1)) if others else bool(parts)
    return bool(parts) and fnmatchcase(parts[0], first) and glob_matches(parts[1:], others)
