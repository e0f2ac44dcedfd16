"""Plan a job, and launch the plan."""

# pandas is optional, and the stubs of yaml have a gap
# pyright: reportMissingTypeStubs=false, reportMissingImports=false, reportUnknownMemberType=false
import html
import json
import tempfile
from collections.abc import Mapping
from dataclasses import asdict, dataclass
from decimal import Decimal
from pathlib import Path as FilePath
from typing import TYPE_CHECKING, Any, Literal

import yaml

from embedfleet.commands import Path, call, options
from embedfleet.reporting import Report, report
from embedfleet.tables import data_frame
from launcher.cli.commands.plan import plan_options
from launcher.cli.console import say
from launcher.cli.main import parse
from launcher.errors import DeadlineMissed, FailedRows
from launcher.format import hours_text, money
from launcher.jobs.job import Job
from launcher.jobs.parse import parse as parse_job
from launcher.jobs.parse import read_job
from launcher.planning.plan import saved_plan_of
from launcher.planning.planner import make_plan
from launcher.planning.saved import plan_file
from launcher.planning.saved.saved_plan import SavedPlan
from tasks.clock import utc

if TYPE_CHECKING:
    import pandas as pd


@dataclass(frozen=True, slots=True)
class Plan:
    """A plan: what the work will cost and how long it will take. `saved` has every figure of `plan.json`."""

    saved: SavedPlan

    @property
    def run(self) -> str:
        """The name that the run of this plan has."""
        return self.saved.run

    @property
    def usd(self) -> Decimal | None:
        """Dollars, P50; None where a price is unknown."""
        return self.saved.totals.usd.p50

    @property
    def hours(self) -> float:
        """Wall hours, P50."""
        return self.saved.totals.hours.p50

    @property
    def alternatives(self) -> "pd.DataFrame":
        """Other fleets that do the work, with their hours and dollars."""
        return data_frame([asdict(one) for one in self.saved.alternatives])

    def save(self, path: Path) -> FilePath:
        """Write the plan as JSON, for `embedfleet launch`, or as a page where the name ends in .html."""
        target = FilePath(path)
        if target.suffix == ".html":
            from launcher.reports.html.plan_page.plan import plan_page  # noqa: PLC0415 - the page alone needs it

            text = plan_page(self.saved)
        else:
            text = json.dumps(plan_file.dump(self.saved), indent=1) + "\n"
        target.write_text(text, encoding="utf-8")
        return target

    def __repr__(self) -> str:
        return f"<Plan {self.run}: {money(self.usd)}, {hours_text(self.hours)}>"

    def _repr_html_(self) -> str:
        totals, corpus = self.saved.totals, self.saved.profile
        rows = [
            ("Run", self.run),
            (
                "Dollars, P50 (P10 to P90)",
                f"{money(totals.usd.p50)} ({money(totals.usd.p10)} to {money(totals.usd.p90)})",
            ),
            (
                "Time, P50 (P10 to P90)",
                f"{hours_text(totals.hours.p50)} ({hours_text(totals.hours.p10)} to {hours_text(totals.hours.p90)})",
            ),
            (
                "Corpus",
                f"{corpus.documents:,} documents, {corpus.chunks:,} vectors, {corpus.tokens:,} tokens",
            ),
            ("Model", self.saved.work.model),
            *(
                (
                    "Machines",
                    f"{one.machines} x {one.gpu}, {one.cloud} {', '.join(one.regions)}{' spot' * one.spot}",
                )
                for one in self.saved.lots
            ),
        ]
        cells = "".join(f"<tr><th>{html.escape(k)}</th><td>{html.escape(v)}</td></tr>" for k, v in rows)
        return f"<table>{cells}</table>"


def plan(
    job: Path | Mapping[str, Any],
    *,
    on: Literal["local", "cloud"] | None = None,
    runs: Path | None = None,
    probe: float | None = None,
    offline: bool = False,
) -> Plan:
    """Plan a job; nothing is rented.

    Args:
        job: the path of a job file, its text in YAML, or a dict of its keys. Relative paths in a text or a dict start at
            the current folder.
        on: `local` for this machine alone, `cloud` to leave it out.
        runs: the folder of runs, whose measured speeds are used. None: as on the command line.
        probe: seconds to measure this machine.
        offline: use the prices that came with this version.

    Raises:
        Problem: the job is wrong, or no fleet meets its limits. `.hint` says what to try.
    """
    arguments = parse(["plan", "job.yaml", *options(on=on, runs=runs, probe=probe, offline=offline)])
    found, base = _job(job)
    return Plan(saved_plan_of(make_plan(found, base, plan_options(arguments), utc(), say)))


def launch(
    plan: Plan | Path,
    *,
    yes: bool = False,
    max_cost: float | Decimal | None = None,
    runs: Path | None = None,
    detach: bool = False,
) -> Report:
    """Carry out a plan to its end and return the report of its run; rows that failed are in it.

    Args:
        plan: a plan, or the path of a saved one.
        yes: rent machines without asking; needs `max_cost`. Without it a question is asked where there is a terminal.
        max_cost: never spend more dollars on this run in all.
        runs: the folder of runs. None: as on the command line.
        detach: return as soon as all machines have been requested.

    Raises:
        Problem: it cannot be launched, or stopped before its end. `.hint` says what to try.
    """
    words = options(yes=yes, max_cost=max_cost, runs=runs, detach=detach)
    name = plan.run if isinstance(plan, Plan) else plan_file.plan_in(FilePath(plan)).run
    said = f"embedfleet.launch(plan{''.join(f', {word}' for word in _spoken(yes=yes, max_cost=max_cost))})"
    try:
        if isinstance(plan, Plan):
            with tempfile.TemporaryDirectory(prefix="embedfleet-") as folder:
                call("launch", plan.save(FilePath(folder) / "plan.json"), *words, said=said)
        else:
            call("launch", plan, *words, said=said)
    except (FailedRows, DeadlineMissed):  # the run is finished; the report names the rows and the time
        pass
    return report(name, runs=runs)


def _job(job: Path | Mapping[str, Any]) -> tuple[Job, FilePath]:
    """The job, and the folder that its relative paths start at."""
    if isinstance(job, Mapping):
        text = yaml.safe_dump(dict(job), sort_keys=False, allow_unicode=True)
    elif isinstance(job, str) and ("\n" in job or ": " in job):
        text = job
    else:
        return read_job(FilePath(job))
    return parse_job(text, where="the job"), FilePath.cwd()


def _spoken(**given: object) -> list[str]:
    """Arguments as they are written in Python, without those that say nothing."""
    return [f"{name}={value}" for name, value in given.items() if value]
