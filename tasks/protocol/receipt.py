"""Receipts: the proof that a shard is done. Each is created once, and the worker that creates it has done the shard.

A part receipt proves the first rows of a shard, for a worker that has to stop: the next worker continues there and
lists the files of the part in its receipt. Pure: values and their JSON, no clock and no store.
"""

from collections.abc import Mapping
from dataclasses import dataclass, field, replace
from datetime import datetime
from typing import Annotated

from msgspec import Meta

from tasks.protocol import documents
from tasks.protocol.bounds import Count, Name, QuarantineKey, Seconds, VectorsKey
from tasks.protocol.start_stages import StartSeconds

MAX_RETRIES = 999_998  # their names have six digits, and one more can be asked for
Retries = Annotated[int, Meta(ge=0, le=MAX_RETRIES)]
MAX_FAULT = 2_000  # characters of a fault that are read
SCHEMA = "embedfleet/receipt/3"
PART_SCHEMA = "embedfleet/part/1"


@dataclass(frozen=True, slots=True)
class ReceiptFile:
    """Vectors of consecutive rows of a shard, made by one worker in one go, and the rows that failed among them."""

    key: VectorsKey  # relative to the output path
    digest: str  # sha256, hexadecimal
    bytes: Count
    rows: Count  # of the output
    tokens: Count  # that the model read for it; texts that deduplication skipped count 0
    quarantine: QuarantineKey | None  # key of the failed rows, when there are any
    worker: Name
    started: datetime  # by the worker's clock, with a time zone
    finished: datetime


@dataclass(frozen=True, slots=True)
class PartReceipt:
    """`files` hold the first `done` rows of a shard's input, good and bad; the counts are of all these files."""

    run: Name
    shard: Name  # id
    generation: Count  # of the lease it was made under
    done: Count
    documents: Count
    chunks: Count
    tokens: Count
    tokens_cut: Count
    tokens_repeated: Count
    failed_rows: Count
    files: tuple[ReceiptFile, ...]
    cut_short: Count = 0  # as in a receipt


@dataclass(frozen=True, slots=True)
class Receipt:
    """Counts are of this shard. `tokens` counts its texts, with special tokens and prompt."""

    run: Name
    shard: Name  # id
    position: Count
    worker: Name
    generation: Count  # of the lease it was made under
    nonce: str  # tells our own receipt from another's when the store's reply was lost
    key: VectorsKey | None  # of this attempt's vectors, relative to the output path; None: it wrote none
    digest: str | None  # sha256 of the vectors' file, hexadecimal
    output_bytes: Count  # of all files
    input_bytes: Count
    documents: Count  # embedded, without quarantined rows
    chunks: Count  # rows of the output
    tokens: Count
    tokens_cut: Count  # lost to truncation
    failed_rows: Count
    quarantine: QuarantineKey | None  # key of this attempt's failed rows, when there are any
    started: datetime  # by the worker's clock, with a time zone
    finished: datetime
    stages: Mapping[str, Seconds] = field(default_factory=dict[str, float])  # seconds by stage; they overlap
    fault: str | None = None  # why nothing of the shard was embedded, such as an input that changed
    # files of workers that had to stop; their rows come before those of this attempt
    earlier: tuple[ReceiptFile, ...] = ()
    tokens_repeated: Count = 0  # of `tokens`, those that deduplication skipped
    # Damaged places behind which an unknown number of rows is lost: then `failed_rows` is the least number.
    cut_short: Count = 0
    retry: Retries = 0  # how often the shard had been put back to be tried again: its newest receipt counts
    # how long the worker took to start, by stage; None: it is not the worker's first receipt, or not known
    cold_start: StartSeconds | None = None

    @property
    def seconds(self) -> float:
        """Seconds from the start of the engine on this shard to the receipt; consecutive shards overlap."""
        return (self.finished - self.started).total_seconds()

    @property
    def tokens_here(self) -> int:
        """Tokens that the model read in this attempt."""
        return self.tokens - self.tokens_repeated - sum(file.tokens for file in self.earlier)

    @property
    def files(self) -> tuple[tuple[str, str], ...]:
        """Key and digest of all files of the shard, in the order of its rows."""
        own = ((self.key, self.digest),) if self.key is not None and self.digest is not None else ()
        return (*((file.key, file.digest) for file in self.earlier), *own)

    @property
    def sizes(self) -> tuple[tuple[str, int], ...]:
        """Key and bytes of all files of the shard; the own file has what remains of `output_bytes`."""
        earlier = tuple((file.key, file.bytes) for file in self.earlier)
        own = () if self.key is None else ((self.key, self.output_bytes - sum(size for _, size in earlier)),)
        return (*earlier, *own)

    @property
    def quarantines(self) -> tuple[str, ...]:
        """Keys of all failed rows, in the order of the shard's input."""
        return tuple(key for key in (*(file.quarantine for file in self.earlier), self.quarantine) if key)


def dump(receipt: Receipt) -> bytes:
    """The receipt as the store holds it; seconds by stage to a tenth of a millisecond."""
    stages = {stage: round(seconds, 4) for stage, seconds in receipt.stages.items()}
    return documents.encode(
        replace(receipt, stages=stages),
        SCHEMA,
        ascii_only=False,
        without_none=("cold_start",),
        without_zero=("cut_short", "retry"),
    )


def load(body: bytes) -> Receipt:
    """The receipt that `dump` wrote.

    Raises:
        BadDocument: it is not a receipt of this schema.
    """
    found = documents.decode(body, Receipt, "a receipt", SCHEMA)
    return found if found.fault is None else replace(found, fault=found.fault[:MAX_FAULT])


def of_shard(body: bytes, run: str, shard: str) -> Receipt:
    """The receipt under the key of this shard of this run.

    Raises:
        BadDocument: it is not a receipt of this schema, or of another shard.
    """
    found = load(body)
    if (found.run, found.shard) != (run, shard):
        raise documents.BadDocument(f"it is of shard {found.shard} of run {found.run}")
    return found


def dump_part(part: PartReceipt) -> bytes:
    """The part as the store holds it."""
    return documents.encode(part, PART_SCHEMA, ascii_only=False, without_zero=("cut_short",))


def load_part(body: bytes) -> PartReceipt:
    """The part that `dump_part` wrote.

    Raises:
        BadDocument: it is not a part of this schema.
    """
    return documents.decode(body, PartReceipt, "a part receipt", PART_SCHEMA)


def dump_files(files: tuple[ReceiptFile, ...]) -> str:
    """Files as JSON, for the ledger."""
    return documents.encode(files).decode()


def load_files(text: str) -> tuple[ReceiptFile, ...]:
    """The files that `dump_files` wrote.

    Raises:
        BadDocument: they are not files of a receipt.
    """
    return documents.decode(text, tuple[ReceiptFile, ...], "files of a receipt")
