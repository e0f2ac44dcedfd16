"""Make a Plan: inspect the corpus, measure this machine, find candidates in the price book, and let the optimizer decide.

The input and output around the pure modules of this package; `assemble` makes the Plan of what is decided here.
Spends nothing and writes nothing to any cloud.
"""

from collections.abc import Callable, Sequence
from dataclasses import replace
from datetime import datetime
from decimal import Decimal
from pathlib import Path

from launcher.corpus.inspected import InspectedCorpus
from launcher.corpus.samples.profile import declared_profile
from launcher.errors import Infeasible, Problem
from launcher.format import plural
from launcher.jobs.job import DeclaredCorpus, Job
from launcher.planning.assemble import RENTED, Choice, CloudChoice, assemble_plan, unseen_folders
from launcher.planning.engine_choice import with_measured_engine
from launcher.planning.estimates.estimate import Estimate
from launcher.planning.estimates.past_runs import past_runs
from launcher.planning.offers.candidates import (
    CandidateContext,
    CandidateSet,
    data_locations,
    find_candidates,
    obtainable_gpus,
    run_charges,
)
from launcher.planning.offers.quotas import gpu_quota, regions_without_quota, vcpu_limits
from launcher.planning.offers.unmatched import near_region
from launcher.planning.optimizer.decide import Alternative, Decision, decide, usd_above
from launcher.planning.optimizer.search import Requirements
from launcher.planning.plan import Plan
from launcher.planning.precision import check_here
from launcher.planning.precision_loss import price_of_precision
from launcher.planning.reach import sees_folders
from launcher.planning.request import (
    SEED,
    PlanOptions,
    PlanRequest,
    check_dimensions,
    model_shape,
    request_of,
    work_tokens,
)
from launcher.planning.silence import silence_solver_output
from launcher.planning.this_machine import (
    ThisMachine,
    can_measure,
    check_engine_here,
    check_engine_is_rentable,
    decide_here,
    estimate_this_machine,
    why_not_chosen,
)
from pricing.offer import Offer

# What to do about a limit that keeps all offers out.
LIMITS = ("limits.gpus", "limits.clouds", "limits.regions", "limits.spot")  # as `usable_offers` asks them
HINTS = {
    "limits.regions": "limits.regions takes regions and patterns, such as us-west-2 or us-*, and no zones: "
    "embedfleet prices lists those that have offers",
    "limits.gpus": "embedfleet prices lists the GPUs that have offers; write some of them into limits.gpus",
    "limits.clouds": "the price book has no price for these GPUs there; embedfleet prices lists the clouds that have "
    "offers of a GPU: write some of them into limits.clouds",
}
OWN_PRICES = (
    "what an hour on Slurm costs you is in no price book but yours: write a row for each partition into a CSV file "
    "(docs/prices.md) and name it with --price-book"
)


def make_plan(job: Job, base: Path, options: PlanOptions, now: datetime, say: Callable[[str], None]) -> Plan:
    """The plan of a job. `base` is the folder of the job file; `say` gets a line for each slow step.

    Raises:
        Problem: the corpus or the model cannot be used.
        Infeasible: no fleet keeps the limits.
    """
    request = request_of(job, base, options, now, say)
    check_engine_is_rentable(request)
    if options.on == "local":
        check_here(job)
        check_engine_here(request)
    corpus = inspect_corpus(request, say)
    if options.on != "local":
        request = with_measured_engine(request, corpus.profile.lengths, say)
    this_machine = estimate_this_machine(request, corpus, say) if can_measure(request, corpus) else None
    clouds = None if options.on == "local" else candidates_for(request, corpus)
    decision = _decide(request, clouds, this_machine, upload=clouds is not None and clouds.upload)
    plan = assemble_plan(Choice(request, corpus, decision, clouds, this_machine))
    if job.precision is None:
        return plan
    without = _usd_without_precision(request, corpus)
    return replace(plan, reduced=price_of_precision(request, corpus, job.precision, without, say))


def _usd_without_precision(request: PlanRequest, corpus: InspectedCorpus) -> Decimal | None:
    """P50 of the cheapest fleet in the usual precision; None: unknown, or no fleet keeps the limits."""
    plain = replace(request, job=replace(request.job, precision=None))
    try:
        chosen = _decide(plain, candidates_for(plain, corpus), None, upload=False).chosen
    except Problem:
        return None
    return None if chosen.usd is None else chosen.usd.p50


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
        if request.options.count_repeats:
            found = _with_repeats(found, job, say)
    if found.profile.tokens.mid < 1:
        raise Problem("the corpus holds no text", hint="look at corpus.path and corpus.text in the job file")
    return found


def _with_repeats(corpus: InspectedCorpus, job: Job, say: Callable[[str], None]) -> InspectedCorpus:
    """The corpus with its repeats, for which all of it is read."""
    from launcher.corpus.inspect import columns_of  # noqa: PLC0415 - a declared corpus needs no reader of files
    from launcher.corpus.repeats import count_repeats  # noqa: PLC0415

    assert corpus.listing is not None
    say(f"reading all {plural(len(corpus.listing.files), 'file')} for texts that repeat")
    return replace(corpus, repeats=count_repeats(corpus.listing, columns_of(job)))


