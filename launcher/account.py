"""The ledger's rows as `spend` and `report` want them: one place where a run is turned into figures."""

import json
from collections.abc import Generator, Iterable
from datetime import datetime
from decimal import Decimal
from itertools import islice
from typing import Any

from launcher.ledger import Ledger
from launcher.record import Outcome, RunState
from launcher.report import Event, Failure, Report, build
from launcher.spend import LeaseTime, MachineTime, meter
from tasks.store import Store

FAILURES = 1_000  # rows that a report carries; the files in the store hold them all


def machine_times(ledger: Ledger, run: str) -> list[MachineTime]:
    return [
        MachineTime(
            name=m.name,
            place=m.place,
            gpu=m.gpu,
            usd_per_hour=m.usd_per_hour,
            started=m.confirmed or m.intended,
            ready=m.ready,
            ended=m.ended,
            state=m.state.value,
            stopping=m.stopping,
        )
        for m in ledger.machines(run)
    ]


def lease_times(ledger: Ledger, run: str) -> list[LeaseTime]:
    return [
        LeaseTime(seen.shard, seen.generation, seen.worker, seen.claimed, seen.ended)
        for seen in ledger.leases(run)
        if seen.outcome != Outcome.DONE
    ]


def spent_so_far(ledger: Ledger, run: str, now: datetime) -> Decimal | None:
    """Dollars until now, None while any machine has no price. Asks nothing of the shards: cheap."""
    return meter(machine_times(ledger, run), [], [], now).total.total_usd


def working_seconds(machines: Iterable[MachineTime], now: datetime) -> float:
    """How long at least one worker could work: a night's pause is no part of a speed."""
    spans = sorted((m.ready, m.ended or now) for m in machines if m.ready)
    total, until = 0.0, None
    for start, end in spans:
        begin = start if until is None or start > until else until
        if end > begin:
            total += (end - begin).total_seconds()
            until = end
    return total


def report_of(ledger: Ledger, store: Store, run: str, now: datetime) -> Report:
    """Everything the report shows, from the ledger and the quarantine's files."""
    row = ledger.find(run)
    now = row.changed if row.state == RunState.DONE else now  # nothing moves any more
    receipts = ledger.receipts(row.id)
    progress = ledger.progress(row.id)
    machines, leases = machine_times(ledger, row.id), lease_times(ledger, row.id)
    plan: dict[str, Any] = json.loads(row.plan)
    return build(
        run=row.id,
        name=row.name,
        state=row.state.value,
        created=row.created,
        now=now,
        plan=plan,
        shards=progress.shards,
        shards_done=progress.shards_done,
        receipts=receipts,
        machines=machines,
        leases=leases,
        spend=meter(machines, receipts, leases, now),
        failures=failures(store, [key for r in receipts for key in r.quarantines]),
        failed_rows=progress.failed_rows,
        events=[Event(e.at, e.kind, e.text) for e in ledger.events(row.id)],
    )


def failures(store: Store, keys: list[str], most: int = FAILURES) -> list[Failure]:
    """The first rows that were set aside, from the quarantine's files."""
    return list(islice(_failures(store, keys), most))


def _failures(store: Store, keys: list[str]) -> Generator[Failure, None, None]:
    for key in keys:
        stream = store.get(key)
        if stream is not None:
            with stream:
                for line in stream:
                    row = json.loads(line)
                    yield Failure(row["file"], row["position"], row["reason"], row["id"])
