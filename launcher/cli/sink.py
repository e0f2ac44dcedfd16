"""The sink of a job: where its run is loaded to, as `load` takes it."""

from dataclasses import replace
from pathlib import Path

from launcher.errors import Usage
from launcher.jobs import job as jobs
from launcher.jobs.job import Job, JobSink
from launcher.loading.connect import check_client
from launcher.planning.saved import plan_file
from launcher.sinks.targets import parse_target
from tasks.protocol.keys import plan_key
from tasks.stores.base import Store, read


def sink_of(job: Job, base: Path) -> JobSink | None:
    """The job's sink; a path in it is relative to the folder of the job file. None: it has none."""
    sink = job.sink
    if sink is None or "://" in sink.to:
        return sink
    return replace(sink, to=str((base / sink.to).absolute()))


def check_sink(job: Job) -> None:
    """Check that this machine can load into the job's sink, before anything is rented; connects to nothing.

    Raises:
        Usage: the client of its store is not installed, or its secret is not in the environment.
    """
    if job.sink is not None:
        check_client(parse_target(job.sink.to), job.sink.secret)


def sink_of_run(store: Store, run: str) -> JobSink:
    """The sink that the job of a run names, by the plan beside the run.

    Raises:
        Usage: it names none.
    """
    body = read(store, plan_key(run))
    found = None
    if body is not None:
        work = plan_file.read_recorded(body).work
        found = sink_of(jobs.load(work.job), Path(work.base))
    if found is None:
        raise Usage(
            f"the job of run {run} names no sink",
            hint="--to TARGET says where to; `sink: {to: TARGET}` in the job file says it once",
        )
    return found
