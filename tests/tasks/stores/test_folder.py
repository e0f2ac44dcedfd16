"""Faults of folders."""

import contextlib
import subprocess
import sys
from collections.abc import Iterator
from pathlib import Path
from tempfile import TemporaryDirectory

import pytest
from hypothesis import given
from hypothesis import strategies as st

from tasks.stores.base import PAGE_SIZE, TEMPORARY_PREFIX, Entry, StoreError, list_all, read
from tasks.stores.folder import FolderStore
from tests.support.paths import ROOT


def keys(entries: list[Entry]) -> list[str]:
    return [entry.key for entry in entries]


def test_files_that_are_being_written_are_not_listed(tmp_path: Path) -> None:
    folder = FolderStore(tmp_path)
    folder.put("data/done.parquet", b"")
    (tmp_path / "data" / f"{TEMPORARY_PREFIX}0123").write_bytes(b"half")
    assert keys(folder.list("")) == ["data/done.parquet"]
    assert keys(folder.list("data/")) == ["data/done.parquet"]


def brute_force(keys: set[str], prefix: str, after: str) -> list[str]:
    return sorted(key for key in keys if key.startswith(prefix) and key > after)


NAMES = st.text(alphabet="ab-.0", min_size=1, max_size=2).filter(lambda name: name not in (".", ".."))
PATHS = st.lists(NAMES, min_size=1, max_size=3).map("/".join)


@given(wanted=st.sets(PATHS, max_size=12), data=st.data())
def test_a_walk_finds_what_sorting_all_keys_finds(wanted: set[str], data: st.DataObject) -> None:
    """`a-b` sorts before `a/b`, so the order of keys is not that of the names in a folder."""
    with TemporaryDirectory() as name:
        root, there = Path(name), set[str]()
        for key in sorted(wanted):
            with contextlib.suppress(FileExistsError, NotADirectoryError, IsADirectoryError):
                (root / key).parent.mkdir(parents=True, exist_ok=True)
                (root / key).write_bytes(b"")
                there.add(key)
        prefix = data.draw(st.sampled_from(["", "a", "a/", "b-", "a/b", *(k[:2] for k in sorted(there))]))
        after = data.draw(st.sampled_from(["", "a", "a-", "a/b", *sorted(there)]))
        folder = FolderStore(root)
        assert keys(list(folder.walk(prefix, after))) == brute_force(there, prefix, after)
        assert keys(folder.list(prefix, after)) == brute_force(there, prefix, after)
        assert keys(list(list_all(folder, prefix))) == brute_force(there, prefix, "")


def test_listing_all_of_a_folder_reads_its_names_once(tmp_path: Path) -> None:
    """A million files were read a thousand times, once for each page."""
    (tmp_path / "data").mkdir()
    for number in range(2 * PAGE_SIZE + 1):
        (tmp_path / "data" / f"{number:05d}").touch()
    walk = list_all(FolderStore(tmp_path), "data/")
    first = next(walk)
    later = tmp_path / "data" / "99999"
    later.touch()  # a second look at the folder would find it
    assert len([first, *walk]) == 2 * PAGE_SIZE + 1


def test_writes_leave_no_temporary_file(tmp_path: Path) -> None:
    folder = FolderStore(tmp_path)
    folder.create("data/a", b"1")
    folder.create("data/a", b"2")
    folder.put("data/a", b"3")
    assert [path.name for path in tmp_path.rglob("*") if path.is_file()] == ["a"]


def test_a_folder_is_created_with_its_parents(tmp_path: Path) -> None:
    FolderStore(tmp_path / "a" / "b").put("c", b"")
    assert (tmp_path / "a" / "b" / "c").is_file()


def test_a_file_in_the_place_of_the_folder_is_refused(tmp_path: Path) -> None:
    (tmp_path / "output").write_bytes(b"")
    with pytest.raises(StoreError, match="cannot write to"):
        FolderStore(tmp_path / "output").put("a", b"")
    with pytest.raises(StoreError, match="cannot write to"):
        FolderStore(tmp_path / "output").now()


