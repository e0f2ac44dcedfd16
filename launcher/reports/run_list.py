"""The runs of a ledger with what each cost, as a document and as cells of a table.

A finished run costs what it cost at its end; any other what it has cost until now. Machines and the charges that the
ledger holds are counted; egress and storage are estimated only in the report of a run.
"""

from dataclasses import dataclass
from datetime import datetime
from decimal import Decimal

from launcher.costs.run_costs import spend_so_far
from launcher.format import compact, count, money, plain
from launcher.ledger.ledger import Ledger
from launcher.ledger.records import Run, RunState
from launcher.money import USD_GRAIN
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


@dataclass(frozen=True, slots=True, kw_only=True)
class RunListDocument:
    """What `report --all --json` prints: the runs, the newest first, and their sums."""

    schema: str = SCHEMA
    at: datetime
    since: datetime | None
    runs: tuple[ListedRun, ...]
    usd: Decimal | None  # None: some of the cost of a run is unknown
    known_usd: Decimal
    tokens: int


def list_runs(ledger: Ledger, since: datetime | None, now: datetime) -> RunListDocument:
    """All runs that were created at or after `since`."""
    runs = tuple(
        _listed(ledger, run, now) for run in ledger.runs.all() if since is None or run.created >= since
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


def _listed(ledger: Ledger, run: Run, now: datetime) -> ListedRun:
    progress = ledger.shards.progress(run.id)
    spend = spend_so_far(ledger, run.id, run.changed if run.state == RunState.DONE else now)
    usd, tokens = spend.usd, progress.tokens
    return ListedRun(
        run=run.id,
        state=run.state.value,
        created=run.created,
        shards=progress.shards,
        shards_done=progress.shards_done,
        tokens=tokens,
        usd=usd,
        known_usd=spend.known_usd,
        usd_per_million_tokens=(usd * 1_000_000 / tokens).quantize(USD_GRAIN)
        if usd is not None and tokens
        else None,
    )
