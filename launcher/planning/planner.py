"""Make a Plan: look at the corpus, measure this machine, read the prices and the speeds seen, and let the core decide.

The shell around `profile`, `kinds`, `decide`, `compare` and `plan`. Spends nothing and writes nothing to any cloud.
"""

import socket
from collections.abc import Callable, Sequence
from dataclasses import dataclass
from datetime import datetime
from decimal import Decimal
from pathlib import Path

from launcher.corpus.chunking import cut_of
from launcher.corpus.inspect import Looked
from launcher.corpus.profile import Count, declared
from launcher.errors import Infeasible, Problem, Usage
from launcher.format import plural
from launcher.jobs import job as jobs
from launcher.jobs.job import DeclaredCorpus, Job
from launcher.jobs.model_reference import resolve
from launcher.ledger.records import ColdStart, MeasuredSpeed
from launcher.planning import candidates as menus
from launcher.planning import hosted_apis
from launcher.planning.candidates import CandidateContext, CandidateSet
from launcher.planning.estimate import NO_CHARGES, SHARD_SECONDS, Allocation, Candidate, Estimate
from launcher.planning.optimizer import decide, infeasible, search
from launcher.planning.optimizer.market import Group
from launcher.planning.optimizer.silence import silence_solver_output
from launcher.planning.plan import Plan, machine_groups, name_run, quota_needs
from launcher.planning.saved_plan import PlannedWork
from launcher.throughput import model_shapes
from launcher.throughput.calibration import recent_bench
from launcher.throughput.local_machine import (
    LocalSpeed,
    ProbeRequest,
    WorkerSlots,
    gpu_names,
    measure,
    worker_slots,
)
from launcher.throughput.predict import ModelShape
from launcher.throughput.spread import Spread
from pricing import gpu as gpus
from pricing.hosted_apis import hosted
from pricing.offer import Offer
from tasks.engines.load import choose
from tasks.engines.tokenizer import HASH

SEED = 7  # of the spread: the same inputs give the same plan


@dataclass(frozen=True, slots=True)
class PlanOptions:
    """What the command line adds to the job."""

    on: str | None  # "local", or None: wherever it is cheapest
    probe_seconds: float
    offers: tuple[Offer, ...] = ()
    seen: Sequence[MeasuredSpeed] = ()  # speeds that were measured, the newest first
    starts: Sequence[ColdStart] = ()  # how long machines took to start, the newest first


