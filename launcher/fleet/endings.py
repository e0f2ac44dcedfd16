"""How a launcher's part in a run ends, written into the ledger: done, stopped, or machines left to their work.

Each function that makes an error writes the reason down first, so that the ledger says why a run stopped whatever
becomes of the error. Decides nothing, and ends no machine.
"""

import contextlib
from collections.abc import Generator, Sequence

from launcher.costs.budget import used_up_message
from launcher.errors import BudgetReached, Interrupted, Problem
from launcher.fleet import failure_messages
from launcher.fleet.run_context import RunContext
from launcher.fleet.scheduling.fleet_view import FleetView
from launcher.fleet.scheduling.states import ALIVE
from launcher.format import plural, verb
from launcher.ledger.records import Machine, RunState


def record_done(context: RunContext) -> None:
    """Every shard has a receipt."""
    now = context.clock()
    context.ledger.runs.set_state(context.run, RunState.DONE, now)
    context.ledger.runs.record_event(context.run, "done", "every shard has a receipt", now)


def no_machine_works(context: RunContext, view: FleetView, failed: Sequence[Machine]) -> Problem:
    """The error of a run whose machines die without finishing a shard. `failed`: those of this launch, in order."""
    _record_stopped(context, "the machines die")
    return failure_messages.no_progress(context, view, failed)


def unreadable(context: RunContext) -> Problem:
    """The error of a run that is done but for receipts that cannot be read."""
    _record_stopped(context, "receipts cannot be read")
    return failure_messages.unreadable_receipts(context.run, context.observer.unreadable)


def out_of_budget(context: RunContext, view: FleetView, reason: str) -> BudgetReached:
    """The error of a run that its budget ended. `reason`: why steering stopped it; empty: the budget is used up."""
    _record_stopped(context, "budget reached")
    return BudgetReached(
        f"{reason or used_up_message(view.budget, view.spent)}, {failure_messages.shards_left(view)}",
        hint=f"embedfleet resume {context.run} --budget DOLLARS goes on with a larger one",
    )


def stopped(context: RunContext, view: FleetView, *, by_user: bool) -> Interrupted:
    """The error of a run that was stopped. `by_user`: by Ctrl-C here, not by `embedfleet stop`."""
    _record_stopped(context, "interrupted" if by_user else "told to stop")
    what = "machine" if context.rented else "worker"
    left = failure_messages.shards_left(view)
    return Interrupted(f"stopped: {left}; no {what} runs", hint=f"embedfleet resume {context.run}")


def leave_running(context: RunContext, view: FleetView) -> str:
    """Record that rented machines, which need no launcher, go on; return what is left, and what they cost."""
    running = failure_messages.left_running(context.ledger.machines.of_run(context.run, set(ALIVE)))
    context.ledger.runs.record_event(context.run, "detached", running, context.clock())
    unsteered = failure_messages.unsteered(view)
    return f"{failure_messages.shards_left(view, f' of run {context.run}')}; {running}{unsteered}"


@contextlib.contextmanager
def reporting_left_machines(context: RunContext) -> Generator[None, None, None]:
    """Add to an error that rented machines go on: an error of the launcher does not stop them."""
    try:
        yield
    except (Interrupted, BudgetReached):
        raise
    except Problem as problem:
        up = len(context.ledger.machines.of_run(context.run, set(ALIVE))) if context.rented else 0
        if not up:
            raise
        context.ledger.runs.record_event(context.run, "left", str(problem), context.clock())
        raise Problem(
            f"{problem}; {plural(up, 'machine')} of run {context.run} "
            f"{verb(up, 'goes', 'go')} on without this launcher",
            hint=f"{problem.hint}; then {failure_messages.next_steps(context.run)}",
        ) from problem


def _record_stopped(context: RunContext, reason: str) -> None:
    now = context.clock()
    context.ledger.runs.set_state(context.run, RunState.STOPPED, now)
    context.ledger.runs.record_event(context.run, "stopped", reason, now)
