"""Find the files of a corpus on this machine: all below a folder, or those of a glob.

Follows links to files and folders, and reads nothing twice: what a link leads to is left out where it is read by its own
name, so that a circle of links ends. A folder that cannot be listed is an error: what it holds is unknown.
"""

import os
from collections.abc import Iterator
from dataclasses import dataclass
from pathlib import Path

from launcher.corpus.files.globs import Pattern, Place
from launcher.corpus.files.left_out import Likeliness, Tally
from launcher.corpus.files.table_formats import LANCE_VERSIONS, check_no_lance
from launcher.errors import Problem
from tasks.formats.endings import kind_of

SYSTEM_FOLDERS = ("lost+found",)  # that only root may list, at the root of a file system

READ_ALREADY = "link to what is read already"

Identity = tuple[int, int]  # of a file or folder, whatever its names: device and inode


@dataclass(frozen=True, slots=True)
class FoundFile:
    """A file, and its name below the root, with forward slashes."""

    path: Path
    name: str


@dataclass(frozen=True, slots=True)
class _Link:
    file: FoundFile
    place: Place
    to_folder: bool


class FolderWalk:
    """One walk through a folder. What is not read is counted in `tally`."""

    def __init__(self, root: Path, pattern: Pattern, tally: Tally) -> None:
        self._root, self._pattern, self._tally = root, pattern, tally
        self._around = {_identity(folder) for folder in root.resolve().parents}
        self._links: list[_Link] = []
        self._seen: set[tuple[Identity, Place]] = set()  # folders
        self._files: set[Identity] = set()

    def files(self) -> list[FoundFile]:
        """The files that are read, by name.

        Raises:
            Problem: a folder cannot be listed.
        """
        found = list(self._folder(self._root, "", self._pattern.start))
        self._files.update(_identity(file.path) for file in found)
        while self._links:  # behind a link there may be others
            links, self._links = sorted(self._links, key=lambda link: link.file.name), []
            for link in links:
                found += self._follow(link)
        return sorted(found, key=lambda file: file.name.split("/"))

    def _folder(self, folder: Path, name: str, place: Place) -> Iterator[FoundFile]:
        identity = _identity(folder)
        if identity in self._around:  # the corpus is a part of it
            self._tally.add(name, "link to a folder around the corpus")
            return
        if (identity, place) in self._seen:
            self._tally.add(name, READ_ALREADY)
            return
        self._seen.add((identity, place))
        check_no_lance(f"{folder.name}/", str(folder), is_dataset=os.path.isdir(folder / LANCE_VERSIONS))  # noqa: PTH112 - no error where it may not be seen
        for entry in _entries(folder, name, self._tally):
            is_folder = _is_folder(entry)
            below = f"{name}/{entry.name}" if name else entry.name
            where = self._pattern.step(place, entry.name, folder=is_folder)
            if self._pattern.hides(where):
                if is_folder or self._pattern.reads_hidden(where):
                    self._tally.add_hidden(below, folder=is_folder)
            elif is_folder and self._pattern.goes_on(where):
                if entry.is_symlink():
                    self._links.append(_Link(FoundFile(Path(entry.path), below), where, to_folder=True))
                else:
                    yield from self._folder(Path(entry.path), below, where)
            elif not is_folder and self._pattern.reads(where):
                yield from self._file(entry, below, where)

    def _file(self, entry: os.DirEntry[str], name: str, place: Place) -> Iterator[FoundFile]:
        file = FoundFile(Path(entry.path), name)
        likely = Likeliness.CORPUS if kind_of(name) else Likeliness.COMPANION
        if entry.is_symlink() and not file.path.exists():
            self._tally.add(name, "dead link", likely)
        elif not file.path.is_file():
            self._tally.add(name, "no plain file", likely)
        elif entry.is_symlink():
            self._links.append(_Link(file, place, to_folder=False))
        else:
            yield file

    def _follow(self, link: _Link) -> list[FoundFile]:
        """The files behind a link, without those that are read by another name."""
        file = link.file
        behind = list(self._folder(file.path, file.name, link.place)) if link.to_folder else [file]
        new: list[FoundFile] = []
        for file in behind:
            identity = _identity(file.path)
            if identity in self._files:
                self._tally.add(file.name, READ_ALREADY)
            else:
                self._files.add(identity)
                new.append(file)
        return new


def _entries(folder: Path, name: str, tally: Tally) -> list[os.DirEntry[str]]:
    try:
        with os.scandir(folder) as scan:
            return sorted(scan, key=lambda entry: entry.name)
    except OSError as error:
        if folder.name in SYSTEM_FOLDERS and name:
            tally.add(name, "system folder", Likeliness.COMPANION)
            return []
        raise Problem(
            f"cannot list the folder {folder}: {error.strerror}",
            hint="make the folder readable, or move it out of the corpus",
        ) from error


def _is_folder(entry: os.DirEntry[str]) -> bool:
    try:
        return entry.is_dir()
    except OSError:  # a link to itself
        return False


def _identity(path: Path) -> Identity:
    try:
        status = path.stat()
    except OSError as error:
        raise Problem(
            f"cannot read {path}: {error.strerror}",
            hint="try again when nothing changes the corpus, or move it away",
        ) from error
    return status.st_dev, status.st_ino
