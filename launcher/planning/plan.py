"""The Plan: everything a launch needs and nothing it has to ask again, with a digest that tells when it was changed.

Pure: a value and its JSON (`plan.json`, docs/architecture.md#saved-documents).
"""

import json
from collections.abc import Mapping, Sequence
from dataclasses import asdict, dataclass, field
from decimal import Decimal
from hashlib import blake2b
from typing import Any

from launcher.corpus.profile import Count, Profile
from launcher.errors import Problem
from launcher.planning.estimate import NOTHING, Estimate, Money, Share, itemise, per_million
from launcher.planning.hosted_apis import Api, Cheaper
from launcher.planning.optimizer.decide import Alternative
from launcher.throughput.spread import Spread

SCHEMA = "embedfleet/plan/2"
MACHINE_ITEMS = ("compute", "cold_start", "preemption", "idle_tail", "disk")  # of a lot, not of the whole run


class BadPlan(Problem):
    """The plan cannot be used, and why."""


@dataclass(frozen=True, slots=True)
class Seat:
    """Machines of a lot in one place. `usd_per_hour` is of one machine."""

    region: str
    zone: str | None
    instance_type: str
    machines: int
    usd_per_hour: Decimal | None


@dataclass(frozen=True, slots=True)
class Lot:
    """Like machines. `usd_per_hour` and `tokens_per_second` are of one machine, on average; None: unknown."""

    gpu: str
    gpus_per_machine: float
    cloud: str
    regions: tuple[str, ...]  # the cheapest first
    spot: bool
    machines: int
    workers: int  # per machine
    threads: int | None  # CPU threads of a worker, where it computes on the CPU
    tokens_per_second: float
    speed_source: str
    usd_per_hour: Decimal | None
    usd_per_million_tokens: (
        Decimal | None
    )  # of the tokens that this lot takes, without what the whole run costs
    tokens: float = 0.0
    places: tuple[Seat, ...] = ()


@dataclass(frozen=True, slots=True)
class Quota:
    """What the account must be allowed. `vcpus` because AWS counts by them; None: unknown."""

    cloud: str
    region: str
    gpu: str
    spot: bool
    gpus: float
    vcpus: int | None


@dataclass(frozen=True, slots=True)
class Work:
    """What has to be done: the job, and the corpus as it was seen. Equal work is the same run."""

    job: Mapping[str, Any]
    base: str  # folder that relative paths of the job are relative to
    corpus: str | None  # root of the files; None: declared, nothing there to embed
    listing: str | None  # digest of the files
    model: str  # as an engine loads it
    engine: str
    shards: int | None
    shard_tokens: int | None


@dataclass(frozen=True, slots=True)
class Plan:
    """What will be done, what it will cost, what else was looked at."""

    run: str
    created: str
    work: Work
    profile: Profile
    lots: tuple[Lot, ...]
    chosen: Estimate
    alternatives: tuple[Alternative, ...]
    binding: tuple[str, ...]
    not_priced: tuple[str, ...]
    prices_as_of: str | None
    frontier: tuple[Estimate, ...] = ()
    kinds: tuple[Estimate, ...] = ()  # each kind of machine alone, where it is cheapest
    hosted: tuple[Api, ...] = ()
    cheaper: Cheaper | None = None
    quota: tuple[Quota, ...] = ()
    left_out: Mapping[str, int] = field(default_factory=dict[str, int])  # offers, by the reason
    gap: float | None = None  # how far above the optimum the choice may be, as a share of it


def lots_of(
    shares: Sequence[Share], workers: int | None = None, threads: int | None = None
) -> tuple[Lot, ...]:
    """The shares as lots: of one GPU type, size, cloud and purchase kind each, with their places."""
    groups: dict[tuple[Any, ...], list[Share]] = {}
    for share in shares:
        kind = share.kind
        groups.setdefault((kind.cloud, kind.gpu, kind.gpus, kind.spot), []).append(share)
    return tuple(_lot(group, workers, threads) for group in groups.values())


def _lot(group: Sequence[Share], workers: int | None, threads: int | None) -> Lot:
    kind = group[0].kind
    ranked = sorted(
        group, key=lambda s: (s.kind.usd_per_hour or Decimal(0), s.kind.region, s.kind.zone or "")
    )
    machines, tokens = sum(s.machines for s in group), sum(s.tokens for s in group)
    prices = [s.kind.usd_per_hour for s in group]
    hourly = [p * s.machines for p, s in zip(prices, group, strict=True) if p is not None]
    items = itemise(group, NOTHING)
    local = [items[name] for name in MACHINE_ITEMS]
    spent = sum((usd for usd in local if usd is not None), Decimal(0)) if None not in prices else None
    return Lot(
        gpu=kind.gpu,
        gpus_per_machine=kind.gpus,
        cloud=kind.cloud,
        regions=tuple(dict.fromkeys(s.kind.region for s in ranked)),
        spot=kind.spot,
        machines=machines,
        workers=workers or max(1, round(kind.gpus)),
        threads=threads,
        tokens_per_second=sum(s.kind.tokens_per_second.mid * s.machines for s in group) / machines,
        speed_source=kind.speed_source,
        usd_per_hour=sum(hourly, Decimal(0)) / machines if None not in prices else None,
        usd_per_million_tokens=None if spent is None else per_million(spent, tokens),
        tokens=tokens,
        places=tuple(
            Seat(s.kind.region, s.kind.zone, s.kind.instance_type, s.machines, s.kind.usd_per_hour)
            for s in ranked
        ),
    )


