"""The safety net: whether on-demand machines alone, asked for from now on, would still keep the deadline. Pure.

Closed form, and a promise for every behaviour of spot: speed at its slow end (P10), cold start at its slow end (P90), the
tail of one shard, the rate at which SkyPilot brings machines up, and the work at its P90. An on-demand machine that was
started loses no margin; each one that was not loses its speed every second; spot that works gives it back.
"""

from collections.abc import Sequence
from dataclasses import dataclass

from launcher.steering.situation import Kind, Machine, MachinePhase, Steering

UNKNOWN_REST = 60.0  # seconds until a machine works that is later than the P90 of cold starts


@dataclass(frozen=True, slots=True)
class SafetyNet:
    """How the net stands. Tokens, and tokens a second.

    `margin`: tokens that on demand could do until the deadline beyond those that are left. `free`: machines that are not
    started yet, as (kind, machines), the cheapest a token first. `free_rate`: their speed together, at the slow end.
    `in_time`: how many of them SkyPilot brings up early enough to work before the deadline.
    """

    margin: float
    free: tuple[tuple[int, int], ...]
    free_rate: float
    in_time: int

    @property
    def machines(self) -> int:
        return sum(count for _, count in self.free)

    @property
    def margin_seconds(self) -> float | None:
        """How long the net can wait before it must be started in full; None: nothing is there to start."""
        return self.margin / self.free_rate if self.free_rate else None


def seconds_to_work(machine: Machine, kind: Kind, answer_seconds: float) -> float:
    """Seconds until a machine embeds, at the slow end."""
    if machine.phase == MachinePhase.WORKING:
        return 0.0
    if machine.phase == MachinePhase.COLD:
        return max(UNKNOWN_REST, kind.cold_start_p90 - machine.seconds)
    return max(UNKNOWN_REST, answer_seconds - machine.seconds) + kind.cold_start_p90


def safety_net(
    started: Sequence[tuple[Machine, Kind]],
    free: Sequence[tuple[Kind, int]],
    *,
    seconds_left: float,
    tokens_left: float,
    steering: Steering,
    queue: Sequence[str] = (),
) -> SafetyNet:
    """The net of on-demand machines: those that were `started`, and those that may be, by kind.

    `queue`: names of all machines that are asked for and not there, spot included, the oldest first: SkyPilot launches
    them one after another.
    """
    reach = seconds_left - steering.shard_seconds
    places = {name: number for number, name in enumerate(queue)}
    done = 0.0
    for machine, kind in started:
        wait = seconds_to_work(machine, kind, steering.answer_seconds)
        wait += places.get(machine.name, 0) / steering.launches_per_second
        done += kind.tokens_per_second_p10 * max(0.0, reach - wait)
    ahead, rate, in_time = float(len(queue)), 0.0, 0
    for kind, count in free:
        works = reach - steering.answer_seconds - kind.cold_start_p90  # of a machine that is launched at once
        # Machine number n of those that are not started waits for n launches: k^2 / (2 L) machine-seconds for k.
        launched = works * steering.launches_per_second if works > 0 else 0.0
        machines = int(min(count, max(0.0, launched - ahead)))
        ramp = (ahead + machines / 2) / steering.launches_per_second
        done += kind.tokens_per_second_p10 * machines * (works - ramp)
        rate += kind.tokens_per_second_p10 * count
        ahead += count
        in_time += machines
    return SafetyNet(done - tokens_left, tuple((kind.number, count) for kind, count in free), rate, in_time)
