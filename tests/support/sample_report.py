"""A report with one of everything: three lives of two machines, six shards, a preemption, failed rows, hostile names."""

from collections.abc import Sequence
from dataclasses import replace
from datetime import UTC, datetime, timedelta
from decimal import Decimal
from typing import Any

from launcher.costs.usage.machine_time import LeaseTime, MachineTime
from launcher.costs.usage.metering import meter
from launcher.costs.usage.spend import OtherCharge
from launcher.costs.usage.work_done import work_of
from launcher.planning.saved import plan_file
from launcher.planning.saved.saved_plan import SavedPlan
from launcher.reports.document import ReportDocument, ReportEvent, RowFailure, RunFacts
from launcher.reports.report import Report
from launcher.reports.report_json import report_document
from tasks.protocol.receipt import Receipt
from tests.support import sample_plan

START = datetime(2026, 10, 1, 9, tzinfo=UTC)
EVIL = "<script>alert('x')</script>"
W0, W1 = "w-0", f"w-1 {EVIL}"
START_OF_W0 = {"boot": 21.0, "setup": 38.0, "process": 0.9, "load": 12.0, "warm_up": 3.5, "first_batch": 1.75}
THINNED = 40  # of a series' points one in so many is kept


def at(seconds: float) -> datetime:
    """A moment of the run."""
    return START + timedelta(seconds=seconds)


def machine(name: str, started: float, ready: float, ended: float | None, **more: Any) -> MachineTime:
    """One life of a machine, in seconds since the run was created."""
    place = more.pop("place", "aws/us-east-1")
    price = more.pop("price", Decimal("0.71"))
    return MachineTime(
        name=name,
        place=place,
        gpu="L4",
        usd_per_hour=price,
        started=at(started),
        ready=at(ready),
        ended=None if ended is None else at(ended),
        state=more.pop("state", "STOPPED"),
        **more,
    )


def receipt(position: int, worker: str, started: float, finished: float, **more: Any) -> Receipt:
    """The receipt of a shard, in seconds since the run was created."""
    return Receipt(
        run="r-20261001-a1b2",
        shard=f"{position:016x}",
        position=position,
        worker=worker,
        generation=more.get("generation", 1),
        nonce="n",
        key=f"data/{position:016x}-1.parquet",
        digest="0" * 64,
        output_bytes=170_000,
        input_bytes=300_000,
        documents=166,
        chunks=201,
        tokens=more.get("tokens", 48_000 + 900 * position),
        tokens_cut=17,
        failed_rows=more.get("failed", 0),
        quarantine=None,
        started=at(started),
        finished=at(finished),
        stages={"read": 0.8, "tokenise": 1.9, "engine": finished - started - 4, "write": 0.6, "store": 0.3},
        cold_start=more.get("cold_start"),
    )


def lease(position: int, worker: str, claimed: float, ended: float | None, generation: int = 1) -> LeaseTime:
    """A lease, in seconds since the run was created."""
    return LeaseTime(
        f"{position:016x}", generation, worker, at(claimed), None if ended is None else at(ended)
    )


def plan() -> SavedPlan:
    """What had been planned: a little less of everything."""
    body = sample_plan.plan()
    profile = {"documents": 950, "chunks": 1_200, "tokens": 270_000, "bytes": 1_700_000}
    totals = {
        "usd": {"p10": "0.14", "p50": "0.17", "p90": "0.2"},
        "hours": {"p10": 0.08, "p50": 0.1, "p90": 0.15},
        "usd_per_million_tokens": "0.62963",
        "machines": 2,
        "items": {"compute": "0.13", "cold_start": "0.03", "preemption": "0.01"}
        | dict.fromkeys(("idle_tail", "disk", "storage", "egress", "controller"), "0"),
    }
    aws, gcp = body["lots"]
    aws |= {"machines": 1, "tokens": 180_000, "tokens_per_second": 520.0, "usd_per_hour": "0.71"}
    gcp |= {"machines": 1, "tokens": 90_000, "tokens_per_second": 480.0, "usd_per_hour": "0.92", "gpu": "L4"}
    kind = body["kinds"][0] | {"usd": {"p10": "0.1", "p50": "0.12", "p90": "0.2"}}
    return plan_file.read_recorded(
        body
        | {
            "run": "r-20261001-a1b2",
            "profile": body["profile"] | profile,
            "lots": [aws, gcp],
            "totals": body["totals"] | totals,
            "frontier": [],
            "alternatives": [],
            "kinds": [kind],
            "hosted": body["hosted"][:1],
            "prices_as_of": "2026-09-30",
            "digest": "9f2c61d07a4be813",
        }
    )