def make_plan(job: Job, base: Path, choices: PlanOptions, now: datetime, say: Callable[[str], None]) -> Plan:
    """The plan of a job; `base` is the folder of the job file. `say` hears what is being done.

    Raises:
        Problem: the corpus or the model cannot be used.
        Infeasible: the limits leave nothing.
    """
    model = resolve(job.model, base)
    _check_gpus(job)
    deadline = _deadline(job, now)
    looked = _look(job, base, model, say)
    if looked.profile.tokens.mid < 1:
        raise Problem("the corpus holds no text", hint="look at corpus.path and corpus.text in the job file")
    not_priced: list[str] = []
    local = _local(job, model, looked, choices, now, not_priced, say)
    known = None if choices.on == "local" else _shape(job, model)
    menu = asked = decision = None
    if choices.on != "local":
        if known is None:
            not_priced.append(f"clouds: the shape of {job.model} is not known (give `model:` as a mapping)")
        else:
            here, there = menus.data_locations(job)
            context = CandidateContext(
                job, known, model, looked.profile, now, choices.seen, here, there, choices.starts
            )
            menu = menus.find_candidates(choices.offers, context)
            not_priced += menu.not_priced
            _check_dimensions(job, known.dimensions)
            asked = _asked(job, deadline, context, menu)
            groups = {kind.group for kind in menu.kinds}
            not_priced += [
                f"quota of {g[2]} in {g[0]} {g[1]}: no offer is there" for g in asked.quota if g not in groups
            ]
            decision = _decide(job, asked, menu, local)
    if decision is None and local is None:
        raise Problem("there is nothing to embed: the corpus is only declared", hint="give corpus.path")
    if decision is None:
        assert local
        decision = _here(job, deadline, local[0])
    chosen = decision.chosen
    mine = local is not None and chosen is local[0]
    use = worker_slots(job.local.workers, looked.shards)
    apis = hosted_apis.price_apis(job.model, looked.profile.tokens.mid, hosted())
    beside = (
        decide.Alternative("this machine", local[0], decide.usd_above(local[0], chosen))
        if local and not mine
        else None
    )
    work = PlannedWork(
        job=jobs.dump(job),
        base=str(base.absolute()),
        corpus=looked.listing.root if looked.listing else None,
        listing=looked.listing.digest if looked.listing else None,
        model=model,
        engine=local[1].engine if local and mine else menus.rented_engine(job),
        shards=looked.shards if mine else None,
        shard_tokens=looked.shard_tokens if mine else _shard_tokens(chosen),
    )
    return Plan(
        run=name_run(job.name, work),
        created=now,
        work=work,
        profile=looked.profile,
        lots=machine_groups(chosen.shares, use.workers, use.threads)
        if mine
        else machine_groups(chosen.shares),
        chosen=chosen,
        alternatives=tuple(
            sorted(
                (*decision.alternatives, *([beside] if beside else [])),
                key=lambda a: search.median_usd(a.estimate),
            )
        ),
        binding=(*decision.binding, *_crowded(worker_slots(job.local.workers), looked.shards, mine=mine)),
        not_priced=tuple(not_priced),
        prices_as_of=menu.oldest if menu else None,
        frontier=decision.frontier,
        kinds=_kinds(menu, asked) if menu and asked else (),
        hosted=apis,
        cheaper=None
        if mine
        else hosted_apis.cheapest_way(chosen, looked.profile.tokens.mid, apis, local[0] if local else None),
        quota=quota_needs(chosen.shares),
        left_out=menu.left_out if menu else {},
        gap=decision.gap if menu else None,
    )


def _deadline(job: Job, now: datetime) -> float | None:
    """Hours from now."""
    if job.limits.deadline_at is None:
        return job.limits.deadline_hours
    left = (datetime.fromisoformat(job.limits.deadline_at) - now).total_seconds() / 3600
    if left <= 0:
        raise Usage(
            f"limits.deadline {job.limits.deadline_at} is in the past: it was {-left:,.1f} hours ago",
            hint="set limits.deadline to a later moment, or to a duration such as 6h",
        )
    return left


def _quota(job: Job) -> dict[Group, int]:
    """GPUs at most, by cloud, region, GPU and purchase kind."""
    return {
        (q.cloud, q.region, gpus.canonical(q.gpu) or q.gpu, spot): most
        for q in job.quota
        for spot, most in ((True, q.spot), (False, q.on_demand))
        if most is not None
    }


def _check_dimensions(job: Job, most: int) -> None:
    if job.output and job.output.dimensions and job.output.dimensions > most:
        raise Usage(
            f"output.dimensions is {job.output.dimensions}, but {job.model} gives {most}",
            hint=f"set output.dimensions to at most {most}",
        )


def _asked(
    job: Job, deadline: float | None, context: CandidateContext, menu: CandidateSet
) -> search.Requirements:
    """The work and its limits, as the core wants them."""
    tokens = context.profile.tokens
    return search.Requirements(
        tokens=Spread(max(1.0, tokens.low), tokens.mid, tokens.high),
        rest=menus.run_charges(context, menu.kinds),
        deadline_hours=deadline,
        budget=job.limits.budget,
        machines=job.limits.machines,
        machines_per_region=job.limits.machines_per_region,
        obtainable=menus.obtainable_machines(menu.kinds),
        quota=_quota(job),
        seed=SEED,
    )


