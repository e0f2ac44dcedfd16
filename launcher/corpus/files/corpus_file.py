"""An input file of a corpus: its path, size, version and format. Pure."""

from dataclasses import dataclass

from tasks.protocol.shard import Kind

DIVISIBLE: tuple[Kind, ...] = ("parquet", "jsonl", "text")  # formats that can be entered in the middle


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
        """Whether it cannot be cut: it is compressed, or its format has no places to enter it."""
        return self.compressed or self.kind not in DIVISIBLE
