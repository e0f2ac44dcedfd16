"""Which engines compute a job's model, known before a machine is rented.

Read of the model's files, else of the table of known models. A worker refuses a model that no engine computes exactly;
by then the machine is paid for.
"""

from collections.abc import Mapping
from dataclasses import dataclass
from pathlib import Path

from launcher.errors import Usage
from launcher.jobs.job import CorpusSource, Job
from launcher.throughput import model_shapes
from launcher.throughput.known_layouts import known_description
from tasks.models.describe import describe
from tasks.models.description import Finding, ModelDescription
from tasks.models.files import HASH_MODEL, BadModel
from tasks.models.precision import PRECISION_ENGINE
from tasks.models.support import CPU_ENGINES, ENGINES, check_supported


@dataclass(frozen=True, slots=True)
class ModelSupport:
    """The engines of rented machines that compute a model, the faster first; and what keeps each engine from it."""

    engines: tuple[str, ...]
    findings: Mapping[str, tuple[Finding, ...]]


def support_of(described: ModelDescription, *, remote_code: bool = False) -> ModelSupport:
    """Ask for each engine whether it computes the model."""
    each = (*ENGINES, *CPU_ENGINES)
    found = {e: tuple(check_supported(described, e, remote_code=remote_code)) for e in each}
    return ModelSupport(tuple(e for e in ENGINES if not found[e]), found)


def description_of(job: Job, model: str) -> ModelDescription | None:
    """The description of a job's model; None when it is the hash model, or neither its files nor the table have it.

    The files of a hub id are asked for only when there is a corpus: then its tokenizer is needed, too.
    """
    if HASH_MODEL in (model, job.engine):
        return None
    if isinstance(job.corpus, CorpusSource):
        return describe(model)
    if Path(model).is_dir():
        try:
            return describe(model)
        except BadModel:
            return None  # an estimate needs the shape alone
    known = {shape.name: shape for shape in model_shapes.known()}
    return known_description(known[model]) if model in known else None


def model_support(job: Job, model: str) -> ModelSupport | None:
    """The engines that compute a job's model; None when nothing is known of it."""
    described = description_of(job, model)
    return None if described is None else support_of(described, remote_code=job.remote_code)


def engine_refusal(job: Job, support: ModelSupport) -> Usage | None:
    """The error when no engine computes the job's model, or the one that the job names does not."""
    asked = job.engine if job.engine in support.findings else None
    if job.precision is not None:
        asked = PRECISION_ENGINE
    if asked is None and support.engines:
        return None
    findings = support.findings[asked or "torch"]
    if not findings:
        return None
    first, *others = findings
    more = f" (and {len(others)} more)" if others else ""
    who = f"the engine {asked}" if asked else "any worker"
    if job.precision is not None:
        who += f", which {job.precision} needs"
    return Usage(f"{job.model} cannot be embedded by {who}: {first.what}{more}", hint=first.hint)
