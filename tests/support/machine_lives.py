"""Lives of machines, receipts and leases as values, for tests of costs. Times are seconds after START."""

from datetime import UTC, datetime, timedelta
from decimal import Decimal
from typing import Any

from hypothesis import strategies as st

from launcher.costs.usage.machine_time import LeaseTime, MachineTime
from tasks.protocol.receipt import Receipt

START = datetime(2026, 10, 1, 9, tzinfo=UTC)


def at(seconds: float) -> datetime:
    return START + timedelta(seconds=seconds)


def machine(
    name: str = "w0",
    *,
    started: float = 0,
    ready: float | None = 10,
    ended: float | None = 100,
    stopping: float | None = None,
    price: str | None = "3.6",
    place: str = "aws/us-east-1",
) -> MachineTime:
    return MachineTime(
        name=name,
        place=place,
        gpu="L4",
        usd_per_hour=None if price is None else Decimal(price),
        started=at(started),
        ready=None if ready is None else at(ready),
        ended=None if ended is None else at(ended),
        state="ended",
        stopping=None if stopping is None else at(stopping),
    )


def receipt(
    shard: str, started: float, finished: float, *, worker: str = "w0", generation: int = 1
) -> Receipt:
    return Receipt(
        run="r1",
        shard=shard,
        position=0,
        worker=worker,
        generation=generation,
        nonce="n",
        key=f"data/{shard}-1.parquet",
        digest="0" * 64,
        output_bytes=1,
        input_bytes=1,
        documents=1,
        chunks=1,
        tokens=1,
        tokens_cut=0,
        failed_rows=0,
        quarantine=None,
        started=at(started),
        finished=at(finished),
    )


def lease(
    shard: str, claimed: float, ended: float | None, *, worker: str = "w0", generation: int = 1
) -> LeaseTime:
    return LeaseTime(shard, generation, worker, at(claimed), None if ended is None else at(ended))


def cloud_machine(name: str = "m", **more: Any) -> MachineTime:
    fields: dict[str, Any] = {
        "name": name, "place": "aws/x", "gpu": "L4", "usd_per_hour": Decimal("3.6"), "started": at(0),
        "ready": None, "ended": at(100), "state": "STOPPED", "cloud": "aws", "purchase": "on-demand",
    }  # fmt: skip
    return MachineTime(**fields | more)


def work_of(worker: str, started: float, finished: float, tokens: int = 1_000) -> Receipt:
    return Receipt(
        run="r", shard=f"{worker}{started}", position=0, worker=worker, generation=1, nonce="n", key="k", digest="d",
        output_bytes=1, input_bytes=1, documents=1, chunks=1, tokens=tokens, tokens_cut=0, failed_rows=0,
        quarantine=None, started=at(started), finished=at(finished),
    )  # fmt: skip


def lived(
    name: str,
    started: float,
    length: float,
    workers: int,
    price: Decimal,
    changes: list[Decimal],
    group: int | None,
) -> MachineTime:
    rates = tuple((at(started + n * length / 4), usd) for n, usd in enumerate(changes, 1))
    end = at(started + length)
    return cloud_machine(
        name, started=at(started), ended=end, workers=workers, usd_per_hour=price, rates=rates, group=group
    )


PRICE = st.decimals("0.01", "50", places=3)
LIVES = st.lists(
    st.builds(
        lived,
        st.sampled_from("abc"),
        st.floats(0, 500),
        st.floats(0, 900),
        st.integers(1, 8),
        PRICE,
        st.lists(PRICE, max_size=3),
        st.none() | st.integers(0, 2),
    ),
    max_size=5,
)
WORK = st.lists(
    st.builds(work_of, st.sampled_from(["a-0", "a-1", "b-0", "c-7r1"]), st.floats(0, 900), st.floats(0, 900)),
    max_size=6,
)
