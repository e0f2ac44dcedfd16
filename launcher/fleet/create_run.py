"""Create a run: its row in the ledger, and its plan and manifest in the store. Rents and starts nothing."""

import json
import os
from collections.abc import Callable, Sequence
from dataclasses import replace
from pathlib import Path

from launcher.corpus import sharding
from launcher.corpus.chunking import chunk_spec_of, prompt_of, query_prompt_of
from launcher.corpus.incremental import NewFiles, write_base_dataset, write_reuse_lists
from launcher.corpus.inspect import columns_of, find_new_files, list_corpus, output_path
from launcher.corpus.repeat_counts import TextSize
from launcher.corpus.repeated_texts import CorpusTexts, write_repeats_run
from launcher.corpus.samples.sampling import CorpusSample, sample_corpus
from launcher.errors import Problem
from launcher.fleet.provisioning.provisioner import is_rented
from launcher.format import plural
from launcher.jobs.job import CorpusSource, Job
from launcher.ledger.ledger import Ledger
from launcher.ledger.records import CORPUS_EVENT, Run
from launcher.planning.planned_vectors import planned_vectors
from launcher.planning.saved import plan_file
from launcher.planning.saved.saved_plan import SavedPlan
from tasks.clock import utc
from tasks.formats.documents.readers import installed_versions, libraries_of, locked_versions
from tasks.models.fingerprint import ModelChanged, check_model
from tasks.models.tokenizing.semantic_chunks import splitter_version
from tasks.models.tokenizing.tokenizer import load_tokenizer
from tasks.protocol import manifest
from tasks.protocol.keys import plan_key, probe_key
from tasks.protocol.lease import LEASE_SECONDS
from tasks.protocol.shard import Shard
from tasks.stores.base import create_once, probe
from tasks.stores.open import open_store

UNKNOWN_DIMENSIONS = 4_096  # of a model whose files do not say: as many as most have
LEASE_SECONDS_VARIABLE = "EMBEDFLEET_LEASE_SECONDS"


def unchanged_corpus(plan: SavedPlan, job: Job, base: Path) -> NewFiles:
    """The corpus as the plan saw it, without what earlier runs hold.

    Raises:
        Problem: its list of files is another one.
    """
    listing = list_corpus(job, base)
    work = plan.work
    found = find_new_files(
        job, base, work.model, listing, plan.run, lambda _: None, fingerprint=work.model_fingerprint
    )
    if found.listing.digest != plan.work.listing:
        raise Problem(
            f"the corpus at {listing.root} changed after the plan was made",
            hint="plan again, or launch with --refresh",
        )
    return found


def check_unchanged_model(plan: SavedPlan) -> None:
    """Check that the model is the one that the plan saw.

    Raises:
        Problem: its folder holds another one.
    """
    try:
        check_model(plan.work.model, plan.work.model_fingerprint)
    except ModelChanged as changed:
        raise Problem(
            f"the model changed after the plan was made: {changed}",
            hint="plan again, or launch with --refresh; or put the planned model back",
        ) from changed


def create_run(ledger: Ledger, plan: SavedPlan, job: Job, base: Path, *, say: Callable[[str], None]) -> Run:
    """Write the run into the ledger and its manifest into the store: all that workers need. Idempotent.

    Raises:
        Problem: the corpus changed since it was planned, or the store does not work as runs need it.
    """
    check_unchanged_model(plan)
    found = unchanged_corpus(plan, job, base)
    run, output = plan.run, output_path(job, base)
    store = open_store(output)
    probe(store, probe_key(run))
    text = json.dumps(plan_file.dump(plan))
    ledger.runs.create(run, job.name, text, plan.digest, output, utc())
    create_once(store, plan_key(run), text.encode())  # so the run can be resumed from the output path alone
    try:
        header = manifest.read_header(store, run)
    except manifest.RunNotFound:
        say("cutting the corpus into shards")

        def tell(line: str) -> None:
            say(line)
            ledger.runs.record_event(run, CORPUS_EVENT, line, utc())

        sampled = _sampled(plan, job, found, tell)
        shards = _shards(plan, found, sampled)
        readers = _readers(plan, found)
        header = replace(
            header_of(plan, job, len(shards)),
            text_hash=found.hashed,
            hash_as_text=found.hashed and found.hash_as_text,
            readers=readers,
        )
        _check_same_shards(ledger, run, shards)
        if found.kept:
            write_base_dataset(store, run, found.kept)
        if found.hashed:
            header = replace(header, reuse=write_reuse_lists(store, run, shards, found.earlier))
        if job.deduplicate == "corpus":
            texts = CorpusTexts(found.listing, columns_of(job), say)
            there, line = write_repeats_run(store, header, output, texts, _text_size(plan, job, sampled))
            header = replace(header, repeats=there)
            if line:
                tell(line)
        manifest.write(store, header, shards)
    ledger.shards.add(run, manifest.all_shards(store, header))
    workers = sum(group.machines * group.workers for group in plan.lots)
    ledger.runs.record_event(
        run, "launched", f"{plural(header.shards, 'shard')}, {plural(workers, 'worker')}", utc()
    )
    return ledger.runs.find(run)


