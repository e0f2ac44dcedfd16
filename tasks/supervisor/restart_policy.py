"""The restart policy: whether a worker that ended is started again, and after which backoff.

Pure: knows no processes and no clock. Every end is a crash except three: exit status 0 (the run is done, or the worker
was told to end), 3 (a person must act) and 2 (bad options).
"""

from collections.abc import Collection, Sequence
from dataclasses import dataclass
from enum import Enum

from tasks.protocol.messages.exit_codes import MUST_ACT, USAGE

MAX_CRASHES = 5  # in a row, without a receipt in between, before a slot is given up
CRASH_MEMORY_SECONDS = 7_200.0  # until a crash no longer counts
FIRST_PAUSE_SECONDS = (
    1.0  # from the first crash to the restart; doubles with each crash (exponential backoff)
)
LONGEST_PAUSE_SECONDS = 60.0

SlotEnd = Enum("SlotEnd", "DONE MUST_ACT GIVEN_UP")


@dataclass(frozen=True, slots=True)
class Restart:
    """Start the next worker in so many seconds; the caller adds jitter."""

    seconds: float


def next_step(
    status: int, crashes: Sequence[float], now: float, *, told: bool, pause: float = FIRST_PAUSE_SECONDS
) -> SlotEnd | Restart:
    """What becomes of a slot whose worker has ended.

    Args:
        status: its exit status, negative for a signal, as `subprocess` has it.
        crashes: times of the crashes in a row, this one included.
        now: on the same clock as `crashes`.
        told: the supervisor was told to end.
        pause: seconds before the first restart.
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
    """The exit status of the supervisor: 0 as soon as one worker ended well, as no shard is left then."""
    if SlotEnd.DONE in ends:
        return 0
    return 1 if SlotEnd.GIVEN_UP in ends else MUST_ACT
