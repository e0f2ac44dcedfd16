"""What `evaluate` found, on a terminal screen."""

import json

from rich.console import Group, RenderableType
from rich.text import Text

from launcher.documents.evaluation import EvaluateDocument, EvaluatedRepresentation
from launcher.format import count, plain, plural
from launcher.reports.terminal.tables import figures_table


def evaluate_text(found: EvaluateDocument) -> RenderableType:
    """A row for each representation, and the cheapest that keep enough."""
    # Headers of two lines: all columns then fit into 80 characters.
    table = figures_table(
        "vectors", "nDCG\n@10", "kept\n%", "recall\n@10", "recall\n@100", "bytes", "index", "saved\n%"
    )
    table.padding = (0, 2, 0, 0)
    for one in found.representations:
        table.add_row(*_cells(one))
    prompt = (
        f"queries begin with {json.dumps(found.prompt, ensure_ascii=False)}"
        if found.prompt
        else "queries have no prompt"
    )
    judged = plural(found.queries, "query")
    lines = [
        Text(f"{plain(found.run)}: {judged}, {plural(found.relevant, 'relevant document')}, "
             f"{plural(found.documents, 'document')}, {plural(found.vectors, 'vector')}; {plain(prompt)}", "dim"),
    ]  # fmt: skip
    if found.queries_skipped:
        lines.append(
            Text(f"{count(found.queries_skipped)} queries without a relevant document are left out", "dim")
        )
    if found.missing:
        lines.append(
            Text(f"{plural(found.missing, 'judged document')} not in the run: counted as not found", "yellow")
        )
    if found.queries_cut:
        lines.append(Text(f"{count(found.queries_cut)} queries are too long and were cut", "yellow"))
    return Group(table, Text(), *_verdict(found), *lines, *(Text(plain(note), "dim") for note in found.notes))


def _cells(one: EvaluatedRepresentation) -> tuple[str, ...]:
    kept = "?" if one.kept is None else f"{100 * one.kept:.1f}"
    error = f" \N{PLUS-MINUS SIGN}{one.standard_error:.3f}" if one.standard_error else ""
    saved = f"{100 * one.saved:.0f}" if one.saved else ""
    return (
        one.name,
        f"{one.ndcg_at_10:.4f}{error}",
        kept,
        f"{one.recall_at_10:.4f}",
        f"{one.recall_at_100:.4f}",
        count(one.stored_bytes),
        count(one.index_bytes),
        saved,
    )


def _verdict(found: EvaluateDocument) -> list[Text]:
    if found.cheapest_stored is None:
        return [Text("the stored vectors find no relevant document among the first 10", "yellow")]
    keep = f"{100 * found.keep:g} % of nDCG@10"
    lines = [Text(f"cheapest to store that keeps {keep}: {found.cheapest_stored}", "bold")]
    if found.cheapest_index != found.cheapest_stored:
        lines.append(Text(f"smallest index that keeps {keep}: {found.cheapest_index}", "bold"))
    return lines
