"""How a job cuts texts into chunks. Reads no corpus."""

from launcher.jobs.job import Job
from tasks.models.pieces import ChunkSpec, piece_limit


def chunk_spec_of(job: Job, model: str) -> ChunkSpec:
    """Return how this job cuts texts, with the model's own maximum where the job sets none."""
    chunk = job.chunk
    if chunk.tokens is not None:
        return ChunkSpec(piece_limit(model, chunk.tokens), chunk.overlap, job.prompt)
    return ChunkSpec(piece_limit(model, chunk.truncate), None, job.prompt)
