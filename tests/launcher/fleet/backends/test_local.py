"""Workers as processes of this machine, at the moments in which the system knows little of them."""

import subprocess
import sys
from collections.abc import Callable, Iterator
from pathlib import Path

import psutil
import pytest

from launcher.fleet.backends import local
from launcher.fleet.backends.base import MachineStatus
from launcher.fleet.backends.local import LocalBackend
from launcher.fleet.scheduling.states import Phase

WORKER = [sys.executable, "-c", "import time; time.sleep(60)", "tasks.worker", "w-1"]


@pytest.fixture
def worker() -> Iterator["subprocess.Popen[bytes]"]:
    with subprocess.Popen(WORKER) as process:
        yield process
        process.kill()


def without_command_line(looks: int) -> Callable[[int], psutil.Process]:
    """Processes whose command line is empty for so many looks, as of one that the system is loading."""
    left = [looks]

    class Starting(psutil.Process):
        def cmdline(self) -> list[str]:
            left[0] -= 1
            return [] if left[0] >= 0 else super().cmdline()

    return Starting


@pytest.mark.parametrize(("looks", "found"), [(0, True), (3, True), (10_000, False)])
def test_worker_that_has_just_been_started_is_not_gone(
    looks: int,
    found: bool,
    worker: "subprocess.Popen[bytes]",
    tmp_path: Path,
    monkeypatch: pytest.MonkeyPatch,
) -> None:
    monkeypatch.setattr(local.psutil, "Process", without_command_line(looks))
    status = LocalBackend(tmp_path).status(f"{worker.pid}:w-1")
    assert status == (MachineStatus(Phase.RUNNING) if found else None)
