"""The text of `embedfleet status`: progress, cost and pace of a run in a few lines."""

from collections.abc import Mapping, Sequence
from math import floor

from rich.console import Group, RenderableType
from rich.text import Text

from launcher.documents.status import StatusReport, WorkerState
from launcher.format import (
    compact,
    count,
    duration,
    money,
    plain,
    plural,
    rate,
    share_text,
    size,
    spent_text,
    unreadable_text,
)
from launcher.reports.sections.course_text import pilot_text
from launcher.reports.terminal.runs.course import course_lines
from launcher.reports.terminal.truncation import truncation_line

SHOWN_PLACES = 12  # --json has all
SILENT = 120.0  # seconds without news of a loader: it is slow, or there is none
ENGINE_STAGES = {
    "engine": "work",
    "wait": "wait for texts",
    "idle": "have no shard",
}  # of the engines' own time
STAGE_WORDS = {
    "engine": "the engine",
    "read": "reading the corpus",
    "tokenise": "tokenising",
    "write": "writing files",
    "store": "the store",
    "wait": "unknown",
    "idle": "too few shards",
}


def status_text(status: StatusReport) -> RenderableType:
    """Progress, speed, cost, machines and the slowest stage, each in a line or two."""
    up = [w for w in status.workers if w.state in ("INTENDED", "UP")]
    lost = sum(1 for w in status.workers if w.state == "LOST")
    shards = f"{status.shards_done} of {plural(status.shards, 'shard')}"
    share = "" if status.share is None else f"{floor(100 * status.share)} %, "
    head = f"{status.run}: {_state(status)}, {share}{shards}"
    lines = [
        Text(head, style="bold"),
        *_pilot(status),
        *_unreadable(status),
        Text(
            f"{plural(status.documents, 'document')}, {plural(status.chunks, 'chunk')}, "
            f"{compact(status.tokens + status.tokens_open)} tokens, {size(status.output_bytes)}; "
            f"{rate(status.tokens_per_second)}"
        ),
        Text(f"{_spent(status)}; {_left(status)}"),
        *_cost(status),
        *_course(status),
        *_places(status),
        *([truncation_line(status.truncation)] if status.truncation else []),
        *_load(status),
        Text(f"{_up(up)} up, {lost} lost; {plural(status.failed_rows, 'bad row')}"),
    ]
    lines += [
        Text(f"  {w.name}: {plain(w.reason)}", style="dim") for w in status.workers if w.state == "FAILED"
    ]
    return Group(*lines, *_slowest(status), *_next_step(status))


def _up(workers: Sequence[WorkerState]) -> str:
    """How many can embed, of those that were asked for: a rented one is on its way for minutes."""
    ready = sum(1 for worker in workers if worker.ready)
    return ("" if ready == len(workers) else f"{ready} of ") + plural(len(workers), "worker")


def _state(status: StatusReport) -> str:
    """The state in words. An output path shows no launcher: what looks stopped may wait for its first machine."""
    if status.state == "STOPPED" and not status.launcher_known:
        return "not finished"
    return status.state.lower()


def _pilot(status: StatusReport) -> list[Text]:
    """How old the state is that the run's pilot wrote; nothing of a run without one, or that is over."""
    if status.pilot is None or status.state in ("DONE", "STOPPED"):
        return []
    style = "" if status.pilot.drives else "bold yellow"
    return [Text(pilot_text(status.pilot, status.run), style=style)]


def _course(status: StatusReport) -> list[Text]:
    """Where the run stands to its deadline; nothing of a run that has none and is not steered."""
    if status.course is None:
        return []
    return course_lines(status.course, status.run, status.state, launcher_known=status.launcher_known)


def _next_step(status: StatusReport) -> list[Text]:
    """How to go on with a run that nothing works on."""
    if status.state not in ("STOPPED", "PLANNED"):
        return []
    if not status.launcher_known:
        return [
            Text(
                "no worker has written here lately; whether a launcher is at work shows where it was launched",
                style="bold",
            )
        ]
    left = status.shards - status.shards_done
    rest = f"the {plural(left, 'shard')} that are left" if left != 1 else "the shard that is left"
    return [
        Text(f"nothing works on it: embedfleet resume {plain(status.run)} goes on with {rest}", style="bold")
    ]


