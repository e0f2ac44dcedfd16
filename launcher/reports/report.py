"""What a run did, beside what its plan said, and where every second and dollar went.

Knows values alone: no clock, no ledger, no store, and not how it will be shown. Money leaves as strings of
Decimal, all else as plain numbers. A figure that nobody knows leaves as null, with its reason in `unknown`.
"""

from collections import Counter
from collections.abc import Mapping, Sequence
from dataclasses import asdict, dataclass, field, replace
from datetime import datetime, timedelta
from decimal import Decimal
from math import ceil
from typing import Any

from launcher.costs import counterfactuals, plan_accuracy, time_series
from launcher.costs.billing_rules import terms
from launcher.costs.metering import (
    PARTS,
    Fruitless,
    LeaseTime,
    MachineTime,
    Metered,
    Other,
    Part,
    Spend,
    judge,
)
from launcher.costs.waterfall import waterfall
from launcher.money import USD_GRAIN, ZERO, amount_text
from launcher.planning.plan_reader import missing, planned
from pricing.offer import Offer
from tasks.protocol.receipt import Receipt

SCHEMA = "embedfleet/report/1"
BINS = 120  # points of the series: one for every few pixels of a chart
NAMED = 5  # machines named in one sentence
FAULTS = 20  # shards that failed, told one by one

Json = dict[str, Any]


@dataclass(frozen=True, slots=True)
class Failure:
    """A row that was set aside."""

    file: str
    position: int
    reason: str
    document: str | None


@dataclass(frozen=True, slots=True)
class Event:
    """Something worth a line: a machine asked for, a machine lost, the budget at 90 %."""

    at: datetime
    kind: str
    text: str


@dataclass(frozen=True, slots=True)
class Report:
    """A run at one moment. Rows are in their natural order, whatever order they came in."""

    run: str
    name: str
    state: str
    created: datetime
    updated: datetime
    plan: Mapping[str, Any]  # plan.json as it was parsed
    shards: int
    shards_done: int
    receipts: tuple[Receipt, ...]
    machines: tuple[MachineTime, ...]
    fruitless: Fruitless
    spend: Spend
    failures: tuple[Failure, ...]  # the first of them
    failed_rows: int
    events: tuple[Event, ...]
    clocks: Mapping[str, timedelta] = field(default_factory=dict[str, timedelta])  # how wrong a worker's was
    unpriced: tuple[str, ...] = ()  # what is in no dollars, in words
    budget: Decimal | None = None
    offers: tuple[Offer, ...] = ()  # prices to compare with
    ceilings: Mapping[str, float] = field(
        default_factory=dict[str, float]
    )  # tokens per second of a GPU at its limit

    @property
    def tokens(self) -> int:
        return sum(r.tokens for r in self.receipts)

    @property
    def span(self) -> timedelta:
        """From the run's creation to its last receipt, or to now while shards are open."""
        end = self.updated
        if self.shards_done >= self.shards and self.receipts:
            end = min(end, max(r.finished for r in self.receipts))
        return max(timedelta(0), end - self.created)


def build(
    *,
    run: str,
    name: str,
    state: str,
    created: datetime,
    now: datetime,
    plan: Mapping[str, Any],
    shards: int,
    shards_done: int,
    receipts: Sequence[Receipt],
    machines: Sequence[MachineTime],
    leases: Sequence[LeaseTime],
    spend: Spend,
    failures: Sequence[Failure] = (),
    failed_rows: int = 0,
    events: Sequence[Event] = (),
    clocks: Mapping[str, timedelta] | None = None,
    unpriced: Sequence[str] = (),
    budget: Decimal | None = None,
    offers: Sequence[Offer] = (),
    ceilings: Mapping[str, float] | None = None,
) -> Report:
    """The report of a run as it stands `now`; `spend` is what `meter` made of the same rows."""
    order = sorted(range(len(machines)), key=lambda i: (machines[i].started, machines[i].name))
    return Report(
        run=run,
        name=name,
        state=state,
        created=created,
        updated=now,
        plan=plan,
        shards=shards,
        shards_done=shards_done,
        receipts=tuple(sorted(receipts, key=lambda r: (r.position, r.shard))),
        machines=tuple(machines[i] for i in order),
        fruitless=judge(machines, receipts, leases, now),
        spend=replace(spend, lives=tuple(spend.lives[i] for i in order)),
        failures=tuple(failures),
        failed_rows=failed_rows,
        events=tuple(sorted(events, key=lambda e: (e.at, e.kind, e.text))),
        clocks=clocks or {},
        unpriced=tuple(unpriced),
        budget=budget,
        offers=tuple(offers),
        ceilings=ceilings or {},
    )


