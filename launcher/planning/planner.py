"""Make a Plan: inspect the corpus, measure this machine, find candidates in the price book, and let the optimizer decide.

The input and output around the pure modules of this package. Spends nothing and writes nothing to any cloud.
"""

from collections.abc import Callable
from dataclasses import dataclass
from datetime import datetime
from pathlib import Path

from launcher.corpus.inspect import InspectedCorpus
from launcher.corpus.profile import declared_profile
from launcher.errors import Infeasible, Problem
from launcher.jobs import job as jobs
from launcher.jobs.job import DeclaredCorpus, Job
from launcher.planning import hosted_apis
from launcher.planning.candidates import (
    CandidateContext,
    CandidateSet,
    data_locations,
    find_candidates,
    obtainable_machines,
    rented_engine,
    run_charges,
)
from launcher.planning.estimate import SHARD_SECONDS, Candidate, Estimate
from launcher.planning.optimizer.decide import (
    Alternative,
    Decision,
    decide,
    single_candidate_fleet,
    usd_above,
)
from launcher.planning.optimizer.infeasible import duration_text, round_duration_up
from launcher.planning.optimizer.market import Group
from launcher.planning.optimizer.search import Requirements, median_usd
from launcher.planning.plan import Plan, machine_groups, name_run, quota_needs
from launcher.planning.request import (
    SEED,
    PlanOptions,
    PlanRequest,
    check_dimensions,
    model_shape,
    request_of,
    work_tokens,
)
from launcher.planning.saved_plan import PlannedWork
from launcher.planning.silence import silence_solver_output
from launcher.planning.this_machine import NOT_MEASURED, ThisMachine, can_measure, estimate_this_machine
from launcher.throughput.local_machine import worker_slots
from pricing import gpu as gpus
from pricing.hosted_apis import hosted_prices

LEAST_SHARD_POWER, MOST_SHARD_POWER = 14, 20  # powers of two of a shard's tokens


@dataclass(frozen=True, slots=True)
class _CloudChoice:
    """What the clouds offer for the job, and what is required of a fleet."""

    candidates: CandidateSet
    requirements: Requirements


def make_plan(job: Job, base: Path, options: PlanOptions, now: datetime, say: Callable[[str], None]) -> Plan:
    """The plan of a job. `base` is the folder of the job file; `say` gets a line for each slow step.

    Raises:
        Problem: the corpus or the model cannot be used.
        Infeasible: no fleet keeps the limits.
    """
    request = request_of(job, base, options, now, say)
    corpus = inspect_corpus(request, say)
    this_machine = estimate_this_machine(request, corpus, say) if can_measure(request, corpus) else None
    clouds = None if options.on == "local" else candidates_for(request, corpus)
    decision = _decide(request, clouds, this_machine)
    return assemble_plan(request, corpus, decision, clouds=clouds, this_machine=this_machine)


def inspect_corpus(request: PlanRequest, say: Callable[[str], None]) -> InspectedCorpus:
    """List and sample the corpus; of a declared one, compute its profile.

    Raises:
        Problem: it cannot be read, or holds no text.
    """
    job = request.job
    if isinstance(job.corpus, DeclaredCorpus):
        shape = model_shape(job, request.model)
        limits = [n for n in (job.chunk.tokens or job.chunk.truncate, shape and shape.max_tokens) if n]
        longest = min(limits) if limits else None
        step = longest - job.chunk.overlap if job.chunk.tokens and longest else None
        found = InspectedCorpus(declared_profile(job.corpus.documents, job.corpus.lengths, longest, step))
    else:
        from launcher.corpus.inspect import inspect_corpus  # noqa: PLC0415 - a declared corpus needs no reader of files

        found = inspect_corpus(job, request.base, request.model, request.model_fingerprint, say)
    if found.profile.tokens.mid < 1:
        raise Problem("the corpus holds no text", hint="look at corpus.path and corpus.text in the job file")
    return found


