"""The runs of this laptop and their reports."""

# pandas is optional
# pyright: reportMissingTypeStubs=false, reportMissingImports=false
import html
from dataclasses import dataclass, fields
from decimal import Decimal
from pathlib import Path as FilePath
from typing import TYPE_CHECKING

from embedfleet.commands import Path, call, options
from embedfleet.tables import data_frame
from launcher.cli.main import parse
from launcher.cli.open_ledger import existing_ledger
from launcher.format import count, hours_text
from launcher.reports import report_json
from launcher.reports.document import ReportDocument
from launcher.reports.lists.run_list import ListedRun, list_runs
from launcher.reports.sections.run_facts import fact_rows
from launcher.reports.summary import total_dollars
from tasks.clock import utc

if TYPE_CHECKING:
    import pandas as pd


@dataclass(frozen=True, slots=True)
class Report:
    """What a run did and cost. `document` has every figure of `report --json`."""

    document: ReportDocument

    @property
    def run(self) -> str:
        """The name of the run."""
        return self.document.run

    @property
    def state(self) -> str:
        """PLANNED, RUNNING, DRAINING, STOPPED or DONE."""
        return self.document.state

    @property
    def output(self) -> str:
        """Where its vectors are, for `load` and `search`."""
        assert self.document.facts is not None  # this version made it
        return self.document.facts.output

    @property
    def usd(self) -> Decimal | None:
        """What it cost; None where a part is unknown."""
        return self.document.actual.usd

    @property
    def hours(self) -> float:
        """Wall hours."""
        return self.document.actual.hours

    def save(self, path: Path) -> FilePath:
        """Write the page of the report, one HTML file that needs nothing else."""
        from launcher.reports.html.report_page.report import report_page  # noqa: PLC0415 - the page alone needs it

        target = FilePath(path)
        target.write_text(report_page(self.document), encoding="utf-8")
        return target

    def __repr__(self) -> str:
        return f"<Report {self.run}: {self.state}, {total_dollars(self.document)}, {hours_text(self.hours)}>"

    def _repr_html_(self) -> str:
        work = self.document.work
        rows = [
            ("Run", f"{self.run}, {self.state}"),
            ("Dollars", total_dollars(self.document)),
            ("Time", hours_text(self.hours)),
            ("Documents", f"{count(work.documents)}; {count(work.failed_rows)} failed rows"),
            *((row.label, row.text) for row in fact_rows(self.document)),
        ]
        cells = "".join(f"<tr><th>{html.escape(k)}</th><td>{html.escape(v)}</td></tr>" for k, v in rows)
        return f"<table>{cells}</table>"


def report(run: str | None = None, *, runs: Path | None = None) -> Report:
    """The report of a run as it is now.

    Args:
        run: its name or the beginning of it; None: the newest.
        runs: the folder of runs. None: as on the command line.

    Raises:
        Problem: there is no such run.
    """
    words = [*([] if run is None else [run]), "--json", *options(runs=runs)]
    return Report(report_json.read(call("report", *words)))


def runs(*, runs: Path | None = None) -> "pd.DataFrame":
    """The runs of this laptop, one row each, the newest first; none where nothing was launched yet.

    Args:
        runs: the folder of runs. None: as on the command line.
    """
    arguments = parse(["report", "--all", *options(runs=runs)])
    columns = [field.name for field in fields(ListedRun)]
    if not (arguments.runs / "ledger.db").exists():
        return data_frame([], columns)
    with existing_ledger(arguments) as ledger:
        found = list_runs(ledger, None, utc()).runs
    return data_frame([{name: getattr(one, name) for name in columns} for one in found], columns)
