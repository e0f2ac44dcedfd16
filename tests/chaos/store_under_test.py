"""The store of a run with faults: a folder, or a bucket on the object server of loopback; and how the checker reads it.

The checker's side talks HTTP to the server itself, and opens files itself: it uses no store of the product.
"""

import json
import os
import shutil
import subprocess
import tempfile
from collections.abc import Generator
from contextlib import contextmanager, suppress
from dataclasses import dataclass
from http.client import HTTPConnection, HTTPException
from pathlib import Path
from urllib.parse import quote, urlsplit

from tests.support.objectserver import environment
from tests.support.objectserver.admin import Admin
from tests.support.objectserver.faults import Fault
from tests.support.objectserver.process import started

KINDS = ("folder", "s3", "gcs")
BUCKET = "chaos"
TRIES = 20
MEMORY = Path("/dev/shm")

# What a bucket does in bad fault_plan: about one request in twenty goes wrong, in every way that real ones do.
STORE_FAULTS = (
    Fault(status=503, code="SlowDown", rate=0.015),
    Fault(status=500, code="InternalError", rate=0.01),
    Fault(on="create,put", status=500, code="InternalError", after=True, rate=0.01),
    Fault(on="create,put", drop=True, after=True, rate=0.01),
    Fault(drop=True, rate=0.005),
    Fault(on="create", status=409, code="ConditionalRequestConflict", rate=0.01),
    Fault(seconds=0.2, spread=1.5, rate=0.02),
)


@dataclass
class StoreUnderTest:
    """`url` is for the product; `names` and `read` are for the checker."""

    kind: str
    url: str
    scratch: Path
    environment: dict[str, str]
    admin: Admin | None = None

    def names(self, prefix: str) -> list[str]:
        """Keys that begin so."""
        if self.admin is None:
            root = Path(self.url)
            base = root / prefix
            found = (p for p in base.rglob("*") if p.is_file() and not p.name.startswith("."))
            return sorted(p.relative_to(root).as_posix() for p in found)
        found_names: list[str] = []
        token = ""
        while True:
            path = (
                f"/storage/v1/b/{BUCKET}/o?prefix={quote('out/' + prefix, safe='')}&pageToken={quote(token)}"
            )
            page = json.loads(self._get(path))
            found_names += [item["name"].removeprefix("out/") for item in page.get("items", ())]
            token = page.get("nextPageToken", "")
            if not token:
                return found_names

    def read(self, key: str) -> bytes:
        if self.admin is None:
            return (Path(self.url) / key).read_bytes()
        return self._get(f"/storage/v1/b/{BUCKET}/o/{quote('out/' + key, safe='')}?alt=media")

    def rewritten(self, run: str) -> int | None:
        """Receipts that the server saw written more than once; None where they are not counted."""
        if self.admin is None:
            return None
        prefix = f"{BUCKET}/out/_embedfleet/{run}/receipts/"
        return sum(1 for count in self.admin.writes(prefix).values() if count > 1)

    def _get(self, path: str) -> bytes:
        """The fault_plan strikes the checker, too: it asks again."""
        for _ in range(TRIES):
            with suppress(OSError, HTTPException):
                status, body = self._ask(path)
                if status == 200:
                    return body
                if status < 500:
                    break
        raise RuntimeError(f"{path} cannot be read")

    def _ask(self, path: str) -> tuple[int, bytes]:
        assert self.admin is not None
        parts = urlsplit(self.admin.address)
        line = HTTPConnection(parts.hostname or "", parts.port, timeout=60)
        try:
            line.request("GET", path)
            reply = line.getresponse()
            return reply.status, reply.read()
        finally:
            line.close()


@contextmanager
def store_under_test(kind: str) -> Generator[StoreUnderTest, None, None]:
    """One that is empty, and gone afterwards."""
    base = MEMORY if MEMORY.is_dir() and os.access(MEMORY, os.W_OK) else None
    with tempfile.TemporaryDirectory(
        prefix="embedfleet-chaos-", dir=base, ignore_cleanup_errors=True
    ) as name:
        scratch = Path(name)
        if kind == "folder":
            yield StoreUnderTest(kind, str(scratch / "out"), scratch, {})
            return
        with started([BUCKET]) as address:
            scheme = {"s3": "s3", "gcs": "gs"}[kind]
            yield StoreUnderTest(
                kind, f"{scheme}://{BUCKET}/out", scratch, dict(environment(address)), Admin(address)
            )


@contextmanager
def small_disk(folder: Path, size: int) -> Generator[Path, None, None]:
    """A file system of so many bytes, on which a folder store runs out of space. Needs root.

    Raises:
        PermissionError: nothing can be mounted here.
    """
    folder.mkdir()
    command = ["mount", "-t", "tmpfs", "-o", f"size={size}", "tmpfs", str(folder)]
    if shutil.which("mount") is None or subprocess.run(command, capture_output=True, check=False).returncode:
        raise PermissionError("cannot mount a small file system here")
    try:
        yield folder
    finally:
        subprocess.run(["umount", "-l", str(folder)], check=True)
