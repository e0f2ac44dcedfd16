"""Names of workers, built and parsed: MACHINE-SLOT, then MACHINE-SLOTr1, MACHINE-SLOTr2 and so on for each restart.

Only a supervisor gives such names. On this computer a worker has the name of its machine, which may itself look like
MACHINE-SLOT: where machines are known by name, use `machine_and_slot`. Pure.
"""

import re
from collections.abc import Collection, Iterable
from dataclasses import dataclass

_PATTERN = re.compile(r"(?P<machine>.+)-(?P<slot>\d+)(?:r(?P<restart>\d+))?")


@dataclass(frozen=True, slots=True)
class WorkerName:
    """The parts of the name that a supervisor gave."""

    machine: str
    slot: int  # which of the machine's workers, from 0: one a GPU
    restart: int  # 0 for the first process of the slot

    def __str__(self) -> str:
        return worker_name(self.machine, self.slot, self.restart)


def worker_name(machine: str, slot: int, restart: int) -> str:
    """The name of a worker: NAME-0, then NAME-0r1, NAME-0r2 and so on."""
    return f"{machine}-{slot}" + (f"r{restart}" if restart else "")


def parse_worker(worker: str) -> WorkerName | None:
    """The parts of a worker's name; None when no supervisor gave it."""
    found = _PATTERN.fullmatch(worker)
    return found and WorkerName(found["machine"], int(found["slot"]), int(found["restart"] or 0))


def machine_of(worker: str) -> str | None:
    """The machine of a worker; None when no supervisor named it."""
    found = parse_worker(worker)
    return found and found.machine


def restart_of(worker: str) -> int:
    """How often the worker's slot had been restarted; 0 for a name that does not say."""
    found = parse_worker(worker)
    return found.restart if found else 0


def machine_and_slot(worker: str, machines: Iterable[str]) -> tuple[str, int]:
    """The machine that a worker is on, and its slot there; the worker itself and 0 when it is on none of `machines`."""
    if worker not in machines and (found := parse_worker(worker)) and found.machine in machines:
        return found.machine, found.slot
    return worker, 0


def free_restarts(workers: Collection[str], machine: str) -> dict[int, int]:
    """By slot of this machine, the first restart number that none of these workers has."""
    free: dict[int, int] = {}
    for worker in workers:
        found = parse_worker(worker)
        if found and found.machine == machine:
            free[found.slot] = max(free.get(found.slot, 0), found.restart + 1)
    return free