def to_json(report: Report) -> Json:
    """The report as tools and the page read it: schema `embedfleet/report/1`."""
    work = {
        count: sum(getattr(r, count) for r in report.receipts)
        for count in ("documents", "chunks", "tokens", "tokens_cut", "tokens_repeated")
    }
    stages = Counter[str]()
    for receipt in report.receipts:
        stages.update(receipt.stages)
    return {
        "schema": SCHEMA,
        "run": report.run,
        "name": report.name,
        "state": report.state,
        "created": report.created.isoformat(),
        "updated": report.updated.isoformat(),
        "spend": _spend(report.spend),
        "work": work
        | {
            "failed_rows": report.failed_rows,
            "shards": report.shards,
            "shards_done": report.shards_done,
            "failed_shards": sum(r.fault is not None for r in report.receipts),
        },
        "plan": planned(report.plan),
        "actual": _actual(report),
        "output_bytes": sum(r.output_bytes for r in report.receipts),
        "stages": {stage: round(seconds, 4) for stage, seconds in stages.most_common()},
        "budget": None if report.budget is None else amount_text(report.budget),
        "waterfall": _waterfall(report),
        "instead": _instead(report),
        "lessons": _lessons(report),
        "places": [{"place": p} | _parts(metered) for p, metered in report.spend.places.items()],
        "lots": [{"lot": n} | _parts(metered) for n, metered in report.spend.lots.items()],
        "machines": [
            _machine(m, one, report) for m, one in zip(report.machines, report.spend.lives, strict=True)
        ],
        "shards": [_shard(r) for r in report.receipts],
        "series": series(report),
        "spent": time_series.dollars(
            report.machines, report.spend.lives, report.created, report.span.total_seconds(), report.updated
        ),
        "fleet": time_series.fleet(
            report.machines, report.created, report.span.total_seconds(), report.updated
        ),
        "preemptions": _preemptions(report),
        "lost": [_lease(e) for e in report.fruitless.lost],
        "open": [_lease(e) for e in report.fruitless.open],
        "failures": [asdict(f) for f in report.failures],
        "events": [{"at": e.at.isoformat(), "kind": e.kind, "text": e.text} for e in report.events],
        "unknown": unknown(report),
    }


def series(report: Report) -> list[Json]:
    """Tokens per second over time in equal bins, each receipt's tokens spread evenly over its work.

    A worker's clock may be wrong, so work is held inside the run's span: the tokens always add up.
    """
    span = report.span.total_seconds()
    if span <= 0:
        return []
    bins = min(BINS, ceil(span))
    width = span / bins
    tokens = [0.0] * bins
    for receipt in report.receipts:
        first = min(max((receipt.started - report.created).total_seconds(), 0.0), span) / width
        took = max(0.0, (receipt.finished - receipt.started).total_seconds()) / width
        last = min(max((receipt.started - report.created).total_seconds() / width + took, 0.0), span / width)
        left, right = min(int(first), bins - 1), min(int(last), bins - 1)
        if left == right or last <= first:  # most of them
            tokens[left] += receipt.tokens
            continue
        per_bin = receipt.tokens / (last - first)
        for i in range(left, right + 1):
            tokens[i] += per_bin * (min(last, i + 1) - max(first, i))
    return [
        {"seconds": round(i * width, 3), "tokens_per_second": round(tokens[i] / width, 3)}
        for i in range(bins)
    ]


