"""Borders of the launcher's own files: jobs, plans, reports, ledgers and bills."""
# the stubs of pyarrow are generic in what a file decides
# pyright: reportUnknownMemberType=false, reportUnknownArgumentType=false, reportUnknownVariableType=false

import gzip
import json
import sqlite3
from collections.abc import Callable, Iterator
from contextlib import closing
from typing import Any

import pyarrow as pa

from launcher.cli.bill_files import read_bill
from launcher.jobs import job as jobs
from launcher.jobs.parse import parse
from launcher.ledger.ledger import Ledger
from launcher.planning.saved import plan_file
from launcher.reports import report_json
from tests.fuzz.border import Border, Place, parquet_bytes
from tests.fuzz.machine_borders import NOW
from tests.support.paths import DATA

JOB = b"""name: a
corpus: {path: in, text: text, id: id}
model: hash
output: {path: out, dtype: float16}
limits: {deadline: 6h, budget: $300, gpus: [L4, H100], regions: ['us-*']}
quota: {aws: {us-east-1: {L4: {spot: 64}}}}
"""
DECLARED_JOB = b"""name: b
corpus: {documents: 29.5M, lengths: [[0.5, 100], [0.5, 300]]}
model: {name: x, layers: 2}
chunk: {tokens: 512, overlap: 50}
"""


def launcher_borders(place: Place) -> Iterator[Border]:
    """The borders of this module."""
    plans = tuple((DATA / "plans" / name).read_bytes() for name in ("local.json", "cloud.json"))

    def job(body: bytes) -> object:
        return parse(body.decode("utf-8", "replace"))

    def recorded(body: bytes) -> object:
        plan = plan_file.read_recorded(body)
        return jobs.load(plan.work.job), plan_file.dump(plan)

    def signed(body: bytes) -> object:
        """A plan that someone edited and signed again."""
        try:
            found: Any = json.loads(body)
        except (ValueError, RecursionError):
            return plan_file.read(body)
        if isinstance(found, dict):
            found.pop("digest", None)
            try:
                found = plan_file.signed(found)
            except (ValueError, RecursionError):
                return None
        return plan_file.read(json.dumps(found))

    def bill(body: bytes) -> object:
        return read_bill(place.file("bill", body), "reviews-0a1b2c3d")

    yield Border("job file", (JOB, DECLARED_JOB), job)
    yield Border("plan of a ledger", plans, recorded)
    yield Border("plan.json", plans, signed)
    yield Border(
        "report.json", (b'{"schema": "embedfleet/report/1", "run": "a", "work": {}}',), report_json.read
    )
    yield Border("ledger file", _ledgers(place), _ledger_reader(place))
    yield Border("bill", _bills(), bill)


def _ledger_reader(place: Place) -> Callable[[bytes], object]:
    def read(body: bytes) -> object:
        for name in ("ledger.db", "ledger.db-wal", "ledger.db-shm"):
            (place.root / name).unlink(missing_ok=True)
        with Ledger.open(place.file("ledger.db", body)) as ledger:
            found: list[object] = [ledger.speeds.matching(), ledger.machines.cold_starts()]
            for run in ledger.runs.all():
                found += [
                    ledger.shards.receipts(run.id),
                    ledger.shards.leases(run.id),
                    ledger.shards.progress(run.id),
                ]
                found += [
                    ledger.machines.of_run(run.id),
                    ledger.machines.lives(run.id),
                    ledger.costs.prices(run.id),
                ]
                found += [
                    ledger.costs.charges(run.id),
                    ledger.notifications.of_run(run.id),
                    ledger.runs.events(run.id),
                ]
        return found

    return read


def _ledgers(place: Place) -> tuple[bytes, ...]:
    bodies: list[bytes] = []
    for script in sorted((DATA / "ledgers").glob("*.sql")):
        path = place.root / "seed.db"
        path.unlink(missing_ok=True)
        with closing(sqlite3.connect(path)) as connection:
            connection.executescript(script.read_text(encoding="utf-8"))
            connection.execute("PRAGMA journal_mode = DELETE")
        bodies.append(path.read_bytes())
    return tuple(bodies)


def _bills() -> tuple[bytes, ...]:
    focus = (
        b"BilledCost,BillingCurrency,ChargePeriodStart,ServiceName,Tags\n"
        b'0.1,USD,2026-11-02T08:00:00Z,Compute Engine,"{""embedfleet-run"": ""reviews-0a1b2c3d""}"\n'
    )
    cur = (
        b"line_item_unblended_cost,line_item_currency_code,line_item_usage_start_date,product_product_name,"
        b"resource_tags_user_embedfleet_run\n1.5,USD,2026-11-02T08:00:00Z,EC2,reviews-0a1b2c3d\n"
    )
    table = pa.table(
        {
            "BilledCost": [1.25],
            "BillingCurrency": ["USD"],
            "ChargePeriodStart": [NOW],
            "ServiceName": ["EC2"],
            "Tags": ['{"embedfleet-run": "reviews-0a1b2c3d"}'],
        }
    )
    return focus, cur, gzip.compress(focus), parquet_bytes(table)
