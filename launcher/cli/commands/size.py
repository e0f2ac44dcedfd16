"""`embedfleet size`: how large vectors become in vector stores, and what loading and keeping them costs.

The vectors are those of a job, a plan or a run, or as many as the command line says. Spends nothing.
"""

from argparse import Namespace
from dataclasses import replace
from pathlib import Path

from launcher.cli.console import say, show
from launcher.errors import Problem, Usage
from launcher.index_sizes.document import size_document
from launcher.index_sizes.size import DEFAULT_LINKS, VectorSet
from launcher.reports.terminal.index_sizes import sizes_text

MOST_DIMENSIONS = 1_000_000
GIVE = "give a job file, a plan or a run; or --vectors 1B --dims 1024"


def run(arguments: Namespace) -> int:
    """Print the sizes of the vectors in each store."""
    of, asked = _vectors(arguments)
    document = size_document(of, _changed(asked, arguments), arguments.store)
    show(document, sizes_text, as_json=arguments.json)
    return 0


def _vectors(arguments: Namespace) -> tuple[str, VectorSet]:
    """What the vectors are of, and the vectors themselves."""
    word: str | None = arguments.of
    if word is None:
        if not (arguments.vectors and arguments.dims):
            raise Usage("size of what?", hint=GIVE)
        return "the command line", VectorSet(arguments.vectors, arguments.dims, arguments.dtype or "float32")
    path = Path(word)
    if path.suffix in (".yaml", ".yml"):
        return word, _known(_of_job(path), word, arguments)
    if path.suffix == ".json":
        return word, _known(_of_plan(path), word, arguments)
    return _of_run(arguments, word)


def _known(asked: VectorSet | None, word: str, arguments: Namespace) -> VectorSet:
    if asked is not None:
        return asked
    if arguments.dims and arguments.vectors:
        return VectorSet(arguments.vectors, arguments.dims, arguments.dtype or "float32")
    raise Problem(f"{word}: the dimensions of its model are not known", hint="give --vectors and --dims")


def _of_job(path: Path) -> VectorSet | None:
    from launcher.jobs.parse import read_job  # noqa: PLC0415 - only where a job is named
    from launcher.planning.planned_vectors import planned_vectors  # noqa: PLC0415
    from launcher.planning.planner import inspect_corpus  # noqa: PLC0415
    from launcher.planning.request import PlanOptions, request_of  # noqa: PLC0415
    from tasks.clock import utc  # noqa: PLC0415

    job, base = read_job(path)
    request = request_of(job, base, PlanOptions(on=None, probe_seconds=0.0), utc(), say)
    profile = inspect_corpus(request, say).profile
    return planned_vectors(job, request.model, round(profile.chunks.mid))


def _of_plan(path: Path) -> VectorSet | None:
    from launcher.jobs import job as jobs  # noqa: PLC0415 - only where a plan is named
    from launcher.planning.planned_vectors import planned_vectors  # noqa: PLC0415
    from launcher.planning.saved.plan_file import BadPlan, plan_in  # noqa: PLC0415

    try:
        plan = plan_in(path)
    except BadPlan as error:  # as with a job file: what was named is not what `size` reads
        raise Usage(str(error), hint=error.hint) from error
    return planned_vectors(jobs.load(plan.work.job), plan.work.model, plan.profile.chunks)


def _of_run(arguments: Namespace, word: str) -> tuple[str, VectorSet]:
    from launcher.cli.named_dataset import named_dataset  # noqa: PLC0415 - only where a run is named

    dataset = named_dataset(Namespace(run=word, runs=arguments.runs))
    asked = VectorSet(dataset.rows, dataset.dimensions, dataset.header.dtype)
    return f"run {dataset.run}", asked


def _changed(asked: VectorSet, arguments: Namespace) -> VectorSet:
    """The vectors as the command line wants them instead."""
    dimensions = arguments.dims or asked.dimensions
    if dimensions > MOST_DIMENSIONS:
        raise Usage(
            f"--dims {dimensions:,} are no dimensions of a vector", hint="give --dims 1024, for instance"
        )
    return replace(
        asked,
        vectors=arguments.vectors or asked.vectors,
        dimensions=dimensions,
        dtype=arguments.dtype or asked.dtype,
        links=arguments.links or DEFAULT_LINKS,
    )
