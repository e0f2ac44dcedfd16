"""This machine as a way to do the job: its speed as `bench` measured it, or as a probe measures it now, and an estimate.

Runs worker processes for a few seconds when it has to measure. Rents nothing.
"""

import socket
from collections.abc import Callable
from dataclasses import dataclass
from decimal import Decimal
from pathlib import Path

from launcher.corpus.chunking import chunk_spec_of, prompt_of
from launcher.corpus.inspect import InspectedCorpus
from launcher.format import plural
from launcher.jobs.job import Job
from launcher.planning.estimate import NO_CHARGES, Allocation, Candidate, Estimate
from launcher.planning.optimizer.search import Requirements, estimate_fleet
from launcher.planning.request import SEED, PlanRequest, check_dimensions, work_tokens
from launcher.throughput.calibration import recent_bench
from launcher.throughput.local_machine import (
    LocalSpeed,
    ProbeRequest,
    WorkerSlots,
    gpu_names,
    measure,
    worker_slots,
)
from launcher.throughput.spread import Spread
from tasks.engines.load import resolve_engine
from tasks.models.files import HASH_MODEL

NOT_MEASURED = "this machine: not measured (pass --on local)"
NO_PRICE = "this machine: what an hour of it costs you (set local.usd_per_hour)"


@dataclass(frozen=True, slots=True)
class ThisMachine:
    """The whole job on this machine. `not_priced` says what its dollars leave out."""

    estimate: Estimate
    speed: LocalSpeed
    not_priced: tuple[str, ...]


def can_measure(request: PlanRequest, corpus: InspectedCorpus) -> bool:
    """Whether this machine is considered at all.

    A hub id is measured only when the user asks for this machine: its weights would have to be downloaded.
    """
    if corpus.sampled is None:
        return False
    return request.options.on == "local" or request.model == HASH_MODEL or Path(request.model).is_dir()


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
    machine = _candidate(job, use, speed, f"{source}, {use.workers} workers, {speed.seconds:.0f} s")
    work = Requirements(work_tokens(corpus.profile), NO_CHARGES, seed=SEED)
    tokens = corpus.profile.tokens.mid
    return ThisMachine(
        estimate=estimate_fleet([Allocation(machine, 1, tokens)], work),
        speed=speed,
        not_priced=() if machine.usd_per_hour is not None else (NO_PRICE,),
    )


def _speed(
    request: PlanRequest, corpus: InspectedCorpus, use: WorkerSlots, say: Callable[[str], None]
) -> tuple[LocalSpeed, str]:
    """The speed of this machine, and where it comes from in words."""
    job, model = request.job, request.model
    assert corpus.sampled is not None, "a corpus that can be measured was sampled"
    cut = chunk_spec_of(job, model)
    probe = ProbeRequest(
        model=model,
        engine=resolve_engine(job.engine, model),
        texts=corpus.sampled.texts,
        tokens=cut.tokens,
        overlap=cut.overlap,
        prompt=prompt_of(job, model),
        remote_code=job.remote_code,
    )
    known = recent_bench(
        request.options.speeds,
        model=model,
        engine=probe.engine,
        use=use,
        host=socket.gethostname(),
        gpus=gpu_names(),
        lengths=corpus.profile.lengths,
        now=request.now,
    )
    if known:
        found, record = known
        say(f"this machine was measured by bench on {record.at:%Y-%m-%d}: not again")
        return found, f"measured here {record.at:%Y-%m-%d} by bench, {found.engine} {found.dtype}"
    seconds = request.options.probe_seconds
    say(f"measuring {plural(use.workers, 'worker')} of this machine for {seconds:g} s")
    found = measure(probe, use, seconds)
    return found, f"measured here, {found.engine} {found.dtype}"


def _candidate(job: Job, use: WorkerSlots, speed: LocalSpeed, source: str) -> Candidate:
    usd = job.local.usd_per_hour
    return Candidate(
        cloud="local",
        region="local",
        gpu=speed.device if speed.device == "cpu" else "gpu",
        gpus=float(use.gpus),
        spot=False,
        usd_per_hour=usd,
        tokens_per_second=speed.tokens_per_second,
        speed_source=source,
        cold_start=Spread(speed.load_seconds, speed.load_seconds, speed.load_seconds),
        price_source="the job file" if usd is not None else "",
        disk_usd_per_hour=Decimal(0),  # the user's own disk and line
        egress_usd_per_token=Decimal(0),
    )
