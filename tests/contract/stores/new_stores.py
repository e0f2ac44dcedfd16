"""Where a new store of each kind is, and the names that no store takes."""

from pathlib import Path

import pytest

from tasks.stores.base import TEMPORARY_PREFIX, Entry
from tests.support.buckets import Servers

OUTSIDE = (
    "",
    "..",
    "../thief",
    "a/../../thief",
    "a/./b",
    "/etc/thief",
    "a//b",
    "a/",
    "line\nbreak",
    "tab\tstop",
    "nul\0",
    "\x9b31mred",
    "\x1b[31mred",
    f"{TEMPORARY_PREFIX}mine",
    f"a/{TEMPORARY_PREFIX}mine",
)


# Names that no file of a corpus may have; the rest of OUTSIDE may be a file and does not leave the root.
UNREADABLE = [k for k in OUTSIDE if k in ("", "..") or k.startswith(("..", "/")) or "/../" in k or "\0" in k]


def new_url(kind: str, servers: Servers, folder: Path, patch: pytest.MonkeyPatch) -> str:
    """Where a new and empty store of this kind is: a folder, or a prefix in a new bucket."""
    return str(folder / "bucket") if kind == "folder" else f"{servers.bucket(kind, patch)}/some/prefix"


def keys(entries: list[Entry]) -> list[str]:
    return [entry.key for entry in entries]
