"""`embedfleet stop` and `embedfleet down`: end a run before its work is done.

`stop` lets machines finish the shards that they hold. `down` cancels and removes everything. `down --verify` only
asks what is left: see `launcher.fleet.orphan_check`.
"""

import contextlib
from argparse import Namespace
from collections.abc import Generator

from rich.text import Text

from launcher.cli.console import say, show
from launcher.cli.open_ledger import existing_ledger
from launcher.errors import Problem
from launcher.fleet.monitoring.store_observer import StoreObserver, observe_run
from launcher.fleet.orphan_check import (
    Remaining,
    confirm_gone,
    down_report,
    find_remaining,
    text_lines,
    to_json,
)
from launcher.fleet.provisioning.provisioner import is_rented
from launcher.fleet.run_lock import RunLocked, run_lock
from launcher.fleet.scheduling.states import ALIVE
from launcher.fleet.teardown import drain, take_down
from launcher.format import plural, verb
from launcher.ledger.ledger import Ledger
from launcher.ledger.records import Run, RunState
from launcher.pilot.hand_over import end_pilot, remaining_pilots, take_down_pilots
from launcher.pilot.news import is_handed_over, news_of_pilot
from launcher.planning.saved import plan_file
from tasks.clock import utc
from tasks.protocol.messages import control
from tasks.stores.open import open_store


def stop(arguments: Namespace) -> int:
    """Let the workers finish the shards that they hold, and start no more."""
    with _opened(arguments) as (ledger, run, observer):
        if run.state == RunState.DONE or observer is None:
            say(f"run {run.id} is {run.state.lower()}: nothing runs")
            return 0
        control.send(observer.store, run.id, "drain", utc())
        ledger.runs.record_event(run.id, "stop", "asked to finish the shards in hand", utc())
        if is_handed_over(ledger, run.id):
            news = news_of_pilot(ledger, observer.store, run.id, say)
            if news is not None and news.drives:  # it sees the command at its next look, and drains
                say(f"run {run.id}: its pilot lets machines finish the shards in hand, then ends")
                say(f"embedfleet status {run.id} --watch shows when")
                return 0
        with contextlib.suppress(RunLocked), run_lock(arguments.runs / run.id, run.id, tries=0):
            drain(ledger, run, observer, arguments.runs / run.id)
        up = len(ledger.machines.of_run(run.id, set(ALIVE)))
        what = "machine" if is_rented(plan_file.read_recorded(run.plan)) else "worker"
        say(f"run {run.id}: {up} {what}{'s' * (up != 1)} will finish the shards in hand and end")
        say(
            f"embedfleet status {run.id} --watch shows when; embedfleet resume {run.id} goes on with the rest"
        )
    return 0


def down(arguments: Namespace) -> int:
    """Cancel and remove everything that a run rented, or with --verify only ask what is left."""
    with _opened(arguments) as (ledger, run, observer):
        plan = plan_file.read_recorded(run.plan)
        piloted = is_handed_over(ledger, run.id)
        if piloted:
            if not arguments.verify:
                end_pilot(run.id, say=say)  # it would start machines again
            if observer is not None:
                news_of_pilot(ledger, observer.store, run.id, say)
        if not arguments.verify:
            take_down(ledger, run, observer, arguments.runs / run.id, plan, say=say)
            if piloted:
                take_down_pilots(run.id, say=say)
        left = find_remaining(ledger, run, plan)
        if piloted:
            _add_pilots(left, run.id)
        confirm_gone(ledger, run.id, left)
        report = down_report(run.id, left)
        # Text, so that rich takes no name in it for markup
        show(to_json(report), lambda _: Text("\n".join(text_lines(report))), as_json=arguments.json)
    if left.count:
        remedies = [one.remedy for one in left.instances]
        raise Problem(
            f"{plural(left.count, 'machine')} of run {run.id} {verb(left.count, 'is', 'are')} left",
            hint=remedies[0] if remedies and not left.jobs else f"embedfleet down {run.id}",
        )
    if left.unasked:
        raise Problem(
            f"nothing was found of run {run.id}, and nothing is proven: {left.unasked[0]}",
            hint=f"fix that, then: embedfleet down {run.id} --verify",
        )
    return 0


def _add_pilots(left: Remaining, run: str) -> None:
    """Add what is left of the run's pilots: their jobs, and machines that SkyPilot holds after a job has ended."""
    try:
        jobs, machines = remaining_pilots(run)
    except Problem as problem:
        left.unasked.append(str(problem))
        return
    left.jobs += jobs
    left.machines += machines


@contextlib.contextmanager
def _opened(arguments: Namespace) -> Generator[tuple[Ledger, Run, StoreObserver | None], None, None]:
    """The ledger, the run that is named, and what observes its store (None while the run has no manifest)."""
    with existing_ledger(arguments) as ledger:
        run = ledger.runs.find(arguments.run)
        yield ledger, run, observe_run(ledger, open_store(run.output), run.id)