def unknown(report: Report) -> list[str]:
    """Every figure that is unknown, and why."""
    said = missing(planned(report.plan))
    if names := report.spend.unknown:
        said.append(f"dollars spent: no price per hour for {_names(names)}")
    elif any(m.usd_per_hour for m in report.machines if m.cloud == "local"):
        said.append("dollars spent beyond machine time: disk, egress and requests are not metered")
    said += [f"{other.kind}: {other.reason}" for other in report.spend.others if other.usd is None]
    said += [f"not in the dollars: {words}" for words in report.unpriced]
    counted = sorted({other.kind for other in report.spend.others if other.estimated})
    if counted:
        said.append(f"{', '.join(counted)}: counted from what was done at list prices, not metered")
    said += [*_ends(report), *_prices(report)]
    assumed = sorted({m.cloud for m in report.machines if terms(m.cloud).assumed})
    if assumed:
        said.append(f"how {', '.join(assumed)} rounds time: assumed {terms(assumed[0]).source}")
    said += [
        f"the clock of {worker}: wrong by {abs(shift.total_seconds()):.0f} s or more, so its work was moved by that"
        for worker, shift in sorted(report.clocks.items())
    ]
    if not report.tokens:
        said.append("dollars per million tokens: no tokens were embedded yet")
    if not report.span:
        said.append("tokens per second: the run has no length yet")
    if report.fruitless.open:
        said.append(
            f"work in hand: leases still out, counted as useful until lost: {len(report.fruitless.open)}"
        )
    said += [f"shard {r.position} was not embedded: {r.fault}" for r in report.receipts if r.fault][:FAULTS]
    if (unlisted := report.failed_rows - len(report.failures)) > 0:
        said.append(f"failed rows not listed here: {unlisted} of {report.failed_rows}")
    return said


def _ends(report: Report) -> list[str]:
    """Machines whose end nobody reported, or whose end the provider has not confirmed."""
    said: list[str] = []
    alive = tuple(m.name for m in report.machines if m.ended is None)
    if alive and report.shards_done >= report.shards:
        said.append(f"the end of {_names(alive)}: not reported, so metered until this report")
    unsure = tuple(
        dict.fromkeys(m.name for m in report.machines if m.cloud != "local" and m.ended and not m.gone)
    )
    if unsure:
        said.append(f"whether {_names(unsure)} went when the ledger says: the provider has not confirmed it")
    return said


def _prices(report: Report) -> list[str]:
    """Spot machines of which only the price at launch is known, by cloud."""
    names: dict[str, dict[str, None]] = {}
    for m in report.machines:
        if m.purchase == "spot" and m.usd_per_hour is not None and not m.followed and m.started != m.ended:
            names.setdefault(m.cloud, {})[m.name] = None
    why = {cloud: f"{cloud} publishes no history of them" for cloud in names}
    why |= {"aws": "AWS's history of them was not read"} if "aws" in names else {}
    return [
        f"spot prices of {_names(list(mine))} after launch: {why[cloud]}, so the price at launch stands"
        for cloud, mine in sorted(names.items())
    ]


def _actual(report: Report) -> Json:
    seconds, usd = report.span.total_seconds(), report.spend.usd
    per_million = None
    if usd is not None and report.tokens:
        per_million = amount_text((usd * 1_000_000 / report.tokens).quantize(USD_GRAIN))
    return {
        "hours": seconds / 3600,
        "usd": None if usd is None else amount_text(usd),
        "tokens": report.tokens,
        "tokens_per_second": report.tokens / seconds if seconds else None,
        "usd_per_million_tokens": per_million,
        "share_of_ceiling": _ceiling(report),
    }


def _ceiling(report: Report) -> float | None:
    """Tokens over those that the GPUs could have made at their limit in the time that machines cost."""
    limit = 0.0
    for machine, one in zip(report.machines, report.spend.lives, strict=True):
        gpu = report.ceilings.get(machine.gpu)
        if gpu is None:
            return None
        limit += gpu * machine.lanes * one.total_time.total_seconds()
    return report.tokens / limit if limit else None


def _spend(spend: Spend) -> Json:
    """All that the run cost: its machines' time by part, and `other`. The parts and `other` add up to the total."""
    whole, known = spend.usd, spend.known_usd
    others = None if any(other.usd is None for other in spend.others) else amount_text(spend.other_known_usd)
    body = _parts(spend.total)
    return body | {
        "total": None if whole is None else amount_text(whole),
        "other": others,
        "known": body["known"] | {"total": amount_text(known), "other": amount_text(spend.other_known_usd)},
        "waived": amount_text(spend.total.waived),
        "others": [_other(other) for other in spend.others],
    }


def _other(other: Other) -> Json:
    return {
        "kind": other.kind,
        "place": other.place,
        "quantity": other.quantity,
        "unit": other.unit,
        "usd": None if other.usd is None else amount_text(other.usd),
        "reason": other.reason,
        "estimated": other.estimated,
    }


