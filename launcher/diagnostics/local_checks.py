"""Checks of this machine, and of what a job or an output path names: model, corpus, store.

Embeds nothing. The only writes are the two small objects of `store_checks`, which deletes them.
"""

import importlib.metadata
import platform
import shutil
from collections.abc import Callable
from dataclasses import replace
from pathlib import Path

from launcher import __version__
from launcher.corpus.files.left_out import left_out_text
from launcher.corpus.inspect import list_corpus, output_path
from launcher.diagnostics.checks import Check
from launcher.diagnostics.model_check import check_model
from launcher.diagnostics.store_checks import check_store
from launcher.errors import Problem
from launcher.format import plain, plural
from launcher.jobs.job import CorpusSource, Job
from launcher.jobs.parse import read_job
from launcher.planning.saved.plan_file import plan_in
from launcher.planning.saved.saved_plan import SavedPlan
from launcher.throughput.local_machine import gpu_names, worker_slots
from tasks.engines.load import missing_library
from tasks.models.files import HASH_MODEL

MIN_FREE_DISK_BYTES = 5 * 2**30  # a model of 7 billion parameters takes three times that, a small one a tenth

# Each optional distribution and what it is for; a missing one is no failure.
LIBRARIES = {
    "torch": "embeds here: pip install 'embedfleet[worker]'",
    "vllm": "embeds here, faster: pip install vllm",
    "boto3": "s3://: pip install 'embedfleet[s3]'",
    "google-cloud-storage": "gs://: pip install 'embedfleet[gcs]'",
    "skypilot": "rents machines: pip install 'embedfleet[cloud]' in an environment of its own",
}


def machine_checks(runs: Path) -> list[Check]:
    """Check Python, the GPUs, and the free disk space for runs."""
    gpus, use = gpu_names(), worker_slots(None)
    here = runs.absolute()
    while not here.exists():
        here = here.parent
    free = shutil.disk_usage(here).free
    disk = Check(
        "disk",
        "ok" if free >= MIN_FREE_DISK_BYTES else "warn",
        f"{free / 2**30:,.1f} GiB free for {runs}",
        None
        if free >= MIN_FREE_DISK_BYTES
        else "free some space: models and shards in progress are kept here",
    )
    return [
        Check("embedfleet", "ok", f"{__version__}, Python {platform.python_version()}, {platform.system()}"),
        Check(
            "gpu",
            "ok",
            ", ".join(gpus) if gpus else f"none here: workers take {use.workers} x {use.threads} cores",
        ),
        disk,
    ]


def named_plan(named: str | None) -> SavedPlan | None:
    """Read the plan if `named` is a JSON file; None for anything else.

    Raises:
        Problem: the plan is of another version, or was changed.
    """
    if named is None or not named.endswith(".json") or not Path(named).is_file():
        return None
    return plan_in(Path(named))


def is_installed(name: str) -> bool:
    """Whether a distribution is installed. It is not imported."""
    try:
        importlib.metadata.version(name)
    except importlib.metadata.PackageNotFoundError:
        return False
    return True


def library_checks() -> list[Check]:
    """List which optional distributions are installed. None is imported: some take seconds."""
    found: list[Check] = []
    for name, purpose in LIBRARIES.items():
        try:
            found.append(Check(name, "ok", importlib.metadata.version(name)))
        except importlib.metadata.PackageNotFoundError:
            found.append(Check(name, "absent", f"not installed here; {purpose}"))
    return found


def subject_checks(named: str) -> list[Check]:
    """Check a job (its model, corpus and output), or the store of an output path."""
    path = Path(named)
    if "://" in named or path.is_dir() or path.suffix not in (".yaml", ".yml"):
        return store_checks(named)
    try:
        job, base = read_job(path)
    except Problem as problem:
        return [_failed("job", problem)]
    found = [
        Check("job", "ok", f"{named}: {job.name}"),
        _checked("model", lambda: check_model(job, base)),
        *_engine(job),
    ]
    found.append(_checked("corpus", lambda: _corpus(job, base)))
    if job.output:
        found += store_checks(output_path(job, base))
    return found


def _engine(job: Job) -> list[Check]:
    """Whether this machine can embed the job itself: a failure where the job allows no other."""
    library = None if job.model == HASH_MODEL else missing_library(job.engine)
    if library is None:
        return []
    only_here = tuple(job.limits.clouds or ()) == ("local",)
    return [
        Check(
            "engine",
            "fail" if only_here else "warn",
            f"{library} is not installed here: this machine cannot embed the corpus, and plans do not measure it",
            "pip install 'embedfleet[worker]', or rent machines",
        )
    ]


def store_checks(url: str) -> list[Check]:
    """Check the store of an output path."""
    return [replace(check, name=f"store: {check.name}") for check in check_store(url)]


def _corpus(job: Job, base: Path) -> str:
    if not isinstance(job.corpus, CorpusSource):
        return "only declared: it can be planned, not launched"
    listing = list_corpus(job, base)
    left_out = f"; {left_out_text(listing.left_out)}" if listing.left_out else ""
    return f"{plain(listing.root)}: {plural(len(listing.files), 'file')}, {listing.bytes / 2**20:,.1f} MiB{left_out}"


def _checked(name: str, check: Callable[[], str]) -> Check:
    try:
        return Check(name, "ok", check())
    except Problem as problem:
        return _failed(name, problem)


def _failed(name: str, problem: Problem) -> Check:
    return Check(name, "fail", str(problem), problem.hint)
