"""Measured speeds over planned ones."""

from dataclasses import replace

import pytest

from launcher.fleet.scheduling.fleet_view import FleetGroup
from launcher.fleet.steering.pace import measured_pace
from launcher.ledger.records import Machine, MachineState
from launcher.throughput.calibration import FirstMinute
from tasks.skypilot_task import Place
from tests.support.ledger_values import NOON

PLACE = Place("aws", "us-east-1", None, "g6.xlarge", None)
L4 = FleetGroup(0, 8, "r1-l0m", (PLACE,), (8,), gpu="L4", tokens_per_second=1_000.0)
FOUR = FleetGroup(1, 8, "r1-l1m", (PLACE,), (8,), gpu="A10G", tokens_per_second=4_000.0, workers=4)
GROUPS = {0: L4, 1: FOUR}


def machine(name: str, group: int) -> Machine:
    made = Machine(
        name=name, run="r1", slot=0, place="aws", gpu="L4", usd_per_hour=None, state=MachineState.UP, handle=None,
        intended=NOON, confirmed=None, ready=None, stopping=None, ended=None, reason=None, exit_code=None,
    )  # fmt: skip
    return replace(made, lot=group)


def minute(worker: str, rate: float) -> FirstMinute:
    return FirstMinute(worker, rate * 60, 60.0, NOON)


def test_nothing_is_known_before_the_first_minute() -> None:
    assert measured_pace([], [machine("r1-l0m0-0", 0)], GROUPS) == {}


def test_the_spread_narrows_as_machines_report() -> None:
    machines = [machine(f"r1-l0m{n}-0", 0) for n in range(4)]
    one = measured_pace([minute("r1-l0m0-0-0", 500.0)], machines, GROUPS)["L4"]
    four = measured_pace([minute(f"r1-l0m{n}-0-0", 500.0) for n in range(4)], machines, GROUPS)["L4"]
    assert (one.ratio, one.machines) == (pytest.approx(0.5), 1)
    assert (four.ratio, four.machines) == (pytest.approx(0.5), 4)
    assert four.spread < one.spread < 0.13


def test_a_worker_is_compared_with_its_share_of_the_machine() -> None:
    minutes = [minute(f"r1-l1m0-0-{n}", 1_200.0) for n in range(4)]
    found = measured_pace(minutes, [machine("r1-l1m0-0", 1)], GROUPS)
    assert found["A10G"].ratio == pytest.approx(1.2)
    assert found["A10G"].machines == 1
    assert "L4" not in found


def test_workers_of_machines_that_are_not_known_do_not_count() -> None:
    assert measured_pace([minute("r9-l0m0-0-0", 500.0)], [machine("r1-l0m0-0", 0)], GROUPS) == {}