def _waterfall(report: Report) -> Json | None:
    found = waterfall(report.plan, report.spend, report.machines, report.receipts)
    if found is None:
        return None
    return {
        "planned": amount_text(found.planned),
        "actual": amount_text(found.actual),
        "steps": [{"cause": s.cause, "words": s.words, "usd": amount_text(s.usd)} for s in found.steps],
    }


def _instead(report: Report) -> list[Json]:
    found = counterfactuals.instead(report.plan, report.spend, report.machines, report.tokens, report.offers)
    return counterfactuals.as_json(found, report.spend.usd)


def _lessons(report: Report) -> Json:
    learned = plan_accuracy.taught(report.plan, report.spend, report.machines, report.receipts)
    return plan_accuracy.as_json(learned, plan_accuracy.closer(report.plan, learned, report.spend.usd))


def _preemptions(report: Report) -> list[Json]:
    """Machines that were taken away, in order."""
    taken = [
        {
            "at": m.ended.isoformat(),
            "machine": m.name,
            "life": m.number,
            "place": m.place,
            "lived_seconds": max(0.0, (m.ended - m.started).total_seconds()),
            "waived": amount_text(one.waived),
        }
        for m, one in zip(report.machines, report.spend.lives, strict=True)
        if m.ended and (m.how or m.state) in ("PREEMPTED", "LOST") and m.ended > m.started
    ]
    return sorted(taken, key=lambda e: (e["at"], e["machine"]))


def _parts(metered: Metered) -> Json:
    """Dollars by part and in all, what is known of them, and the seconds of the same parts."""
    return _usd(metered.usd) | {
        "known": _usd(metered.known_usd),
        "seconds": _seconds(metered),
    }


def _seconds(metered: Metered) -> Json:
    parts = {part: metered.time[part].total_seconds() for part in PARTS}
    return {"total": metered.total_time.total_seconds()} | parts


def _usd(usd: Mapping[Part, Decimal] | None) -> Json:
    if usd is None:
        return dict.fromkeys(("total", *PARTS))
    return {"total": amount_text(sum(usd.values(), ZERO))} | {part: amount_text(usd[part]) for part in PARTS}


def _machine(machine: MachineTime, metered: Metered, report: Report) -> Json:
    """One life of a machine: one that came back under its name has a row for each."""
    lived = max(timedelta(0), (machine.ended or report.updated) - machine.started)
    price = machine.usd_per_hour
    return {
        "name": machine.name,
        "life": machine.number,
        "lot": machine.lot,
        "place": machine.place,
        "zone": machine.zone,
        "gpu": machine.gpu,
        "instance_type": machine.instance_type,
        "purchase": machine.purchase,
        "state": machine.state,
        "how": machine.how,
        "started": machine.started.isoformat(),
        "ready": machine.ready.isoformat() if machine.ready else None,
        "stopping": machine.stopping.isoformat() if machine.stopping else None,
        "ended": machine.ended.isoformat() if machine.ended else None,
        "gone": machine.gone.isoformat() if machine.gone else None,
        "seconds": lived.total_seconds(),
        "parts": _seconds(metered),
        "usd_per_hour": None if price is None else amount_text(price),
        "prices": [{"at": at.isoformat(), "usd_per_hour": amount_text(usd)} for at, usd in machine.rates],
        "usd": None if metered.total_usd is None else amount_text(metered.total_usd),
        "waived": amount_text(metered.waived),
    }


def _shard(receipt: Receipt) -> Json:
    return {
        "position": receipt.position,
        "id": receipt.shard,
        "worker": receipt.worker,
        "generation": receipt.generation,
        "started": receipt.started.isoformat(),
        "seconds": receipt.seconds,
        "tokens": receipt.tokens,
        "failed": receipt.failed_rows,
    }


def _lease(lease: LeaseTime) -> Json:
    assert lease.ended, "judge gives every lease an end"
    return {
        "shard": lease.shard,
        "generation": lease.generation,
        "worker": lease.worker,
        "claimed": lease.claimed.isoformat(),
        "seconds": (lease.ended - lease.claimed).total_seconds(),
    }


def _names(names: Sequence[str]) -> str:
    rest = len(names) - NAMED
    return ", ".join(names[:NAMED]) + (f" and {rest} more" if rest > 0 else "")
