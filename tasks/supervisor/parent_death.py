"""Run COMMAND so that it gets SIGTERM when its parent dies: `python -m tasks.supervisor.parent_death PARENT COMMAND…`.

Linux alone offers this: see PR_SET_PDEATHSIG in prctl(2), which lasts through exec. Elsewhere COMMAND outlives its
parent. A program of its own, for a process that has threads may run no Python between fork and exec.
"""

import ctypes
import os
import signal
import sys

PR_SET_PDEATHSIG = 1  # linux/prctl.h


def main() -> None:
    """Ask for SIGTERM at the death of PARENT, a process id, then become COMMAND."""
    parent, command = int(sys.argv[1]), sys.argv[2:]
    if sys.platform == "linux":
        libc = ctypes.CDLL(None, use_errno=True)
        if libc.prctl(PR_SET_PDEATHSIG, int(signal.SIGTERM), 0, 0, 0):
            number = ctypes.get_errno()
            raise OSError(number, os.strerror(number))
    if os.getppid() != parent:
        sys.exit("the process that started this one is gone already")
    os.execv(command[0], command)  # noqa: S606 - no shell is the point


if __name__ == "__main__":
    main()
