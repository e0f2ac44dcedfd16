"""The text of `embedfleet verify`: the verdict in a few lines."""

from rich.console import Group, RenderableType
from rich.text import Text

from launcher.format import count, plain, plural
from launcher.output.verification.verify_report import VerifyReport


def verify_text(report: VerifyReport) -> RenderableType:
    """The verdict, what was checked, what the vectors were compared with, and a line for each note and listed fault."""
    again = "no row was embedded again"
    if report.worst_cosine is not None:
        way = "another embedding" if report.compared_with is None else report.compared_with
        again = (
            f"{plural(report.resampled, 'row')} compared with {way}, worst cosine {report.worst_cosine:.5f}"
        )
    taken = (
        f", {count(report.shards_taken_over)} of earlier runs taken over" if report.shards_taken_over else ""
    )
    lines = [
        _verdict(report),
        Text(
            f"{report.shards_done} of {plural(report.shards, 'shard')} signed{taken}; "
            f"{plural(report.documents, 'document')} of the input, {plural(report.rows, 'vector')}, "
            f"{plural(report.failed_rows, 'row')} in quarantine"
        ),
        Text(f"rows of the input, counted by another way: {count(report.input_rows)}"),
        Text("ids, digests, lengths and the list of files checked"),
        Text(again),
    ]
    lines += [Text(f"  note: {plain(note)}") for note in report.notes]
    lines += [Text(f"  {plain(fault)}", style="red") for fault in report.faults]
    return Group(*lines)


def _verdict(report: VerifyReport) -> Text:
    if report.fault_count:
        return Text(f"{report.run}: FAULTY", style="bold red")
    if not report.finished:
        done = f"{count(report.shards_done)} of {plural(report.shards, 'shard')}"
        return Text(f"{report.run}: not finished: {done}; these are good", style="bold yellow")
    return Text(f"{report.run}: verified", style="bold green")
