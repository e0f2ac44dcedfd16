"""."""

import re
from collections.abc import Collection, Iterable

WORKER = re.compile(r"(.+)-(\d+)(?:r\d+)?")  # of several on one machine: see tasks/restart.py


def lane_of(worker: str, names: Iterable[str]) -> tuple[str, int]:
    """The machine that a worker is on, and which of its workers it is."""
    if worker not in names and (found := WORKER.fullmatch(worker)) and found[1] in names:
        return found[1], int(found[2])
    return worker, 0


def name_of(machine: str, slot: int, life: int) -> str:
    """A worker's name: NAME-0, then NAME-0r1, NAME-0r2 and so on."""
    return f"{machine}-{slot}" + (f"r{life}" if life else "")


def next_lives(workers: Collection[str], machine: str) -> dict[int, int]:
    """By slot of this machine, the first life that none of these workers was."""
    lives: dict[int, int] = {}
    for worker in workers:
        found = re.fullmatch(rf"{re.escape(machine)}-(\d+)(?:r(\d+))?", worker)
        if found:
            slot, life = int(found[1]), int(found[2] or 0)
            lives[slot] = max(lives.get(slot, 0), life + 1)
    return lives


def machine_of(worker: str) -> str | None:
    """The machine of a worker that a supervisor named; None of another name."""
    found = re.fullmatch(r"(.+)-\d+(?:r\d+)?", worker)
    return found[1] if found else None
