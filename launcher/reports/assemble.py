"""Build the Report of a run from the ledger and from the quarantine files in the store."""

import contextlib
import gc
import json
from collections.abc import Collection, Generator, Sequence
from datetime import datetime
from itertools import islice
from typing import Any

from launcher.costs.clock_skew import set_right
from launcher.costs.metering import MachineTime, meter
from launcher.costs.other_charges import UNSAID, Lies, extras
from launcher.costs.run_costs import budget_of, charge_of_ledger, lease_times, machine_times
from launcher.errors import Problem
from launcher.ledger.ledger import Ledger
from launcher.ledger.records import Run, RunState
from launcher.planning.plan_reader import at
from launcher.reports.report import Event, Failure, Report, build
from launcher.throughput import model_shapes
from launcher.throughput.predict import ENGINES, computes, flops_per_token
from pricing.gpu import canonical, gpu
from pricing.offer import Offer
from tasks.stores.base import Store

FAILURES = 1_000  # rows that a report carries; the files in the store hold them all
SCHEMES = {"s3": "aws", "gs": "gcp"}


def report_of(
    ledger: Ledger, store: Store | None, run: str, now: datetime, offers: Sequence[Offer] = ()
) -> Report:
    """Everything the report shows, from the ledger and the quarantine's files; without a store, without those."""
    row = ledger.runs.find(run)
    with _keeping():
        found = ledger.shards.receipts(row.id)
    progress = ledger.shards.progress(row.id)
    machines = machine_times(ledger, row.id)
    now = _until(row, machines, now)
    receipts, leases, moved = set_right(machines, found, lease_times(ledger, row.id), now)
    plan: dict[str, Any] = json.loads(row.plan)
    charges = ledger.costs.charges(row.id)
    until = max((r.finished for r in receipts), default=now) if row.state == RunState.DONE else now
    others, unpriced = extras(
        machines, receipts, *places_of(plan), row.created, until, {charge.kind for charge in charges}
    )
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
        spend=meter(machines, receipts, leases, now, [*map(charge_of_ledger, charges), *others]),
        failures=failures(store, [key for r in found for key in r.quarantines]) if store else [],
        failed_rows=progress.failed_rows,
        events=[Event(e.at, e.kind, e.text) for e in ledger.runs.events(row.id)],
        clocks=moved,
        unpriced=unpriced,
        budget=ledger.costs.budget(row.id) or budget_of(plan),
        offers=offers,
        ceilings=_ceilings(plan, {m.gpu for m in machines}),
    )


@contextlib.contextmanager
def _keeping() -> Generator[None]:
    """Rows by the hundred thousand, all of them kept: looking for garbage among them took a quarter of the time."""
    was = gc.isenabled()
    gc.disable()
    try:
        yield
    finally:
        if was:
            gc.enable()


def failures(store: Store, keys: list[str], most: int = FAILURES) -> list[Failure]:
    """The first rows that were set aside, from the quarantine's files."""
    return list(islice(_failures(store, keys), most))


def places_of(plan: dict[str, Any]) -> tuple[Lies | None, Lies | None]:
    """Where corpus and output lie, as far as the job tells; a path without a scheme is this machine's."""
    return _lies(at(plan, "work", "job", "corpus") or {}), _lies(at(plan, "work", "job", "output") or {})


def _lies(where: dict[str, Any]) -> Lies | None:
    if where.get("region"):
        cloud, _, region = str(where["region"]).partition("/")
        return Lies(cloud, region)
    scheme, found, _ = str(where.get("path") or "").partition("://")
    if found:
        return Lies(SCHEMES[scheme], UNSAID) if scheme in SCHEMES else None
    return Lies("local", "") if where.get("path") else None


def _until(row: Run, machines: Sequence[MachineTime], now: datetime) -> datetime:
    """When nothing moved any more. A rented machine whose end nobody reported still costs, so it moves."""
    costs = any(m.ended is None and m.cloud != "local" for m in machines)
    return row.changed if row.state == RunState.DONE and not costs else now


def _ceilings(plan: dict[str, Any], gpus: Collection[str]) -> dict[str, float]:
    """Tokens per second of each GPU at its measured limit, where model and GPU are known."""
    said: list[list[float]] = at(plan, "profile", "lengths") or []
    lengths = [(float(share), float(n)) for share, n in said]
    work: dict[str, Any] = at(plan, "work") or {}
    try:
        shape = model_shapes.shape(str(work.get("model")))
    except Problem:
        return {}
    tokens = sum(share * n for share, n in lengths)
    flops = sum(share * n * flops_per_token(shape, n) for share, n in lengths)
    if not flops:
        return {}
    half = computes(shape, work["engine"]) == "half" if work.get("engine") in ENGINES else True
    found: dict[str, float] = {}
    for name in gpus:
        known = gpu(name) if canonical(name) else None
        limit = known and (known.ceiling_tflops if half else known.fp32_ceiling_tflops)
        if limit:
            found[name] = limit * 1e12 * tokens / flops
    return found


def _failures(store: Store, keys: list[str]) -> Generator[Failure, None, None]:
    for key in keys:
        stream = store.get(key)
        if stream is not None:
            with stream:
                for line in stream:
                    row = json.loads(line)
                    yield Failure(row["file"], row["position"], row["reason"], row["id"])