def report() -> Report:
    """A finished run. One of its machines was preempted, and came back."""
    gcp: dict[str, Any] = {
        "place": "gcp/us-central1", "price": Decimal("0.92"), "cloud": "gcp", "region": "us-central1",
        "purchase": "spot", "group": 1,
    }  # fmt: skip
    machines = [
        machine(W0, 5, 95, 552, stopping=at(530), cloud="aws", region="us-east-1", group=0, gone=at(570)),
        machine(W1, 8, 130, 300, state="PREEMPTED", how="PREEMPTED", gone=at(300), **gcp),
        machine(W1, 330, 420, 549, stopping=at(530), number=1, rates=((at(400), Decimal("0.8")),), **gcp),
    ]
    receipts = [
        receipt(0, W0, 96, 205, cold_start=START_OF_W0),
        receipt(1, W1, 131, 249, failed=2, cold_start={"process": 1.1, "load": 14.5, "first_batch": 2.25}),
        receipt(2, W0, 206, 310),
        receipt(3, W0, 326, 425, generation=2),
        receipt(4, W1, 421, 525, failed=3),
        receipt(5, W0, 426, 528),
    ]
    leases = [lease(3, W1, 250, 300)]
    others = [
        OtherCharge(
            "egress", 2_820_000.0, "bytes", Decimal("0.0002"), estimated=True, place="gcp/us-central1"
        ),
        OtherCharge("storage", None, "bytes for a month", Decimal("0.00003"), estimated=True),
    ]
    return Report(
        run="r-20261001-a1b2",
        name=f"reviews-2026 {EVIL}",
        state="DONE",
        created=START,
        updated=at(600),
        plan=plan(),
        shards=6,
        shards_done=6,
        done=work_of(receipts),
        machines=machines,
        leases=leases,
        spend=meter(machines, receipts, leases, at(600), others),
        failures=[
            RowFailure("reviews/part-000.jsonl", 88, "not a string", "r-1188"),
            RowFailure(f"reviews/{EVIL}.jsonl", 12, "no text", "a&b"),
            RowFailure("reviews/part-004.jsonl", 901, f"broken JSON line: {EVIL}", None),
        ],
        failed_rows=5,
        events=[
            ReportEvent(at(0), "run", "created"),
            ReportEvent(at(300), "lease", f"{W1} lost shard 3"),
            ReportEvent(at(552), "run", "finished with 5 failed rows"),
        ],
        budget=Decimal(1),
        facts=facts(),
    )


def facts() -> RunFacts:
    """What was embedded and how, with a hostile name of a corpus."""
    return RunFacts(
        model="BAAI/bge-base-en-v1.5",
        model_fingerprint=None,
        prompt="",
        corpus=f"s3://corpus/{EVIL}",
        output="s3://vectors/reviews",
        dtype="float16",
        dimensions=768,
        chunking="chunks of 256 tokens, 32 of them shared with the next",
        engine="vllm on cuda, bfloat16",
        versions={"embedfleet": "0.2.0", "torch": "2.8.0"},
        command="embedfleet launch plan.json",
        load='import embedfleet as ef; vectors = ef.load("s3://vectors/reviews", run="r-20261001-a1b2")',
    )


def small(
    receipts: Sequence[Receipt] = (),
    machines: Sequence[MachineTime] = (),
    leases: Sequence[LeaseTime] = (),
    *,
    plan: SavedPlan | None = None,
    shards: int = 1,
    now: float = 100,
    failed_rows: int = 0,
) -> Report:
    """A running run of these rows."""
    return Report(
        run="r1",
        name="small",
        state="running",
        created=START,
        updated=at(now),
        plan=plan,
        shards=shards,
        shards_done=len(receipts),
        done=work_of(receipts),
        machines=machines,
        leases=leases,
        spend=meter(machines, receipts, leases, at(now)),
        failed_rows=failed_rows,
    )


def document() -> ReportDocument:
    """The document of the report."""
    return report_document(report())


def thinned(document: ReportDocument) -> ReportDocument:
    """The document with few points of its series, so that a golden file of it can be read."""
    return replace(
        document,
        series=document.series[::THINNED],
        spent=document.spent[::THINNED],
        fleet=replace(document.fleet, points=document.fleet.points[::THINNED]),
    )
