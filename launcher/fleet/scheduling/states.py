"""Phases of a machine that has not ended, the ledger's states that count as alive, and how a heartbeat ends. Pure."""

from enum import StrEnum

from launcher.ledger.records import MachineState

ALIVE = (MachineState.INTENDED, MachineState.UP)
CLEAN_ENDS = ("done", "stopped")  # a heartbeat's last state where all went well
ENDS = (*CLEAN_ENDS, "failed", "lost")  # every last state


class Phase(StrEnum):
    """What a backend reports of a machine that has not ended."""

    WAITING = "waiting"  # requested, and not there yet
    RUNNING = "running"
    RECOVERING = "recovering"  # it was preempted, and the backend looks for another
    FAILING = "failing"  # the program on it failed by itself, and the backend would start it again
    ENDING = "ending"  # it was ordered to end