def quota_of(shares: Sequence[Share]) -> tuple[Quota, ...]:
    """The GPUs that each account's region must allow."""
    groups: dict[tuple[str, str, str, bool], list[Share]] = {}
    for share in shares:
        if share.kind.cloud != "local":
            groups.setdefault(share.kind.group, []).append(share)
    return tuple(
        Quota(
            *group,
            gpus=sum(s.kind.gpus * s.machines for s in members),
            vcpus=None
            if any(s.kind.vcpus is None for s in members)
            else sum((s.kind.vcpus or 0) * s.machines for s in members),
        )
        for group, members in groups.items()
    )


def name_run(name: str, work: Work) -> str:
    """The name of the run: the job's, and a digest of what determines its vectors."""
    job = {k: v for k, v in work.job.items() if k not in ("limits", "quota", "local", "name", "notify")}
    where: dict[str, Any] = job.get("output") or {}
    output = str(where.get("path", ""))
    base = None if "://" in output or output.startswith("/") else work.base  # elsewhere it is another output
    facts = [job, base, work.corpus, work.listing, work.model, work.engine, work.shard_tokens]
    return f"{name}-{_digest(facts)[:8]}"


def to_json(plan: Plan) -> dict[str, Any]:
    """`plan.json`. Money as strings; unknown is null."""
    chosen = plan.chosen
    body: dict[str, Any] = {
        "schema": SCHEMA,
        "run": plan.run,
        "created": plan.created,
        "work": _work_json(plan.work),
        "profile": _profile_json(plan.profile),
        "cheaper": _cheaper_json(plan.cheaper),
        "lots": [_lot_json(lot) for lot in plan.lots],
        "totals": {
            "usd": _money(chosen.usd),
            "hours": _spread(chosen.hours),
            "usd_per_million_tokens": _text(chosen.usd_per_million_tokens),
            "machines": chosen.machines,
            "items": {name: _text(usd) for name, usd in chosen.items.items()},
        },
        "frontier": [_fleet_json(e) for e in plan.frontier],
        "alternatives": [
            {"name": a.name, "usd_more": _text(a.more)} | _fleet_json(a.estimate) for a in plan.alternatives
        ],
        "kinds": [_kind_json(e) for e in plan.kinds],
        "hosted": [_api_json(api) for api in plan.hosted],
        "quota_needed": [asdict(q) for q in plan.quota],
        "binding": list(plan.binding),
        "not_priced": list(plan.not_priced),
        "left_out": dict(plan.left_out),
        "prices_as_of": plan.prices_as_of,
        "solver_gap": None if plan.gap is None else round(plan.gap, 6),
    }
    return signed(body)


def signed(body: Mapping[str, Any]) -> dict[str, Any]:
    """The plan with the digest that tells when it was changed."""
    return {**body, "digest": _digest(body)}


def check(body: Any) -> dict[str, Any]:
    """A plan as it was written, unchanged.

    Raises:
        BadPlan: it is no plan, of another version, or was changed after it was made.
    """
    again = "make it again: embedfleet plan JOB.yaml -o plan.json"
    if not isinstance(body, dict) or "digest" not in body:
        raise BadPlan("this is not a plan", hint=again)
    fields: dict[str, Any] = dict(body)  # pyright: ignore[reportUnknownArgumentType]  # JSON
    if fields.get("schema") != SCHEMA:
        raise BadPlan(
            f"the plan has schema {fields.get('schema')!r}, this version reads {SCHEMA!r}", hint=again
        )
    digest = fields.pop("digest")
    if _digest(fields) != digest:
        raise BadPlan("the plan was changed after it was made: its digest does not fit", hint=again)
    return fields | {"digest": digest}


def _digest(value: Any) -> str:
    text = json.dumps(value, sort_keys=True, ensure_ascii=True, separators=(",", ":"), default=_plain)
    return blake2b(text.encode(), digest_size=16).hexdigest()


def _plain(value: Any) -> Any:
    return dict(value) if isinstance(value, Mapping) else str(value)  # pyright: ignore[reportUnknownArgumentType,reportUnknownVariableType]


