"""The list of runs on a terminal screen."""

from rich.console import Group, RenderableType
from rich.text import Text

from launcher.format import compact, count, duration, plain, plural, utc_time
from launcher.reports.lists.run_list import RunListDocument, run_cells
from launcher.reports.summary import known_in_part
from launcher.reports.terminal.tables import figures_table

MODEL_LETTERS, PATH_LETTERS, NOTE_LETTERS = 30, 60, 100
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


def runs_text(document: RunListDocument) -> RenderableType:
    """Each run in three lines at most: figures, what became of which texts, and the user's own words."""
    if not document.runs:
        return Text("no run: embedfleet launch JOB.yaml starts one", "dim")
    lines: list[RenderableType] = []
    for run in document.runs:
        dollars = known_in_part(run.usd, run.known_usd)
        done = (
            ""
            if run.shards == run.shards_done
            else f" ({count(run.shards_done)} of {count(run.shards)} shards)"
        )
        head = Text(plain(run.run), style="bold")
        head.append(
            f"  {run.state.lower()}{done}  {run.created:%Y-%m-%d %H:%M}  {compact(run.tokens)} tokens  "
            f"{dollars}  {duration(run.seconds)}",
            style="not bold",
        )
        lines.append(head)
        model = _end(run.model, MODEL_LETTERS)
        lines.append(
            Text(f"  {model}: {_end(run.corpus, PATH_LETTERS)} -> {_end(run.output, PATH_LETTERS)}", "dim")
        )
        own = [f"{key}={value}" if value else key for key, value in run.tags.items()]
        own += [_end(note, NOTE_LETTERS) for note in run.notes[-1:]]
        if own:
            lines.append(Text(f"  {plain('  '.join(own))}", "cyan"))
    total = known_in_part(document.usd, document.known_usd)
    lines.append(
        Text(
            f"{plural(len(document.runs), 'run')}, {compact(document.tokens)} tokens, {total}. {NOTE}", "dim"
        )
    )
    return Group(*lines)


def _end(text: str | None, letters: int) -> str:
    """The end of a path or a name, which tells more than its beginning; unknown is `?`."""
    if text is None:
        return "?"
    return plain(text if len(text) <= letters else f"…{text[1 - letters :]}")
