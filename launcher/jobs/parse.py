"""."""

from pathlib import Path

from launcher.files import read
from launcher.jobs import job as jobs
from launcher.jobs.job import Job


def read_job(path: Path) -> tuple[Job, Path]:
    """The job and the folder that its relative paths are relative to."""
    return jobs.parse(read(path), where=path.name), path.absolute().parent
