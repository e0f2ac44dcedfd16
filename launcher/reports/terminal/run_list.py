"""The list of runs on a terminal screen."""

from rich.console import Group, RenderableType
from rich.text import Text

from launcher.format import compact, utc_time
from launcher.reports.run_list import RunListDocument, run_cells
from launcher.reports.summary import known_in_part
from launcher.reports.terminal.tables import figures_table

NOTE = "Machines and what the ledger has of other charges; egress and storage are in each run's own report."


def run_list_text(document: RunListDocument) -> RenderableType:
    """One line for each run, and their sums."""
    table = figures_table("Run", "state", "began", "shards", "tokens", "dollars", "$ / 1M tokens")
    for cells in run_cells(document):
        table.add_row(*cells)
    total = known_in_part(document.usd, document.known_usd)
    table.add_row("together", "", "", "", compact(document.tokens), total, "", style="bold")
    since = f"since {utc_time(document.since)}; " if document.since else ""
    return Group(table, Text(f"{since}{NOTE}", "dim"))
