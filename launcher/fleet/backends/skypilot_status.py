"""SkyPilot's managed jobs as machines: what a job's status means, why it recovers, and which log lines are its own.

Pure, and imports nothing of SkyPilot: names are enough. A test compares the table with the installed SkyPilot, and
fails when it has a status that is not here.
"""

import re
from collections.abc import Mapping, Sequence
from dataclasses import dataclass, replace
from datetime import UTC, datetime
from typing import Annotated

import msgspec

from launcher.fleet.backends.base import MachineStatus
from launcher.fleet.backends.skypilot_errors import ANSI_ESCAPE, one_line
from launcher.fleet.scheduling.states import Phase
from launcher.ledger.records import MachineState, Site
from tasks.skypilot_task import CLOUDS_WITHOUT_SPOT

# The phase of a machine whose job has not ended.
PHASE_OF_STATUS: Mapping[str, Phase] = {
    "PENDING": Phase.WAITING,
    "SUBMITTED": Phase.WAITING,  # of older servers
    "STARTING": Phase.WAITING,
    "RUNNING": Phase.RUNNING,  # setup is part of it
    "WINDING_DOWN": Phase.RUNNING,
    "RECOVERING": Phase.RECOVERING,
    "CANCELLING": Phase.ENDING,
}
# The state of a machine whose job has ended, and why it ended.
END_OF_STATUS: Mapping[str, tuple[MachineState, str]] = {
    "SUCCEEDED": (MachineState.STOPPED, "it ended"),
    "CANCELLED": (MachineState.STOPPED, "it was cancelled"),
    "FAILED": (MachineState.LOST, "its workers failed"),
    "FAILED_SETUP": (MachineState.FAILED, "setup failed"),
    "FAILED_PRECHECKS": (MachineState.FAILED, "SkyPilot cannot launch it"),
    "FAILED_NO_RESOURCE": (MachineState.LOST, "no place had one"),
    "FAILED_CONTROLLER": (MachineState.LOST, "SkyPilot's controller failed"),
}

USER_JOB_FAILURE = (
    "USER_JOB_FAILURE"  # code of the event of a job that starts again because its program failed
)
BACKOFF_REASON = "backoff"  # in the reason of the event between two rounds of a launch (sky/jobs/state.py)
EXIT_CODE_TEXT = re.compile(r"Job exited with exit code (\d+)")
LAST_SECOND = 7_258_118_400.0  # 2200-01-01; a later time would overflow what is computed with it
SIGNAL_EXIT_BASE = 128  # exit statuses above it are a signal's
LINE_PREFIX = re.compile(
    r"^\((?:[\w.-]+, )?[\w.-]+,? pid=\d+(?:, ip=[\d.]+)?\) ?"
)  # SkyPilot's mark of who said a line
CLIENT_LINES = ("├──", "└──", "✓ ", "✗ ", "⚙", "📋", "To view", "To stream", "Tailing ", "Using SkyPilot API")


Seconds = Annotated[float, msgspec.Meta(le=LAST_SECOND)]  # since 1970


@dataclass(frozen=True, slots=True)
class ManagedJob:
    """A managed job. Times are seconds since 1970, as SkyPilot has them."""

    id: int
    name: str
    status: str
    recoveries: int = 0
    cloud: str | None = None
    region: str | None = None
    zone: str | None = None
    started: Seconds | None = None  # when its first machine was ready for the program
    recovered: Seconds | None = None  # when its latest machine was
    ended: Seconds | None = None
    reason: str | None = None
    run: str | None = None  # by its label

    @property
    def alive(self) -> bool:
        return self.status not in END_OF_STATUS

    @property
    def site(self) -> Site | None:
        """Where its machine is, or where SkyPilot is looking for one."""
        if not self.cloud or not self.region:
            return None
        return Site(self.cloud.lower(), self.region, self.zone)


@dataclass(frozen=True, slots=True)
class JobFault:
    """Why SkyPilot restarts a job although its machine was not preempted."""

    reason: str
    exit_code: int | None = None  # of the program; None: setup failed


