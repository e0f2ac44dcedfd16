"""How a job cuts texts into chunks, and what stands before each. Reads the model's files, and no corpus."""

from launcher.jobs.job import Job
from tasks.models.describe import describe
from tasks.models.files import HASH_MODEL
from tasks.models.pieces import ChunkSpec, piece_limit


def chunk_spec_of(job: Job, model: str) -> ChunkSpec:
    """Return how this job cuts texts, with the model's own maximum and prompt where the job sets none."""
    chunk, prompt = job.chunk, prompt_of(job, model)
    if chunk.tokens is not None:
        return ChunkSpec(piece_limit(model, chunk.tokens), chunk.overlap, prompt)
    return ChunkSpec(piece_limit(model, chunk.truncate), None, prompt)


def prompt_of(job: Job, model: str) -> str:
    """Return what stands before each text: the job's prompt, else the model's default, as sentence-transformers has it.

    It is written into the manifest, so a run keeps its prompt whatever becomes of the model's folder.
    """
    if job.prompt is not None:
        return job.prompt
    return "" if model == HASH_MODEL else describe(model).text.default_prompt
