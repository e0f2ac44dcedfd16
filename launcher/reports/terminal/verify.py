"""The text of `embedfleet verify`: the verdict in a few lines."""

from rich.console import Group, RenderableType
from rich.text import Text

from launcher.format import count, plain
from launcher.output.verify_report import VerifyReport


def verify_text(report: VerifyReport) -> RenderableType:
    """The verdict, what was checked, what the vectors were compared with, and a line for each note and listed fault."""
    good = not report.fault_count
    again = "no row was embedded again"
    if report.worst_cosine is not None:
        way = "another embedding" if report.compared_with is None else report.compared_with
        again = f"{report.resampled} rows compared with {way}, worst cosine {report.worst_cosine:.5f}"
    taken = (
        f", {count(report.shards_taken_over)} of earlier runs taken over" if report.shards_taken_over else ""
    )
    lines = [
        Text(f"{report.run}: {'verified' if good else 'FAULTY'}", style="bold green" if good else "bold red"),
        Text(
            f"{report.shards_done} of {report.shards} shards signed{taken}; {count(report.documents)} documents of "
            f"the input, {count(report.rows)} vectors, {count(report.failed_rows)} rows in quarantine"
        ),
        Text(f"rows of the input, counted by another way: {count(report.input_rows)}"),
        Text("ids, digests, lengths and the list of files checked"),
        Text(again),
    ]
    lines += [Text(f"  note: {plain(note)}") for note in report.notes]
    lines += [Text(f"  {plain(fault)}", style="red") for fault in report.faults]
    return Group(*lines)
