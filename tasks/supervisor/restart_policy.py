"""Whether a worker that ended is started again, when, and under which name. Pure: knows no processes and no clock.

A crash is any end but three: 0 (the run is done, or it was told to end), 3 (somebody must act), 2 (bad options).
"""

from collections.abc import Collection, Sequence
from dataclasses import dataclass
from enum import Enum

MAX_CRASHES = 5  # in a row, without a receipt in between, before a slot is given up
CRASH_MEMORY_SECONDS = 7_200.0  # seconds until a crash no longer counts
FIRST_PAUSE_SECONDS = 1.0  # seconds from the first crash to the next start; doubles with each
LONGEST_PAUSE_SECONDS = 60.0
# What argparse says of options that it does not know: restarting cannot help against that either.
USAGE, MUST_ACT = 2, 3

SlotEnd = Enum("End", "DONE MUST_ACT GIVEN_UP")


@dataclass(frozen=True, slots=True)
class Restart:
    """Start the next life in so many seconds, give or take jitter."""

    seconds: float


def next_step(
    status: int, crashes: Sequence[float], now: float, *, told: bool, pause: float = FIRST_PAUSE_SECONDS
) -> SlotEnd | Restart:
    """What becomes of a slot whose worker ended so. `crashes`: the times of those in a row, this one included.

    `status` is negative for a signal, as `subprocess` has it; `told`: we were told to end.
    """
    if status in (MUST_ACT, USAGE):
        return SlotEnd.MUST_ACT
    if status == 0 or told:
        return SlotEnd.DONE
    recent = sum(1 for at in crashes if now - at < CRASH_MEMORY_SECONDS)
    if recent >= MAX_CRASHES:
        return SlotEnd.GIVEN_UP
    return Restart(min(LONGEST_PAUSE_SECONDS, pause * 2 ** max(0, recent - 1)))


def exit_status(ends: Collection[SlotEnd]) -> int:
    """That of the supervisor. A worker that ended well says that no shard is left, or that we were told to end."""
    if SlotEnd.DONE in ends:
        return 0
    return 1 if SlotEnd.GIVEN_UP in ends else MUST_ACT
