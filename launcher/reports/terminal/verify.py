"""The text of `embedfleet verify`: the verdict in a few lines."""

from rich.console import Group, RenderableType
from rich.text import Text

from launcher.format import count, plain
from launcher.output.verify import VerifyReport


def verify_text(report: VerifyReport) -> RenderableType:
    """The verdict, what was checked, and a line for each listed fault."""
    good = not report.fault_count
    again = "no row was embedded again"
    if report.worst_cosine is not None:
        again = f"{report.resampled} rows embedded again, worst cosine {report.worst_cosine:.5f}"
    lines = [
        Text(f"{report.run}: {'verified' if good else 'FAULTY'}", style="bold green" if good else "bold red"),
        Text(
            f"{report.shards_done} of {report.shards} shards signed; {count(report.documents)} documents of "
            f"the input, {count(report.rows)} vectors, {count(report.failed_rows)} rows in quarantine"
        ),
        Text(f"ids, digests and lengths checked; {again}"),
    ]
    lines += [Text(f"  {plain(fault)}", style="red") for fault in report.faults]
    return Group(*lines)
