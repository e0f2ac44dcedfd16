"""The figures that a user watches."""

from launcher.fleet.policy import MachineView
from launcher.fleet.progress import count_pending
from launcher.fleet.states import Phase
from launcher.ledger.records import MachineState


def waiting(slot: int, state: MachineState = MachineState.UP) -> MachineView:
    return MachineView(f"run-l0m{slot}-0", slot, state, None, shards=0, phase=Phase.WAITING)


def test_machine_with_a_ready_worker_is_not_pending_whatever_skypilot_says() -> None:
    assert count_pending([waiting(n) for n in range(3)], {"run-l0m0-0"}) == 2


def test_machine_that_ended_is_not_pending() -> None:
    assert count_pending([waiting(0, MachineState.LOST)], set()) == 0
