"""What looking at a job's input gives: the profile, and where there are files, the listing and the sample.

Also what has to be known before looking: which model is meant, and how it cuts texts. Reads no corpus itself.
"""

from launcher.jobs.job import Job
from tasks.engines.base import limit
from tasks.engines.tokenizer import Cut


def cut_of(job: Job, model: str) -> Cut:
    """How this job cuts texts, with the model's own maximum where the job says nothing."""
    chunk = job.chunk
    if chunk.tokens is not None:
        return Cut(limit(model, chunk.tokens), chunk.overlap, job.prompt)
    return Cut(limit(model, chunk.truncate), None, job.prompt)
