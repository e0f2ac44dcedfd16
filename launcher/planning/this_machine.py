"""This machine as a way to do the job: its speed as `bench` measured it, or as a probe measures it now, and an estimate.

Runs worker processes for a few seconds when it has to measure. Rents nothing.
"""

import socket
from collections.abc import Callable, Iterator
from dataclasses import dataclass
from decimal import Decimal
from pathlib import Path

from launcher.corpus.inspected import InspectedCorpus
from launcher.errors import Infeasible, Usage
from launcher.format import plural, share_text
from launcher.jobs.job import Job
from launcher.ledger.records import MeasuredSpeed
from launcher.planning.engine_choice import fastest_here
from launcher.planning.estimates.estimate import NO_CHARGES, Allocation, Candidate, Estimate
from launcher.planning.estimates.past_runs import past_runs
from launcher.planning.optimizer.decide import Decision
from launcher.planning.optimizer.infeasible import duration_text, round_duration_up
from launcher.planning.optimizer.search import Requirements, estimate_fleet
from launcher.planning.precision import why_not_here
from launcher.planning.request import SEED, PlanRequest, check_dimensions, work_tokens
from launcher.throughput.calibration import recent_bench
from launcher.throughput.local_machine import (
    LocalSpeed,
    ProbeRequest,
    WorkerSlots,
    gpu_names,
    worker_slots,
)
from launcher.throughput.probes import measure
from launcher.throughput.spread import Spread
from tasks.models.describe import describe
from tasks.models.files import HASH_MODEL
from tasks.models.precision import PRECISION_ENGINE
from tasks.models.support import CPU_ENGINES, ENGINES, check_supported

NOT_MEASURED = "this machine: not measured"
NO_PRICE = "this machine: what an hour of it costs you (set local.usd_per_hour)"
# How a run differs from the seconds of measurement before it: other programs take their share, a clock throttles, a model
# is read from a cold disk. An assumption about machines that people work at, as factors of P50; finished runs on this
# machine widen it further (`past_runs`). The fast ends are near, because nothing makes a machine faster.
SPEED_BETWEEN_RUNS = Spread(0.75, 1.0, 1.1)
START_BETWEEN_RUNS = Spread(0.8, 1.0, 2.0)
ASSUMED = (
    f"a run is assumed to be {share_text(1 - SPEED_BETWEEN_RUNS.low)} slower to "
    f"{share_text(SPEED_BETWEEN_RUNS.high - 1)} faster, because no run has finished here yet"
)
UNASKED_HOURS = (
    24.0  # P90: without a deadline this machine is kept busy no longer, unless the user asks for it
)


@dataclass(frozen=True, slots=True)
class ThisMachine:
    """The whole job on this machine. `not_priced` says what its dollars leave out."""

    estimate: Estimate
    speed: LocalSpeed
    not_priced: tuple[str, ...]


def can_measure(request: PlanRequest, corpus: InspectedCorpus) -> bool:
    """Whether this machine is considered at all.

    A hub id is measured only when the user asks for this machine: its weights would have to be downloaded. A machine
    that does not compute in the job's precision is not, nor one without the engine's library: a plan for rented machines
    needs no engine here. `--on cloud` measures nothing.
    """
    if corpus.sampled is None or request.options.on == "cloud":
        return False
    if request.job.precision is not None and why_not_here(request.job.precision) is not None:
        return False
    if request.options.on == "local":
        return True
    return _missing_library(request) is None and (request.model == HASH_MODEL or Path(request.model).is_dir())


def check_engine_here(request: PlanRequest) -> None:
    """Refuse a job that is to be done here by an engine whose library is not installed.

    Raises:
        Usage: the library is not installed.
    """
    library = _missing_library(request)
    if library is not None:
        raise Usage(
            f"{library} is not installed here, and the engine {request.job.engine} needs it",
            hint="pip install 'embedfleet[worker]', or plan without --on local to rent machines",
        )


