"""What was embedded, how, where the vectors are, and the line that reads them: shown on every last screen and page.

`collect_facts` reads the ledger and the store. `fact_rows` gives label and text of each fact, for any form of report.
"""

import json
from collections.abc import Mapping
from dataclasses import dataclass
from itertools import islice

from launcher.errors import Problem
from launcher.format import count, plain, plural
from launcher.jobs.job import CorpusSource, JobChunking, load
from launcher.ledger.ledger import Ledger
from launcher.ledger.records import COMMAND_EVENT, VERSION_EVENT, Run
from launcher.planning.saved.saved_plan import SavedPlan
from launcher.reports.document import ReportDocument, RunFacts
from tasks.models.fingerprint import short
from tasks.protocol import documents, manifest
from tasks.protocol.keys import heartbeats_prefix, worker_of
from tasks.protocol.manifest import Header
from tasks.protocol.messages import heartbeat
from tasks.protocol.messages.heartbeat import Heartbeat
from tasks.stores.base import Store, read

ASKED_WORKERS = 20  # heartbeats that are read until one says what its worker computes with


@dataclass(frozen=True, slots=True)
class FactRow:
    """A fact as it is shown. `code`: the text is a command or a line of a program."""

    label: str
    text: str
    code: bool = False


@dataclass(frozen=True, slots=True)
class _Settings:
    """What a run embeds and how, as its manifest says, else its plan."""

    model: str | None = None
    fingerprint: str | None = None
    prompt: str | None = None
    corpus: str | None = None
    dtype: str | None = None
    dimensions: int | None = None
    chunk: JobChunking | None = None
    engine: str | None = None


def collect_facts(ledger: Ledger, store: Store | None, run: Run, plan: SavedPlan | None) -> RunFacts:
    """The facts of a run. Without a store, or where it cannot be reached, those that the ledger knows."""
    header = worker = None
    if store is not None:
        try:
            header = manifest.read_header(store, run.id)
            worker = _ready_worker(store, run.id)
        except Problem:  # the facts of the ledger are left
            pass
    known = _of_header(header, plan) if header else _of_plan(plan)
    events = {event.kind: event.text for event in reversed(ledger.runs.events(run.id))}
    version = events.get(VERSION_EVENT)
    return RunFacts(
        model=known.model,
        model_fingerprint=known.fingerprint,
        prompt=known.prompt,
        corpus=known.corpus,
        output=run.output,
        dtype=known.dtype,
        dimensions=known.dimensions or (worker and worker.dimensions),
        chunking=known.chunk and chunking_text(known.chunk),
        engine=_engine(worker) or known.engine,
        versions=({"embedfleet": version} if version else {})
        | (header.readers if header else {})  # as the launcher knew them
        | ((worker and worker.versions) or {}),
        command=events.get(COMMAND_EVENT),
        load=load_line(run.output, run.id),
    )


def fact_rows(report: ReportDocument) -> tuple[FactRow, ...]:
    """The facts of a report, ready to be shown, the place of the vectors first; unknown is `?`."""
    facts = report.facts
    if facts is None:
        return ()
    kind = f"{count(facts.dimensions)} dimensions, {facts.dtype or '?'}"
    vectors = f"{plural(report.work.chunks, 'vector')} of {kind}"
    fingerprint = f" (fingerprint {short(facts.model_fingerprint)})" if facts.model_fingerprint else ""
    prompt = f", prompt {json.dumps(facts.prompt, ensure_ascii=False)}" if facts.prompt else ""
    return (
        FactRow("Output", plain(facts.output)),
        FactRow("Vectors", vectors),
        FactRow("Model", plain(f"{facts.model or '?'}{fingerprint}{prompt}")),
        FactRow("Chunking", facts.chunking or "?"),
        FactRow("Corpus", plain(facts.corpus or "?")),
        FactRow("Engine", plain(facts.engine or "?")),
        FactRow("Versions", plain(versions_text(facts.versions))),
        FactRow("Command", plain(facts.command or "?"), code=facts.command is not None),
        FactRow("Load", plain(facts.load), code=True),
    )


def load_line(output: str, run: str) -> str:
    """The line of Python that reads the vectors of a run."""
    return f"import embedfleet as ef; vectors = ef.load({json.dumps(output, ensure_ascii=False)}, run={json.dumps(run)})"


def chunking_text(chunk: JobChunking) -> str:
    """How documents are cut, in words."""
    if chunk.tokens is not None:
        overlap = f", {count(chunk.overlap)} of them shared with the next" if chunk.overlap else ""
        by = "" if chunk.by == "tokens" else f" at most, by {chunk.by}"
        return f"chunks of {count(chunk.tokens)} tokens{by}{overlap}"
    if chunk.truncate is not None:
        return f"one vector a document, truncated at {count(chunk.truncate)} tokens"
    return "one vector a document, truncated at the model's maximum"


def _of_header(header: Header, plan: SavedPlan | None) -> _Settings:
    whole = header.overlap is None
    return _Settings(
        model=_model_name(plan) or header.model,
        fingerprint=header.model_fingerprint,
        prompt=header.prompt,
        corpus=header.corpus,
        dtype=header.dtype,
        dimensions=header.dimensions,
        chunk=JobChunking(truncate=header.tokens)
        if whole
        else JobChunking(header.tokens, header.overlap or 0, by=header.by or "tokens"),
        engine=header.engine,
    )


def _of_plan(plan: SavedPlan | None) -> _Settings:
    if plan is None:
        return _Settings()
    work = plan.work
    try:
        job = load(work.job)
    except Problem:
        return _Settings(work.model, work.model_fingerprint, corpus=work.corpus, engine=work.engine)
    return _Settings(
        model=job.model,
        fingerprint=work.model_fingerprint,
        prompt=job.prompt,
        corpus=work.corpus or (job.corpus.path if isinstance(job.corpus, CorpusSource) else None),
        dtype=job.output.dtype if job.output else None,
        dimensions=job.output.dimensions if job.output else None,
        chunk=job.chunk,
        engine=work.engine,
    )


def _model_name(plan: SavedPlan | None) -> str | None:
    """The model as the job names it."""
    found: object = plan.work.job.get("model") if plan else None
    return found if isinstance(found, str) else None


def _engine(worker: Heartbeat | None) -> str | None:
    if worker is None or worker.engine is None:
        return None
    where = f" on {worker.device}" if worker.device else ""
    return f"{worker.engine}{where}{f', {worker.dtype}' if worker.dtype else ''}"


def _ready_worker(store: Store, run: str) -> Heartbeat | None:
    """The first heartbeat whose worker has loaded the model. One that cannot be read says nothing."""
    for entry in islice(store.list(heartbeats_prefix(run)), ASKED_WORKERS):
        body = read(store, entry.key)
        try:
            found = heartbeat.of_worker(body or b"", run, worker_of(entry.key))
        except documents.BadDocument:
            continue
        if found.engine is not None:
            return found
    return None


def versions_text(versions: Mapping[str, str]) -> str:
    """Names and versions of libraries in a line; `?` where none was recorded."""
    return ", ".join(f"{name} {version}" for name, version in versions.items()) or "?"
