"""The ledger at size: seconds to create a run, to mark its shards done one by one, to ask for its status.

python -m benchmarks.ledger [SHARDS]
"""

import json
import resource
import sys
from collections.abc import Callable, Iterator, Sequence
from datetime import UTC, datetime, timedelta
from functools import partial
from itertools import islice
from pathlib import Path
from statistics import median
from tempfile import TemporaryDirectory
from time import perf_counter
from typing import Any, TypeVar

from launcher.ledger.ledger import Ledger
from tasks.protocol.keys import vectors_key
from tasks.protocol.receipt import Receipt
from tasks.protocol.shard import Shard, Slice, identify

SHARDS = 100_000
RUN = "bench"
START = datetime(2026, 1, 1, tzinfo=UTC)
RSS_UNIT = 1 if sys.platform == "darwin" else 1024  # macOS counts bytes, Linux KiB
Thing = TypeVar("Thing")


def main() -> None:
    shards = int(sys.argv[1]) if len(sys.argv) > 1 else SHARDS
    print(json.dumps(measure(shards), indent=2))


def measure(shards: int) -> dict[str, Any]:
    """The figures, on a new ledger in the folder for temporary files."""
    with TemporaryDirectory() as folder:
        path = Path(folder) / "ledger.db"
        with Ledger.open(path) as ledger:
            ledger.runs.create(RUN, RUN, "{}", "0" * 64, "out", START)
            create = sum(seconds(partial(ledger.shards.add, RUN, some)) for some in slabs(cut(shards)))
            mark = sum(seconds(partial(one_by_one, ledger, some)) for some in slabs(finish(shards)))
            status = median(seconds(partial(ledger.shards.progress, RUN)) for _ in range(101))
            peak = resource.getrusage(resource.RUSAGE_SELF).ru_maxrss * RSS_UNIT
            read = seconds(partial(ledger.shards.receipts, RUN))
            assert ledger.shards.progress(RUN).shards_done == shards
        return {
            "shards": shards,
            "create_seconds": round(create, 3),
            "mark_done_one_by_one_seconds": round(mark, 3),
            "mark_done_one_by_one_per_second": round(shards / mark),
            "status_seconds": round(status, 6),
            "read_all_receipts_seconds": round(read, 3),
            "file_bytes": path.stat().st_size,
            "peak_rss_bytes": peak,  # until the status; reading all receipts holds them all
        }


def one_by_one(ledger: Ledger, receipts: Sequence[Receipt]) -> None:
    for receipt in receipts:
        assert ledger.shards.record_receipts(RUN, [receipt]) == 1


def seconds(act: Callable[[], object]) -> float:
    start = perf_counter()
    act()
    return perf_counter() - start


def slabs(things: Iterator[Thing]) -> Iterator[list[Thing]]:
    """Some at a time, so that neither making nor keeping them is measured."""
    while some := list(islice(things, 10_000)):
        yield some


def cut(shards: int) -> Iterator[Shard]:
    """Shards as a corpus of many Parquet files gives them."""
    for position in range(shards):
        slices = (Slice(f"part-{position:06d}.parquet", "8388608-1767225600", "parquet", 0, 4096),)
        yield Shard(identify(slices), position, slices, 8_388_608, 524_288)


def finish(shards: int) -> Iterator[Receipt]:
    """A receipt of every one, as the worker writes it."""
    for shard in cut(shards):
        started = START + timedelta(seconds=shard.position)
        yield Receipt(
            run=RUN,
            shard=shard.id,
            position=shard.position,
            worker=f"{RUN}-w{shard.position % 400}-1",
            generation=1,
            nonce=shard.id * 2,
            key=vectors_key(f"{shard.id}-{shard.id[:8]}"),
            digest=shard.id * 4,
            output_bytes=3_145_728,
            input_bytes=8_388_608,
            documents=4096,
            chunks=4096,
            tokens=524_288,
            tokens_cut=0,
            failed_rows=0,
            quarantine=None,
            started=started,
            finished=started + timedelta(seconds=300.25),
            stages={"read": 1.2345, "tokenize": 4.5678, "embed": 290.1234, "write": 2.3456},
        )


if __name__ == "__main__":
    main()