def _readers(plan: SavedPlan, found: NewFiles) -> dict[str, str]:
    """The libraries that read the documents of the corpus, with their versions where the work is done."""
    libraries = libraries_of({file.kind for file in found.listing.files if file.bytes})
    return locked_versions(libraries) if is_rented(plan) else installed_versions(libraries)


def _check_same_shards(ledger: Ledger, run: str, shards: Sequence[Shard]) -> None:
    """Check that a manifest that is written again has the shards that the ledger knows.

    Raises:
        Problem: it has others: another version cut the corpus.
    """
    known = {shard.id for shard in ledger.shards.of_run(run)}
    if known and known != {shard.id for shard in shards}:
        raise Problem(
            f"the manifest of run {run} is gone, and the corpus would be cut into other shards now",
            hint="change `name:` in the job file, plan and launch: that embeds the whole corpus as a new run",
        )


def _sampled(plan: SavedPlan, job: Job, found: NewFiles, say: Callable[[str], None]) -> CorpusSample:
    """Sample the corpus anew."""
    model = plan.work.model
    sampled = sample_corpus(found.listing, columns_of(job), load_tokenizer(model), chunk_spec_of(job, model))
    for line in sampled.warnings():
        say(line)
    return sampled


def _shards(plan: SavedPlan, found: NewFiles, sampled: CorpusSample) -> list[Shard]:
    """Cut the corpus into shards of the planned size."""
    tokens = plan.work.shard_tokens
    assert tokens is not None  # a plan with a corpus has a size of shards
    return list(sharding.cut_shards(found.listing, sampled, tokens))


def _text_size(plan: SavedPlan, job: Job, sampled: CorpusSample) -> TextSize:
    """What a text of this corpus costs, by its sample."""
    cut = chunk_spec_of(job, plan.work.model)
    blocks = [block for stratum in sampled.strata.values() for block in stratum.blocks]
    vectors = planned_vectors(job, plan.work.model, 1)
    return TextSize(
        tokens_per_character=sum(b.tokens + b.tokens_cut for b in blocks)
        / max(1, sum(b.bytes for b in blocks)),
        limit=cut.tokens,
        chunked=cut.overlap is not None,
        dimensions=vectors.dimensions if vectors else UNKNOWN_DIMENSIONS,
    )


def header_of(plan: SavedPlan, job: Job, shards: int) -> manifest.Header:
    """The header of the manifest that a run of this plan has."""
    work = plan.work
    assert isinstance(job.corpus, CorpusSource)
    assert job.output
    assert work.corpus is not None
    return manifest.Header(
        run=plan.run,
        corpus=work.corpus,
        text=job.corpus.text,
        id=job.corpus.id,
        model=work.model,
        model_fingerprint=work.model_fingerprint,
        engine=work.engine,
        prompt=prompt_of(job, work.model),
        tokens=job.chunk.tokens or job.chunk.truncate,
        overlap=job.chunk.overlap if job.chunk.tokens else None,
        by=None if job.chunk.by == "tokens" else job.chunk.by,
        splitter=splitter_version(job.chunk.by),
        dtype=job.output.dtype,
        dimensions=job.output.dimensions,
        keep=job.output.keep,
        csv=job.corpus.csv,
        join=job.corpus.join,
        remote_code=job.remote_code,
        precision=job.precision,
        plain_ids=True,
        query_prompt=query_prompt_of(job, work.model),
        normalized=True,
        ttl=float(os.environ.get(LEASE_SECONDS_VARIABLE, LEASE_SECONDS)),
        shards=shards,
    )
