"""A fleet carried out machine by machine: launches, starts, leases of shards, preemptions, new starts, the last shards.

Knows nothing of the planner: machines take one shard after the other from a common queue, a preempted one loses the
shard in hand and starts again, and each is paid from launch to stop. Times are hours from the launch of the run.
"""

import heapq
import random
from collections.abc import Callable, Sequence
from dataclasses import dataclass

MOST_SHARDS = (
    20_000  # of a simulated run; larger runs have larger shards, which loses nothing but the finest tail
)
PARALLEL_LAUNCHES = 16  # machines that are brought up at a time; the others wait for their turn
LAUNCH_HOURS = 100 / 3600  # that a launch holds its turn: SkyPilot's provisioning of one machine
TEARDOWN_HOURS = 60 / 3600  # paid after the last shard
CONTROLLER_IDLE_HOURS = 10 / 60  # paid after the last machine


@dataclass(frozen=True)
class MachineKind:
    """A number of equal machines. Prices are the true ones, in USD per machine-hour."""

    count: int
    tokens_per_hour: float  # of a machine
    usd_per_hour: float
    preemptions_per_hour: float
    start_hours: Callable[[], float]  # draws a start: boot, setup, download and engine, without waiting
    wait_hours: Callable[[], float]  # draws a wait for capacity


@dataclass(frozen=True)
class Outcome:
    """What a simulated run took."""

    hours: float
    machine_usd: float
    machine_hours: float
    preemptions: int
    controller_hours: float


def run(
    kinds: Sequence[MachineKind], tokens: float, dice: random.Random, controller_start: float = 0.0
) -> Outcome:
    """Carry out the work and return what it took. `controller_start` is hours before the first machine is launched."""
    fleet = [kind for kind in kinds for _ in range(kind.count)]
    slowest = min(kind.tokens_per_hour for kind in kinds)
    left = max(1, min(MOST_SHARDS, round(tokens / (slowest / 60))))  # a minute of the slowest
    shard = tokens / left
    launched = _launches(fleet, controller_start)
    events: list[tuple[float, int]] = []  # (when a machine asks for a shard, its number)
    taken_at = [0.0] * len(fleet)  # when the next preemption comes
    for number, kind in enumerate(fleet):
        ready = launched[number] + kind.start_hours()
        taken_at[number] = launched[number] + _lifetime(kind, dice)
        heapq.heappush(events, (ready, number))
    preemptions, paid, usd, last = 0, 0.0, 0.0, 0.0
    done: list[int] = []  # machines that found no shard: they wait until the last one is finished elsewhere
    while events:
        now, number = heapq.heappop(events)
        kind = fleet[number]
        busy = shard / kind.tokens_per_hour
        if left == 0:
            done.append(number)
        elif taken_at[number] < now + busy:  # its shard is open again, and so is its place in the fleet
            preemptions += 1
            hours = taken_at[number] - launched[number]
            paid, usd = paid + hours, usd + hours * kind.usd_per_hour
            launched[number] = taken_at[number] + kind.wait_hours()
            taken_at[number] = launched[number] + _lifetime(kind, dice)
            heapq.heappush(events, (launched[number] + kind.start_hours(), number))
        else:
            left -= 1
            last = max(last, now + busy)
            heapq.heappush(events, (now + busy, number))
    for number in done:
        end = min(taken_at[number], last + TEARDOWN_HOURS)
        hours = max(0.0, end - launched[number])
        paid, usd = paid + hours, usd + hours * fleet[number].usd_per_hour
    return Outcome(last, usd, paid, preemptions, last + CONTROLLER_IDLE_HOURS)


def _launches(fleet: Sequence[MachineKind], after: float) -> list[float]:
    """When each machine begins to be paid: launches take turns, and a launch may wait for capacity."""
    turns = [after] * min(PARALLEL_LAUNCHES, len(fleet))
    out: list[float] = []
    for kind in fleet:
        begun = heapq.heappop(turns)
        heapq.heappush(turns, begun + LAUNCH_HOURS)
        out.append(begun + kind.wait_hours())
    return out


def _lifetime(kind: MachineKind, dice: random.Random) -> float:
    return dice.expovariate(kind.preemptions_per_hour) if kind.preemptions_per_hour > 0 else float("inf")