def _load(status: StatusReport) -> list[Text]:
    """How far the load into a vector store is; nothing where none has begun."""
    load = status.load
    if load is None:
        return []
    to, rows = plain(load.to), f"{count(load.rows_loaded)} of {plural(load.rows, 'row')}"
    if load.state == "done":
        return [Text(f"loaded into {to}: {rows}")]
    age = (status.at - load.at).total_seconds()
    silent = (
        f"; last heard of {duration(age)} ago: embedfleet load {plain(status.run)} goes on"
        if age > SILENT
        else ""
    )
    if load.error is not None:
        why = f"{plain(load.error)}{silent or ': it is tried again'}"
        return [
            Text(f"not loading into {to}, {rows} are there: {why}", style="yellow"),
            Text(f"  {plain(load.hint or '')}", style="dim"),
        ]
    return [Text(f"loading into {to}: {rows} that are embedded{silent}", style="yellow" if silent else "")]


def _unreadable(status: StatusReport) -> list[Text]:
    """What the counts leave out; nothing where all objects can be read."""
    if not status.unreadable:
        return []
    what = unreadable_text(status.unreadable)
    return [Text(plain(f"{what}: what follows is at least"), style="yellow")]


def _cost(status: StatusReport) -> list[Text]:
    """Dollars an hour, the projected total, and the budget; nothing if none of them is known."""
    parts: list[str] = []
    if status.usd_per_hour:
        parts.append(f"{money(status.usd_per_hour)} an hour")
    if (total := status.usd_projected) and status.state != "DONE":
        between = f"{money(total.p10)} to {money(total.p90)}"
        parts.append(f"{money(total.p50)} in all ({between}: P10 to P90)")
    if status.budget:
        share = float((status.usd_known + status.usd_committed) / status.budget)
        parts.append(f"{share_text(share)} of the budget of {money(status.budget)} spent or committed")
    return [Text("; ".join(parts))] if parts else []


def _places(status: StatusReport) -> list[Text]:
    """Rented machines by place; nothing for a run on this machine alone."""
    places = [p for p in status.places if p.place != "local"]
    if not places:
        return []
    taken = f", {count(status.preemptions)} taken away" if status.preemptions else ""
    lines = [Text(f"machines{taken}:")]
    lines += [Text(f"  {plain(p.place)}: {_states(p.states)}") for p in places[:SHOWN_PLACES]]
    more = len(places) - SHOWN_PLACES
    return lines + ([Text(f"  and {more} more places in --json", style="dim")] if more > 0 else [])


def _states(states: Mapping[str, int]) -> str:
    return ", ".join(f"{n} {state.lower()}" for state, n in states.items())


def _slowest(status: StatusReport) -> list[Text]:
    """The slowest stage of the fleet, and what to change; nothing while it is too early to say."""
    lines: list[Text] = []
    if status.slowest:
        shares = [f"{words} {share_text(status.stages[stage])}" for stage, words in ENGINE_STAGES.items()]
        line = Text(f"slowest stage: {STAGE_WORDS[status.slowest]}", style="bold")
        lines.append(line.append(f" (engines {', '.join(shares)} of their time)", style="not bold"))
    return lines + [Text(f"  {plain(advice)}") for advice in status.advice]


def _spent(status: StatusReport) -> str:
    """Dollars, and per million tokens once there are some."""
    so_far = "" if status.state == "DONE" else " so far"
    each = f" ({money(status.usd_per_million_tokens)} per 1M tokens)" if status.usd_per_million_tokens else ""
    return f"{spent_text(status.usd, status.usd_known)}{so_far}{each}"


def _left(status: StatusReport) -> str:
    if status.state == "DONE":
        return f"took {duration(status.seconds)}"
    return f"{duration(status.seconds_left)} left at this rate"
