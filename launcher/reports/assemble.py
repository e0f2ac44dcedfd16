"""Build the Report of a run from the ledger and from the quarantine files in the store."""

import contextlib
import gc
from collections.abc import Collection, Generator, Iterable, Mapping, Sequence
from dataclasses import dataclass, replace
from datetime import datetime, timedelta
from itertools import islice

from launcher.costs.run_costs import budget_of, lease_times, machine_times, other_charge
from launcher.costs.run_rates import ALIVE
from launcher.costs.usage.clock_skew import correct_clocks
from launcher.costs.usage.machine_time import LeaseTime, MachineTime
from launcher.costs.usage.metering import meter
from launcher.costs.usage.other_charges import UNKNOWN_REGION, DataRegion, PilotUse, estimate_charges
from launcher.costs.usage.spend import Spend
from launcher.costs.usage.work_done import WorkDone, fold
from launcher.errors import Problem
from launcher.jobs.job import CorpusSource, load
from launcher.ledger.ledger import Ledger
from launcher.ledger.records import Run, RunState
from launcher.money import SECONDS_PER_HOUR
from launcher.output.repeats_run import read_repeats_receipts
from launcher.planning.pilot_machine import PILOT_EVENT, pilot_machine
from launcher.planning.saved import plan_file
from launcher.planning.saved.saved_plan import SavedPlan
from launcher.reports.document import ReportEvent, RowFailure, VectorHealth
from launcher.reports.report import Report
from launcher.reports.sections.repeats import RepeatsDone, repeats_done
from launcher.reports.sections.run_facts import collect_facts
from launcher.reports.steering import SteeringFigures, steering_figures
from launcher.throughput import model_shapes
from launcher.throughput.predict import ENGINES, computes, flops_per_token
from pricing.gpu import canonical, gpu
from pricing.offer import Offer
from tasks.protocol import documents
from tasks.protocol.receipt import Receipt
from tasks.stores.base import Store

MAX_FAILURES = 1_000  # rows that a report lists; the quarantine files hold all of them
PILOT_ENDS = ("stopped", "done", "down")  # kinds of events after which no pilot drives the run
CLOUD_OF_SCHEME = {"s3": "aws", "gs": "gcp"}


@dataclass(frozen=True, slots=True)
class _QuarantinedRow:
    """A line of a quarantine file, as a worker wrote it."""

    file: str
    position: int
    reason: str
    id: str | None
    rows: int = 1  # that the line stands for


def report_of(
    ledger: Ledger,
    store: Store | None,
    run: str,
    now: datetime,
    offers: Sequence[Offer] = (),
    unreadable: Sequence[str] = (),
    *,
    vectors: bool = False,
) -> Report:
    """The report of a run at `now`.

    Without a store the report lists no failed rows. `offers` are today's prices, which the counterfactuals need.
    `unreadable` are the keys of objects of the store that cannot be read. `vectors`: read a sample of them, too.
    """
    row = ledger.runs.find(run)
    plan = readable_plan(row)
    used = _usage_of(ledger, store, row, plan, now)
    progress = ledger.shards.progress(row.id)
    return Report(
        run=row.id,
        name=row.name,
        state=row.state.value,
        created=row.created,
        updated=used.until,
        plan=plan,
        shards=progress.shards,
        shards_done=progress.shards_done,
        done=used.done,
        repeats=used.repeats,
        machines=used.machines,
        leases=used.leases,
        spend=used.spend,
        failures=read_failures(store, used.quarantines) if store else [],
        failed_rows=progress.failed_rows,
        cut_short=progress.cut_short,
        events=[ReportEvent(e.at, e.kind, e.text) for e in ledger.runs.events(row.id)],
        clock_errors=used.clock_errors,
        unpriced=used.unpriced,
        budget=budget_of(ledger, row.id, plan),
        offers=offers,
        ceilings=_token_ceilings(plan, {m.gpu for m in used.machines}) if plan else {},
        unreadable=unreadable,
        facts=collect_facts(ledger, store, row, plan),
        steering=_steering(ledger, row, plan, (used.machines, used.spend), used.done),
        vectors=_vectors(store, run=row.id, receipts=ledger.shards.all_receipts(row.id))
        if store and vectors
        else None,
    )


@dataclass(frozen=True, slots=True, kw_only=True)
class _Usage:
    """What a run used and what that cost, by clocks that agree, until its figures last changed."""

    done: WorkDone
    repeats: RepeatsDone | None
    quarantines: Sequence[str]
    machines: Sequence[MachineTime]
    leases: Sequence[LeaseTime]
    clock_errors: Mapping[str, timedelta]
    spend: Spend
    unpriced: Sequence[str]  # what the dollars leave out, in words
    until: datetime


def _usage_of(ledger: Ledger, store: Store | None, row: Run, plan: SavedPlan | None, now: datetime) -> _Usage:
    with _garbage_collection_paused():
        found = fold(ledger.shards.each_receipt(row.id))
    of_repeats = read_repeats_receipts(store, row.id) if store else None
    repeats = of_repeats and repeats_done(of_repeats)
    if repeats:
        found = found.beside(repeats.stretches)
    machines = machine_times(ledger, row.id)
    asked, now = now, _last_change(row, machines, now)
    done, leases, clock_errors = correct_clocks(machines, found, lease_times(ledger, row.id), now)
    charges = ledger.costs.charges(row.id)
    until = (done.last_finished() or now) if row.state == RunState.DONE else asked
    others, unpriced = estimate_charges(
        machines,
        done,
        *store_locations(plan),
        row.created,
        until,
        {charge.kind for charge in charges},
        _pilot_use(ledger, row.id, plan, until),
    )
    return _Usage(
        done=done,
        repeats=repeats,
        quarantines=found.quarantines,
        machines=machines,
        leases=leases,
        clock_errors=clock_errors,
        spend=meter(
            machines,
            done,
            leases,
            now,
            [*map(other_charge, charges), *others],
            settled=_is_settled(ledger, row),
        ),
        unpriced=unpriced,
        until=now,
    )


