"""What `launch` and `resume` print with --json when they end, and what `launch --dry-run` prints, as frozen values.

The order of the fields is that of the keys. Money is USD in Decimal, and text in JSON. None is unknown and becomes null.
Pure.
"""

from collections.abc import Sequence
from dataclasses import dataclass
from decimal import Decimal
from pathlib import Path
from typing import Literal

from launcher.documents.status import StatusReport
from launcher.errors import FailedRows, Problem

Outcome = Literal["done", "failed_rows", "late", "detached"]


@dataclass(frozen=True, slots=True, kw_only=True)
class LaunchDocument:
    """How a `launch` or a `resume` ended, where the run is done or goes on without it. Figures are those of `status`."""

    schema: str = "embedfleet/launch/1"
    run: str
    output: str
    outcome: Outcome  # detached: machines work on, and nothing waits for them
    code: int  # the exit status
    message: str | None  # what failed, how late it is, or what goes on; None: done as planned
    hint: str | None  # what to do next
    state: str
    shards: int
    shards_done: int
    shards_failed: int
    documents: int
    chunks: int
    tokens: int
    failed_rows: int
    seconds: float | None
    tokens_per_second: float | None
    usd: Decimal | None  # None: a machine has no price
    usd_known: Decimal
    usd_per_million_tokens: Decimal | None
    report: str | None  # absolute path of report.json; None: the run is not done
    page: str | None  # absolute path of report.html
    load: str | None  # a line of Python that reads the vectors


def done_document(
    status: StatusReport, output: str, problem: Problem | None, *, saved: Path, page: Path, load: str
) -> LaunchDocument:
    """The document of a run that is done.

    Args:
        status: the run as it is now.
        output: its output path.
        problem: rows that failed or a deadline that was missed; None: neither.
        saved: where report.json is.
        page: where report.html is.
        load: the line of Python that reads the vectors.
    """
    kind = "failed_rows" if isinstance(problem, FailedRows) else "late"
    return _document(
        status,
        output,
        "done" if problem is None else kind,
        code=0 if problem is None else problem.code,
        message=None if problem is None else str(problem),
        hint=None if problem is None else problem.hint,
        report=str(saved.absolute()),
        page=str(page.absolute()),
        load=load,
    )


def detached_document(status: StatusReport, output: str, left: str) -> LaunchDocument:
    """The document of a run that goes on; `left` is what works on, what it costs and, behind it, what to do next."""
    message, _, hint = left.partition("\n")
    return _document(status, output, "detached", code=0, message=message, hint=hint or None)


def _document(
    status: StatusReport,
    output: str,
    outcome: Outcome,
    *,
    code: int,
    message: str | None,
    hint: str | None,
    report: str | None = None,
    page: str | None = None,
    load: str | None = None,
) -> LaunchDocument:
    return LaunchDocument(
        run=status.run,
        output=output,
        outcome=outcome,
        code=code,
        message=message,
        hint=hint,
        state=status.state,
        shards=status.shards,
        shards_done=status.shards_done,
        shards_failed=status.shards_failed,
        documents=status.documents,
        chunks=status.chunks,
        tokens=status.tokens,
        failed_rows=status.failed_rows,
        seconds=status.seconds,
        tokens_per_second=status.tokens_per_second,
        usd=status.usd,
        usd_known=status.usd_known,
        usd_per_million_tokens=status.usd_per_million_tokens,
        report=report,
        page=page,
        load=load,
    )


@dataclass(frozen=True, slots=True, kw_only=True)
class TaskFile:
    """The SkyPilot task of a machine group."""

    name: str
    yaml: str


@dataclass(frozen=True, slots=True, kw_only=True)
class LaunchPreview:
    """What a launch would ask for, and nothing is rented."""

    schema: str = "embedfleet/launch-preview/1"
    run: str
    output: str
    rented: bool  # False: worker processes of this machine do all
    machines: int  # at most
    usd_p50: Decimal | None
    usd_p90: Decimal | None  # with the bound of what has no price; what --max-cost is compared with
    tasks: Sequence[TaskFile]
    calls: Sequence[str]  # in words, in their order
    refused: str | None  # why a launch from this laptop would be refused; None: it would not
    hint: str | None
