"""The ledger's rows as `spend` and `report` want them: one place where a run is turned into figures."""

import contextlib
import gc
import json
from collections import defaultdict
from collections.abc import Collection, Generator, Iterable, Sequence
from datetime import datetime, timedelta
from decimal import Decimal
from itertools import islice
from typing import Any

from launcher.costs.budget import Standing, standing
from launcher.costs.clock_skew import set_right
from launcher.costs.metering import LeaseTime, MachineTime, Other, Spend, meter
from launcher.costs.other_charges import UNSAID, Lies, extras
from launcher.errors import Problem
from launcher.ledger.ledger import Ledger
from launcher.ledger.records import Charge, LeaseOutcome, Life, Machine, ObservedPrice, Run, RunState
from launcher.money import decimal_of_float
from launcher.planning.plan_reader import at
from launcher.reports.report import Event, Failure, Report, build
from launcher.throughput import model_shapes
from launcher.throughput.predict import ENGINES, computes, flops_per_token
from pricing import storage
from pricing.gpu import canonical, gpu
from pricing.offer import Offer
from tasks.stores.base import Store

FAILURES = 1_000  # rows that a report carries; the files in the store hold them all
# Who is believed when two say what a machine cost at the same moment. A plan says what it was to cost.
TRUST = {"launch": 1, "spot history": 2, "provider": 3}
NOTHING = timedelta(0)
SCHEMES = {"s3": "aws", "gs": "gcp"}


def machine_times(ledger: Ledger, run: str) -> list[MachineTime]:
    """Every life of every machine. One that was asked for and never came up has a life of no length."""
    lives = defaultdict[str, list[Life]](list)
    for life in ledger.machines.lives(run):
        lives[life.machine].append(life)
    prices = defaultdict[str, list[ObservedPrice]](list)
    for price in ledger.costs.prices(run):
        prices[price.machine].append(price)
    times: list[MachineTime] = []
    for m in ledger.machines.of_run(run):
        mine = sorted(lives[m.name], key=lambda life: life.number)
        if mine:
            times += [_life(m, life, mine, prices[m.name]) for life in mine]
        else:
            times.append(_local(m, prices[m.name]) if m.cloud == "local" else _never(m))
    return times


def lease_times(ledger: Ledger, run: str) -> list[LeaseTime]:
    return [
        LeaseTime(seen.shard, seen.generation, seen.worker, seen.claimed, seen.ended)
        for seen in ledger.shards.leases(run)
        if seen.outcome != LeaseOutcome.DONE
    ]


def spent_so_far(ledger: Ledger, run: str, now: datetime) -> Decimal | None:
    """Dollars until now, None while any machine has no price. Asks nothing of the shards: cheap."""
    return spend_so_far(ledger, run, now).usd


def spend_so_far(ledger: Ledger, run: str, now: datetime) -> Spend:
    """Machines and what was charged besides, without a look at the shards."""
    return meter(machine_times(ledger, run), [], [], now, [_charged(c) for c in ledger.costs.charges(run)])


def standing_of(ledger: Ledger, run: str, now: datetime) -> Standing:
    """What was spent and what is bound to be, without a look at the shards: cheap enough for every look."""
    machines = machine_times(ledger, run)
    spend = meter(machines, [], [], now, [_charged(c) for c in ledger.costs.charges(run)])
    done = ledger.shards.progress(run).shards_done
    worked = sum((max(NOTHING, (m.ended or now) - m.ready) * m.lanes for m in machines if m.ready), NOTHING)
    return standing(machines, spend, now, worked / done if done else None)


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
        spend=meter(machines, receipts, leases, now, [*map(_charged, charges), *others]),
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


def _local(m: Machine, prices: Sequence[ObservedPrice]) -> MachineTime:
    """A process of this machine: one life, as the machine's own row tells it."""
    started = m.confirmed or m.intended
    rates = tuple((p.at, p.usd_per_hour) for p in prices if p.at > started and p.source in TRUST)
    return MachineTime(
        name=m.name,
        place=m.place,
        gpu=m.gpu,
        usd_per_hour=m.usd_per_hour,
        started=started,
        ready=m.ready,
        ended=m.ended,
        state=m.state.value,
        stopping=m.stopping,
        rates=rates,
        lot=m.lot,
        asked=m.intended,
        gone=m.ended,
    )