def _decide(
    job: Job, asked: search.Requirements, menu: CandidateSet, local: tuple[Estimate, LocalSpeed] | None
) -> decide.Decision:
    """The cheapest cloud, or this machine when no cloud will do."""
    try:
        if not menu.kinds:
            raise _nothing_left(menu)
        with silence_solver_output():
            return decide.decide(menu.kinds, asked)
    except Infeasible as refused:
        if local is None:
            raise
        return _here(job, asked.deadline_hours, local[0], refused)


def _nothing_left(menu: CandidateSet) -> Infeasible:
    """Why no offer is left: what most of those fell to that the job's limits let through."""
    inside = {why: n for why, n in menu.left_out.items() if not why.startswith("limits.")} or menu.left_out
    if not inside:
        return Infeasible(
            "the price book holds no offer", hint="name another with --price-book, or leave it out"
        )
    reason, count = max(inside.items(), key=lambda item: item[1])
    return Infeasible(
        f"no offer is left of {sum(menu.left_out.values()):,}; {count:,} fall to: {reason}",
        hint="loosen limits.gpus, clouds, regions or spot in the job file, or choose a smaller model",
    )


def _here(
    job: Job, deadline: float | None, local: Estimate, refused: Infeasible | None = None
) -> decide.Decision:
    """This machine, which keeps the limits or does not. `refused` is what the clouds said."""
    what = hint = None
    budget = job.limits.budget
    if deadline is not None and local.hours.high > deadline:
        needs = infeasible.duration_text(local.hours.high)
        what = (
            f"this machine needs {needs} (P90), and limits.deadline is {infeasible.duration_text(deadline)}"
        )
        hint = f"set limits.deadline to {infeasible.round_duration_up(local.hours.high)}"
    elif budget is not None and local.usd is not None and local.usd.p90 > budget:
        what = f"this machine costs ${local.usd.p90:.2f} (P90), and limits.budget is ${budget}"
        hint = f"set limits.budget to ${int(local.usd.p90) + 1}"
    if what is None or hint is None:
        return decide.Decision(local, 0.0, (), (), ())
    if refused is None:
        raise Infeasible(what, hint=f"{hint}, or plan without --on local")
    raise Infeasible(f"{refused}; {what}", hint=f"for a cloud {refused.hint}; for this machine {hint}")


def _kinds(menu: CandidateSet, asked: search.Requirements) -> tuple[Estimate, ...]:
    """Each GPU, size, cloud and purchase kind alone, in its cheapest place: as many as the deadline needs."""
    best: dict[tuple[str, str, float, bool], Candidate] = {}
    for kind in menu.kinds:
        key = (kind.cloud, kind.gpu, kind.gpus, kind.spot)
        if key not in best or (kind.usd_per_hour or 0) < (best[key].usd_per_hour or 0):
            best[key] = kind
    found = (decide.single_candidate_fleet(kind, asked) for kind in best.values())
    return tuple(sorted((made for made in found if made), key=search.median_usd))


def _shard_tokens(fleet: Estimate) -> int:
    """A power of two that the slowest worker of the fleet does in about a minute."""
    slowest = min(s.kind.tokens_per_second.mid / max(1.0, s.kind.gpus) for s in fleet.shares)
    return 2 ** max(14, min(20, round(slowest * SHARD_SECONDS).bit_length() - 1))


def _crowded(use: WorkerSlots, shards: int | None, *, mine: bool) -> tuple[str, ...]:
    if shards is None or not mine or shards >= use.workers:
        return ()
    return (
        f"{shards} shard{'s' if shards > 1 else ''}: a compressed or CSV file cannot be cut, so no more workers",
    )


def _look(job: Job, base: Path, model: str, say: Callable[[str], None]) -> Looked:
    if isinstance(job.corpus, DeclaredCorpus):
        chunk = job.chunk
        known = [n for n in (chunk.tokens or chunk.truncate, _max_tokens(job, model)) if n]
        longest = min(known) if known else None
        step = longest - chunk.overlap if chunk.tokens and longest else None
        return Looked(declared(job.corpus.documents, job.corpus.lengths, longest, step))
    from launcher.corpus.inspect import look  # noqa: PLC0415 - a declared corpus needs no reader of files

    return look(job, base, model, say)


