"""How a job cuts texts into chunks, and what stands before each. Reads the model's files, and no corpus."""

from launcher.errors import Usage
from launcher.jobs.job import Job
from tasks.models.describe import describe
from tasks.models.files import HASH_MODEL
from tasks.models.text_settings import query_prompt_in
from tasks.models.tokenizing.pieces import ChunkSpec, piece_limit

# Names that models give their prompts. A text of that one word alone is a name that the model lacks.
USUAL_NAMES = ("document", "query", "passage")


def chunk_spec_of(job: Job, model: str) -> ChunkSpec:
    """Return how this job cuts texts, with the model's own maximum and prompt where the job sets none."""
    chunk, prompt = job.chunk, prompt_of(job, model)
    if chunk.tokens is not None:
        return ChunkSpec(piece_limit(model, chunk.tokens), chunk.overlap, prompt, chunk.by)
    return ChunkSpec(piece_limit(model, chunk.truncate), None, prompt)


def prompt_of(job: Job, model: str) -> str:
    """Return what stands before each text: the job's prompt, else the model's default, as sentence-transformers has it.

    A prompt that is the name of one of the model's prompts is that one, as `encode(prompt_name=...)` takes it.
    It is written into the manifest, so a run keeps its prompt whatever becomes of the model's folder.

    Raises:
        Usage: it is a usual name of a prompt, and the model has none of that name: as a text it would be a mistake.
    """
    if job.prompt is not None:
        return _text_of(job.prompt, "prompt", job, model)
    return "" if model == HASH_MODEL else describe(model).text.default_prompt


def query_prompt_of(job: Job, model: str) -> str:
    """Return what stands before each query: the job's, else the model's for queries, else that of the documents.

    Raises:
        Usage: as `prompt_of`.
    """
    if job.query_prompt is not None:
        return _text_of(job.query_prompt, "model.query_prompt", job, model)
    if model == HASH_MODEL:
        return prompt_of(job, model)
    return query_prompt_in(_prompts(model), prompt_of(job, model))


def _text_of(written: str, key: str, job: Job, model: str) -> str:
    """The text of a prompt that a job names or writes under this key."""
    named = {} if model == HASH_MODEL or not written.isidentifier() else _prompts(model)
    if written in USUAL_NAMES and written not in named:
        raise Usage(
            f"{key}: {job.model} has no prompt named {written}; it has {', '.join(named) or 'none'}",
            hint=f'write the prompt\'s text, such as `{key.rpartition(".")[2]}: "{written}: "`, or leave it out',
        )
    return named.get(written, written)


def _prompts(model: str) -> dict[str, str]:
    """The prompts of a model by their names."""
    return dict(describe(model).text.prompts)