def candidates_for(request: PlanRequest, corpus: InspectedCorpus) -> CloudChoice | None:
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
    found, upload = _within_reach(
        find_candidates(options.offers, context), unseen=bool(unseen_folders(request, corpus))
    )
    check_dimensions(job, shape.dimensions)
    limits = job.limits
    requirements = Requirements(
        tokens=work_tokens(corpus.profile),
        charges=run_charges(context, found.candidates),
        deadline_hours=request.deadline_hours,
        budget=limits.budget,
        machines=limits.machines,
        machines_per_region=limits.machines_per_region,
        obtainable=obtainable_gpus(found.candidates),
        quota=gpu_quota(job, found.candidates),
        vcpus=vcpu_limits(job, found.candidates),
        seed=SEED,
        past=past_runs(options.outcomes),
    )
    return CloudChoice(found, requirements, upload)


def _within_reach(found: CandidateSet, *, unseen: bool) -> tuple[CandidateSet, bool]:
    """The candidates that see the folders of the job, if any does; else all, which need an upload first (True)."""
    if not unseen:
        return found, False
    near = tuple(one for one in found.candidates if sees_folders(one.cloud))
    if not near:
        return found, True
    far = len(found.candidates) - len(near)
    left_out = {**found.left_out, "cannot see the folders of this machine": far} if far else found.left_out
    return replace(found, candidates=near, left_out=left_out), False


def _decide(
    request: PlanRequest, clouds: CloudChoice | None, this_machine: ThisMachine | None, *, upload: bool
) -> Decision:
    """The cheapest cloud fleet, or this machine when no cloud will do or when it is the better choice.

    `upload`: the fleet needs one first, so that this machine is the better choice wherever it keeps the limits.

    Raises:
        Infeasible: neither keeps the limits.
    """
    if clouds is None:
        if this_machine is None:
            raise Problem("there is nothing to embed: the corpus is only declared", hint="give corpus.path")
        return decide_here(request, this_machine.estimate)
    try:
        if not clouds.candidates.candidates:
            raise _no_candidates(clouds.candidates, request.job, request.options.offers)
        with silence_solver_output():
            found = decide(clouds.candidates.candidates, clouds.requirements)
    except Infeasible as error:
        assumed = "; ".join(regions_without_quota(request.job, clouds.candidates.candidates))
        refusal = Infeasible(str(error), hint=f"{error.hint}; {assumed}") if assumed else error
        if this_machine is None:
            raise refusal from error
        return decide_here(request, this_machine.estimate, refusal)
    if this_machine is None or why_not_chosen(request, this_machine.estimate, found.chosen, upload=upload):
        return found
    return _here_instead(found, this_machine.estimate)


def _here_instead(found: Decision, here: Estimate) -> Decision:
    """This machine chosen before every fleet: the cheapest of them becomes the first alternative."""
    fleets = [Alternative(RENTED, found.chosen, None), *found.alternatives]
    return Decision(
        chosen=here,
        gap=0.0,
        frontier=found.frontier,
        alternatives=tuple(replace(one, more=usd_above(one.estimate, here)) for one in fleets),
    )


def _no_candidates(found: CandidateSet, job: Job, offers: Sequence[Offer]) -> Infeasible:
    """Why no offer is left: the reason that most of those were left out for that pass the job's own limits.

    Where none passes them, the last limit that any of them came to, in the order in which limits are asked.
    """
    left_out = found.left_out
    if not left_out:
        return Infeasible(
            "the price book holds no offer", hint="name another with --price-book, or leave it out"
        )
    inside = [(why, count) for why, count in left_out.items() if why not in LIMITS]
    if inside:
        reason, count = max(inside, key=lambda item: item[1])
    else:
        reason, count = [(limit, left_out[limit]) for limit in LIMITS if limit in left_out][-1]
    before = [limit for limit in LIMITS[: LIMITS.index(reason)] if limit in left_out] if not inside else []
    of_these = (
        f" of those that {' and '.join(before)} {'allow' if before[1:] else 'allows'}" if before else ""
    )
    loosen = "loosen limits.gpus, clouds, regions or spot in the job file, or choose a smaller model"
    own = reason == "limits.clouds" and job.limits.clouds == ("slurm",)
    return Infeasible(
        f"no offer is left of {sum(left_out.values()):,}; {count:,}{of_these} fall to: {reason}",
        hint=OWN_PRICES if own else f"{_misspelt(reason, job, offers)}{HINTS.get(reason, loosen)}",
    )


def _misspelt(reason: str, job: Job, offers: Sequence[Offer]) -> str:
    """The region that was meant, where one that fits no offer is spelt nearly like it."""
    if reason != "limits.regions":
        return ""
    clouds = [offer for offer in offers if not job.limits.clouds or offer.cloud in job.limits.clouds]
    near = [name for name in (near_region(pattern, clouds) for pattern in job.limits.regions) if name]
    return f"did you mean {', '.join(near)}? " if near else ""
