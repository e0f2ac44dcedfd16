"""How fast machines are in this run, as a share of what was planned: from workers' first minutes, by GPU type. Pure."""

from collections import defaultdict
from collections.abc import Iterable, Mapping, Sequence

from launcher.fleet.scheduling.fleet_view import FleetGroup
from launcher.ledger.records import Machine
from launcher.steering.pace import SpeedSample, measured_speeds
from launcher.steering.situation import Speed
from launcher.throughput.calibration import FirstMinute
from tasks.protocol.messages.worker_names import machine_and_slot

SECONDS_PER_MINUTE = 60.0


def measured_pace(
    minutes: Iterable[FirstMinute], machines: Sequence[Machine], groups: Mapping[int, FleetGroup]
) -> Mapping[str, Speed]:
    """The speed of each GPU type over the planned one; types of which nothing was measured are left out.

    A machine counts once: the mean of its workers, each beside its share of the machine.
    """
    groups_of = {
        machine.name: groups[machine.lot]
        for machine in machines
        if machine.lot is not None and machine.lot in groups
    }
    found: dict[str, list[FirstMinute]] = defaultdict(list)
    for minute in minutes:
        machine, _ = machine_and_slot(minute.worker, groups_of.keys())
        if machine in groups_of and minute.tokens > 0 and minute.seconds > 0:
            found[machine].append(minute)
    samples: list[SpeedSample] = []
    for machine, mine in found.items():
        group = groups_of[machine]
        if group.tokens_per_second:
            rate = sum(minute.tokens / minute.seconds for minute in mine) / len(mine)
            planned = group.tokens_per_second / max(1, group.workers)
            seconds = sum(minute.seconds for minute in mine)
            samples.append(SpeedSample(group.gpu, machine, rate / planned, seconds / SECONDS_PER_MINUTE))
    return measured_speeds(samples)
