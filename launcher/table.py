"""The plan, the status and the verdict on a terminal screen. Reads their JSON, so what is shown is what is kept."""

from collections.abc import Mapping
from decimal import Decimal
from typing import Any

from rich.console import Group, RenderableType
from rich.table import Table
from rich.text import Text

from launcher.show import brief, count, dollars_of, duration, money, plain, rate, size

ROWS = 12  # alternatives shown
LONG = 18  # characters of a region shown


def plan_text(plan: Mapping[str, Any]) -> RenderableType:
    """One screen: what there is to do, what was chosen, what else there is, what is not known."""
    profile, lot, totals = plan["profile"], plan["lots"][0], plan["totals"]
    exact = profile["interval"]["tokens"][0] == profile["interval"]["tokens"][1]
    work = Text(
        f"{plan['run']}: {count(profile['documents'])} documents, {count(profile['chunks'])} chunks, "
        f"{brief(profile['tokens'])} tokens"
    )
    if not exact:
        low, high = profile["interval"]["tokens"]
        work.append(f" ({brief(low)} to {brief(high)})")
    work.append(f", {size(profile['bytes'])} of text in {count(profile['files'])} files")
    lines: list[RenderableType] = [work]
    if profile["documents_cut"]:
        share = profile["tokens_cut"] / max(1, profile["tokens"] + profile["tokens_cut"])
        lines.append(
            Text(
                f"truncation cuts {count(profile['documents_cut'])} documents and loses {share:.0%} of the tokens"
            )
        )
    if profile["bad_rows"]:
        lines.append(Text(f"about {count(profile['bad_rows'])} rows cannot be embedded"))
    table = Table(box=None, pad_edge=False, header_style="bold")
    for name in ("", "machine", "place"):
        table.add_column(name, no_wrap=True)
    for name in ("n", "tok/s each", "time", "dollars", "$ / 1M tokens"):
        table.add_column(name, justify="right", no_wrap=True)
    for kind, mark in [(_chosen(plan), ">")] + [(e, "") for e in plan["alternatives"][:ROWS]]:
        table.add_row(mark, *_row(kind), style="bold" if mark else None)
    lines.append(table)
    hours, usd = totals["hours"], totals["usd"]
    lines.append(
        Text(
            f"chosen (>): {duration(hours['p10'] * 3600)} to {duration(hours['p90'] * 3600)}, "
            f"{dollars_of(usd['p10'])} to {dollars_of(usd['p90'])} (P10 to P90; the table shows P50)"
        )
    )
    hidden = len(plan["alternatives"]) - ROWS
    if hidden > 0:
        lines.append(Text(f"and {hidden} more in --json", style="dim"))
    lines.append(Text(f"speed of the chosen: {lot['speed_source']}", style="dim"))
    lines += [Text(f"binds: {line}") for line in plan["binding"]]
    unpriced = [name for name, usd in totals["items"].items() if usd is None]
    if unpriced:
        lines.append(Text(f"not in the dollars: {', '.join(unpriced)}", style="yellow"))
    lines.append(Text(f"not priced: {'; '.join(plan['not_priced'])}", style="dim"))
    if plan["prices_as_of"]:
        lines.append(Text(f"cloud prices: a snapshot, the oldest of {plan['prices_as_of']}", style="dim"))
    return Group(*lines)


def _chosen(plan: Mapping[str, Any]) -> dict[str, Any]:
    lot, totals = plan["lots"][0], plan["totals"]
    return {**lot, "region": lot["regions"][0], "usd": totals["usd"], "hours": totals["hours"]} | {
        "usd_per_million_tokens": totals["usd_per_million_tokens"]
    }


def _row(kind: Mapping[str, Any]) -> list[str]:
    if kind["cloud"] == "local":
        machine, place = "this machine", "here"
    else:
        machine = f"{kind['gpus_per_machine']:g} x {kind['gpu']}"
        place = f"{kind['cloud']} {kind['region'][:LONG]} {'spot' if kind['spot'] else 'on-demand'}"
    each = kind["usd_per_million_tokens"]
    return [
        machine,
        place,
        count(kind["machines"]),
        rate(kind["tokens_per_second"]).removesuffix(" tok/s"),
        duration(kind["hours"]["p50"] * 3600),
        dollars_of(kind["usd"]["p50"]),
        money(None if each is None else Decimal(each)),
    ]


def status_text(status: Mapping[str, Any]) -> RenderableType:
    """A few lines: how far, how fast, how much, who works."""
    up = [w for w in status["workers"] if w["state"] in ("INTENDED", "UP")]
    lost = sum(1 for w in status["workers"] if w["state"] == "LOST")
    head = f"{status['run']}: {status['state'].lower()}, {status['shards_done']} of {status['shards']} shards"
    lines = [
        Text(head, style="bold"),
        Text(
            f"{count(status['documents'])} documents, {count(status['chunks'])} chunks, {brief(status['tokens'])} "
            f"tokens, {size(status['output_bytes'])}; {rate(status['tokens_per_second'])}"
        ),
        Text(f"{dollars_of(status['usd']) if status['usd'] else '$?'} so far; {_left(status)}"),
        Text(f"{len(up)} workers up, {lost} lost; {count(status['failed_rows'])} bad rows"),
    ]
    lines += [
        Text(f"  {w['name']}: {plain(w['reason'])}", style="dim")
        for w in status["workers"]
        if w["state"] == "FAILED"
    ]
    return Group(*lines)


def _left(status: Mapping[str, Any]) -> str:
    if status["state"] == "DONE":
        return f"took {duration(status['seconds'])}"
    return f"{duration(status['seconds_left'])} left at this rate"


def verdict_text(verdict: Mapping[str, Any]) -> RenderableType:
    """What was checked; every fault that is told on a line of its own."""
    good = not verdict["fault_count"]
    again = "no row was embedded again"
    if verdict["resampled"]:
        again = f"{verdict['resampled']} rows embedded again, worst cosine {verdict['worst_cosine']:.5f}"
    lines = [
        Text(
            f"{verdict['run']}: {'verified' if good else 'FAULTY'}",
            style="bold green" if good else "bold red",
        ),
        Text(
            f"{verdict['shards_done']} of {verdict['shards']} shards signed; {count(verdict['documents'])} documents of "
            f"the input, {count(verdict['rows'])} vectors, {count(verdict['failed_rows'])} rows in quarantine"
        ),
        Text(f"ids, digests and lengths checked; {again}"),
    ]
    lines += [Text(f"  {plain(fault)}", style="red") for fault in verdict["faults"]]
    return Group(*lines)
