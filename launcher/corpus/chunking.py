"""What looking at a job's input gives: the profile, and where there are files, the listing and the sample.

Also what has to be known before looking: which model is meant, and how it cuts texts. Reads no corpus itself.
"""

from launcher.jobs.job import Job
from tasks.engines.base import piece_limit
from tasks.engines.tokenizer import ChunkSpec


def chunk_spec_of(job: Job, model: str) -> ChunkSpec:
    """How this job cuts texts, with the model's own maximum where the job says nothing."""
    chunk = job.chunk
    if chunk.tokens is not None:
        return ChunkSpec(piece_limit(model, chunk.tokens), chunk.overlap, job.prompt)
    return ChunkSpec(piece_limit(model, chunk.truncate), None, job.prompt)
