"""What a plan is asked for: the job, the options of the command line, and checks of the job against what is known.

Reads the model's folder when there is one, and no other file.
"""

from collections.abc import Callable, Sequence
from contextlib import suppress
from dataclasses import dataclass
from datetime import datetime
from pathlib import Path

from launcher.corpus.samples.profile import Profile
from launcher.errors import Problem, Usage
from launcher.jobs.job import CorpusSource, Job
from launcher.jobs.model_reference import resolve
from launcher.ledger.records import ColdStart, MeasuredSpeed, PlanOutcome
from launcher.money import SECONDS_PER_HOUR
from launcher.planning.model_support import engine_refusal, model_support
from launcher.steering.market.priors import PastRun
from launcher.throughput import model_shapes
from launcher.throughput.folder_shape import hub_shape
from launcher.throughput.predict import ModelShape
from launcher.throughput.spread import Spread
from pricing import gpu as gpus
from pricing.offer import Offer
from tasks.models.files import HASH_MODEL
from tasks.models.fingerprint import fingerprint_of

SEED = 7  # of the Monte Carlo draws: the same inputs give the same plan


@dataclass(frozen=True, slots=True, kw_only=True)
class PlanOptions:
    """What the command line adds to the job."""

    on: str | None  # "local", "cloud", or None: wherever it is cheapest
    probe_seconds: float
    loss_seconds: float | None = (
        None  # to measure what a reduced precision loses; None: as long as usual, for a folder
    )
    count_repeats: bool = False  # read the whole corpus for texts that occur before
    offers: tuple[Offer, ...] = ()
    speeds: Sequence[MeasuredSpeed] = ()  # measured speeds, the newest first
    cold_starts: Sequence[ColdStart] = ()  # how long machines took to start, the newest first
    outcomes: Sequence[PlanOutcome] = ()  # of finished runs, the newest first
    steered: Sequence[PastRun] = ()  # what steered runs saw of their places, the newest last


@dataclass(frozen=True, slots=True, kw_only=True)
class PlanRequest:
    """A job to plan. `model` is as an engine loads it: a folder by its full path, or a hub id."""

    job: Job
    base: Path  # folder that relative paths of the job are relative to
    model: str
    deadline_hours: float | None  # from now
    options: PlanOptions
    now: datetime
    model_fingerprint: str | None = None  # of the model where it is read: for a corpus with files
    engines: tuple[str, ...] | None = None  # that compute the model, the faster first; None: not known


def request_of(
    job: Job, base: Path, options: PlanOptions, now: datetime, say: Callable[[str], None]
) -> PlanRequest:
    """The request, checked: the model and its engines, the GPU names and the deadline.

    Raises:
        Usage: the model folder is not there, no engine computes the model, a GPU is unknown, or the deadline is in the
            past. A corpus that is only declared cannot be launched: of its model `say` is told.
    """
    model = resolve(job.model, base)
    _check_gpus(job)
    support = model_support(job, model)
    refusal = None if support is None else engine_refusal(job, support)
    if refusal is not None:
        if isinstance(job.corpus, CorpusSource):
            raise refusal
        say(f"{refusal}; {refusal.hint}")
    return PlanRequest(
        job=job,
        base=base,
        model=model,
        deadline_hours=_deadline_hours(job, now),
        options=options,
        now=now,
        model_fingerprint=fingerprint_of(model) if isinstance(job.corpus, CorpusSource) else None,
        engines=support.engines or None if support else None,
    )


def model_shape(job: Job, model: str) -> ModelShape | None:
    """The model's shape as the job gives it, else as it is known or its files say; None where they say too little.

    The files of a model of the hub are asked for only when there is a corpus: then its tokenizer is needed, too.

    Raises:
        Usage: no model of this name is known.
    """
    if job.shape:
        return model_shapes.from_mapping(job.model, job.shape)
    if model == HASH_MODEL:
        return None
    try:
        return model_shapes.shape(model)
    except Problem as problem:
        if Path(model).is_dir():
            return None
        if not isinstance(job.corpus, CorpusSource):
            raise Usage(f"model: {problem}", hint=problem.hint) from problem
    with suppress(Problem):
        return hub_shape(model)
    return None


def check_dimensions(job: Job, available: int) -> None:
    """Refuse a job that keeps more dimensions than the model gives."""
    if job.output and job.output.dimensions and job.output.dimensions > available:
        raise Usage(
            f"output.dimensions is {job.output.dimensions}, but {job.model} gives {available}",
            hint=f"set output.dimensions to at most {available}",
        )


def work_tokens(profile: Profile) -> Spread:
    """Tokens to embed: the estimate and its 95 % interval."""
    tokens = profile.tokens
    return Spread(max(1.0, tokens.low), tokens.mid, tokens.high)


def _deadline_hours(job: Job, now: datetime) -> float | None:
    """Hours from now until the deadline."""
    if job.limits.deadline_at is None:
        return job.limits.deadline_hours
    left = (datetime.fromisoformat(job.limits.deadline_at) - now).total_seconds() / SECONDS_PER_HOUR
    if left <= 0:
        raise Usage(
            f"limits.deadline {job.limits.deadline_at} is in the past: it was {-left:,.1f} hours ago",
            hint="set limits.deadline to a later moment, or to a duration such as 6h",
        )
    return left


def _check_gpus(job: Job) -> None:
    """Refuse GPU names that the catalogue does not have."""
    named = (
        *(("limits.gpus", name) for name in job.limits.gpus),
        *(("speed", name) for name in job.speed),
        *(("quota", quota.gpu) for quota in job.quota),
    )
    for key, name in named:
        if gpus.canonical(name) is None:
            near = gpus.nearest(name)
            raise Usage(
                f"{key}: no GPU {name!r} is known" + (f"; did you mean {near[0]}?" if near else ""),
                hint=f"known are {', '.join(g.name for g in gpus.gpus())}",
            )
