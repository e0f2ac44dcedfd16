"""Crash markers: local files that list the shards in the engine and in the reader, so that a crash can be blamed on one.

A worker writes one before each call of its engine, and one before it reads each window of the input (a reader in C++
may end the process, too), and removes it afterwards. The supervisor, or the launcher of a local run, reads them when the
process is dead. Files of this machine, so they cost no request. A process that dies does not say in which thread: what
was in the engine is blamed beside what was being read. So a worker handles a shard that was blamed before on its own.

The place of a worker is its machine and its GPU. A shard is blamed for crashes only after they happened at two places,
or at the only one that works on the run: a sick GPU must not set the corpus aside.
"""

import os
import socket
from collections.abc import Sequence
from contextlib import suppress
from hashlib import blake2b
from pathlib import Path

from tasks.protocol import documents
from tasks.protocol.lease import Lease

NAME = "engine.json"
READER_NAME = "reader.json"
PLACE_NAME = "place"
SIGKILL = 9
CRASH_SIGNALS = frozenset({4, 6, 7, 8, 11})  # SIGILL, SIGABRT, SIGBUS, SIGFPE, SIGSEGV


def mark(scratch: Path, leases: Sequence[Lease], name: str = NAME) -> None:
    """Write the keys of these leases: the engine, or the reader, begins with their shards."""
    (scratch / name).write_bytes(documents.encode([lease.key for lease in leases]))


def clear(scratch: Path, name: str = NAME) -> None:
    """Remove the marker: the engine, or the reader, has finished with its shards."""
    (scratch / name).unlink(missing_ok=True)


def this_place() -> str:
    """The place of this process: 8 hexadecimal digits of its machine and its GPUs."""
    where = f"{socket.gethostname()}\n{os.environ.get('CUDA_VISIBLE_DEVICES', '')}"
    return blake2b(where.encode("utf-8", "surrogateescape"), digest_size=4).hexdigest()


def write_place(scratch: Path) -> None:
    """Write the place of this process, for the supervisor that finds it dead."""
    (scratch / PLACE_NAME).write_text(this_place(), encoding="ascii")


def blamed(scratch: Path) -> dict[str, str]:
    """Keys of the leases whose shards were in a dead worker's engine or its reader, each with its place."""
    place = ""
    with suppress(OSError, ValueError):
        place = (scratch / PLACE_NAME).read_text(encoding="ascii")
    return dict.fromkeys(marked(scratch) | marked(scratch, READER_NAME), place)


def marked(scratch: Path, name: str = NAME) -> frozenset[str]:
    """Keys of the leases whose shards were in a worker's engine, or its reader; empty when there were none."""
    with suppress(OSError, documents.BadDocument):
        return documents.decode((scratch / name).read_bytes(), frozenset[str], "a crash marker")
    return frozenset()


def died_of_its_work(status: int | None, oom_kills: int) -> bool:
    """Whether a process that ended with this exit status may have died of the shards it worked on.

    True when it crashed by itself, or when the kernel killed it for its memory (`oom_kills` since it started). False
    when somebody killed it or asked it to end: a machine that goes away is not the fault of a shard.
    """
    if status is None or status >= 0:
        return status == 1
    return -status in CRASH_SIGNALS or (-status == SIGKILL and oom_kills > 0)


def oom_kills() -> int:
    """How many processes the kernel has killed for want of memory since it booted; 0 where it does not say."""
    with suppress(OSError, ValueError):
        for line in Path("/proc/vmstat").read_text(encoding="ascii").splitlines():
            name, _, count = line.partition(" ")
            if name == "oom_kill":
                return int(count)
    return 0