def _is_settled(ledger: Ledger, row: Run) -> bool:
    """Whether no shard will be done any more."""
    progress = ledger.shards.progress(row.id)
    return progress.shards_done >= progress.shards or row.state not in (RunState.RUNNING, RunState.DRAINING)


def _pilot_use(ledger: Ledger, run: str, plan: SavedPlan | None, until: datetime) -> PilotUse | None:
    """The machine of the run's pilots: from each hand-over until the run was stopped or done, else `until`.

    A pilot that took the place of another has the same machine.
    """
    events = [event for event in ledger.runs.events(run) if event.kind in (PILOT_EVENT, *PILOT_ENDS)]
    began: datetime | None = None
    used = timedelta(0)
    for event in sorted(events, key=lambda one: one.at):
        if event.kind == PILOT_EVENT:
            began = began or event.at
        elif began is not None:
            used, began = used + (event.at - began), None
    if not any(event.kind == PILOT_EVENT for event in events):
        return None
    if began is not None:
        used += max(timedelta(0), until - began)
    usd = pilot_machine(plan).place.usd_per_hour if plan is not None and plan.lots else None
    return PilotUse(used.total_seconds() / SECONDS_PER_HOUR, usd)


def _steering(
    ledger: Ledger,
    run: Run,
    plan: SavedPlan | None,
    spent: tuple[Sequence[MachineTime], Spend],
    done: WorkDone,
) -> SteeringFigures | None:
    """How the run was steered; of a finished run also the least that it could have paid. None: it was not."""
    steering = steering_figures(ledger, run, plan)
    if steering is None or plan is None or run.state != RunState.DONE:
        return steering
    from launcher.reports.sections.run_hindsight import hindsight_of_run  # noqa: PLC0415 - loads the solver

    return replace(steering, hindsight=hindsight_of_run(ledger, run, plan, spent, done))


def _vectors(store: Store, run: str, receipts: Iterable[Receipt]) -> VectorHealth | None:
    from launcher.reports.sections.vector_health import look_at_vectors  # noqa: PLC0415 - reads Parquet; most reports do not

    return look_at_vectors(store, run, receipts)


@contextlib.contextmanager
def _garbage_collection_paused() -> Generator[None]:
    """Pause Python's garbage collector: among hundreds of thousands of new rows it took a quarter of the time."""
    enabled = gc.isenabled()
    gc.disable()
    try:
        yield
    finally:
        if enabled:
            gc.enable()


def read_failures(store: Store, keys: Sequence[str], most: int = MAX_FAILURES) -> list[RowFailure]:
    """The first rows that could not be embedded, from the quarantine files."""
    return list(islice(_read_rows(store, keys), most))


def readable_plan(run: Run) -> SavedPlan | None:
    """The plan of a run, or None if it cannot be read: then the report does without it."""
    try:
        return plan_file.read_recorded(run.plan)
    except plan_file.BadPlan:
        return None


def store_locations(plan: SavedPlan | None) -> tuple[DataRegion | None, DataRegion | None]:
    """The cloud regions of corpus and output; None where the job does not say, or cannot be read."""
    if plan is None:
        return None, None
    try:
        job = load(plan.work.job)
    except Problem:
        return None, None
    corpus, output = job.corpus, job.output
    path = corpus.path if isinstance(corpus, CorpusSource) else None
    return _location(path, corpus.region), (_location(output.path, output.region) if output else None)


def _location(path: str | None, region: str | None) -> DataRegion | None:
    """Where data at this path is. A path without a scheme is on this machine."""
    if region:
        cloud, _, name = region.partition("/")
        return DataRegion(cloud, name)
    scheme, found, _ = (path or "").partition("://")
    if found:
        cloud = CLOUD_OF_SCHEME.get(scheme)
        return DataRegion(cloud, UNKNOWN_REGION) if cloud else None
    return DataRegion("local", "") if path else None


def _last_change(row: Run, machines: Sequence[MachineTime], now: datetime) -> datetime:
    """When the figures of the run last changed. They still change while a machine has no reported end."""
    if row.state == RunState.DONE:
        return now if any(m.ended is None and m.cloud != "local" for m in machines) else row.changed
    if any(m.ended is None or m.state in ALIVE for m in machines):
        return now
    return max([row.changed, *(m.ended for m in machines if m.ended is not None)])


def _token_ceilings(plan: SavedPlan, gpus: Collection[str]) -> dict[str, float]:
    """Tokens per second that each GPU can compute at most, if model and GPU are known."""
    lengths, engine = plan.profile.lengths, plan.work.engine
    if plan.work.job.get("precision"):  # the ceilings that are known are those of bfloat16
        return {}
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


def _read_rows(store: Store, keys: Sequence[str]) -> Generator[RowFailure, None, None]:
    for key in keys:
        stream = store.get(key)
        if stream is not None:
            with stream:
                for line in stream:
                    with contextlib.suppress(documents.BadDocument):  # then fewer rows are listed than failed
                        row = documents.decode(line, _QuarantinedRow, "a failed row")
                        yield RowFailure(row.file, row.position, row.reason, row.id, row.rows)