def check_engine_is_rentable(request: PlanRequest) -> None:
    """Refuse a plan for rented machines with an engine that computes on CPUs alone.

    Raises:
        Usage: the job names one, and neither the job nor the options keep it to this machine.
    """
    engine, clouds = request.job.engine, request.job.limits.clouds
    if engine in CPU_ENGINES and request.options.on != "local" and tuple(clouds or ()) != ("local",):
        raise Usage(
            f"the engine {engine} computes on CPUs, and machines are rented for their GPUs",
            hint="plan with --on local, or set `engine: auto`",
        )


def not_measured_text(request: PlanRequest) -> str:
    """Why this machine has no figures in the plan, and how it gets them."""
    library = _missing_library(request)
    how = "pass --on local"
    if library is not None:
        how = f"the engine's library {library} is not installed here; pip install 'embedfleet[worker]'"
    return f"{NOT_MEASURED} ({how})"


def _missing_library(request: PlanRequest) -> str | None:
    from tasks.engines.load import missing_library  # noqa: PLC0415 - slow to import

    return None if request.model == HASH_MODEL else missing_library(request.job.engine)


def may_choose(request: PlanRequest) -> bool:
    """Whether the job lets this machine be chosen: not with `--on cloud`, nor with clouds that are only others."""
    clouds = request.job.limits.clouds
    return request.options.on != "cloud" and (not clouds or "local" in clouds)


def why_not_chosen(
    request: PlanRequest, here: Estimate, fleet: Estimate, *, upload: bool = False
) -> str | None:
    """Why this machine is not chosen although it is in the running, in words; None: it is the better choice.

    It is chosen when the job lets it, it keeps the limits, and its known dollars are lower at P50 and at P90 than what
    is known of the fleet's; the dollars do not count where the fleet needs an `upload` first, so that it cannot be
    launched. The storage of the vectors is paid either way.
    """
    deadline, budget, late = request.deadline_hours, request.job.limits.budget, here.hours.high
    found: str | None = None
    if not may_choose(request):
        found = f"{'--on cloud' if request.options.on == 'cloud' else 'limits.clouds'} leaves it out"
    elif here.usd is None and not upload:
        found = "what an hour of it costs is not known: set local.usd_per_hour"
    elif deadline is not None and late > deadline:
        found = f"it needs {duration_text(late)} (P90), past limits.deadline"
    elif deadline is None and late > UNASKED_HOURS:
        found = f"it would be busy for {duration_text(late)} (P90): pass --on local, or give limits.deadline"
    elif budget is not None and here.usd is not None and here.usd.p90 > budget:
        found = f"it costs ${here.usd.p90:.2f} (P90), above limits.budget"
    elif here.usd is not None and fleet.usd is not None and not upload:
        apart = fleet.items.get("storage") or Decimal(0)
        if here.usd.p50 >= fleet.usd.p50 - apart or here.usd.p90 > fleet.usd.p90 - apart:
            found = "its dollars are not lower"
    return found


def estimate_this_machine(
    request: PlanRequest, corpus: InspectedCorpus, say: Callable[[str], None]
) -> ThisMachine:
    """The estimate of the job on this machine, measured for a few seconds unless `bench` did so lately.

    Raises:
        Problem: the engine cannot run here.
        Usage: the job asks for more dimensions than the model gives.
    """
    job = request.job
    use = worker_slots(job.local.workers, corpus.shards)
    speed, source = _speed(request, corpus, use, say)
    check_dimensions(job, speed.dimensions)
    past = past_runs(request.options.outcomes)
    known = past.get(("local", "measured"))
    source = f"{source}, {plural(use.workers, 'worker')}, {speed.seconds:.0f} s"
    machine = _candidate(job, use, speed, source if known else f"{source}; {ASSUMED}")
    work = Requirements(work_tokens(corpus.profile), NO_CHARGES, seed=SEED, past=past)
    tokens = corpus.profile.tokens.mid
    return ThisMachine(
        estimate=estimate_fleet([Allocation(machine, 1, tokens)], work),
        speed=speed,
        not_priced=() if machine.usd_per_hour is not None else (NO_PRICE,),
    )