def _work_json(work: Work) -> dict[str, Any]:
    return {
        "job": dict(work.job),
        "base": work.base,
        "corpus": work.corpus,
        "listing": work.listing,
        "model": work.model,
        "engine": work.engine,
        "shards": work.shards,
        "shard_tokens": work.shard_tokens,
    }


def _profile_json(profile: Profile) -> dict[str, Any]:
    """Estimates as whole numbers, each with its 95 % interval beside it."""
    counts: dict[str, Count] = {
        "documents": profile.documents,
        "chunks": profile.chunks,
        "tokens": profile.tokens,
        "bytes": profile.bytes,
        "tokens_cut": profile.tokens_cut,
        "documents_cut": profile.documents_cut,
        "bad_rows": profile.bad_rows,
        "beside": profile.beside,
    }
    return {name: round(count.mid) for name, count in counts.items()} | {
        "interval": {name: [round(count.low), round(count.high)] for name, count in counts.items()},
        "lengths": [[round(share, 6), round(tokens, 2)] for share, tokens in profile.lengths],
        "files": profile.files,
        "stored_bytes": profile.stored_bytes,
        "sampled": profile.sampled,
        "tokens_repeated": None if profile.tokens_repeated is None else round(profile.tokens_repeated.mid),
    }


def _lot_json(lot: Lot) -> dict[str, Any]:
    return {
        "gpu": lot.gpu,
        "gpus_per_machine": lot.gpus_per_machine,
        "cloud": lot.cloud,
        "regions": list(lot.regions),
        "spot": lot.spot,
        "machines": lot.machines,
        "workers": lot.workers,
        "threads": lot.threads,
        "tokens": round(lot.tokens),
        "tokens_per_second": round(lot.tokens_per_second, 1),
        "speed_source": lot.speed_source,
        "usd_per_hour": _text(lot.usd_per_hour),
        "usd_per_million_tokens": _text(lot.usd_per_million_tokens),
        "places": [asdict(seat) | {"usd_per_hour": _text(seat.usd_per_hour)} for seat in lot.places],
    }


def _fleet_json(estimate: Estimate) -> dict[str, Any]:
    """A fleet that was not chosen, in short."""
    return {
        "machines": estimate.machines,
        "hours": _spread(estimate.hours),
        "usd": _money(estimate.usd),
        "usd_per_million_tokens": _text(estimate.usd_per_million_tokens),
        "lots": [
            {
                "gpu": lot.gpu,
                "gpus_per_machine": lot.gpus_per_machine,
                "cloud": lot.cloud,
                "regions": list(lot.regions),
                "spot": lot.spot,
                "machines": lot.machines,
            }
            for lot in lots_of(estimate.shares)
        ],
    }


def _kind_json(estimate: Estimate) -> dict[str, Any]:
    kind = estimate.kind
    return {
        "gpu": kind.gpu,
        "gpus_per_machine": kind.gpus,
        "cloud": kind.cloud,
        "region": kind.region,
        "instance_type": kind.instance_type,
        "spot": kind.spot,
        "machines": estimate.machines,
        "tokens_per_second": round(kind.tokens_per_second.mid, 1),
        "speed_source": kind.speed_source,
        "usd_per_hour": _text(kind.usd_per_hour),
        "hours": _spread(estimate.hours),
        "usd": _money(estimate.usd),
        "usd_per_million_tokens": _text(estimate.usd_per_million_tokens),
    }


def _api_json(api: Api) -> dict[str, Any]:
    one = api.hosted
    return {
        "provider": one.provider,
        "model": one.model,
        "comparable": api.comparable,
        "usd_per_million_tokens": _text(one.usd_per_million_tokens),
        "usd": _text(api.usd),
        "batch_usd_per_million_tokens": _text(one.batch_usd_per_million_tokens),
        "batch_usd": _text(api.batch_usd),
        "dimensions": one.dimensions,
        "as_of": one.as_of.isoformat(),
        "source": one.source,
        "flags": list(one.flags),
    }


def _cheaper_json(found: Cheaper | None) -> dict[str, Any] | None:
    if found is None:
        return None
    tokens = None if found.break_even is None else int(found.break_even)
    return {
        "name": found.name,
        "usd": _text(found.usd),
        "fleet_usd_without_storage": _text(found.fleet_usd),
        "comparable": found.comparable,
        "break_even_tokens_per_month": tokens,
    }


def _spread(spread: Spread) -> dict[str, float]:
    return {"p10": round(spread.low, 5), "p50": round(spread.mid, 5), "p90": round(spread.high, 5)}


def _money(money: Money | None) -> dict[str, str | None]:
    if money is None:
        return {"p10": None, "p50": None, "p90": None}
    return {"p10": _text(money.p10), "p50": _text(money.p50), "p90": _text(money.p90)}


def _text(money: Decimal | None) -> str | None:
    """Dollars to a millionth of a cent: exact enough to add up, short enough to read."""
    return None if money is None else f"{money.quantize(Decimal('0.00000001')).normalize():f}"
