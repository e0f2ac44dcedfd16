"""Read a run's machines, leases and charges from the ledger, and compute what it has spent.

The only module of this package that reads the ledger.
"""

from collections import defaultdict
from collections.abc import Sequence
from datetime import datetime, timedelta
from decimal import Decimal

from launcher.costs.budget import NO_OTHER_SPEND, BudgetStatus, OtherSpend, budget_status
from launcher.costs.run_rates import RunRates, ready_seconds, run_seconds
from launcher.costs.shared_spend import LOCAL, LifeSpend, at_least, life_spends
from launcher.costs.usage.machine_time import LeaseTime, MachineTime
from launcher.costs.usage.metering import meter
from launcher.costs.usage.spend import OtherCharge, Spend
from launcher.jobs.job import load
from launcher.ledger.ledger import Ledger
from launcher.ledger.records import Charge, LeaseOutcome, Life, Machine, MachineState, ObservedPrice
from launcher.money import ZERO, decimal_of_float
from launcher.planning.saved.saved_plan import SavedPlan
from pricing.charges import storage

# Precedence of sources that report a machine's price for the same time. The price of a plan is not one of them.
SOURCE_RANK = {"launch": 1, "spot history": 2, "provider": 3}
NO_TIME = timedelta(0)
ELSEWHERE = "elsewhere"  # kind of the charge for machines that only other launchers' ledgers know


def machine_times(ledger: Ledger, run: str) -> list[MachineTime]:
    """Read every life of every machine. A machine that never started has a life of no length."""
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
            times.append(_local_machine(m, prices[m.name]) if m.cloud == "local" else _never_started(m))
    return times


def lease_times(ledger: Ledger, run: str) -> list[LeaseTime]:
    """Read all leases that did not end with a receipt."""
    return [
        LeaseTime(
            shard=seen.shard,
            generation=seen.generation,
            worker=seen.worker,
            claimed=seen.claimed,
            ended=seen.ended,
        )
        for seen in ledger.shards.leases(run)
        if seen.outcome != LeaseOutcome.DONE
    ]


def spent_so_far(ledger: Ledger, run: str, now: datetime) -> Decimal | None:
    """USD until now, None if any machine has no price. Fast, because it reads no shards."""
    return spend_so_far(ledger, run, now).usd


def spend_so_far(ledger: Ledger, run: str, now: datetime) -> Spend:
    """Meter machines and other charges. Reads no shards, so all time of a machine that is ready counts as waiting."""
    return meter(
        machine_times(ledger, run), [], [], now, [other_charge(c) for c in ledger.costs.charges(run)]
    )


def budget_status_of(
    ledger: Ledger,
    run: str,
    now: datetime,
    *,
    other: OtherSpend | None = None,
    fallback: Decimal | None = None,
) -> BudgetStatus:
    """What is spent and committed. Reads no shards, so it is fast enough for every step of the controller.

    `other`: what other launchers spent by what they wrote into the store; None: by what the ledger holds of that.
    `fallback`: the price an hour of machines without one.
    """
    machines = [at_least(machine, fallback) for machine in machine_times(ledger, run)]
    charges = [c for c in ledger.costs.charges(run) if other is None or c.kind != ELSEWHERE]
    spend = meter(machines, [], [], now, [other_charge(c) for c in charges])
    done = ledger.shards.progress(run).shards_done
    worked = sum((max(NO_TIME, (m.ended or now) - m.ready) * m.workers for m in machines if m.ready), NO_TIME)
    shard = worked / done if done else None
    return budget_status(machines, spend, now, shard, NO_OTHER_SPEND if other is None else other)


def lives_so_far(ledger: Ledger, run: str, now: datetime, fallback: Decimal | None) -> list[LifeSpend]:
    """What each life of the run's machines has cost, and the lives that have not begun, or never did.

    A rented machine that was requested costs nothing before it runs; but who takes over from a launcher that died then
    has to count it from the request. So the next life of each machine is there too: ended once the machine has.
    """
    machines = ledger.machines.of_run(run)
    times = [at_least(machine, fallback) for machine in machine_times(ledger, run)]
    found = life_spends(times, {m.name: m.handle for m in machines}, now)
    began = defaultdict[str, set[int]](set)
    going: set[str] = set()
    for life in ledger.machines.lives(run):
        began[life.machine].add(life.number)
        if life.ended is None:
            going.add(life.machine)
    for m in machines:
        if m.cloud == LOCAL:
            continue
        alive = m.state in (MachineState.INTENDED, MachineState.UP)
        following = 1 + max(began[m.name], default=-1)
        last = following if not alive or m.name not in going else following - 1
        rate = m.usd_per_hour if m.usd_per_hour is not None else fallback or ZERO
        found += [
            LifeSpend(
                machine=m.name,
                life=str(number),
                cloud=m.cloud,
                usd=ZERO,
                usd_per_hour=rate,
                started=now,
                ended=not alive or number < following,
            )
            for number in range(last + 1)
            if number not in began[m.name]
        ]
    return found


