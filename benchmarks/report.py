"""The report at size: seconds and memory of a run with 100,000 shards on 1,000 machines, from ledger to page and JSON.

python -m benchmarks.report [SHARDS] [MACHINES]
python -m benchmarks.report 1000000     # docs/operations.md, "Memory of reports"

Each part runs in a process of its own that only reads, so that memory is the report's and not that of the writing.
"""

import json
import resource
import subprocess
import sys
from datetime import UTC, datetime, timedelta
from decimal import Decimal
from pathlib import Path
from tempfile import TemporaryDirectory
from time import perf_counter, process_time
from typing import Any

SHARDS, MACHINES = 100_000, 1_000
SECONDS, MIB = 3.0, 500  # what it should keep to
BATCH = 10_000  # receipts that are written together
RUN = "bench-00000000"
START = datetime(2026, 11, 2, 8, tzinfo=UTC)
RSS_UNIT = 1 if sys.platform == "darwin" else 1024  # macOS counts bytes, Linux KiB


def main() -> None:
    if len(sys.argv) > 2 and sys.argv[1] == "--read":
        print(json.dumps(read(Path(sys.argv[2]))))
        return
    shards, machines = (
        int(word) for word in (sys.argv[1:] + [str(SHARDS), str(MACHINES)][len(sys.argv) - 1 :])[:2]
    )
    print(json.dumps(measure(shards, machines), indent=2))


def measure(shards: int, machines: int) -> dict[str, Any]:
    """Write a ledger, then read it as `embedfleet report` does."""
    with TemporaryDirectory() as folder:
        path = Path(folder) / "ledger.db"
        begun = perf_counter()
        write(path, shards, machines)
        wrote = perf_counter() - begun
        words = [sys.executable, "-m", "benchmarks.report", "--read", str(path)]
        found = json.loads(subprocess.run(words, check=True, capture_output=True, text=True).stdout)
    kept = found["seconds"]["all"] < SECONDS and found["peak_mib"] < MIB
    head: dict[str, Any] = {"shards": shards, "machines": machines, "seconds_to_write": round(wrote, 2)}
    return head | found | {"within": kept, "bounds": {"seconds": SECONDS, "mib": MIB}}


def read(path: Path) -> dict[str, Any]:
    """Everything after the imports: the ledger's rows, the meter, JSON, page."""
    from launcher.documents.encode import json_pieces
    from launcher.ledger.ledger import Ledger
    from launcher.money import amount_text
    from launcher.reports.assemble import report_of
    from launcher.reports.html.report_page.report import report_page
    from launcher.reports.report_json import report_document

    begun, busy = perf_counter(), process_time()
    with Ledger.open(path) as ledger:
        report = report_of(ledger, None, RUN, START + timedelta(hours=9))
    metered = perf_counter()
    document = report_document(report)
    made = perf_counter()
    page = report_page(document)
    drawn = perf_counter()
    size = sum(map(len, json_pieces(document)))
    done, busy = perf_counter(), process_time() - busy
    return {
        "cpu_seconds": round(busy, 2),
        "seconds": {
            "read_and_meter": round(metered - begun, 2),
            "figures": round(made - metered, 2),
            "page": round(drawn - made, 2),
            "json": round(done - drawn, 2),
            "all": round(done - begun, 2),
        },
        "peak_mib": round(resource.getrusage(resource.RUSAGE_SELF).ru_maxrss * RSS_UNIT / 2**20),
        "page_bytes": len(page),
        "json_bytes": size,
        "usd": None if document.spend.total is None else amount_text(document.spend.total),
        "lives": len(document.machines),
    }


def write(path: Path, shards: int, machines: int) -> None:
    """A run whose machines were taken away once each, with as many shards each."""
    from launcher.ledger.ledger import Ledger
    from launcher.ledger.records import LifeEnd, RunState, Site
    from tasks.protocol.keys import vectors_key
    from tasks.protocol.receipt import Receipt
    from tasks.protocol.shard import Shard, Slice

    each = shards // machines
    place = [
        Site("aws", f"us-{way}-{n}", None, "spot", "g6.xlarge", 1, 100)
        for way in ("east", "west")
        for n in (1, 2)
    ]
    with Ledger.open(path) as ledger:
        ledger.runs.create(RUN, "bench", "{}", "d", "s3://vectors", START)
        ledger.runs.set_state(RUN, RunState.RUNNING, START)
        receipts: list[Receipt] = []
        count = 0
        slices = (Slice("a.jsonl", "1", "jsonl"),)

        def record() -> None:
            ledger.shards.add(RUN, (Shard(r.shard, r.position, slices, 1, 80_000) for r in receipts))
            ledger.shards.record_receipts(RUN, receipts)
            receipts.clear()

        for i in range(machines):
            name, site = f"m{i:04d}", place[i % len(place)]
            ledger.machines.intend(RUN, name, i, Decimal("0.32"), START, gpu="L4", lot=0, site=site)
            ledger.machines.begin_life(name, 0, at(60 + i % 300), site, Decimal("0.3217"))
            ledger.machines.mark_ready(name, at(200 + i % 300))
            ledger.machines.end_life(name, 0, at(4_000 + i), LifeEnd.PREEMPTED)
            ledger.machines.begin_life(name, 1, at(4_300 + i), site, Decimal("0.3317"))
            ledger.machines.end_life(name, 1, at(9_000 + i), LifeEnd.STOPPED)
            for n in range(each):
                start = at(500 + n * 60)
                receipts.append(
                    Receipt(
                        run=RUN,
                        shard=f"{count:016x}",
                        position=count,
                        worker=f"{name}-0",
                        generation=1,
                        nonce="n" * 32,
                        key=vectors_key(f"{count:016x}-1"),
                        digest="d" * 64,
                        output_bytes=1_000_000,
                        input_bytes=300_000,
                        documents=500,
                        chunks=600,
                        tokens=80_000,
                        tokens_cut=0,
                        failed_rows=0,
                        quarantine=None,
                        started=start,
                        finished=start + timedelta(seconds=58),
                        stages={"engine": 50.0, "read": 1.0, "write": 1.0},
                    )
                )
                count += 1
                if len(receipts) == BATCH:
                    record()
        record()


def at(seconds: float) -> datetime:
    return START + timedelta(seconds=seconds)


if __name__ == "__main__":
    main()
