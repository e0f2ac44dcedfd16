"""The documents that `finish`, `ledger rebuild` and `prices refresh` print with --json.

The order of the fields is that of the keys. None is unknown and becomes null.
"""

from collections.abc import Sequence
from dataclasses import dataclass


@dataclass(frozen=True, slots=True, kw_only=True)
class GarbageFile:
    """A file of a finished run that no receipt names."""

    key: str
    bytes: int


@dataclass(frozen=True, slots=True, kw_only=True)
class KeptUnnamedFile:
    """A file that no receipt names and that `finish` keeps, because it is not proven to be a lost attempt of the run."""

    key: str
    bytes: int
    reason: str


@dataclass(frozen=True, slots=True, kw_only=True)
class FinishDocument:
    """What `finish` wrote and removed."""

    schema: str = "embedfleet/finish/1"
    run: str
    dataset: str  # key of the dataset manifest
    files: int  # that the dataset manifest names
    removed: int  # 0 with --dry-run
    found: Sequence[GarbageFile]
    kept: Sequence[KeptUnnamedFile]


@dataclass(frozen=True, slots=True, kw_only=True)
class RebuiltRun:
    """A run as the rebuilt ledger has it."""

    run: str
    state: str
    shards: int
    shards_done: int
    documents: int
    failed_rows: int
    workers: int
    unreadable: Sequence[str] = ()  # keys of objects that cannot be read: all counts are at least


@dataclass(frozen=True, slots=True, kw_only=True)
class UnreadableRun:
    """A folder of a run that nothing can be rebuilt of, and why."""

    run: str
    reason: str


@dataclass(frozen=True, slots=True, kw_only=True)
class LedgerDocument:
    """The runs that `ledger rebuild` found under an output path."""

    schema: str = "embedfleet/ledger/1"
    output: str
    runs: Sequence[RebuiltRun]
    unreadable_runs: Sequence[UnreadableRun] = ()


@dataclass(frozen=True, slots=True, kw_only=True)
class SourceAnswer:
    """What a price source answered, compared with the previous price book."""

    source: str
    offers: int
    new: int
    changed: int  # at another price
    jumps: Sequence[str]  # offers whose price changed a lot
    rejected: int
    absent: Sequence[str]  # cloud/GPU pairs that were expected
    notes: Sequence[str]


@dataclass(frozen=True, slots=True, kw_only=True)
class ChangedPrices:
    """What changed in a cloud's prices of one purchase kind since the previous price book. The counts are of offers."""

    cloud: str
    purchase: str
    added: int
    removed: int
    dearer: int
    cheaper: int
    same: int  # read again, at the same price
    not_read: int  # not read again: price and date of the book before
    median_change: float | None  # of those at another price: 0.1 is 10 % dearer
    oldest: str | None  # date of the oldest price


@dataclass(frozen=True, slots=True, kw_only=True)
class SilentSource:
    """A price source that gave no prices."""

    source: str
    reason: str
    hint: str


@dataclass(frozen=True, slots=True, kw_only=True)
class RefreshDocument:
    """A new price book, and what each source answered."""

    schema: str = "embedfleet/prices-refresh/1"
    at: str
    book: str
    offers: int
    rejected: int
    answered: Sequence[SourceAnswer]
    silent: Sequence[SilentSource]
    changes: Sequence[ChangedPrices]
