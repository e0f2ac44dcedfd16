"""The Plan: everything a launch needs and nothing it has to ask again, with a digest that tells when it was changed.

Pure: a value and its JSON (`plan.json`, DESIGN 3).
"""

import json
from collections.abc import Mapping
from dataclasses import dataclass
from decimal import Decimal
from hashlib import blake2b
from typing import Any

from launcher.errors import Problem
from launcher.estimate import Estimate, Money
from launcher.profile import Count, Profile
from launcher.speed import Spread

SCHEMA = "embedfleet/plan/1"


class BadPlan(Problem):
    """The plan cannot be used, and why."""


@dataclass(frozen=True, slots=True)
class Lot:
    """Like machines. `usd_per_hour` and `tokens_per_second` are of one machine; None: unknown."""

    gpu: str
    gpus_per_machine: float
    cloud: str
    regions: tuple[str, ...]
    spot: bool
    machines: int
    workers: int  # per machine
    threads: int | None  # CPU threads of a worker, where it computes on the CPU
    tokens_per_second: float
    speed_source: str
    usd_per_hour: Decimal | None
    usd_per_million_tokens: Decimal | None


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
    alternatives: tuple[Estimate, ...]
    binding: tuple[str, ...]
    not_priced: tuple[str, ...]
    prices_as_of: str | None


def name_run(name: str, work: Work) -> str:
    """The name of the run: the job's, and a digest of what determines its vectors."""
    job = {k: v for k, v in work.job.items() if k not in ("limits", "quota", "local", "name")}
    where: dict[str, Any] = job.get("output") or {}
    output = str(where.get("path", ""))
    base = None if "://" in output or output.startswith("/") else work.base  # elsewhere it is another output
    facts = [job, base, work.corpus, work.listing, work.model, work.engine, work.shard_tokens]
    return f"{name}-{_digest(facts)[:8]}"


def to_json(plan: Plan) -> dict[str, Any]:
    """`plan.json`. Money as strings; unknown is null."""
    chosen = plan.chosen
    local = chosen.kind.cloud == "local"
    # Nothing preempts, stores or carries away what is embedded on the user's own machine.
    free = "0" if local else None
    body: dict[str, Any] = {
        "schema": SCHEMA,
        "run": plan.run,
        "created": plan.created,
        "work": _work_json(plan.work),
        "profile": _profile_json(plan.profile),
        "lots": [_lot_json(lot) for lot in plan.lots],
        "totals": {
            "usd": _money(chosen.usd),
            "hours": _spread(chosen.hours),
            "usd_per_million_tokens": _text(chosen.usd_per_million_tokens),
            "items": {
                "compute": _text(chosen.compute),
                "cold_start": _text(chosen.cold_start),
                "preemption": free,
                "storage": free,
                "egress": free,
                "controller": free,
            },
        },
        "alternatives": [_estimate_json(e) for e in plan.alternatives],
        "hosted": [],
        "binding": list(plan.binding),
        "not_priced": list(plan.not_priced),
        "prices_as_of": plan.prices_as_of,
    }
    return body | {"digest": _digest(body)}


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
    }
    return {name: round(count.mid) for name, count in counts.items()} | {
        "interval": {name: [round(count.low), round(count.high)] for name, count in counts.items()},
        "lengths": [[round(share, 6), round(tokens, 2)] for share, tokens in profile.lengths],
        "files": profile.files,
        "stored_bytes": profile.stored_bytes,
        "sampled": profile.sampled,
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
        "tokens_per_second": round(lot.tokens_per_second, 1),
        "speed_source": lot.speed_source,
        "usd_per_hour": _text(lot.usd_per_hour),
        "usd_per_million_tokens": _text(lot.usd_per_million_tokens),
    }


def _estimate_json(estimate: Estimate) -> dict[str, Any]:
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


def _spread(spread: Spread) -> dict[str, float]:
    return {"p10": round(spread.low, 5), "p50": round(spread.mid, 5), "p90": round(spread.high, 5)}


def _money(money: Money | None) -> dict[str, str | None]:
    if money is None:
        return {"p10": None, "p50": None, "p90": None}
    return {"p10": _text(money.p10), "p50": _text(money.p50), "p90": _text(money.p90)}


def _text(money: Decimal | None) -> str | None:
    """Dollars to a millionth of a cent: exact enough to add up, short enough to read."""
    return None if money is None else f"{money.quantize(Decimal('0.00000001')).normalize():f}"
