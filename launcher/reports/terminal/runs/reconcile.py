"""The metered cost of a run next to its bills on a terminal screen."""

from rich.console import Group, RenderableType
from rich.text import Text

from launcher.costs.bills.reconcile import ReconcileDocument
from launcher.format import count, money, percent, plain, plural, signed_money
from launcher.reports.terminal.tables import figures_table

SHOWN_LINES = 40  # --json has all
SHOWN_UNKNOWNS = 8


def reconcile_text(document: ReconcileDocument) -> RenderableType:
    """A line for each day and service, the sums, the files, and what is unknown."""
    table = figures_table("Day", "service", "metered", "billed", "difference")
    for row in document.lines[:SHOWN_LINES]:
        metered = "-" if row.metered_usd is None else money(row.metered_usd)
        billed = "-" if row.billed_usd is None else money(row.billed_usd)
        difference = signed_money(row.difference_usd) if row.difference_usd else ""
        table.add_row(row.day.isoformat(), plain(row.service), metered, billed, difference)
    difference = signed_money(document.difference_usd) if document.difference_usd else ""
    sums = (money(document.metered_usd), money(document.billed_usd), difference)
    table.add_row("together", "", *sums, style="bold")
    more = len(document.lines) - SHOWN_LINES
    rest = [Text(f"and {more} more in --json", "dim")] if more > 0 else []
    return Group(table, *rest, Text(), *_notes(document))


def _notes(document: ReconcileDocument) -> list[Text]:
    notes = [
        Text(
            f"{plain(f.file)}: {f.layout}, {count(f.rows_of_the_run)} of {plural(f.rows, 'row')} are of the run",
            "dim",
        )
        for f in document.files
    ]
    if off := percent(abs(float(document.difference_usd)), float(document.billed_usd)):
        notes.append(Text(f"metered and billed are {off} of the bill apart", "bold"))
    if not any(f.rows_of_the_run for f in document.files):
        hint = "no row has the run's label: is embedfleet-run a cost allocation tag of the account?"
        notes.append(Text(hint, "yellow"))
    return notes + [Text(f"? {plain(line)}", "yellow") for line in document.unknown[:SHOWN_UNKNOWNS]]
