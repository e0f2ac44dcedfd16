"""Inspect the corpus of a job: list its files, sample them, and count the shards that they make."""

from collections.abc import Callable
from pathlib import Path

from launcher.corpus.chunking import chunk_spec_of, prompt_of
from launcher.corpus.files.apart import check_output_apart
from launcher.corpus.files.left_out import left_out_text
from launcher.corpus.files.listing import Listing, find_files
from launcher.corpus.incremental import NewFiles, select_new_files
from launcher.corpus.inspected import InspectedCorpus
from launcher.corpus.samples.document_columns import check_columns, document_note
from launcher.corpus.samples.profile import estimate_profile, target_shard_tokens
from launcher.corpus.samples.sampling import sample_corpus
from launcher.corpus.sharding import cut_shards
from launcher.corpus.text_units import check_text_unit
from launcher.errors import NothingNew, Usage
from launcher.format import plural, verb
from launcher.jobs.job import CorpusSource, Job
from tasks.formats.documents.readers import check_readable
from tasks.formats.rows import Columns
from tasks.models.tokenizing.semantic_chunks import splitter_version
from tasks.models.tokenizing.tokenizer import load_tokenizer
from tasks.stores.base import StoreError
from tasks.stores.open import open_store


def inspect_corpus(
    job: Job, base: Path, model: str, fingerprint: str | None, say: Callable[[str], None]
) -> InspectedCorpus:
    """Inspect the corpus of a job for its model; `say` is called with a line about each step."""
    assert isinstance(job.corpus, CorpusSource)
    listing = whole = list_corpus(job, base)
    found = find_new_files(job, base, model, listing, None, say, fingerprint=fingerprint)
    if found.kept:
        done = len(whole.files) - len(found.listing.files)
        say(
            f"{done:,} of {plural(len(whole.files), 'file')} {verb(done, 'is', 'are')} embedded already "
            f"(run {', '.join(found.runs)}): only the others are planned"
        )
        listing = found.listing
    if found.earlier:
        say(
            "texts of changed files that an earlier run has embedded are not embedded again: the tokens of this plan are "
            "the most"
        )
    check_columns(whole, columns_of(job))
    check_readable({file.kind for file in listing.files if file.bytes})
    if listing.left_out:
        say(left_out_text(listing.left_out, examples=True))
    note = document_note(whole, job.corpus)
    if note:
        say(note)
    if job.corpus.unit is None and job.corpus.format in (None, "text"):
        line = check_text_unit(listing)
        if line:
            say(line)
    say(f"sampling {plural(len(listing.files), 'file')}")
    cut, asked = chunk_spec_of(job, model), job.chunk.tokens or job.chunk.truncate
    if asked and cut.tokens < asked:
        say(f"the model takes {plural(cut.tokens, 'token')} at most: {asked} becomes {cut.tokens}")
    sampled = sample_corpus(listing, columns_of(job), load_tokenizer(model), cut)
    for line in sampled.warnings():
        say(line)
    profile = estimate_profile(list(sampled.strata.values()), len(listing.files), listing.bytes, cut.tokens)
    target = target_shard_tokens(profile.tokens.mid)
    count = sum(1 for _ in cut_shards(listing, sampled, target))
    return InspectedCorpus(
        profile=profile, listing=listing, sampled=sampled, shards=count, shard_tokens=target
    )


def columns_of(job: Job) -> Columns:
    """Return the columns that are read of the corpus."""
    assert isinstance(job.corpus, CorpusSource)
    keep = job.output.keep if job.output else ()
    return Columns(job.corpus.text, job.corpus.id, keep, job.corpus.csv, job.corpus.join)


def list_corpus(job: Job, base: Path) -> Listing:
    """List the input files as they are now.

    Raises:
        Usage: the output would be read as input.
    """
    assert isinstance(job.corpus, CorpusSource)
    if job.output is not None:
        check_output_apart(job.corpus.path, job.output.path, base)
    source = job.corpus
    return find_files(
        source.path, base, kind=source.format, unit=source.unit, text_named=not source.text_by_default
    )


def find_new_files(
    job: Job,
    base: Path,
    model: str,
    listing: Listing,
    but: str | None,
    say: Callable[[str], None],
    *,
    fingerprint: str | None,
) -> NewFiles:
    """Select the files that no earlier run under the job's output path, except `but`, has embedded.

    Raises:
        NothingNew: earlier runs have embedded all of them.
    """
    if job.output is None:
        return NewFiles(listing)
    assert isinstance(job.corpus, CorpusSource)
    settings = {
        "model": model,
        "prompt": prompt_of(job, model),
        "tokens": job.chunk.tokens or job.chunk.truncate,
        "overlap": job.chunk.overlap if job.chunk.tokens else None,
        "by": None if job.chunk.by == "tokens" else job.chunk.by,
        "splitter": splitter_version(job.chunk.by),
        "dimensions": job.output.dimensions,
        "dtype": job.output.dtype,
        "text": job.corpus.text,
        "id": job.corpus.id,
        "keep": job.output.keep,
        "csv": job.corpus.csv,
        "join": job.corpus.join,
        "remote_code": job.remote_code,
        "precision": job.precision,
        "model_fingerprint": fingerprint,
    }
    try:
        found = select_new_files(listing, open_store(output_path(job, base)), settings, but, say)
    except StoreError as error:  # the bucket may not exist yet; launch reports that
        say(f"earlier runs were not read: {error}")
        return NewFiles(listing)
    if any(file.bytes for file in found.listing.files):
        return found
    if found.same:
        return NewFiles(listing)  # the run that holds all of them is this run
    raise NothingNew(
        f"nothing is new: run {', '.join(found.runs)} holds the vectors of all {plural(len(listing.files), 'file')}",
        hint=f"they are in _embedfleet/{found.runs[0]}/dataset.parquet, with those of files that are gone, if any",
    )


def output_path(job: Job, base: Path) -> str:
    """Return where the vectors go: a URL unchanged, a local path made absolute."""
    if job.output is None:
        raise Usage("the job has no output", hint="set output.path in the job file")
    path = job.output.path
    return path if "://" in path else str((base / path).absolute())
