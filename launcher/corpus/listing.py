"""The input files: which they are, and that they are still the same.

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
IGNORED_NAME = re.compile(r"(^|/)[._]")  # what tools leave beside their data


@dataclass(frozen=True, slots=True)
class CorpusFile:
    """An input file. `path` is relative to the corpus root, with forward slashes."""

    path: str
    bytes: int
    version: str
    kind: Kind
    packed: bool

    @property
    def whole(self) -> bool:
        """It cannot be cut: compressed, or with line ends inside quotes."""
        return self.packed or self.kind in ("csv", "tsv")


@dataclass(frozen=True, slots=True)
class Listing:
    """The corpus as it lies there. `root` is an absolute path or a URL.

    `skipped` are files whose names we do not know how to read, and dead links.
    """

    root: str
    files: tuple[CorpusFile, ...]
    skipped: tuple[str, ...]

    @property
    def bytes(self) -> int:
        return sum(f.bytes for f in self.files)

    @property
    def digest(self) -> str:
        """Changes when a file comes, goes or changes."""
        digest = blake2b(digest_size=16)
        for file in self.files:
            digest.update(f"{file.path}\0{file.version}\0".encode())
        return digest.hexdigest()

    def where(self, file: CorpusFile) -> str:
        """The full path or URL of one of the files."""
        return f"{self.root.rstrip('/')}/{file.path}"

    def open(self) -> Store:
        """The store that the files are read from."""
        return open_store(self.root)


def find_files(path: str, base: Path, opened: Callable[[str], Store] = open_store) -> Listing:
    """The files of a corpus path; relative paths are relative to `base`. Names that begin with . or _ are passed over.

    Raises:
        Problem: nothing there that can be read.
    """
    scheme, separator, rest = path.partition("://")
    if separator and scheme != "file":
        root, place, files, skipped = _in_bucket(path, opened)
    else:
        root, place, files, skipped = _on_disk(Path(rest if separator else path), base)
    if not any(file.bytes for file in files):
        seen = f"; passed over {', '.join(skipped[:3])}" if skipped else ""
        raise Problem(
            f"no input at {place}{seen}",
            hint=f"files that are read end in {', '.join(KIND_OF_SUFFIX)}, all but Parquet also with {' or '.join(COMPRESSED_SUFFIXES)}",
        )
    return Listing(root, tuple(files), tuple(skipped))


Found = tuple[
    str, str, list[CorpusFile], list[str]
]  # root, what was looked at, files, names that were passed over


def _on_disk(given: Path, base: Path) -> Found:
    place = (base / given).absolute()
    if has_magic(str(given)) and not place.exists():
        fixed = Path(*takewhile(lambda part: not has_magic(part), given.parts))
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
        file = _stored(item, name) if item.is_file() else None  # a link to a folder, or to nothing
        if file is None:
            skipped.append(name)
        else:
            files.append(file)
    return str(root), str(place), files, skipped


def _stored(path: Path, name: str) -> CorpusFile | None:
    try:
        name.encode()
    except UnicodeEncodeError as error:
        raise Problem(f"the file name {name!r} is not valid UTF-8", hint="rename the file") from error
    try:
        with path.open("rb"):  # it can be read: better known now than on the first machine
            status = path.stat()
    except OSError as error:
        if _kind(name) is None:
            return None
        raise Problem(
            f"cannot read {path}: {error.strerror}", hint="make the file readable, or move it away"
        ) from error
    return _file(name, status.st_size, version_of(status))


def _in_bucket(url: str, opened: Callable[[str], Store]) -> Found:
    """What a listing by prefix shows: of a glob, from its first part with a wildcard on."""
    scheme, _, rest = url.partition("://")
    bucket, *parts = [part for part in rest.split("/") if part]
    if any(part in (".", "..") for part in parts):
        raise Problem(f"no path in a bucket has . or .. in it: {url}", hint="write corpus.path in full")
    if not parts:
        root, found = f"{scheme}://{bucket or ''}", list(list_all(opened(url), ""))
    else:
        folder, name = parts[:-1], parts[-1]
        root = "/".join([f"{scheme}:/", bucket, *folder])
        # One file, or a name with brackets that are meant; whatever else begins with it is no concern of ours.
        first = [] if rest.endswith("/") else opened(root).list(name)[:1]
        if first and first[0].key == name:
            found = first
        elif has_magic(url):
            fixed = list(takewhile(lambda part: not has_magic(part), parts))
            wanted = parts[len(fixed) :]
            root = "/".join([f"{scheme}:/", bucket, *fixed])
            found = [
                e
                for e in list_all(opened(root), _literal(wanted[0]))
                if glob_matches(e.key.split("/"), wanted)
            ]
        else:
            root = "/".join([f"{scheme}:/", bucket, *parts])
            found = list(list_all(opened(root), ""))
    if not found:
        raise Problem(
            f"no corpus at {url}",
            hint="set corpus.path to an object, to the beginning of a path, or to a glob",
        )
    files: list[CorpusFile] = []
    skipped: list[str] = []
    for entry in found:
        if IGNORED_NAME.search(entry.key) or f"/{entry.key}".endswith(
            "/"
        ):  # some tools keep an object for a folder
            continue
        file = _object(entry)
        if file is None:
            skipped.append(entry.key)
        else:
            files.append(file)
    return root, url, files, skipped


def _object(entry: Entry) -> CorpusFile | None:
    try:
        check_read_key(entry.key)
    except ValueError:  # a bucket may hold what no path can name
        return None
    return _file(entry.key, entry.size, entry.version)


def _file(name: str, size: int, version: str) -> CorpusFile | None:
    kind = _kind(name)
    return (
        None
        if kind is None
        else CorpusFile(name, size, version, kind, PurePosixPath(name).suffix in COMPRESSED_SUFFIXES)
    )


def _kind(name: str) -> Kind | None:
    """By its last suffixes; None of what we do not read."""
    path = PurePosixPath(name)
    packed = path.suffix in COMPRESSED_SUFFIXES
    kind = KIND_OF_SUFFIX.get(path.with_suffix("").suffix if packed else path.suffix)
    return None if packed and kind == "parquet" else kind


def _literal(pattern: str) -> str:
    """What every name begins with that a pattern fits."""
    return re.split(r"[*?[]", pattern, maxsplit=1)[0]


def glob_matches(parts: Sequence[str], pattern: Sequence[str]) -> bool:
    """Whether the parts of a key are what a glob asks for: `**` is any number of folders, last of all what is below."""
    if not pattern:
        return not parts
    first, *others = pattern
    if first == "**":
        return any(glob_matches(parts[n:], others) for n in range(len(parts) + 1)) if others else bool(parts)
    return bool(parts) and fnmatchcase(parts[0], first) and glob_matches(parts[1:], others)
