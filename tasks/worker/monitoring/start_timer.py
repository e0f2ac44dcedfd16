"""How long each stage of a worker's start took: `tasks.protocol.start_stages`.

What came before the process is known only on a machine that the SkyPilot task has set up: its script hands over when the
setup began and ended, to the first worker of each slot alone, because a worker that starts again waits for neither.
"""

import os
import time
from collections.abc import Callable, Mapping
from dataclasses import dataclass, field
from pathlib import Path
from threading import Lock

import psutil

from tasks.protocol.start_stages import StartSeconds, StartStage

SETUP_VARIABLE = "EMBEDFLEET_SETUP"  # "STARTED ENDED" of the machine's setup, in seconds since 1970
# A machine that had been up for longer before its setup was not booted for us: its boot is not a part of our start.
LONGEST_BOOT_SECONDS = 3_600.0
CONTAINER_MARKS = (Path("/.dockerenv"), Path("/run/.containerenv"))  # of Docker and of Podman
KUBERNETES_VARIABLE = "KUBERNETES_SERVICE_HOST"


@dataclass(slots=True)
class StartTimer:
    """Times one stage after another, in one thread; any thread may ask for the `seconds` so far."""

    clock: Callable[[], float] = time.perf_counter
    on_stage: Callable[[StartStage], None] = lambda _stage: None
    known: StartSeconds = field(default_factory=dict[str, float])  # of stages before the first
    _seconds: dict[str, float] = field(default_factory=dict[str, float])
    _stage: StartStage | None = None
    _since: float = 0.0
    _lock: Lock = field(default_factory=Lock)

    def begin(self, stage: StartStage) -> None:
        """End the present stage, and begin another."""
        self.end()
        self._stage, self._since = stage, self.clock()
        self.on_stage(stage)

    def end(self) -> None:
        """End the present stage, if there is one. Ending it again changes nothing."""
        with self._lock:
            stage, self._stage = self._stage, None
            if stage is not None:
                self._seconds[stage] = round(self.clock() - self._since, 3)

    def seconds(self) -> dict[str, float]:
        """Seconds of each stage that is over."""
        with self._lock:
            return {**self.known, **self._seconds}


def before_process(
    environment: Mapping[str, str] = os.environ, boot_time: float | None = None
) -> StartSeconds:
    """Seconds of `boot` and `setup`, as far as this machine can know them.

    `boot_time` is that of the kernel in seconds since 1970; None: as the kernel says, which in a container is the boot
    of a machine that others use, too.
    """
    began, ended = _setup_times(environment.get(SETUP_VARIABLE, ""))
    found: dict[str, float] = {}
    if began is None or ended is None:
        return found
    if boot_time is None and not _in_container(environment):
        boot_time = psutil.boot_time()
    if boot_time is not None and 0 <= began - boot_time <= LONGEST_BOOT_SECONDS:
        found["boot"] = round(began - boot_time, 3)
    if ended >= began:
        found["setup"] = round(ended - began, 3)
    return found


def process_seconds() -> float:
    """How long ago this process began."""
    return max(0.0, round(time.time() - psutil.Process().create_time(), 3))


def _setup_times(text: str) -> tuple[float | None, float | None]:
    words = text.split()
    if len(words) != 2 or not all(word.isdecimal() for word in words):
        return None, None
    return float(words[0]), float(words[1])


def _in_container(environment: Mapping[str, str]) -> bool:
    return KUBERNETES_VARIABLE in environment or any(mark.exists() for mark in CONTAINER_MARKS)