def parse_fault(code: str | None, reason: str | None) -> JobFault | None:
    """The fault that SkyPilot's event of a recovery reports; None: the machine was preempted.

    A program that was killed (an exit code above 128) was most likely on a machine that got a preemption notice.
    """
    if code != USER_JOB_FAILURE:
        return None
    exited = EXIT_CODE_TEXT.match(reason or "")
    if exited is None:
        return JobFault("setup failed" if "(FAILED_SETUP)" in (reason or "") else "what runs on it failed")
    status = int(exited[1])
    return None if status > SIGNAL_EXIT_BASE else JobFault("its workers failed", status)


def was_refused(events: Sequence[tuple[str, str]]) -> bool:
    """Whether no place had a machine for a job, by its events: new status and reason, the latest first.

    SkyPilot's first launch asks without limit; between two rounds it sets the job back to PENDING with a reason. A job
    that is held back for another reason, such as a queue that admits jobs, was not refused.
    """
    for status, reason in events:
        if status in ("RUNNING", "SUCCEEDED"):
            return False
        if status == "PENDING" and BACKOFF_REASON in reason.lower():
            return True
    return False


def machine_status(
    job: ManagedJob,
    placed: float | None,
    purchase: str | None,
    fault: JobFault | None = None,
    *,
    refused: bool = False,
) -> MachineStatus:
    """A job as a machine. `placed`: when a machine in its present place was first seen to be launching.

    A job that waits again after it ran (SkyPilot's back-off between two rounds of a recovery) is a machine that recovers.

    A machine whose job has a `fault` is paid for until the job has been cancelled.
    """
    site = job.site and replace(job.site, purchase=purchase)
    up = _ready_since(job, placed)
    if not job.alive:
        return _ended(job, site, up, fault)
    phase = Phase.FAILING if fault else PHASE_OF_STATUS.get(job.status, Phase.RUNNING)
    if phase == Phase.WAITING and up is not None:
        phase = Phase.RECOVERING
    return MachineStatus(
        phase,
        life=job.recoveries,
        site=site,
        up=up,
        launching_since=None if placed is None else _time(placed),
        refused=refused and phase == Phase.WAITING,
    )


def _ready_since(job: ManagedJob, placed: float | None) -> datetime | None:
    """When the present machine of a job was ready; None: it was not, or is not known to be."""
    if job.recoveries and job.recovered and job.recovered > 0:
        return _time(job.recovered)
    if job.started and job.started > 0:
        return _time(min(job.started, placed) if placed else job.started)
    return None


def _ended(job: ManagedJob, site: Site | None, up: datetime | None, fault: JobFault | None) -> MachineStatus:
    """The machine of a job that has ended. A job with a fault that was not cancelled went on after it."""
    state, reason = END_OF_STATUS[job.status]
    code = 0 if job.status == "SUCCEEDED" else None
    if fault and job.status == "CANCELLED":
        state, reason, code = MachineState.FAILED, fault.reason, fault.exit_code
    elif job.reason:
        reason = f"{reason}: {one_line(job.reason)}"
    return MachineStatus(
        phase=None,
        state=state,
        exit_code=code,
        reason=reason,
        life=job.recoveries,
        site=site,
        up=up,
        ended=_time(job.ended) if job.ended else None,
    )


def last_program_lines(log: str, count: int = 6) -> list[str]:
    """The last lines in a job's log by the machine's own programs."""
    lines = [ANSI_ESCAPE.sub("", line).rstrip() for line in log.replace("\r", "\n").splitlines()]
    said = [
        LINE_PREFIX.sub("", line)
        for line in lines
        if line.strip() and not line.lstrip().startswith(CLIENT_LINES)
    ]
    return said[-count:]


def program_lines(log: str) -> str:
    """The lines in a jobs controller's log by the machine's own programs."""
    lines = [ANSI_ESCAPE.sub("", line) for line in log.replace("\r", "\n").splitlines()]
    return "\n".join(line for line in lines if LINE_PREFIX.match(line))


def purchase_kind(cloud: str, zone: str | None, *, spot: bool) -> str:
    """Whether a machine is "spot" or "on-demand". On Slurm, its partition's name says whether jobs are preempted."""
    if cloud in CLOUDS_WITHOUT_SPOT:
        return "spot" if zone == "spot" else "on-demand"
    return "spot" if spot else "on-demand"


def _time(seconds: float) -> datetime:
    return datetime.fromtimestamp(seconds, UTC)
