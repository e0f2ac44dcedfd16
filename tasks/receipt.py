"""A Receipt: the proof that a Shard is done. Created once; whoever creates it has done the shard.

Knows no clock and no store: a value and its JSON.
"""

import json
from collections.abc import Mapping
from dataclasses import asdict, dataclass, field
from datetime import datetime
from typing import Any

SCHEMA = "embedfleet/receipt/2"


@dataclass(frozen=True, slots=True)
class Receipt:
    """Counts are of this shard. `tokens` are those the model read, special tokens and prompt included."""

    run: str
    shard: str  # id
    position: int
    worker: str
    generation: int  # of the lease it was made under
    nonce: str  # tells our own receipt from another's when the store's reply was lost
    key: str | None  # of the vectors, relative to the output path; None where a fault left nothing to write
    digest: str | None  # sha256 of the vectors' file, hexadecimal
    output_bytes: int
    input_bytes: int
    documents: int  # embedded; a quarantined row is not among them
    chunks: int  # rows of the output
    tokens: int
    tokens_cut: int  # lost to truncation
    failed_rows: int
    quarantine: str | None  # key of the failed rows, when there are any
    started: datetime  # aware UTC, the worker's clock
    finished: datetime
    stages: Mapping[str, float] = field(default_factory=dict[str, float])  # seconds by stage; they overlap
    fault: str | None = None  # why nothing of the shard could be embedded, such as an input that changed

    @property
    def seconds(self) -> float:
        """From when the engine began with it to the receipt; neighbours overlap."""
        return (self.finished - self.started).total_seconds()


def dump(receipt: Receipt) -> bytes:
    """The receipt as it lies in the store."""
    body = asdict(receipt) | {
        "started": receipt.started.isoformat(),
        "finished": receipt.finished.isoformat(),
        "stages": {stage: round(seconds, 4) for stage, seconds in receipt.stages.items()},
    }
    return json.dumps({"schema": SCHEMA} | body, ensure_ascii=False).encode()


def load(body: bytes) -> Receipt:
    """The receipt that `dump` wrote.

    Raises:
        ValueError: it is not a receipt of this schema.
    """
    fields: dict[str, Any] = json.loads(body)
    if fields.pop("schema", None) != SCHEMA:
        raise ValueError(f"not a receipt of schema {SCHEMA}")
    for moment in ("started", "finished"):
        fields[moment] = datetime.fromisoformat(fields[moment])
    return Receipt(**fields)
