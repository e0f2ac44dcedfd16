"""How a launcher's part in a run ends: the reason is in the ledger, and the error says what to do."""

from collections.abc import Iterator
from dataclasses import replace
from datetime import timedelta
from decimal import Decimal
from pathlib import Path

import pytest

from launcher.errors import BudgetReached, Interrupted, Problem
from launcher.fleet import endings
from launcher.fleet.backends.local import LocalBackend
from launcher.fleet.monitoring.store_observer import StoreObserver
from launcher.fleet.run_context import RunContext
from launcher.fleet.scheduling.fleet_view import FleetGroup, FleetView
from launcher.ledger.ledger import Ledger
from launcher.ledger.records import RunState, Site
from launcher.steering.situation import Steering
from tasks.skypilot_task import Place
from tasks.stores.folder import FolderStore
from tests.support.ledger_values import NOON, create_run
from tests.support.runs import header_of

RENTED = FleetGroup(0, 2, "r1-l0m", (Place("aws", "us-east-1", None, "g6.xlarge", Decimal("0.30")),), (2,))
VIEW = FleetView(
    "r1", (RENTED,), [], 10, 4, draining=False, spent=Decimal("9.70"), budget=Decimal(10)
)  # 6 of 10 shards are left


@pytest.fixture
def context(tmp_path: Path) -> Iterator[RunContext]:
    """A rented run with one machine."""
    with Ledger.open(tmp_path / "ledger.db") as ledger:
        create_run(ledger)
        site = Site("aws", "us-east-1", None, "spot")
        ledger.machines.intend("r1", "r1-l0m0-0", 0, Decimal("0.30"), NOON, lot=0, site=site)
        ledger.machines.confirm("r1-l0m0-0", "1:r1-l0m0-0", NOON)
        observer = StoreObserver(FolderStore(tmp_path / "out"), ledger, header_of(tmp_path, 1, run="r1"))
        backend = LocalBackend(tmp_path, [])
        yield RunContext(
            ledger=ledger, observer=observer, backend=backend, groups=(RENTED,), clock=lambda: NOON
        )


def last_event(context: RunContext) -> tuple[str, str]:
    event = context.ledger.runs.events("r1")[-1]
    return event.kind, event.text


def test_budget_that_ended_a_run_is_recorded_and_says_how_to_go_on(context: RunContext) -> None:
    problem = endings.out_of_budget(context, VIEW, "$0.30 of the budget is left, which covers no machine")
    assert isinstance(problem, BudgetReached)
    assert str(problem) == ("$0.30 of the budget is left, which covers no machine, 6 of 10 shards are left")
    assert problem.hint == "embedfleet resume r1 --budget DOLLARS goes on with a larger one"
    assert last_event(context) == ("stopped", "budget reached")
    assert context.ledger.runs.find("r1").state == RunState.STOPPED


def test_budget_that_is_used_up_is_said_with_what_was_spent(context: RunContext) -> None:
    assert "$9.70" in str(endings.out_of_budget(context, VIEW, ""))


@pytest.mark.parametrize(("by_user", "reason"), [(True, "interrupted"), (False, "told to stop")])
def test_run_that_was_stopped_says_by_whom(context: RunContext, by_user: bool, reason: str) -> None:
    problem = endings.stopped(context, VIEW, by_user=by_user)
    assert str(problem) == "stopped: 6 of 10 shards are left; no machine runs"
    assert last_event(context) == ("stopped", reason)


def test_machines_that_are_left_are_recorded_with_what_they_cost(context: RunContext) -> None:
    text = endings.leave_running(context, VIEW)
    assert text.startswith(
        "6 of 10 shards of run r1 are left; 1 machine goes on without this launcher, at $0.30"
    )
    assert last_event(context)[0] == "detached"
    assert context.ledger.runs.find("r1").state != RunState.STOPPED


def test_who_leaves_a_steered_run_reads_that_its_deadline_is_not_guarded(context: RunContext) -> None:
    steered = Steering(started=NOON, deadline=NOON + timedelta(hours=1))
    text = endings.leave_running(context, replace(VIEW, steering=steered))
    assert text.endswith("when all are up; meanwhile it is not steered, and its deadline is not guarded")
    assert "steered" not in endings.leave_running(context, VIEW)


def test_error_of_a_launcher_says_that_its_machines_go_on(context: RunContext) -> None:
    with pytest.raises(Problem) as caught, endings.reporting_left_machines(context):
        raise Problem("the disk is full", hint="make room")
    assert str(caught.value).startswith("the disk is full; 1 machine of run r1 goes on")
    assert caught.value.hint.startswith("make room; then embedfleet resume r1")
    assert last_event(context) == ("left", "the disk is full")


def test_end_that_says_itself_what_goes_on_is_left_as_it_is(context: RunContext) -> None:
    with pytest.raises(Interrupted, match=r"^stopped$"), endings.reporting_left_machines(context):
        raise Interrupted("stopped", hint="resume")


def test_one_shard_that_is_left_is_one(context: RunContext) -> None:
    view = replace(VIEW, done=9)
    assert endings.leave_running(context, view).startswith(
        "1 of 10 shards of run r1 is left; 1 machine goes on"
    )
    assert (
        str(endings.stopped(context, view, by_user=True))
        == "stopped: 1 of 10 shards is left; no machine runs"
    )
