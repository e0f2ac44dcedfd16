"""The input files: which they are, and that they are still the same.

Reads names and sizes, never contents. Local paths only so far: a folder, a file or a glob.
"""

import re
from dataclasses import dataclass
from glob import has_magic
from hashlib import blake2b
from itertools import takewhile
from pathlib import Path

from launcher.errors import Problem
from tasks.read import version
from tasks.shard import Kind

KIND_OF: dict[str, Kind] = {
    ".parquet": "parquet",
    ".pq": "parquet",
    ".jsonl": "jsonl",
    ".ndjson": "jsonl",
    ".csv": "csv",
    ".tsv": "tsv",
    ".txt": "text",
}
PACKED = (".gz", ".zst")


@dataclass(frozen=True, slots=True)
class File:
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
    """The corpus as it lies there. `skipped` are files whose names we do not know how to read, and dead links."""

    root: Path
    files: tuple[File, ...]
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


def find(path: str, base: Path) -> Listing:
    """The files of a corpus path; relative paths are relative to `base`. Names that begin with . or _ are passed over.

    Raises:
        Problem: nothing there that can be read.
    """
    scheme, separator, rest = path.partition("://")
    if separator and scheme != "file":
        raise Problem(
            f"this version reads local files only, not {scheme}://",
            hint="set corpus.path to a local folder or file",
        )
    given = Path(rest if separator else path)
    place = (base / given).absolute()
    if has_magic(path) and not place.exists():
        fixed = Path(*takewhile(lambda part: not has_magic(part), given.parts))
        root = (base / fixed).absolute()
        found = sorted(root.glob(given.relative_to(fixed).as_posix()))
    elif place.is_dir():
        found, root = sorted(place.rglob("*")), place
    else:
        found, root = [place], place.parent
        if not place.exists():
            raise Problem(f"no corpus at {place}", hint="set corpus.path to a file, a folder or a glob")
    files: list[File] = []
    skipped: list[str] = []
    for item in found:
        name = item.relative_to(root).as_posix()
        if re.search(r"(^|/)[._]", name) or (not item.is_file() and not item.is_symlink()):
            continue
        file = _file(item, name) if item.is_file() else None  # a link to a folder, or to nothing
        if file is None:
            skipped.append(name)
        else:
            files.append(file)
    if not any(file.bytes for file in files):
        seen = f"; passed over {', '.join(skipped[:3])}" if skipped else ""
        raise Problem(
            f"no input at {place}{seen}",
            hint=f"files that are read end in {', '.join(KIND_OF)}, all but Parquet also with {' or '.join(PACKED)}",
        )
    return Listing(root, tuple(files), tuple(skipped))


def _file(path: Path, name: str) -> File | None:
    try:
        name.encode()
    except UnicodeEncodeError as error:
        raise Problem(f"the file name {name!r} is not valid UTF-8", hint="rename the file") from error
    packed = path.suffix in PACKED
    kind = KIND_OF.get(path.with_suffix("").suffix if packed else path.suffix)
    if kind is None or (packed and kind == "parquet"):
        return None
    try:
        with path.open("rb"):  # it can be read: better known now than on the first machine
            return File(name, path.stat().st_size, version(path), kind, packed)
    except OSError as error:
        raise Problem(
            f"cannot read {path}: {error.strerror}", hint="make the file readable, or move it away"
        ) from error
