"""."""

from enum import StrEnum

from launcher.ledger.records import MachineState

ALIVE = (MachineState.INTENDED, MachineState.UP)


class Phase(StrEnum):
    """What a cloud says of a machine that has not ended."""

    WAITING = "waiting"  # asked for, and not there yet
    RUNNING = "running"
    RECOVERING = "recovering"  # it was taken away, and the cloud looks for another
    FAILING = "failing"  # what runs on it failed by itself, and the cloud would start it again
    ENDING = "ending"  # it was told to end
