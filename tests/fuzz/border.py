"""A border of this program, and the folder that those have which read files."""
# the stubs of pyarrow are generic in what a file decides
# pyright: reportUnknownMemberType=false

import io
import shutil
import tempfile
from collections.abc import Callable
from dataclasses import dataclass
from pathlib import Path

import pyarrow as pa
import pyarrow.parquet as pq

from launcher.errors import Problem


@dataclass(frozen=True, slots=True)
class Border:
    """Attributes:
    read: reads bytes from outside, for as far as a command would.
    refusals: the errors that are answers; any other is a defect.
    """

    name: str
    seeds: tuple[bytes, ...]
    read: Callable[[bytes], object]
    refusals: tuple[type[Exception], ...] = (Problem,)


class Place:
    """A folder for readers of files, one for all inputs."""

    def __init__(self) -> None:
        self.root = Path(tempfile.mkdtemp(prefix="embedfleet-fuzz-"))

    def file(self, name: str, body: bytes) -> Path:
        path = self.root / name
        path.parent.mkdir(parents=True, exist_ok=True)
        path.write_bytes(body)
        return path

    def close(self) -> None:
        shutil.rmtree(self.root, ignore_errors=True)


def parquet_bytes(table: pa.Table) -> bytes:
    """The table as a file of Parquet."""
    out = io.BytesIO()
    pq.write_table(table, out)
    return out.getvalue()