def candidates_for(request: PlanRequest, corpus: InspectedCorpus) -> _CloudChoice | None:
    """The machines of the price book that can do the job; None when the model's shape is not known.

    Raises:
        Usage: the model is unknown, or the job asks for more dimensions than it gives.
    """
    job, options = request.job, request.options
    shape = model_shape(job, request.model)
    if shape is None:
        return None
    texts, vectors = data_locations(job)
    context = CandidateContext(
        job=job,
        shape=shape,
        model=request.model,
        profile=corpus.profile,
        now=request.now,
        speeds=options.speeds,
        corpus=texts,
        output=vectors,
        cold_starts=options.cold_starts,
        engines=request.engines,
    )
    found = find_candidates(options.offers, context)
    check_dimensions(job, shape.dimensions)
    limits = job.limits
    requirements = Requirements(
        tokens=work_tokens(corpus.profile),
        charges=run_charges(context, found.candidates),
        deadline_hours=request.deadline_hours,
        budget=limits.budget,
        machines=limits.machines,
        machines_per_region=limits.machines_per_region,
        obtainable=obtainable_machines(found.candidates),
        quota=_quota(job),
        seed=SEED,
    )
    return _CloudChoice(found, requirements)


def assemble_plan(
    request: PlanRequest,
    corpus: InspectedCorpus,
    decision: Decision,
    *,
    clouds: _CloudChoice | None,
    this_machine: ThisMachine | None,
) -> Plan:
    """The plan of what was decided, beside what else there is: this machine, hosted APIs, each machine type alone."""
    job, chosen = request.job, decision.chosen
    chosen_here = this_machine if this_machine and chosen is this_machine.estimate else None
    other_here = None if chosen_here else this_machine
    apis = hosted_apis.price_apis(job.model, corpus.profile.tokens.mid, hosted_prices())
    alternatives = list(decision.alternatives)
    if other_here:
        here = other_here.estimate
        alternatives.append(Alternative("this machine", here, usd_above(here, chosen)))
    use = worker_slots(job.local.workers, corpus.shards)
    work = _work(request, corpus, chosen, chosen_here)
    found = clouds.candidates if clouds else None
    return Plan(
        run=name_run(job.name, work),
        created=request.now,
        work=work,
        profile=corpus.profile,
        lots=machine_groups(chosen.allocations, use.workers, use.threads)
        if chosen_here
        else machine_groups(chosen.allocations),
        chosen=chosen,
        alternatives=tuple(sorted(alternatives, key=lambda a: median_usd(a.estimate))),
        binding=(*decision.binding, *(_idle_workers(request, corpus) if chosen_here else ())),
        not_priced=_not_priced(request, corpus, clouds, this_machine),
        prices_as_of=found.oldest if found else None,
        frontier=decision.frontier,
        kinds=_single_type_fleets(clouds) if clouds else (),
        hosted=apis,
        cheaper=None
        if chosen_here
        else hosted_apis.cheapest_way(
            chosen, corpus.profile.tokens.mid, apis, other_here.estimate if other_here else None
        ),
        quota=quota_needs(chosen.allocations),
        left_out=found.left_out if found else {},
        files_left_out=corpus.listing.left_out if corpus.listing else (),
        gap=decision.gap if found else None,
    )


def _work(
    request: PlanRequest, corpus: InspectedCorpus, chosen: Estimate, chosen_here: ThisMachine | None
) -> PlannedWork:
    """What has to be done. A rented fleet cuts the corpus into shards at launch, by its slowest worker."""
    return PlannedWork(
        job=jobs.dump(request.job),
        base=str(request.base.absolute()),
        corpus=corpus.listing.root if corpus.listing else None,
        listing=corpus.listing.digest if corpus.listing else None,
        model=request.model,
        engine=chosen_here.speed.engine if chosen_here else rented_engine(request.job, request.engines),
        shards=corpus.shards if chosen_here else None,
        shard_tokens=corpus.shard_tokens if chosen_here else _shard_tokens(chosen),
        model_fingerprint=request.model_fingerprint,
    )


def _not_priced(
    request: PlanRequest,
    corpus: InspectedCorpus,
    clouds: _CloudChoice | None,
    this_machine: ThisMachine | None,
) -> tuple[str, ...]:
    """What the dollars leave out, and what was not considered, in words."""
    out: list[str] = []
    if this_machine:
        out += this_machine.not_priced
    elif corpus.sampled is not None:
        out.append(NOT_MEASURED)
    if clouds:
        out += clouds.candidates.not_priced
        groups = {candidate.group for candidate in clouds.candidates.candidates}
        out += [
            f"quota of {gpu} in {cloud} {region}: no offer is there"
            for cloud, region, gpu, spot in clouds.requirements.quota
            if (cloud, region, gpu, spot) not in groups
        ]
    elif request.options.on != "local":
        out.append(f"clouds: the shape of {request.job.model} is not known (give `model:` as a mapping)")
    return tuple(out)


