"""The tables of docs/speed-model.md#measured-error, from the figures of `benchmarks/speed.py`."""

from collections.abc import Mapping
from pathlib import Path
from typing import Any

BEGIN = "<!-- the tables are made by `make bench-speed` -->"
END = "<!-- end of the tables -->"

KINDS = {
    "ours": "constants in use",
    "source_left_out": "fitted anew, each source left out in turn",
    "gpu_left_out": "fitted anew, each GPU left out in turn",
    "one_share_of_peak_left_out": "one share of dense peak for all, each source left out in turn",
}
CLASSES = {
    "by_size": "size of the model",
    "by_engine": "engine",
    "by_gpu": "GPU",
    "by_length": "tokens of a text",
    "by_source": "source",
}


def tables(found: Mapping[str, Any]) -> str:
    """Markdown: the four ways to judge, then each class with the constants in use and with its source left out."""
    lines = [
        f"{found['points']} points from {found['sources']} sources.",
        "",
        "| | median error | rms factor | inside P10 to P90 |",
        "|---|---|---|---|",
    ]
    for key, name in KINDS.items():
        one = found[key]
        lines.append(f"| {name} | {one['median_error']:.0%} | {one['rms_factor']:.2f} | {_inside(one)} |")
    for key, title in CLASSES.items():
        lines += ["", f"By {title}:", "", f"| {title} | points | in use: median error | inside |"]
        lines[-1] += " source left out: median error | rms factor | inside |"
        lines.append("|---|---|---|---|---|---|---|")
        for name, one in found["ours"][key].items():
            other = found["source_left_out"][key][name]
            lines.append(
                f"| {name} | {one['points']} | {one['median_error']:.0%} | {_inside(one)} "
                f"| {other['median_error']:.0%} | {other['rms_factor']:.2f} | {_inside(other)} |"
            )
    return "\n".join(lines)


def _inside(one: Mapping[str, Any]) -> str:
    return f"{one['inside']} of {one['points']}"


def write_tables(page: Path, found: Mapping[str, Any]) -> None:
    """Replace what stands between the two markers of the page."""
    before, _, rest = page.read_text(encoding="utf-8").partition(BEGIN)
    _, end, after = rest.partition(END)
    if not end:
        raise SystemExit(f"{page} lacks the lines {BEGIN} and {END}")
    page.write_text(f"{before}{BEGIN}\n\n{tables(found)}\n\n{END}{after}", encoding="utf-8")