def _never(m: Machine) -> MachineTime:
    """Asked for, and never up as far as anybody saw: nothing was billed."""
    when = m.ended or m.intended
    return MachineTime(
        name=m.name, place=m.place, gpu=m.gpu, usd_per_hour=m.usd_per_hour, started=when, ready=None, ended=when,
        state=m.state.value, cloud=m.cloud, region=m.region, zone=m.zone, purchase=m.purchase, lot=m.lot,
        instance_type=m.instance_type, asked=m.intended, gone=when,
    )  # fmt: skip


def _life(m: Machine, life: Life, lives: Sequence[Life], prices: Sequence[ObservedPrice]) -> MachineTime:
    before = max((other.up for other in lives if other.number < life.number), default=None)
    last = life.number == lives[-1].number
    first, rates = _rates(life, before, prices)
    disk = storage.disk(life.cloud)
    return MachineTime(
        name=m.name,
        place=life.site.place,
        gpu=m.gpu,
        usd_per_hour=first,
        started=life.up,
        ready=life.ready,
        ended=life.ended,
        state=m.state.value if last else str(life.how or "LOST"),
        stopping=life.stopping,
        rates=rates,
        number=life.number,
        lanes=max(1, round(life.gpus or m.gpus or 1)),
        cloud=life.cloud,
        region=life.region,
        zone=life.zone,
        purchase=life.purchase,
        instance_type=life.instance_type,
        lot=m.lot,
        how=None if life.how is None else life.how.value,
        asked=life.asked or _asked(m, life, lives),
        gone=life.gone,
        disk_usd_per_hour=None
        if disk is None or not life.disk_gb
        else disk.usd_per_gb_month * decimal_of_float(life.disk_gb) / storage.HOURS_OF_A_MONTH,
        followed=_followed(life, prices),
    )


def _followed(life: Life, prices: Sequence[ObservedPrice]) -> bool:
    """Whether somebody told of its prices after the launch, up to its end: the next life may begin at that moment."""
    told = [p for p in prices if TRUST.get(p.source, 0) > TRUST["launch"]]
    if life.ended is None:
        return any(p.life == life.number for p in told)
    return any(p.at == life.ended for p in told)


def _asked(m: Machine, life: Life, lives: Sequence[Life]) -> datetime | None:
    """When somebody first wanted this life: with the machine, or when the one before it ended."""
    ends = [other.ended for other in lives if other.number < life.number]
    return ends[-1] if ends else m.intended


def _rates(
    life: Life, before: datetime | None, prices: Sequence[ObservedPrice]
) -> tuple[Decimal | None, tuple[tuple[datetime, Decimal], ...]]:
    """The price that a life began with, and what it became. A price of an earlier life is none of this one's."""
    mine = [
        p
        for p in prices
        if p.source in TRUST
        and (p.life == life.number if p.life is not None else before is None or p.at > before)
        and (life.ended is None or p.at < life.ended)
    ]
    at_start = [p for p in mine if p.at <= life.up and p.life is not None]
    best = max(at_start, key=lambda p: (TRUST[p.source], p.at), default=None)
    first = best.usd_per_hour if best else life.usd_per_hour
    later = sorted((p for p in mine if p.at > life.up), key=lambda p: (p.at, TRUST[p.source]))
    return first, tuple({p.at: p.usd_per_hour for p in later}.items())


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


def _charged(charge: Charge) -> Other:
    return Other(charge.kind, charge.quantity, charge.unit, charge.usd, charge.reason, at=charge.at)


def budget_of(plan: dict[str, Any]) -> Decimal | None:
    """As the job of the plan says; the ledger may know a newer one."""
    budget = at(plan, "work", "job", "limits", "budget")
    return None if budget is None else Decimal(str(budget))


def _failures(store: Store, keys: list[str]) -> Generator[Failure, None, None]:
    for key in keys:
        stream = store.get(key)
        if stream is not None:
            with stream:
                for line in stream:
                    row = json.loads(line)
                    yield Failure(row["file"], row["position"], row["reason"], row["id"])