@pytest.mark.parametrize("write", ["create", "put"])
def test_a_key_below_a_file_is_refused(tmp_path: Path, write: str) -> None:
    folder = FolderStore(tmp_path)
    folder.put("a", b"")
    with pytest.raises(StoreError, match="cannot write to"):
        getattr(folder, write)("a/b", b"")


def test_a_key_that_is_too_long_is_refused(tmp_path: Path) -> None:
    with pytest.raises(StoreError, match="name too long"):
        FolderStore(tmp_path).put("x" * 300, b"")


@pytest.fixture
def tiny(tmp_path: Path) -> Iterator[Path]:
    """A file system of 64 KiB."""
    mount = ["mount", "-t", "tmpfs", "-o", "size=64k", "none", str(tmp_path)]
    try:
        made = subprocess.run(mount, capture_output=True, check=False).returncode == 0
    except FileNotFoundError:
        made = False
    if not made:
        pytest.skip("a full disk needs a small file system, and mounting one needs root")
    yield tmp_path
    subprocess.run(["umount", str(tmp_path)], check=True)


@pytest.mark.parametrize("write", ["create", "put"])
def test_a_full_disk_is_refused_with_a_hint(tiny: Path, write: str) -> None:
    folder = FolderStore(tiny)
    with pytest.raises(StoreError, match="no space left") as refusal:
        getattr(folder, write)("data/big", b"x" * 100_000)
    assert refusal.value.hint == "free some space, then resume the run: nothing is lost"


@pytest.mark.parametrize("write", ["create", "put"])
def test_a_full_disk_leaves_no_half_file(tiny: Path, write: str) -> None:
    folder = FolderStore(tiny)
    with contextlib.suppress(StoreError):
        getattr(folder, write)("data/big", b"x" * 100_000)
    assert [path for path in tiny.rglob("*") if path.is_file()] == []
    folder.put("data/small", b"x" * 10_000)  # and the space is free again


@pytest.mark.parametrize("write", ["create", "put"])
def test_a_disk_that_is_mounted_read_only_is_refused(tiny: Path, write: str) -> None:
    folder = FolderStore(tiny)
    folder.put("data/old", b"x")
    subprocess.run(["mount", "-o", "remount,ro", str(tiny)], check=True)
    with pytest.raises(StoreError, match="cannot write to"):
        getattr(folder, write)("data/new", b"x")


def test_a_full_disk_keeps_the_old_object(tiny: Path) -> None:
    folder = FolderStore(tiny)
    folder.put("pulse", b"old")
    with contextlib.suppress(StoreError):
        folder.put("pulse", b"x" * 100_000)
    assert read(folder, "pulse") == b"old"


LIST = """
import os, sys
from pathlib import Path
from tasks.stores.base import StoreError
from tasks.stores.folder import FolderStore
if os.geteuid() == 0:  # root may list anything: change to another user
    os.setuid(65534)
try:
    print(FolderStore(Path(sys.argv[1])).list(""))
except StoreError as error:
    print(error)
"""


def test_a_folder_that_may_not_be_listed_is_named() -> None:
    with TemporaryDirectory() as folder:
        Path(folder).chmod(0o755)
        shut = Path(folder, "data")
        shut.mkdir(mode=0)
        said = subprocess.run(
            [sys.executable, "-c", LIST, folder], capture_output=True, text=True, cwd=ROOT, check=True
        )
        shut.chmod(0o755)
    assert said.stdout == f"cannot read {shut}: Permission denied\n"


@pytest.mark.parametrize("place", ["/proc/x", "/proc/self/fdinfo/x"])
def test_a_file_system_that_takes_no_files_is_refused_with_what_to_set(place: str) -> None:
    with pytest.raises(StoreError, match=f"cannot write to {place}") as refusal:
        FolderStore(Path(place)).create("a", b"x")
    assert refusal.value.hint.startswith("no file can be made there: set output.path to a folder on a disk")
