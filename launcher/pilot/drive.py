"""What a pilot begins with on its machine: the run's ledger from the store, and what it may spend.

It is started by the laptop's user through SkyPilot, with the limit on its command line: that is the consent. An amount
that was agreed later and is lower counts, too (`launcher.fleet.budget`); a higher one needs a new pilot.
"""

from decimal import Decimal

from launcher.errors import Problem
from launcher.fleet.recovery.rebuild_ledger import rebuild
from launcher.ledger.ledger import Ledger
from launcher.ledger.records import Run, RunState
from launcher.pilot.ledger_copy import take_over_copy
from tasks.clock import utc
from tasks.protocol.messages import control
from tasks.stores.base import Store


def begin(ledger: Ledger, store: Store, output: str, run: str, limit: Decimal) -> Run:
    """The run in this machine's ledger, with all that is known of it, and what it may cost.

    Raises:
        Problem: the run is not there, or what is known of it cannot be read.
    """
    rebuilt = rebuild(ledger, store, output, run)
    take_over_copy(ledger, store, run)
    if rebuilt.unreadable:
        raise Problem(
            f"{rebuilt.unreadable[0]} cannot be read, so run {run} cannot be driven from here",
            hint=f"embedfleet ledger rebuild {output} says what is damaged",
        )
    ledger.costs.set_budget(run, limit, utc())
    ledger.runs.record_event(run, "agreed", f"${limit} in all, by the user who sent this pilot", utc())
    return ledger.runs.find(run)


def is_stopped(store: Store, run: Run) -> bool:
    """Whether somebody stopped the run while no pilot was there to see it: then it is not driven on."""
    return run.state == RunState.DONE or control.read_command(store, run.id) == "drain"
