"""What `serve --write` says, on a terminal screen."""

import json
from collections.abc import Mapping

from rich.console import Group, RenderableType
from rich.text import Text

from launcher.documents.serve_write import ServiceDocument
from launcher.format import count, money, plain, plural


def prompts_text(prompts: Mapping[str, str]) -> str:
    """What a client puts before texts."""
    before = [
        f"{prompts[kind]!r} before {of}"
        for kind, of in (("query", "queries"), ("document", "documents"))
        if prompts[kind]
    ]
    return f"put {' and '.join(before)}" if before else "no prompt stands before queries or documents"


def write_text(found: ServiceDocument) -> RenderableType:
    """The machines and their dollars, the other way, and what clients must send."""
    rate = f"{found.queries_per_second:g} queries a second of {plural(found.tokens_per_query, 'token')}"
    lines = [
        Text(
            f"{found.replicas} x {found.gpu} on demand ({plain(found.instance_type)}) for {rate}: "
            f"{money(found.usd_per_month)} a month",
            "bold",
        ),
        Text(
            f"{money(found.usd_per_hour)} an hour in {found.places[0]}; one machine takes "
            f"{found.replica_queries_per_second:g} a second, with a margin ({plain(found.speed_source)})"
        ),
    ]
    if found.hosted is None:
        lines.append(Text("no hosted API of these weights, or of models of this size, is known"))
    else:
        weights = "the same weights" if found.hosted_same_weights else "other weights"
        even = "?" if found.break_even_queries_per_day is None else count(found.break_even_queries_per_day)
        lines.append(Text(f"cheaper than {plain(found.hosted)} ({weights}) above {even} queries a day"))
    request = json.dumps(dict(found.request), ensure_ascii=False)
    lines += [
        Text(f"every request must hold {plain(request)}"),
        Text(plain(prompts_text(found.prompts))),
        Text(f"wrote {plain(found.file)}: sky serve up {plain(found.file)}"),
    ]
    return Group(*lines, *(Text(plain(note), "dim") for note in found.notes))
