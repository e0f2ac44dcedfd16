"""Placement failures: what is one, that it is recorded once, and that the next launcher knows it."""

from collections.abc import Iterator
from dataclasses import replace
from datetime import timedelta
from decimal import Decimal
from pathlib import Path

import pytest

from launcher.fleet.backends.base import MachineStatus
from launcher.fleet.provisioning.placement_failures import PlacementFailures
from launcher.fleet.scheduling.placement import cooldown_until
from launcher.fleet.scheduling.states import Phase
from launcher.ledger.ledger import Ledger
from launcher.ledger.records import Site
from tasks.skypilot_task import Place
from tests.support.runs import NOON

EAST, WEST = Place("aws", "us-east-1"), Place("aws", "us-west-2")
IN_WEST = MachineStatus(Phase.RUNNING, site=Site("aws", "us-west-2", "us-west-2a"))


@pytest.fixture
def ledger(tmp_path: Path) -> Iterator[Ledger]:
    """A run with a machine that was requested in EAST."""
    with Ledger.open(tmp_path / "ledger.db") as ledger:
        ledger.runs.create("r1", "reviews", "{}", "d", "out", NOON)
        ledger.machines.intend("r1", "r1-l0m0-0", 0, Decimal(1), NOON, lot=0, site=Site("aws", "us-east-1"))
        yield ledger


def recorded(ledger: Ledger, *statuses: MachineStatus) -> list[tuple[str, str]]:
    failures = PlacementFailures(ledger, "r1")
    (machine,) = ledger.machines.of_run("r1")
    for number, status in enumerate(statuses):
        failures.record(machine, status, (EAST, WEST), NOON + timedelta(minutes=number))
    return [(failure.infra, failure.what) for failure in failures.found]


def test_machine_that_came_up_elsewhere_means_no_capacity_where_it_was_requested(ledger: Ledger) -> None:
    assert recorded(ledger, IN_WEST, IN_WEST) == [("aws/us-east-1", "no capacity")]


def test_recovering_machine_was_preempted_where_it_was(ledger: Ledger) -> None:
    recovering = replace(IN_WEST, phase=Phase.RECOVERING)
    again = replace(recovering, life=1)
    assert recorded(ledger, recovering, recovering, again) == [("aws/us-west-2", "preempted")] * 2


@pytest.mark.parametrize("looking", [None, Site("aws", "us-west-2", "us-west-2a")])
def test_place_of_the_life_took_the_machine_wherever_skypilot_looks_for_the_next(
    ledger: Ledger, looking: Site | None
) -> None:
    ledger.machines.confirm("r1-l0m0-0", "1:r1-l0m0-0", NOON)
    ledger.machines.begin_life("r1-l0m0-0", 0, NOON, Site("aws", "us-east-1", "us-east-1c"), Decimal(1))
    assert recorded(ledger, MachineStatus(Phase.RECOVERING, site=looking)) == [("aws/us-east-1", "preempted")]


def test_machine_where_it_was_requested_is_no_failure(ledger: Ledger) -> None:
    assert recorded(ledger, replace(IN_WEST, site=Site("aws", "us-east-1", "us-east-1c"))) == []


def test_next_launcher_knows_the_failures(ledger: Ledger) -> None:
    recorded(ledger, IN_WEST)
    later = PlacementFailures(ledger, "r1")
    later.load_known()
    assert [(f.infra, f.what, f.at) for f in later.found] == [("aws/us-east-1", "no capacity", NOON)]


def test_machine_that_waited_in_vain_means_no_capacity_where_it_was_requested(ledger: Ledger) -> None:
    failures = PlacementFailures(ledger, "r1")
    (machine,) = ledger.machines.of_run("r1")
    for _ in range(2):
        failures.record_refusal(machine, (EAST, WEST), NOON)
    assert [(f.infra, f.what) for f in failures.found] == [("aws/us-east-1", "no capacity")]


def test_ledger_with_many_failures_of_one_moment_is_one_event(ledger: Ledger) -> None:
    """Ledgers of earlier versions hold an event for each machine; 39 of them used to end the launcher."""
    for _ in range(60):
        ledger.runs.record_event("r1", "trouble", "aws/us-west-2 preempted", NOON)
    failures = PlacementFailures(ledger, "r1")
    failures.load_known()
    assert len(failures.found) == 60
    until = cooldown_until("aws/us-west-2", failures.found, NOON + timedelta(minutes=1))
    assert until == NOON + timedelta(minutes=10)
