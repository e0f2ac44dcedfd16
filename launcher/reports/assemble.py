"""Build the Report of a run from the ledger and from the quarantine files in the store."""

import contextlib
import gc
import json
from collections.abc import Collection, Generator, Mapping, Sequence
from datetime import datetime
from itertools import islice
from typing import Any

from launcher.costs.clock_skew import correct_clocks
from launcher.costs.machine_time import MachineTime
from launcher.costs.metering import meter
from launcher.costs.other_charges import UNKNOWN_REGION, DataLocation, estimate_charges
from launcher.costs.run_costs import lease_times, machine_times, other_charge, planned_budget
from launcher.errors import Problem
from launcher.ledger.ledger import Ledger
from launcher.ledger.records import Run, RunState
from launcher.planning import plan_file
from launcher.planning.saved_plan import SavedPlan
from launcher.reports.document import ReportEvent, RowFailure
from launcher.reports.report import Report
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
    receipts, leases, clock_errors = correct_clocks(machines, found, lease_times(ledger, row.id), now)
    plan = readable_plan(row)
    charges = ledger.costs.charges(row.id)
    until = max((r.finished for r in receipts), default=now) if row.state == RunState.DONE else now
    others, unpriced = estimate_charges(
        machines, receipts, *places_of(plan), row.created, until, {charge.kind for charge in charges}
    )
    return Report(
        run=row.id,
        name=row.name,
        state=row.state.value,
        created=row.created,
        updated=now,
        plan=plan,
        shards=progress.shards,
        shards_done=progress.shards_done,
        receipts=receipts,
        machines=machines,
        leases=leases,
        spend=meter(machines, receipts, leases, now, [*map(other_charge, charges), *others]),
        failures=failures(store, [key for r in found for key in r.quarantines]) if store else [],
        failed_rows=progress.failed_rows,
        events=[ReportEvent(e.at, e.kind, e.text) for e in ledger.runs.events(row.id)],
        clock_errors=clock_errors,
        unpriced=unpriced,
        budget=ledger.costs.budget(row.id) or (planned_budget(plan) if plan else None),
        offers=offers,
        ceilings=_ceilings(plan, {m.gpu for m in machines}) if plan else {},
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


def failures(store: Store, keys: list[str], most: int = FAILURES) -> list[RowFailure]:
    """The first rows that were set aside, from the quarantine's files."""
    return list(islice(_failures(store, keys), most))


def readable_plan(run: Run) -> SavedPlan | None:
    """The plan of a run, or None if it cannot be read: then the report does without it."""
    try:
        return plan_file.read_recorded(run.plan)
    except plan_file.BadPlan:
        return None


def places_of(plan: SavedPlan | None) -> tuple[DataLocation | None, DataLocation | None]:
    """The cloud regions of corpus and output, as far as the job says; a path without a scheme is this machine's."""
    job: Mapping[str, Any] = plan.work.job if plan else {}
    return _lies(job.get("corpus") or {}), _lies(job.get("output") or {})


def _lies(where: Mapping[str, Any]) -> DataLocation | None:
    if where.get("region"):
        cloud, _, region = str(where["region"]).partition("/")
        return DataLocation(cloud, region)
    scheme, found, _ = str(where.get("path") or "").partition("://")
    if found:
        return DataLocation(SCHEMES[scheme], UNKNOWN_REGION) if scheme in SCHEMES else None
    return DataLocation("local", "") if where.get("path") else None


def _until(row: Run, machines: Sequence[MachineTime], now: datetime) -> datetime:
    """When nothing moved any more. A rented machine whose end nobody reported still costs, so it moves."""
    costs = any(m.ended is None and m.cloud != "local" for m in machines)
    return row.changed if row.state == RunState.DONE and not costs else now


def _ceilings(plan: SavedPlan, gpus: Collection[str]) -> dict[str, float]:
    """Tokens per second that each GPU can compute at most, if model and GPU are known."""
    lengths, engine = plan.profile.lengths, plan.work.engine
    try:
        shape = model_shapes.shape(plan.work.model)
    except Problem:
        return {}
    tokens = sum(share * n for share, n in lengths)
    flops = sum(share * n * flops_per_token(shape, n) for share, n in lengths)
    if not flops:
        return {}
    half = computes(shape, engine) == "half" if engine in ENGINES else True
    found: dict[str, float] = {}
    for name in gpus:
        known = gpu(name) if canonical(name) else None
        limit = known and (known.ceiling_tflops if half else known.fp32_ceiling_tflops)
        if limit:
            found[name] = limit * 1e12 * tokens / flops
    return found


def _failures(store: Store, keys: list[str]) -> Generator[RowFailure, None, None]:
    for key in keys:
        stream = store.get(key)
        if stream is not None:
            with stream:
                for line in stream:
                    row = json.loads(line)
                    yield RowFailure(row["file"], row["position"], row["reason"], row["id"])
