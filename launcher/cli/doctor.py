"""`embedfleet doctor`: what a run would trip over, found before anything is spent.

Looks at this machine, and at what a job or an output path names: model, corpus, bucket. Embeds nothing and rents
nothing; the only thing that it writes is one small object, where the store has to show what it does with conditions.
"""

import argparse
import importlib.metadata
import os
import platform
import shutil
from collections.abc import Callable
from pathlib import Path
from typing import Any

from launcher.diagnostics.checks import Check, checks_text, to_json, worst
from launcher.errors import Problem

FAILED = 1  # exit status
LOW_DISK = 5 * 2**30  # bytes: a model of 7 billion parameters takes three times that, a small one a tenth

# Distribution, and what it is for: what is missing matters only to whoever needs it.
LIBRARIES = {
    "torch": "embeds here: pip install 'embedfleet[worker]'",
    "vllm": "embeds here, faster: pip install vllm",
    "boto3": "s3://: pip install 'embedfleet[s3]'",
    "google-cloud-storage": "gs://: pip install 'embedfleet[gcs]'",
    "skypilot": "rents machines: pip install 'embedfleet[cloud]' in an environment of its own",
}


def add(commands: Any) -> None:
    """The subcommand and its flags; `commands` is what `add_subparsers` returns."""
    command = commands.add_parser("doctor", help="what a run would trip over: this machine, a job, a bucket")
    command.add_argument(
        "subject",
        nargs="?",
        metavar="JOB|PATH",
        help="a job file, a plan, or an output path such as s3://bucket/vectors, whose store is tried",
    )
    command.add_argument(
        "--orphans", action="store_true", help="find rented machines of runs that this laptop does not know"
    )
    command.add_argument(
        "--runs",
        type=Path,
        default=Path(os.environ.get("EMBEDFLEET_RUNS", "runs")),
        metavar="FOLDER",
        help="where runs are kept (default $EMBEDFLEET_RUNS, else ./runs)",
    )
    command.add_argument("--json", action="store_true", help="print JSON")


def run(arguments: argparse.Namespace) -> int:
    """Look, and show what was seen; 1 where anything failed."""
    from launcher.cli.console import show  # noqa: PLC0415 - `--help` must not wait for it

    found = [*machine(arguments.runs), *libraries()]
    plan = plan_of(arguments.subject)
    if plan is None and arguments.subject:
        found += subject(arguments.subject)
    rents = plan is not None and any(lot["cloud"] != "local" for lot in plan["lots"])
    if rents or arguments.orphans or installed("skypilot"):
        from launcher.diagnostics import cloud_checks  # noqa: PLC0415 - only where machines may be rented

        found += cloud_checks.checks(
            plan if rents else None, arguments.runs / "ledger.db", orphans=arguments.orphans
        )
    if arguments.json:
        show(to_json(found), checks_text, as_json=True)
    else:
        print(checks_text(found))  # noqa: T201 - the data
    return FAILED if worst(found) == "fail" else 0


def machine(runs: Path) -> list[Check]:
    """Python, GPUs, and room for runs."""
    from launcher import __version__  # noqa: PLC0415
    from launcher.throughput.local_machine import names, slots  # noqa: PLC0415

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
    from launcher.planning.plan_file import plan_in  # noqa: PLC0415 - only with a plan

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
    from launcher.jobs.parse import read_job  # noqa: PLC0415 - only with a job

    try:
        job, base = read_job(path)
    except Problem as problem:
        return [_failed("job", problem)]
    found = [Check("job", "ok", f"{named}: {job.name}"), _tried("model", lambda: _model(job.model, base))]
    found.append(_tried("corpus", lambda: _corpus(job, base)))
    if job.output:
        from launcher.corpus.inspect import output_path  # noqa: PLC0415

        found += store(output_path(job, base))
    return found


def store(url: str) -> list[Check]:
    """What the output's store does, tried one thing after the other."""
    from launcher.diagnostics.store_checks import examine  # noqa: PLC0415

    return [Check(f"store: {one.name}", one.verdict, one.seen, one.hint) for one in examine(url)]


def _model(name: str, base: Path) -> str:
    from launcher.jobs.model_reference import resolve  # noqa: PLC0415
    from tasks.engines.tokenizer import HASH, longest  # noqa: PLC0415

    model = resolve(name, base)
    if model == HASH:
        return "hash: vectors without meaning, to try everything else"
    return f"{name}: texts of up to {longest(model):,} tokens"


def _corpus(job: Any, base: Path) -> str:
    from launcher.corpus.inspect import listing_of  # noqa: PLC0415
    from launcher.format import plain  # noqa: PLC0415
    from launcher.jobs.job import Source  # noqa: PLC0415

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
