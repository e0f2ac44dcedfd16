"""Check the model of a job: whether a worker can embed it, by which engine, and how it treats texts."""

from collections.abc import Iterator
from pathlib import Path

from launcher.format import plain, plural
from launcher.jobs.job import CorpusSource, Job
from launcher.jobs.model_reference import resolve
from launcher.planning.model_support import description_of, engine_refusal, support_of
from tasks.models.description import ModelDescription
from tasks.models.files import HASH_MODEL
from tasks.models.tokenizing.reference_tokenizer import check_tokenizer
from tasks.models.tokenizing.tokenizer import ModelTokenizer


def check_model(job: Job, base: Path) -> str:
    """What is to be known of the job's model, in a line.

    Raises:
        Problem: no worker can embed it, or its tokens are not those of sentence-transformers.
    """
    model = resolve(job.model, base)
    if model == HASH_MODEL:
        return "hash: vectors without meaning, to try everything else"
    described = description_of(job, model)
    if described is None:
        return f"{job.model}: not among the known models; its files were not read"
    support = support_of(described, remote_code=job.remote_code)
    refusal = engine_refusal(job, support)
    if refusal is not None:
        raise refusal
    facts = [f"embedded by {' or '.join(support.engines)}", *_facts(described)]
    if isinstance(job.corpus, CorpusSource):
        facts += _tokens(described, remote_code=job.remote_code)
    return f"{job.model}: {'; '.join(facts)}"


def _facts(model: ModelDescription) -> Iterator[str]:
    if model.limit.tokens is not None:
        yield f"texts of up to {plural(model.limit.tokens, 'token')} ({model.limit.source})"
    if model.dimensions is not None:
        yield f"{plural(model.dimensions, 'dimension')}"
    if model.text.default_prompt:
        yield f"its default prompt is {plain(model.text.default_prompt)!r}, unless the job has one"
    if model.similarity in ("dot", "dot_product"):
        yield "made for dot products; vectors are written with length 1, which ranks like the cosine"


def _tokens(model: ModelDescription, *, remote_code: bool) -> list[str]:
    known = check_tokenizer(model, ModelTokenizer(model), remote_code=remote_code)
    if known is None:
        return ["tokens not compared: transformers is not installed here"]
    return list(known) or ["tokens as sentence-transformers has them"]
