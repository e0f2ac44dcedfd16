"""Create a run: its row in the ledger, and its manifest in the store.

Rents nothing and starts nothing.
"""

import json
import os
from collections.abc import Callable
from pathlib import Path
from typing import Any

from launcher.corpus import sharding
from launcher.corpus.chunking import cut_of
from launcher.corpus.incremental import Fresh, write_base
from launcher.corpus.inspect import columns, fresh_of, listing_of, output_path
from launcher.corpus.sampling import sample
from launcher.errors import Problem
from launcher.jobs.job import Job, Source
from launcher.ledger.ledger import Ledger
from launcher.ledger.records import Run
from tasks.clock import utc
from tasks.engines.tokenizer import words
from tasks.protocol import manifest
from tasks.protocol.keys import plan_key, probe_key
from tasks.stores.base import create_once, probe
from tasks.stores.open import open_store

TTL = 60.0  # seconds a lease lasts without renewal: long beside a renewal, short beside a shard done twice


def unchanged_corpus(body: dict[str, Any], job: Job, base: Path) -> Fresh:
    """The corpus, as the plan saw it: without what earlier runs hold."""
    listing = listing_of(job, base)
    found = fresh_of(job, base, body["work"]["model"], listing, body["run"], lambda _: None)
    if found.listing.digest != body["work"]["listing"]:
        raise Problem(
            f"the corpus at {listing.root} changed after the plan was made",
            hint="plan again, or launch with --refresh",
        )
    return found


def create_run(
    ledger: Ledger, body: dict[str, Any], job: Job, base: Path, *, say: Callable[[str], None]
) -> Run:
    """The run in the ledger and its manifest in the store: all that workers need. Done twice, it changes nothing."""
    work = body["work"]
    found = unchanged_corpus(body, job, base)
    listing = found.listing
    output = output_path(job, base)
    store = open_store(output)
    run: str = body["run"]
    probe(store, probe_key(run))
    ledger.runs.create(run, job.name, json.dumps(body), body["digest"], output, utc())
    create_once(
        store, plan_key(run), json.dumps(body).encode()
    )  # whoever has only the output can go on with the run
    try:
        header = manifest.read_header(store, run)
    except manifest.RunNotFound:
        assert isinstance(job.corpus, Source)
        say("cutting the corpus into shards")
        cuts = cut_of(job, work["model"])
        sampled = sample(listing, columns(job), words(work["model"]), cuts)
        shards = list(sharding.shards(listing, sampled, work["shard_tokens"]))
        header = _header(body, job, len(shards))
        if found.kept:
            write_base(store, run, found.kept)
        manifest.write(store, header, shards)
    ledger.shards.add(run, manifest.all_shards(store, header))
    workers = sum(lot["machines"] * lot["workers"] for lot in body["lots"])
    ledger.runs.record_event(run, "launched", f"{header.shards} shards, {workers} workers", utc())
    return ledger.runs.find(run)


def _header(body: dict[str, Any], job: Job, shards: int) -> manifest.Header:
    work = body["work"]
    assert isinstance(job.corpus, Source)
    assert job.output
    return manifest.Header(
        run=body["run"],
        corpus=work["corpus"],
        text=job.corpus.text,
        id=job.corpus.id,
        model=work["model"],
        engine=work["engine"],
        prompt=job.prompt,
        tokens=job.chunk.tokens or job.chunk.truncate,
        overlap=job.chunk.overlap if job.chunk.tokens else None,
        dtype=job.output.dtype,
        dimensions=job.output.dimensions,
        keep=job.output.keep,
        remote_code=job.remote_code,
        ttl=float(os.environ.get("EMBEDFLEET_LEASE_SECONDS", TTL)),
        shards=shards,
    )
