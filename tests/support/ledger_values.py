"""A time, a shard, a receipt and a run, as the tests of the ledger write them."""

from datetime import UTC, datetime, timedelta
from decimal import Decimal

from launcher.ledger.ledger import Ledger
from launcher.ledger.steering_records import Ask, CourseBody, CourseRecord, DecisionRecord
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


def ask(machine: str, at: datetime = NOON, place: str = "aws/us-east-1") -> Ask:
    """A request for one machine that has no answer yet."""
    return Ask(machine, at, place, "spot", "L4", "g6.xlarge", 1)


def course(at: datetime = NOON) -> CourseRecord:
    return CourseRecord(
        at=at,
        budget_pressure="free",
        usd_per_token=Decimal("0.000000071"),
        margin_seconds=660.0,
        late_p50=-4_800.0,
        late_p90=-2_100.0,
        chance_late=0.01,
        usd_to_finish_p50=Decimal("205.30"),
        usd_to_finish_p90=Decimal("262.30"),
        tokens_left=1.2e9,
        body=CourseBody(missing=2, targets=((3, 7), (4, 1)), hours_p50=3.5, on_demand_share=0.06),
    )


def decision(at: datetime = NOON, number: int = 0) -> DecisionRecord:
    return DecisionRecord(
        at=at,
        number=number,
        what="ask",
        place="aws/us-east-1",
        count=7,
        reason="$0.213, next best",
        usd_expected=Decimal("1.40"),
    )


def create_run(ledger: Ledger, run: str = "r1", created: datetime = NOON) -> None:
    ledger.runs.create(run, "reviews", '{"usd": "1"}', "digest-1", "out", created)
