"""What a launcher says when machines fail, or when it leaves them running."""

from collections.abc import Collection, Sequence
from decimal import Decimal

from launcher.errors import Problem
from launcher.fleet.backends.base import Backend
from launcher.fleet.run_context import RunContext
from launcher.fleet.scheduling.fleet_view import FleetGroup, FleetView
from launcher.fleet.scheduling.slots import slot_targets
from launcher.format import plural, unreadable_text, verb
from launcher.ledger.records import Machine, MachineState
from tasks.protocol.keys import receipts_prefix


def next_steps(run: str) -> str:
    """What a user can do about machines that run without a launcher."""
    return (
        f"embedfleet resume {run} to look after them again, embedfleet stop {run} to let them finish what they hold, "
        f"embedfleet down {run} to take them down"
    )


def dollars(spent: Decimal | None) -> str:
    return "$?" if spent is None else f"${spent:.2f}"


def shards_left(view: FleetView, of: str = "") -> str:
    """How many shards are left, as a clause; `of` stands behind their number."""
    left = view.shards - view.done
    return f"{left} of {plural(view.shards, 'shard')}{of} {verb(left, 'is', 'are')} left"


def last_failure(context: RunContext, group: FleetGroup) -> Machine:
    """The machine of a group that failed last; the group has one."""
    machines = context.ledger.machines.of_run(context.run)
    return [m for m in machines if m.lot == group.number and m.state == MachineState.FAILED][-1]


def given_up_text(view: FleetView, group: FleetGroup, failure: Machine) -> str:
    """One line: the group, why it is given up, what was spent, and who does its work."""
    what = f"group {group.number} ({group.slots} x {group.gpu})"
    return f"{what} is given up: {failure.reason}; {dollars(view.spent)} spent{_replacement(view)}"


def _replacement(view: FleetView) -> str:
    """Which groups take over, and how much slower the run is than planned if they cannot make up for all; or nothing."""
    targets = slot_targets(view)
    more = [g for g in view.groups if targets[g.number] > g.slots]
    taking = [f"group {g.number} goes from {g.slots} to {plural(targets[g.number], 'machine')}" for g in more]
    planned = sum(g.slots * (g.tokens_per_second or 0.0) for g in view.groups)
    now = sum(targets[g.number] * (g.tokens_per_second or 0.0) for g in view.groups)
    if not now or not planned:
        return ""
    slower = [f"the rest takes about {planned / now:.1f} times as long as planned"] if now < planned else []
    return "".join(f"; {part}" for part in (*taking, *slower))


def log_excerpt(backend: Backend, machine: Machine) -> str:
    """The end of a machine's log, indented under its name."""
    lines = backend.log_tail(machine.name).splitlines()
    return "\n".join([f"the end of {machine.name}'s log:", *(f"  {line}" for line in lines)])


def left_running(machines: Sequence[Machine]) -> str:
    """How many machines go on without a launcher, and what they cost an hour."""
    prices = [m.usd_per_hour for m in machines]
    known = [price for price in prices if price is not None]
    cost = f"${sum(known, Decimal(0)):.2f}" if len(known) == len(prices) else "$?"
    go_on = f"{plural(len(machines), 'machine')} {verb(len(machines), 'goes', 'go')} on"
    return f"{go_on} without this launcher, at {cost} an hour when all are up"


def unsteered(view: FleetView) -> str:
    """What no launcher means for a steered run, as a clause; empty for one that is not steered."""
    if view.steering is None:
        return ""
    guarded = "" if view.steering.deadline is None else ", and its deadline is not guarded"
    return f"; meanwhile it is not steered{guarded}"


def unreadable_receipts(run: str, unreadable: Collection[str]) -> Problem:
    """The error of a run whose every shard has a receipt, some of which cannot be read. `unreadable`: keys."""
    receipts = [key for key in unreadable if key.startswith(receipts_prefix(run))]
    return Problem(
        f"all other shards of run {run} are done, and {unreadable_text(receipts)}",
        hint=f"restore it, or delete it and embed its shard again: embedfleet resume {run}",
    )


def no_progress(context: RunContext, view: FleetView, failed: Sequence[Machine]) -> Problem:
    """The error of a run whose machines all died. `failed`: those of this launch that cannot work, in order."""
    what = "machines" if context.rented else "workers"
    spent = f"; {dollars(view.spent)} spent" if context.rented else ""
    if failed:
        return Problem(
            f"the {what} gave up: {failed[-1].reason}{spent}",
            hint=f"fix that, then: embedfleet resume {context.run}",
        )
    last = context.ledger.machines.of_run(context.run)[-1]
    lines = context.backend.log_tail(last.name).splitlines()
    log = context.backend.log_path(last.name)
    return Problem(
        f"the {what} die without finishing a shard ({last.reason}): {lines[-1] if lines else 'its log is empty'}{spent}",
        hint=f"read {log}, fix it, then: embedfleet resume {context.run}",
    )
