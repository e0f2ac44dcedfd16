"""The text of `embedfleet status`: progress, cost and pace of a run in a few lines."""

from collections.abc import Mapping
from decimal import Decimal
from typing import Any

from rich.console import Group, RenderableType
from rich.text import Text

from launcher.format import compact, count, duration, money_of_text, plain, plural, rate, size

PLACES = 12  # of a fleet, shown while it runs
OWN_TIME = {"engine": "work", "wait": "wait for texts", "idle": "have no shard"}  # of the engines
STAGE_WORDS = {
    "engine": "the engine",
    "read": "reading the corpus",
    "tokenise": "tokenising",
    "write": "writing files",
    "store": "the store",
    "wait": "unknown",
    "idle": "too few shards",
}


def status_text(status: Mapping[str, Any]) -> RenderableType:
    """A few lines: how far, how fast, how much, who works."""
    up = [w for w in status["workers"] if w["state"] in ("INTENDED", "UP")]
    lost = sum(1 for w in status["workers"] if w["state"] == "LOST")
    head = f"{status['run']}: {status['state'].lower()}, {status['shards_done']} of {status['shards']} shards"
    lines = [
        Text(head, style="bold"),
        Text(
            f"{count(status['documents'])} documents, {count(status['chunks'])} chunks, {compact(status['tokens'])} "
            f"tokens, {size(status['output_bytes'])}; {rate(status['tokens_per_second'])}"
        ),
        Text(f"{money_of_text(status['usd']) if status['usd'] else '$?'} so far; {_left(status)}"),
        *_money(status),
        Text(f"{plural(len(up), 'worker')} up, {lost} lost; {plural(status['failed_rows'], 'bad row')}"),
    ]
    lines += [
        Text(f"  {w['name']}: {plain(w['reason'])}", style="dim")
        for w in status["workers"]
        if w["state"] == "FAILED"
    ]
    return Group(*lines, *_pace(status))


def _money(status: Mapping[str, Any]) -> list[Text]:
    """Dollars an hour, what the whole will cost, and the budget; nothing of what nobody knows."""
    said: list[str] = []
    if status["usd_per_hour"]:
        said.append(f"{money_of_text(status['usd_per_hour'])} an hour")
    if (total := status["usd_projected"]) and status["state"] != "DONE":
        between = f"{money_of_text(total['p10'])} to {money_of_text(total['p90'])}"
        said.append(f"{money_of_text(total['p50'])} in all ({between}: P10 to P90)")
    if status["budget"]:
        bound = Decimal(status["usd_known"]) + Decimal(status["usd_committed"])
        share = f"{float(bound / Decimal(status['budget'])):.0%}"
        said.append(f"{share} of the budget of {money_of_text(status['budget'])} spent or bound to be")
    lines = [Text("; ".join(said))] if said else []
    where = [p for p in status["places"] if p["place"] != "local"]
    if where:
        taken = f", {count(status['preemptions'])} taken away" if status["preemptions"] else ""
        lines.append(Text(f"machines{taken}:"))
        lines += [Text(f"  {plain(p['place'])}: {_states(p['states'])}") for p in where[:PLACES]]
        more = len(where) - PLACES
        lines += [Text(f"  and {more} more places in --json", style="dim")] if more > 0 else []
    return lines


def _states(states: Mapping[str, int]) -> str:
    return ", ".join(f"{n} {state.lower()}" for state, n in states.items())


def _pace(status: Mapping[str, Any]) -> list[Text]:
    """The slowest stage of the fleet, and what to change; nothing where it is too early to say."""
    lines: list[Text] = []
    if status["slowest"]:
        own = [f"{word} {status['stages'][stage]:.0%}" for stage, word in OWN_TIME.items()]
        line = Text(f"slowest stage: {STAGE_WORDS[status['slowest']]}", style="bold")
        lines.append(line.append(f" (engines {', '.join(own)} of their time)", style="not bold"))
    return lines + [Text(f"  {plain(advice)}") for advice in status["advice"]]


def _left(status: Mapping[str, Any]) -> str:
    if status["state"] == "DONE":
        return f"took {duration(status['seconds'])}"
    return f"{duration(status['seconds_left'])} left at this rate"