def decide_here(request: PlanRequest, here: Estimate, refusal: Infeasible | None = None) -> Decision:
    """This machine, when it keeps the limits. `refusal` is why no cloud does.

    Raises:
        Infeasible: it does not keep them.
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
    elif refusal is not None and not may_choose(request):
        what, hint = "limits.clouds leaves this machine out", "add local to it, or pass --on local"
    if what is None or hint is None:
        return Decision(chosen=here, gap=0.0)
    if refusal is None:
        raise Infeasible(what, hint=f"{hint}, or plan without --on local")
    raise Infeasible(f"{refusal}; {what}", hint=f"for a cloud {refusal.hint}; for this machine {hint}")


def _speed(
    request: PlanRequest, corpus: InspectedCorpus, use: WorkerSlots, say: Callable[[str], None]
) -> tuple[LocalSpeed, str]:
    """The speed of this machine, and where it comes from in words."""
    job, model = request.job, request.model
    assert corpus.sampled is not None, "a corpus that can be measured was sampled"
    from launcher.corpus.chunking import chunk_spec_of, prompt_of  # noqa: PLC0415 - slow to import
    from tasks.engines.load import resolve_engine  # noqa: PLC0415 - slow to import

    cut = chunk_spec_of(job, model)

    def known_of(engine: str) -> tuple[LocalSpeed, MeasuredSpeed] | None:
        return recent_bench(
            request.options.speeds,
            model=model,
            engine=engine,
            use=use,
            host=socket.gethostname(),
            gpus=gpu_names(),
            lengths=corpus.profile.lengths,
            now=request.now,
            precision=job.precision,
        )

    def measured(engine: str) -> LocalSpeed | None:
        known = known_of(engine)
        return known[0] if known else None

    engine = PRECISION_ENGINE if job.precision else resolve_engine(job.engine, model)
    if job.engine == "auto" and job.precision is None and model != HASH_MODEL:
        engine = fastest_here(engine, _other_engines(request, engine), measured, say)
    probe = ProbeRequest(
        model=model,
        engine=engine,
        texts=corpus.sampled.texts,
        tokens=cut.tokens,
        overlap=cut.overlap,
        prompt=prompt_of(job, model),
        remote_code=job.remote_code,
        precision=job.precision,
    )
    known = known_of(engine)
    if known:
        found, record = known
        say(f"this machine was measured by bench on {record.at:%Y-%m-%d}: not again")
        return found, f"measured here {record.at:%Y-%m-%d} by bench, {found.engine} {found.dtype}"
    seconds = request.options.probe_seconds
    say(f"measuring {plural(use.workers, 'worker')} of this machine for {seconds:g} s")
    found = measure(probe, use, seconds)
    return found, f"measured here, {found.engine} {found.dtype}"


def _other_engines(request: PlanRequest, usual: str) -> Iterator[str]:
    """The engines beside the usual one that are installed here and compute the model."""
    from tasks.engines.load import missing_library  # noqa: PLC0415 - slow to import

    described = describe(request.model)
    for engine in (*ENGINES, *CPU_ENGINES):
        if engine == usual or missing_library(engine) is not None:
            continue
        if not check_supported(described, engine, remote_code=request.job.remote_code):
            yield engine


def _candidate(job: Job, use: WorkerSlots, speed: LocalSpeed, source: str) -> Candidate:
    usd, load = job.local.usd_per_hour, speed.load_seconds
    return Candidate(
        cloud="local",
        region="local",
        gpu=speed.device if speed.device == "cpu" else "gpu",
        gpus=float(use.gpus),
        spot=False,
        usd_per_hour=usd,
        tokens_per_second=_between_runs(speed.tokens_per_second, SPEED_BETWEEN_RUNS),
        speed_source=source,
        cold_start=_between_runs(Spread(load, load, load), START_BETWEEN_RUNS),
        price_source="the job file" if usd is not None else "",
        disk_usd_per_hour=Decimal(0),  # the user's own disk and line
        egress_usd_per_token=Decimal(0),
    )


def _between_runs(measured: Spread, least: Spread) -> Spread:
    """A figure that was measured once, with at least the range by which it differs from run to run."""
    mid = measured.mid
    return Spread(min(measured.low, least.low * mid), mid, max(measured.high, least.high * mid))
