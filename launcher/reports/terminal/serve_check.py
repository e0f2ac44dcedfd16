"""What `serve --check` found, on a terminal screen."""

from rich.console import Group, RenderableType
from rich.text import Text

from launcher.documents.serve_check import CheckDocument
from launcher.format import plain, plural
from launcher.reports.terminal.tables import figures_table


def check_text(found: CheckDocument) -> RenderableType:
    """The verdict, what explains a difference, and the times."""
    style, verdict = ("bold green", "equal") if found.equal else ("bold red", "NOT EQUAL")
    lines: list[RenderableType] = [Text(f"{plain(found.run)} at {plain(found.url)}: {verdict}", style)]
    if found.least_cosine is None:
        lines.append(Text(f"{found.dimensions} dimensions, and the run has {found.expected_dimensions}"))
    else:
        lines.append(
            Text(
                f"{plural(found.rows, 'row')} compared, sent as {found.sent}: least cosine {found.least_cosine:.6f} "
                f"({found.least_enough:g} is enough), {100 * found.share_equal:.1f} % equal"
            )
        )
    if found.refused:
        lines.append(
            Text(f"{plural(found.refused, 'text')} refused: {plain(found.refused_said or '')}", "yellow")
        )
    for one in found.mistakes:
        lines.append(Text(f"  {one.name}: {plain(one.what)} (explains {one.explains} of {one.of})", "red"))
        lines.append(Text(f"    {plain(one.hint)}"))
    if found.latency:
        table = figures_table("clients", "p50 ms", "p95 ms", "p99 ms", "requests a second", "failed")
        for one in found.latency:
            times = ("?" if ms is None else f"{ms:.1f}" for ms in (one.p50_ms, one.p95_ms, one.p99_ms))
            table.add_row(str(one.clients), *times, f"{one.requests_per_second:.1f}", str(one.failed))
        lines += [Text(), table]
    return Group(*lines)