def _quota(job: Job) -> dict[Group, int]:
    """The most GPUs by cloud, region, GPU and purchase kind."""
    return {
        (quota.cloud, quota.region, gpus.canonical(quota.gpu) or quota.gpu, spot): most
        for quota in job.quota
        for spot, most in ((True, quota.spot), (False, quota.on_demand))
        if most is not None
    }


def _decide(request: PlanRequest, clouds: _CloudChoice | None, this_machine: ThisMachine | None) -> Decision:
    """The cheapest cloud fleet, or this machine when no cloud will do.

    Raises:
        Infeasible: neither keeps the limits.
    """
    if clouds is None:
        if this_machine is None:
            raise Problem("there is nothing to embed: the corpus is only declared", hint="give corpus.path")
        return _decide_here(request, this_machine.estimate)
    try:
        if not clouds.candidates.candidates:
            raise _no_candidates(clouds.candidates)
        with silence_solver_output():
            return decide(clouds.candidates.candidates, clouds.requirements)
    except Infeasible as refusal:
        if this_machine is None:
            raise
        return _decide_here(request, this_machine.estimate, refusal)


def _no_candidates(found: CandidateSet) -> Infeasible:
    """Why no offer is left: the reason that most of those were left out for that pass the job's own limits."""
    inside = {why: n for why, n in found.left_out.items() if not why.startswith("limits.")} or found.left_out
    if not inside:
        return Infeasible(
            "the price book holds no offer", hint="name another with --price-book, or leave it out"
        )
    reason, count = max(inside.items(), key=lambda item: item[1])
    return Infeasible(
        f"no offer is left of {sum(found.left_out.values()):,}; {count:,} fall to: {reason}",
        hint="loosen limits.gpus, clouds, regions or spot in the job file, or choose a smaller model",
    )


def _decide_here(request: PlanRequest, here: Estimate, refusal: Infeasible | None = None) -> Decision:
    """This machine, when it keeps the limits. `refusal` is why no cloud does.

    Raises:
        Infeasible: it does not.
    """
    what = hint = None
    budget, deadline = request.job.limits.budget, request.deadline_hours
    if deadline is not None and here.hours.high > deadline:
        needs = duration_text(here.hours.high)
        what = f"this machine needs {needs} (P90), and limits.deadline is {duration_text(deadline)}"
        hint = f"set limits.deadline to {round_duration_up(here.hours.high)}"
    elif budget is not None and here.usd is not None and here.usd.p90 > budget:
        what = f"this machine costs ${here.usd.p90:.2f} (P90), and limits.budget is ${budget}"
        hint = f"set limits.budget to ${int(here.usd.p90) + 1}"
    if what is None or hint is None:
        return Decision(chosen=here, gap=0.0)
    if refusal is None:
        raise Infeasible(what, hint=f"{hint}, or plan without --on local")
    raise Infeasible(f"{refusal}; {what}", hint=f"for a cloud {refusal.hint}; for this machine {hint}")


def _single_type_fleets(clouds: _CloudChoice) -> tuple[Estimate, ...]:
    """Each GPU, size, cloud and purchase kind alone, in its cheapest place: as many as the deadline needs."""
    best: dict[tuple[str, str, float, bool], Candidate] = {}
    for candidate in clouds.candidates.candidates:
        key = (candidate.cloud, candidate.gpu, candidate.gpus, candidate.spot)
        if key not in best or (candidate.usd_per_hour or 0) < (best[key].usd_per_hour or 0):
            best[key] = candidate
    made = (single_candidate_fleet(candidate, clouds.requirements) for candidate in best.values())
    return tuple(sorted((estimate for estimate in made if estimate), key=median_usd))


def _shard_tokens(fleet: Estimate) -> int:
    """Tokens of a shard: the power of two that the slowest worker of the fleet embeds in about a minute."""
    slowest = min(a.candidate.tokens_per_second.mid / max(1.0, a.candidate.gpus) for a in fleet.allocations)
    power = round(slowest * SHARD_SECONDS).bit_length() - 1
    return 2 ** max(LEAST_SHARD_POWER, min(MOST_SHARD_POWER, power))


def _idle_workers(request: PlanRequest, corpus: InspectedCorpus) -> tuple[str, ...]:
    """A sentence when the corpus has fewer shards than this machine has workers."""
    shards = corpus.shards
    if shards is None or shards >= worker_slots(request.job.local.workers).workers:
        return ()
    return (
        f"{shards} shard{'s' if shards > 1 else ''}: a compressed or CSV file cannot be cut, so no more workers",
    )
