"""A time, a shard, a receipt and a run, as the tests of the ledger write them."""

from datetime import UTC, datetime, timedelta

from launcher.ledger.ledger import Ledger
from tasks.protocol.receipt import Receipt
from tasks.protocol.shard import Shard, Slice

NOON = datetime(2026, 11, 23, 12, 0, 0, 123456, tzinfo=UTC)


def later(seconds: float) -> datetime:
    return NOON + timedelta(seconds=seconds)


def shard(position: int, tokens: int | None = 100) -> Shard:
    return Shard(f"{position:016x}", position, (Slice("a.jsonl", "1", "jsonl"),), 1_000, tokens)


def receipt(position: int, run: str = "r1") -> Receipt:
    """The receipt of `shard(position)`; that of position 0 has a fault."""
    return Receipt(
        run=run,
        shard=f"{position:016x}",
        position=position,
        worker="r1-w0-1",
        generation=2,
        nonce="n" * 32,
        key=f"data/{position:016x}-1.parquet",
        digest="d" * 64,
        output_bytes=50,
        input_bytes=1_000,
        documents=3,
        chunks=4,
        tokens=90,
        tokens_cut=7,
        failed_rows=1,
        quarantine=f"quarantine/{position:016x}.jsonl",
        started=later(position),
        finished=later(position + 2.5),
        stages={"read": 0.1, "embed": 1 / 3},
        fault="its file changed" if position == 0 else None,
    )


def create_run(ledger: Ledger, run: str = "r1", created: datetime = NOON) -> None:
    ledger.runs.create(run, "reviews", '{"usd": "1"}', "digest-1", "out", created)
