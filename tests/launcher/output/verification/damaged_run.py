"""A finished run on this machine, and the damage that a test does to it."""
# the stubs of pyarrow are generic in what a file decides
# pyright: reportUnknownMemberType=false, reportUnknownArgumentType=false, reportUnknownVariableType=false

import hashlib
import json
import subprocess
import sys
from collections.abc import Callable
from dataclasses import dataclass
from pathlib import Path
from typing import Any

import pyarrow as pa
import pyarrow.parquet as pq

from launcher.output.verification.verify import verify
from launcher.output.verification.verify_report import VerifyReport
from tasks.protocol import manifest
from tasks.protocol.manifest import Header
from tasks.stores.folder import FolderStore
from tests.support.paths import ROOT
from tests.support.runs import header_of, shard_of, whole

FILES, DOCUMENTS = 4, 6


@dataclass(frozen=True, slots=True)
class Finished:
    """A finished run. The third shard has two bad rows."""

    root: Path
    header: Header

    def verify(self, *, embed_again: bool = False) -> VerifyReport:
        store = FolderStore(self.root)
        return verify(store, self.header, 0, embed_again=embed_again, progress=lambda _done, _all: None)

    def faults(self) -> list[str]:
        return list(self.verify().faults)

    def receipt(self, position: int) -> Path:
        paths = self.root.glob(f"_embedfleet/{self.header.run}/receipts/*/*.json")
        return next(p for p in paths if json.loads(p.read_text())["position"] == position)

    def signed(self, position: int) -> dict[str, Any]:
        found: dict[str, Any] = json.loads(self.receipt(position).read_text())
        return found

    def sign(self, position: int, **changes: Any) -> None:
        self.receipt(position).write_text(json.dumps(self.signed(position) | changes))

    def data(self, position: int) -> Path:
        return self.root / self.signed(position)["key"]

    def rewrite(self, position: int, change: Callable[[pa.Table], pa.Table], **signed: Any) -> None:
        """Change the vectors of a shard, and its receipt so that it fits them."""
        path = self.data(position)
        pq.write_table(change(pq.read_table(path)), path)
        self.sign(position, digest=hashlib.sha256(path.read_bytes()).hexdigest(), **signed)


def finish(folder: Path, **changes: Any) -> Finished:
    """Embed the folder `in` with a worker, each file one shard."""
    names = sorted(p.name for p in (folder / "in").iterdir())
    shards = [shard_of([whole(folder / "in", name, "jsonl")], n) for n, name in enumerate(names)]
    header = header_of(folder / "in", len(shards), **changes)
    store = FolderStore(folder / "out")
    manifest.write(store, header, shards)
    words = ["--store", str(store.root), "--run", header.run]
    command = [sys.executable, "-m", "tasks.worker", *words]
    subprocess.run(command, cwd=ROOT, check=True, capture_output=True)
    return Finished(store.root, header)
