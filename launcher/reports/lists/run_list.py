"""The runs of a ledger with what each cost, as a document and as cells of a table.

A finished run costs what it cost at its end; any other what it has cost until now. Machines and the charges that the
ledger holds are counted; egress and storage are estimated only in the report of a run.
"""

from collections.abc import Mapping
from dataclasses import dataclass, field
from datetime import datetime
from decimal import Decimal

from launcher.costs.run_costs import rates_of, spend_so_far
from launcher.format import compact, count, money, plain
from launcher.ledger.ledger import Ledger
from launcher.ledger.records import Run, RunState
from launcher.planning.saved import plan_file
from launcher.planning.saved.saved_plan import PlannedWork
from launcher.reports.summary import known_in_part

SCHEMA = "embedfleet/runs/1"


@dataclass(frozen=True, slots=True, kw_only=True)
class ListedRun:
    """A run in the list. `usd` is None if some of its cost is unknown; `known_usd` is the rest."""

    run: str
    state: str
    created: datetime
    shards: int
    shards_done: int
    tokens: int
    usd: Decimal | None
    known_usd: Decimal
    usd_per_million_tokens: Decimal | None
    name: str  # of the job
    model: str | None  # None: the plan in the ledger cannot be read
    corpus: str | None
    output: str
    seconds: float | None  # the time of the run, by `launcher.costs.run_rates`
    tags: Mapping[str, str]
    notes: tuple[str, ...]  # the oldest first


@dataclass(frozen=True, slots=True, kw_only=True)
class RunListDocument:
    """What `runs --json` and `report --all --json` print: the runs, the newest first, and their sums."""

    schema: str = SCHEMA
    at: datetime
    since: datetime | None
    runs: tuple[ListedRun, ...]
    usd: Decimal | None  # None: some of the cost of a run is unknown
    known_usd: Decimal
    tokens: int


@dataclass(frozen=True, slots=True, kw_only=True)
class RunFilter:
    """Which runs to list; None and empty: all. A text is searched for, whatever its case."""

    since: datetime | None = None
    state: str | None = None  # in lower case
    model: str | None = None
    path: str | None = None  # in the corpus or the output
    tags: Mapping[str, str] = field(default_factory=dict[str, str])  # an empty value: any


def list_runs(
    ledger: Ledger, since: datetime | None, now: datetime, wanted: RunFilter | None = None
) -> RunListDocument:
    """All runs that were created at or after `since`, or that `wanted` lets through."""
    wanted = wanted or RunFilter(since=since)
    runs = tuple(
        listed
        for run in ledger.runs.all()
        if wanted.since is None or run.created >= wanted.since
        if _matches(listed := _listed(ledger, run, now), wanted)
    )
    known = sum((run.known_usd for run in runs), Decimal(0))
    return RunListDocument(
        at=now,
        since=since,
        runs=runs,
        usd=known if all(run.usd is not None for run in runs) else None,
        known_usd=known,
        tokens=sum(run.tokens for run in runs),
    )


def run_cells(document: RunListDocument) -> list[tuple[str, ...]]:
    """A row for each run: run, state, first day, shards, tokens, dollars, dollars per million tokens."""
    return [
        (
            plain(run.run),
            run.state.lower(),
            f"{run.created:%Y-%m-%d}",
            f"{count(run.shards_done)}/{count(run.shards)}",
            compact(run.tokens),
            known_in_part(run.usd, run.known_usd),
            money(run.usd_per_million_tokens),
        )
        for run in document.runs
    ]


def _matches(run: ListedRun, wanted: RunFilter) -> bool:
    if wanted.state is not None and run.state.lower() != wanted.state:
        return False
    if wanted.model is not None and wanted.model.lower() not in (run.model or "").lower():
        return False
    if wanted.path is not None and wanted.path.lower() not in f"{run.corpus or ''}\n{run.output}".lower():
        return False
    return all(key in run.tags and value in ("", run.tags[key]) for key, value in wanted.tags.items())


def _listed(ledger: Ledger, run: Run, now: datetime) -> ListedRun:
    progress = ledger.shards.progress(run.id)
    spend = spend_so_far(ledger, run.id, run.changed if run.state == RunState.DONE else now)
    usd, tokens, work = spend.usd, progress.tokens, _work(run)
    rates = rates_of(ledger, run.id, now, usd=usd)
    return ListedRun(
        run=run.id,
        state=run.state.value,
        created=run.created,
        shards=progress.shards,
        shards_done=progress.shards_done,
        tokens=tokens,
        usd=usd,
        known_usd=spend.known_usd,
        usd_per_million_tokens=rates.usd_per_million_tokens,
        name=run.name,
        model=work.model if work else None,
        corpus=work.corpus if work else None,
        output=run.output,
        seconds=rates.seconds,
        tags=ledger.notes.tags(run.id),
        notes=tuple(note.text for note in ledger.notes.of_run(run.id)),
    )


def _work(run: Run) -> PlannedWork | None:
    try:
        return plan_file.read_recorded(run.plan).work
    except plan_file.BadPlan:
        return None
