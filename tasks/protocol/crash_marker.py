"""Which shards the engine has in its grip right now, and whether a process that ended may have died of them.

In a file of this machine, so it costs no request: whoever buries the process reads it.
"""

import json
from collections.abc import Sequence
from contextlib import suppress
from pathlib import Path

from tasks.protocol.lease import Lease

NAME = "engine.json"


def take(scratch: Path, leases: Sequence[Lease]) -> None:
    """The engine begins with these."""
    (scratch / NAME).write_text(json.dumps([lease.key for lease in leases]), encoding="utf-8")


def release(scratch: Path) -> None:
    """The engine is through with them."""
    (scratch / NAME).unlink(missing_ok=True)


def held(scratch: Path) -> frozenset[str]:
    """Keys of the leases whose shards a dead worker's engine had; none where it died of something else."""
    with suppress(OSError, ValueError):
        return frozenset(json.loads((scratch / NAME).read_text(encoding="utf-8")))
    return frozenset()


def guilty(status: int | None, oom_kills: int) -> bool:
    """Whether a process that ended so may have died of what it worked on.

    It has where it crashed by itself or the kernel took it for its memory (`oom_kills` since it started). It has not
    where somebody killed it or told it to end: a machine that goes away is nobody's fault.
    """
    if status is None or status >= 0:
        return status == 1
    return -status in CRASHES or (-status == SIGKILL and oom_kills > 0)


SIGKILL = 9
CRASHES = frozenset({4, 6, 7, 8, 11})  # SIGILL, SIGABRT, SIGBUS, SIGFPE, SIGSEGV


def oom_kills() -> int:
    """Processes that the kernel has killed for want of memory since it booted; 0 where nobody tells."""
    with suppress(OSError, ValueError):
        for line in Path("/proc/vmstat").read_text(encoding="ascii").splitlines():
            name, _, count = line.partition(" ")
            if name == "oom_kill":
                return int(count)
    return 0
