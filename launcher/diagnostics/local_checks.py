"""Checks of this machine, and of what a job or an output path names: model, corpus, store.

Embeds nothing. The only writes are the small objects that try the store's conditional writes.
"""

import importlib.metadata
import platform
import shutil
from collections.abc import Callable
from pathlib import Path
from typing import Any

from launcher import __version__
from launcher.corpus.inspect import listing_of, output_path
from launcher.diagnostics.checks import Check
from launcher.diagnostics.store_checks import examine
from launcher.errors import Problem
from launcher.format import plain
from launcher.jobs.job import Job, Source
from launcher.jobs.model_reference import resolve
from launcher.jobs.parse import read_job
from launcher.planning.plan_file import plan_in
from launcher.throughput.local_machine import names, slots
from tasks.engines.tokenizer import HASH, longest

LOW_DISK = 5 * 2**30  # bytes: a model of 7 billion parameters takes three times that, a small one a tenth

# Distribution, and what it is for: what is missing matters only to whoever needs it.
LIBRARIES = {
    "torch": "embeds here: pip install 'embedfleet[worker]'",
    "vllm": "embeds here, faster: pip install vllm",
    "boto3": "s3://: pip install 'embedfleet[s3]'",
    "google-cloud-storage": "gs://: pip install 'embedfleet[gcs]'",
    "skypilot": "rents machines: pip install 'embedfleet[cloud]' in an environment of its own",
}


def machine(runs: Path) -> list[Check]:
    """Python, GPUs, and room for runs."""
    gpus, use = names(), slots(None)
    here = runs.absolute()
    while not here.exists():
        here = here.parent
    free = shutil.disk_usage(here).free
    disk = Check(
        "disk",
        "ok" if free >= LOW_DISK else "warn",
        f"{free / 2**30:,.1f} GiB free for {runs}",
        None if free >= LOW_DISK else "free some space: models and shards on their way are kept here",
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


def plan_of(named: str | None) -> dict[str, Any] | None:
    """The plan in this file; None of anything else.

    Raises:
        Problem: it is a plan of another version, or was changed.
    """
    if named is None or not named.endswith(".json") or not Path(named).is_file():
        return None
    return plan_in(Path(named))


def installed(name: str) -> bool:
    """Whether a distribution is here. It is not imported."""
    try:
        importlib.metadata.version(name)
    except importlib.metadata.PackageNotFoundError:
        return False
    return True


def libraries() -> list[Check]:
    """What is installed of the extras. Nothing is imported: some take seconds."""
    found: list[Check] = []
    for name, purpose in LIBRARIES.items():
        try:
            found.append(Check(name, "ok", importlib.metadata.version(name)))
        except importlib.metadata.PackageNotFoundError:
            found.append(Check(name, "ok", f"not installed here; {purpose}"))
    return found


def subject(named: str) -> list[Check]:
    """A job: its model, its corpus and its output. A path: the store behind it."""
    path = Path(named)
    if "://" in named or path.is_dir() or path.suffix not in (".yaml", ".yml"):
        return store(named)
    try:
        job, base = read_job(path)
    except Problem as problem:
        return [_failed("job", problem)]
    found = [Check("job", "ok", f"{named}: {job.name}"), _tried("model", lambda: _model(job.model, base))]
    found.append(_tried("corpus", lambda: _corpus(job, base)))
    if job.output:
        found += store(output_path(job, base))
    return found


def store(url: str) -> list[Check]:
    """What the output's store does, tried one thing after the other."""
    return [Check(f"store: {one.name}", one.verdict, one.seen, one.hint) for one in examine(url)]


def _model(name: str, base: Path) -> str:
    model = resolve(name, base)
    if model == HASH:
        return "hash: vectors without meaning, to try everything else"
    return f"{name}: texts of up to {longest(model):,} tokens"


def _corpus(job: Job, base: Path) -> str:
    if not isinstance(job.corpus, Source):
        return "only declared: it can be planned, not launched"
    listing = listing_of(job, base)
    passed = f"; passed over {len(listing.skipped):,}" if listing.skipped else ""
    return f"{plain(listing.root)}: {len(listing.files):,} files, {listing.bytes / 2**20:,.1f} MiB{passed}"


def _tried(name: str, look: Callable[[], str]) -> Check:
    try:
        return Check(name, "ok", look())
    except Problem as problem:
        return _failed(name, problem)


def _failed(name: str, problem: Problem) -> Check:
    return Check(name, "fail", str(problem), problem.hint)
