"""Reduced precision in a plan: whether this machine computes it.

Looks at the names of this machine's GPUs and at the installed packages.
"""

from launcher.errors import Usage
from launcher.jobs.job import Job
from launcher.throughput.gpu_memory import capability_of
from launcher.throughput.local_machine import gpu_names
from pricing import gpu as gpus
from tasks.models.precision import PRECISION_ENGINE, Precision, capability_finding


def why_not_here(precision: Precision) -> str | None:
    """Why this machine does not compute in this precision; None: it does."""
    names = sorted(set(gpu_names()))
    if not names:
        return f"{precision} needs a GPU of compute capability 8.9 (Ada, Hopper or newer); this machine has no GPU"
    for name in names:
        known = gpus.canonical(name)
        why = capability_finding(capability_of(gpus.gpu(known)) if known else None, name)
        if why is not None:
            return why
    from tasks.engines.load import installed  # noqa: PLC0415 - slow to import, and most machines have no such GPU

    if not installed(PRECISION_ENGINE):
        return f"{precision} is computed by the engine {PRECISION_ENGINE}, which is not installed here"
    return None


def check_here(job: Job) -> None:
    """Refuse to embed here what this machine does not compute.

    Raises:
        Usage: the job asks for a precision that this machine lacks.
    """
    why = None if job.precision is None else why_not_here(job.precision)
    if why is not None:
        raise Usage(why, hint="leave out `precision` in the job file, or plan without --on local")