def _max_tokens(job: Job, model: str) -> int | None:
    found = _shape(job, model)  # a declared corpus goes nowhere else
    return found.max_tokens if found else None


def _local(
    job: Job,
    model: str,
    looked: Looked,
    choices: PlanOptions,
    now: datetime,
    not_priced: list[str],
    say: Callable[[str], None],
) -> tuple[Estimate, LocalSpeed] | None:
    """This machine, as `bench` measured it, else measured now for a few seconds.

    Not for a hub id, whose weights it would fetch, unless it is asked for by name.
    """
    if looked.sampled is None:
        return None
    if choices.on != "local" and model != HASH and not Path(model).is_dir():
        not_priced.append("this machine: not measured (pass --on local)")
        return None
    use = worker_slots(job.local.workers, looked.shards)
    cut = cut_of(job, model)
    texts = looked.sampled.texts
    asked = ProbeRequest(
        model, choose(job.engine, model), texts, cut.tokens, cut.overlap, cut.prompt, job.remote_code
    )
    host, lengths = socket.gethostname(), looked.profile.lengths
    known = recent_bench(choices.seen, model, asked.engine, use, host, gpu_names(), lengths, now)
    if known:
        found, record = known
        source = f"measured here {record.at:%Y-%m-%d} by bench, {found.engine} {found.dtype}"
        say(f"this machine was measured by bench on {record.at:%Y-%m-%d}: not again")
    else:
        say(f"measuring {plural(use.workers, 'worker')} of this machine for {choices.probe_seconds:g} s")
        found = measure(asked, use, choices.probe_seconds)
        source = f"measured here, {found.engine} {found.dtype}"
    _check_dimensions(job, found.dimensions)
    kind = Candidate(
        cloud="local",
        region="local",
        gpu=found.device if found.device == "cpu" else "gpu",
        gpus=float(use.gpus),
        spot=False,
        usd_per_hour=job.local.usd_per_hour,
        tokens_per_second=found.tokens_per_second,
        speed_source=f"{source}, {use.workers} workers, {found.seconds:.0f} s",
        cold_start=Spread(found.load_seconds, found.load_seconds, found.load_seconds),
        price_source="the job file" if job.local.usd_per_hour is not None else "",
        disk_usd_per_hour=Decimal(0),  # the user's own
        egress_usd_per_token=Decimal(0),
    )
    if kind.usd_per_hour is None:
        not_priced.append("this machine: what an hour of it costs you (set local.usd_per_hour)")
    tokens: Count = looked.profile.tokens
    asked = search.Requirements(Spread(max(1.0, tokens.low), tokens.mid, tokens.high), NO_CHARGES, seed=SEED)
    return search.estimate_fleet([Allocation(kind, 1, tokens.mid)], asked), found


def _shape(job: Job, model: str) -> ModelShape | None:
    """What the job says of the model, else what is known of it; None of a folder that says too little.

    Raises:
        Usage: nobody knows a model of this name.
    """
    if job.shape:
        return model_shapes.from_mapping(job.model, job.shape)
    if model == HASH:
        return None
    try:
        return model_shapes.shape(model)
    except Problem as problem:
        if Path(model).is_dir():
            return None
        raise Usage(f"model: {problem}", hint=problem.hint) from problem


def _check_gpus(job: Job) -> None:
    said = (
        *(("limits.gpus", name) for name in job.limits.gpus),
        *(("speed", name) for name in job.speed),
        *(("quota", quota.gpu) for quota in job.quota),
    )
    for key, name in said:
        if gpus.canonical(name) is None:
            near = gpus.nearest(name)
            raise Usage(
                f"{key}: no GPU {name!r} is known" + (f"; did you mean {near[0]}?" if near else ""),
                hint=f"known are {', '.join(g.name for g in gpus.gpus())}",
            )