def rates_of(
    ledger: Ledger,
    run: str,
    now: datetime,
    *,
    usd: Decimal | None,
    tokens_open: int = 0,
    expected: int | None = None,
) -> RunRates:
    """Time, speed, cost per token and time left of a run. Fast, because it reads no shards.

    Args:
        ledger: holds the run.
        run: its id.
        now: the end while shards are open.
        usd: what the run has cost; None: some of it has no price.
        tokens_open: embedded in shards that have no receipt yet.
        expected: tokens of the whole run, where the shards do not say.
    """
    progress, machines = ledger.shards.progress(run), machine_times(ledger, run)
    finished = 0 < progress.shards <= progress.shards_done
    return RunRates(
        seconds=run_seconds(
            machines, now, first=progress.first_started, last=progress.last_finished, finished=finished
        ),
        ready_seconds=ready_seconds(machines, now),
        tokens=progress.tokens,
        tokens_open=0 if finished else tokens_open,
        tokens_expected=expected if progress.tokens_expected is None else progress.tokens_expected,
        finished=finished,
        usd=usd,
    )


def _local_machine(m: Machine, prices: Sequence[ObservedPrice]) -> MachineTime:
    """A process on this machine: one life, from the machine's row of the ledger."""
    started = m.confirmed or m.intended
    rates = tuple((p.at, p.usd_per_hour) for p in prices if p.at > started and p.source in SOURCE_RANK)
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
        group=m.lot,
        asked=m.intended,
        gone=m.ended,
    )


def _never_started(m: Machine) -> MachineTime:
    """A machine that was requested and never seen running: nothing was billed."""
    when = m.ended or m.intended
    return MachineTime(
        name=m.name, place=m.place, gpu=m.gpu, usd_per_hour=m.usd_per_hour, started=when, ready=None, ended=when,
        state=m.state.value, cloud=m.cloud, region=m.region, zone=m.zone, purchase=m.purchase, group=m.lot,
        instance_type=m.instance_type, asked=m.intended, gone=when,
    )  # fmt: skip


def _life(m: Machine, life: Life, lives: Sequence[Life], prices: Sequence[ObservedPrice]) -> MachineTime:
    before = max((other.up for other in lives if other.number < life.number), default=None)
    last = life.number == lives[-1].number
    first, rates = _rates_of_life(life, before, prices)
    disk = storage.disk_price(life.cloud)
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
        workers=max(1, round(life.gpus or m.gpus or 1)),
        cloud=life.cloud,
        region=life.region,
        zone=life.zone,
        purchase=life.purchase,
        instance_type=life.instance_type,
        group=m.lot,
        how=None if life.how is None else life.how.value,
        asked=life.asked or _asked_at(m, life, lives),
        gone=life.gone,
        disk_usd_per_hour=None
        if disk is None or not life.disk_gb
        else disk.usd_per_gb_month * decimal_of_float(life.disk_gb) / storage.HOURS_PER_MONTH,
        price_followed=_is_followed(life, prices),
    )


def _is_followed(life: Life, prices: Sequence[ObservedPrice]) -> bool:
    """Whether the price history was read up to the end of a life, at which the next life may begin."""
    later = [p for p in prices if SOURCE_RANK.get(p.source, 0) > SOURCE_RANK["launch"]]
    if life.ended is None:
        return any(p.life == life.number for p in later)
    return any(p.at == life.ended for p in later)


def _asked_at(m: Machine, life: Life, lives: Sequence[Life]) -> datetime | None:
    """When a life was requested: with the machine, or when the previous life ended."""
    ends = [other.ended for other in lives if other.number < life.number]
    return ends[-1] if ends else m.intended


def _rates_of_life(
    life: Life, before: datetime | None, prices: Sequence[ObservedPrice]
) -> tuple[Decimal | None, tuple[tuple[datetime, Decimal], ...]]:
    """The price at the start of a life, and its later changes. Prices of earlier lives do not count."""
    mine = [
        p
        for p in prices
        if p.source in SOURCE_RANK
        and (p.life == life.number if p.life is not None else before is None or p.at > before)
        and (life.ended is None or p.at < life.ended)
    ]
    at_start = [p for p in mine if p.at <= life.up and p.life is not None]
    best = max(at_start, key=lambda p: (SOURCE_RANK[p.source], p.at), default=None)
    first = best.usd_per_hour if best else life.usd_per_hour
    later = sorted((p for p in mine if p.at > life.up), key=lambda p: (p.at, SOURCE_RANK[p.source]))
    return first, tuple({p.at: p.usd_per_hour for p in later}.items())


def other_charge(charge: Charge) -> OtherCharge:
    """A charge of the ledger as a value of metering."""
    return OtherCharge(
        kind=charge.kind,
        quantity=charge.quantity,
        unit=charge.unit,
        usd=charge.usd,
        reason=charge.reason,
        at=charge.at,
    )


def budget_of(ledger: Ledger, run: str, plan: SavedPlan | None) -> Decimal | None:
    """The budget of a run as this ledger knows it: what was agreed during the run, else that of the plan's job."""
    agreed = ledger.costs.budget(run)
    if agreed is not None or plan is None:
        return agreed
    return load(plan.work.job).limits.budget
