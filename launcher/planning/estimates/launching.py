"""How a fleet comes up: how many machines start at a time, how long the others wait for their turn, which are started.

Pure, and the one definition of these figures: the policy that orders machines, the estimate, the draws of its spread and
the solver all take them from here.

A machine is first asked for, then waits until one of SkyPilot's launches is free, then for capacity. From then on it
is paid: it boots (which holds the launch), is set up, downloads the model and starts its engine.
"""

from collections.abc import Sequence
from dataclasses import dataclass
from heapq import heappop, heappush

LAUNCH_WAVE = 16  # machines that the policy has asked for and that are not up yet
# SkyPilot 0.14.1 brings up 8 machines at a time for each process of its controller (sky/utils/controller_utils.py:
# LAUNCHES_PER_WORKER), and its default controller of 16 GiB has memory for one process: (16 - 4) GiB over
# 2 x (0.4 + 8 x 0.4) GiB, rounded down. What is asked for beyond that waits in its queue.
SKYPILOT_LAUNCHES = 8
LAUNCHES_AT_ONCE = min(LAUNCH_WAVE, SKYPILOT_LAUNCHES)
# A controller whose launches are all busy looks again after 30 seconds (sky/jobs/controller.py: monitor_loop), so a
# launch that gets free waits half of that on average.
NEXT_LAUNCH_SECONDS = 15.0
MIN_USEFUL_SHARE = (
    0.5  # a machine is started only if it is of use for this share of its cold start, or longer
)
# A rented machine is billed this long after its last shard: SkyPilot asks every 15 seconds whether its program has
# ended, and then terminates it. Assumed: no measurement was found.
TEARDOWN_SECONDS = 60.0


@dataclass(frozen=True, slots=True)
class Starting:
    """Machines of one kind that are to be started. Seconds, and tokens per second of one machine."""

    machines: int
    tokens_per_second: float
    launch: float  # for which it holds one of SkyPilot's launches
    ahead: float  # from its turn until it is there: the controller's start, and waiting for capacity
    cold_start: float  # from then until its first token


def waves_before(machines: int, before: int = 0, at_once: int = LAUNCHES_AT_ONCE) -> float:
    """Waves of launches that machines wait for on average, of which `before` others were asked for earlier.

    Of machines 0, 1, 2 … the number n waits for n // at_once waves.
    """
    if machines <= 0:
        return 0.0
    return (_sum_of_waves(before + machines, at_once) - _sum_of_waves(before, at_once)) / machines


def _sum_of_waves(count: int, at_once: int) -> int:
    full, rest = divmod(count, at_once)
    return at_once * full * (full - 1) // 2 + full * rest


def wave_seconds(launch: float) -> float:
    """Seconds of a wave: a launch, and until SkyPilot begins the next; 0 where launches do not wait for each other."""
    return launch + NEXT_LAUNCH_SECONDS if launch else 0.0


def mean_queue_seconds(kinds: Sequence[Starting]) -> list[float]:
    """How long the machines of each kind wait on average for their turn, asked for in this order."""
    total = sum(kind.machines for kind in kinds)
    if total <= LAUNCHES_AT_ONCE:
        return [0.0] * len(kinds)
    wave = sum(wave_seconds(kind.launch) * kind.machines for kind in kinds) / total
    waits, before = list[float](), 0
    for kind in kinds:
        waits.append(waves_before(kind.machines, before) * wave)
        before += kind.machines
    return waits


def last_launch_seconds(kinds: Sequence[Starting]) -> float:
    """When the last machine is launched, after the first; 0 where all start at once."""
    total = sum(kind.machines for kind in kinds)
    wave = sum(wave_seconds(kind.launch) * kind.machines for kind in kinds) / max(1, total)
    return (max(0, total - 1) // LAUNCHES_AT_ONCE) * wave


def is_worth_starting(
    cold_start: float, tokens_per_second: float, tokens_left: float, others_rate: float
) -> bool:
    """Whether a machine that is started now would be of use for long enough.

    `others_rate`: tokens per second of all machines that were started before.
    """
    if others_rate <= 0:
        return True
    useful = (tokens_left - others_rate * cold_start) / (others_rate + tokens_per_second)
    return useful >= MIN_USEFUL_SHARE * cold_start


def machines_started(kinds: Sequence[Starting], tokens: float) -> list[int]:
    """How many machines of each kind the policy starts before too little work is left for another one.

    Wave by wave, in the order of the kinds. A machine is asked for while those of the wave before it are launched.
    """
    started, total = [0] * len(kinds), sum(kind.machines for kind in kinds)
    wave = sum(wave_seconds(kind.launch) * kind.machines for kind in kinds) / max(1, total)
    at_once = LAUNCHES_AT_ONCE if wave else total
    asked_ahead = LAUNCH_WAVE // LAUNCHES_AT_ONCE - 1  # waves
    coming: list[tuple[float, float]] = []  # a heap: when machines begin to work, and their tokens per second
    asked_rate = working_rate = not_done = 0.0
    for number in range(-(-total // max(1, at_once))):
        asked, launched = max(0, number - asked_ahead) * wave, number * wave
        while coming and coming[0][0] <= asked:
            begin, rate = heappop(coming)
            working_rate, not_done = working_rate + rate, not_done + rate * begin
        left, free = tokens - (working_rate * asked - not_done), at_once
        for index, kind in enumerate(kinds):
            while free and started[index] < kind.machines and left > 0:
                if not is_worth_starting(kind.cold_start, kind.tokens_per_second, left, asked_rate):
                    break
                started[index], free = started[index] + 1, free - 1
                asked_rate += kind.tokens_per_second
                heappush(coming, (launched + kind.ahead + kind.cold_start, kind.tokens_per_second))
        if free == at_once:
            break
    return started
