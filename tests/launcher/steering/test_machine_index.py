"""The machines of a look by kind and phase, and after some of them were let go."""

from math import inf

import pytest

from launcher.steering.machine_index import MachineIndex
from launcher.steering.reconciliation import Reconciliation
from launcher.steering.situation import Machine, MachinePhase
from tests.launcher.steering.situations import EAST, KINDS, ON_DEMAND, WEST, situation, working

ASKED = Machine("asked", EAST.number, MachinePhase.ASKED, 30.0)
COLD = Machine("cold", WEST.number, MachinePhase.COLD, 100.0)
HANGS = Machine("hangs", WEST.number, MachinePhase.COLD, 2 * WEST.cold_start_p90 + 1)
LISTED = Machine("listed", ON_DEMAND.number, MachinePhase.WORKING, 900.0)
STRANGE = Machine("strange", 99, MachinePhase.WORKING, 900.0)  # its kind has no known price
MACHINES = [*working(EAST, 2), ASKED, COLD, HANGS, LISTED, STRANGE]
TOKENS = 1_000_000.0


def index(*machines: Machine) -> MachineIndex:
    return MachineIndex(list(machines), {kind.number: kind for kind in KINDS}, TOKENS)


def test_machines_are_listed_by_kind_and_phase() -> None:
    found = index(*MACHINES)
    assert found.asked == [ASKED]
    assert found.spot == [*working(EAST, 2), ASKED, COLD, HANGS]
    assert found.working_spot == working(EAST, 2)
    assert found.on_demand == [LISTED]
    assert found.hanging == [HANGS]
    assert found.held == {EAST.number: 2, WEST.number: 2, ON_DEMAND.number: 1, 99: 1}
    assert found.asked_of == {ASKED.kind: 1}
    assert (found.started_spot_rate, found.working_spot_rate) == (3_000.0, 2_000.0)  # what hangs does nothing


def test_dearest_is_what_has_no_known_price() -> None:
    found = index(*MACHINES)
    assert found.price(99) == inf
    assert [m.name for m in found.dearest_first] == [
        "strange", "listed", "cold", "hangs", "asked", "m0-0", "m0-1",
    ]  # fmt: skip


def test_work_is_done_sooner_by_a_machine_that_comes_in_time() -> None:
    """Two machines would need 500 s; a third joins after the 200 s that are left of its start."""
    two = working(EAST, 2)
    assert index(*two).seconds_to_finish == pytest.approx(TOKENS / 2_000.0)
    assert index(*two, COLD).seconds_to_finish == pytest.approx(200.0 + (TOKENS - 400_000.0) / 3_000.0)
    assert index(*two, ASKED, HANGS).seconds_to_finish == index(*two).seconds_to_finish
    assert index(ASKED).seconds_to_finish is None


def test_machines_that_are_let_go_are_in_no_list_any_more() -> None:
    current = Reconciliation.of(situation(working(EAST, 3)))
    assert current.held(EAST.number) == len(current.staying.working_spot) == 3
    current.release(working(EAST, 2), what="end", reason="a test")
    assert (
        current.machines == current.staying.spot == current.staying.dearest_first == working(EAST, 1, first=2)
    )
    assert current.held(EAST.number) == 1
    assert current.staying.working_spot_rate == 1_000.0
