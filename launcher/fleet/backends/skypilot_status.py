"""SkyPilot's words in ours: what its job statuses mean for a machine, and what its errors mean for a person.

Pure, and imports nothing of SkyPilot: names are enough. A test holds both tables against the installed SkyPilot, and
fails when it grows a status or an error that is not here.
"""

import re
from collections.abc import Mapping
from dataclasses import dataclass
from datetime import UTC, datetime
from enum import StrEnum

from launcher.errors import Problem
from launcher.fleet.backends.base import MachineStatus
from launcher.fleet.states import Phase
from launcher.ledger.records import MachineState, Site
from tasks.skypilot_task import SPOTLESS

# What a managed job's status says of its machine, while the job has not ended.
PHASE_OF_STATUS: Mapping[str, Phase] = {
    "PENDING": Phase.WAITING,
    "SUBMITTED": Phase.WAITING,  # of older servers
    "STARTING": Phase.WAITING,
    "RUNNING": Phase.RUNNING,  # setup is part of it
    "WINDING_DOWN": Phase.RUNNING,
    "RECOVERING": Phase.RECOVERING,
    "CANCELLING": Phase.ENDING,
}
# What became of it, and why, once it has.
END_OF_STATUS: Mapping[str, tuple[MachineState, str]] = {
    "SUCCEEDED": (MachineState.STOPPED, "it ended"),
    "CANCELLED": (MachineState.STOPPED, "it was cancelled"),
    "FAILED": (MachineState.LOST, "its workers failed"),
    "FAILED_SETUP": (MachineState.FAILED, "setup failed"),
    "FAILED_PRECHECKS": (MachineState.FAILED, "SkyPilot cannot launch it"),
    "FAILED_NO_RESOURCE": (MachineState.LOST, "no place had one"),
    "FAILED_CONTROLLER": (MachineState.LOST, "SkyPilot's controller failed"),
}


class ErrorKind(StrEnum):
    """Which sort of trouble an error of SkyPilot is, and so what to try."""

    SERVER = "SkyPilot's API server cannot be reached"
    VERSION = "SkyPilot's API server is of another version"
    ACCESS = "SkyPilot may not use the cloud"
    ASKED = "SkyPilot cannot do what was asked"
    NONE_LEFT = "no place has such a machine"
    GONE = "what was asked about is not there any more"
    STORAGE = "SkyPilot cannot use a bucket"
    BUSY = "SkyPilot is busy"
    INSIDE = "SkyPilot failed"


HINTS: Mapping[ErrorKind, str] = {
    ErrorKind.SERVER: "sky api start, or check the address: sky api info",
    ErrorKind.VERSION: "install the server's version: embedfleet doctor names both",
    ErrorKind.ACCESS: "sky check, then mend what it says of the cloud",
    ErrorKind.ASKED: "embedfleet launch PLAN --dry-run shows what is asked of it",
    ErrorKind.NONE_LEFT: "plan again with more regions or GPUs in limits",
    ErrorKind.GONE: "sky jobs queue shows what is there",
    ErrorKind.STORAGE: "sky check, then mend what it says of storage",
    ErrorKind.BUSY: "the same command again, a minute later",
    ErrorKind.INSIDE: "sky api logs has more; then the same command again",
}

# Every error that SkyPilot raises, by name.
ERROR_KINDS: Mapping[str, ErrorKind] = {
    "APINotSupportedError": ErrorKind.VERSION,
    "APIVersionMismatchError": ErrorKind.VERSION,
    "AWSAzFetchingError": ErrorKind.ACCESS,
    "ApiServerAuthenticationError": ErrorKind.ACCESS,
    "ApiServerConnectionError": ErrorKind.SERVER,
    "CachedClusterUnavailable": ErrorKind.GONE,
    "ClientError": ErrorKind.SERVER,
    "CloudError": ErrorKind.INSIDE,
    "CloudUserIdentityError": ErrorKind.ACCESS,
    "ClusterDoesNotExist": ErrorKind.GONE,
    "ClusterNotUpError": ErrorKind.GONE,
    "ClusterOwnerIdentityMismatchError": ErrorKind.ACCESS,
    "ClusterSetUpError": ErrorKind.INSIDE,
    "ClusterStatusFetchingError": ErrorKind.INSIDE,
    "CommandError": ErrorKind.INSIDE,
    "CommandFailureException": ErrorKind.INSIDE,
    "ConcurrentWorkerExhaustedError": ErrorKind.BUSY,
    "ExecutionPausedError": ErrorKind.BUSY,
    "ExecutionPoolFullError": ErrorKind.BUSY,
    "ExecutionRetryableError": ErrorKind.BUSY,
    "FetchClusterInfoError": ErrorKind.INSIDE,
    "GitError": ErrorKind.INSIDE,
    "InconsistentHighAvailabilityError": ErrorKind.ASKED,
    "InvalidCloudConfigs": ErrorKind.ASKED,
    "InvalidCloudCredentials": ErrorKind.ACCESS,
    "InvalidClusterNameError": ErrorKind.ASKED,
    "InvalidRecipeNameError": ErrorKind.ASKED,
    "InvalidSkyPilotConfigError": ErrorKind.ASKED,
    "InvalidWorkspaceNameError": ErrorKind.ASKED,
    "KubeAPIUnreachableError": ErrorKind.ACCESS,
    "KubernetesValidationError": ErrorKind.ASKED,
    "ManagedJobReachedMaxRetriesError": ErrorKind.NONE_LEFT,
    "ManagedJobStatusError": ErrorKind.INSIDE,
    "ManagedJobUserCancelledError": ErrorKind.GONE,
    "NetworkError": ErrorKind.SERVER,
    "NoCloudAccessError": ErrorKind.ACCESS,
    "NoClusterLaunchedError": ErrorKind.NONE_LEFT,
    "NoWorkspaceAccessError": ErrorKind.ACCESS,
    "NonExistentStorageAccountError": ErrorKind.STORAGE,
    "NotSupportedError": ErrorKind.ASKED,
    "PermissionDeniedError": ErrorKind.ACCESS,
    "PoolDoesNotExistError": ErrorKind.GONE,
    "PortDoesNotExistError": ErrorKind.GONE,
    "ProvisionPrechecksError": ErrorKind.ASKED,
    "ProvisionUnsupportedError": ErrorKind.ASKED,
    "RecipeAlreadyExistsError": ErrorKind.ASKED,
    "RequestAlreadyExistsError": ErrorKind.BUSY,
    "RequestCancelled": ErrorKind.INSIDE,
    "RequestInterruptedError": ErrorKind.SERVER,
    "ResourcesMismatchError": ErrorKind.ASKED,
    "ResourcesUnavailableError": ErrorKind.NONE_LEFT,
    "RestfulPolicyError": ErrorKind.ASKED,
    "ServeUserTerminatedError": ErrorKind.GONE,
    "ServerTemporarilyUnavailableError": ErrorKind.SERVER,
    "SkyPilotExcludeArgsBaseException": ErrorKind.INSIDE,
    "SkyletInternalError": ErrorKind.INSIDE,
    "SkyletMethodNotImplementedError": ErrorKind.VERSION,
    "SkyletUnavailableError": ErrorKind.INSIDE,
    "StorageBucketCreateError": ErrorKind.STORAGE,
    "StorageBucketDeleteError": ErrorKind.STORAGE,
    "StorageBucketGetError": ErrorKind.STORAGE,
    "StorageError": ErrorKind.STORAGE,
    "StorageExternalDeletionError": ErrorKind.STORAGE,
    "StorageInitError": ErrorKind.STORAGE,
    "StorageModeError": ErrorKind.STORAGE,
    "StorageNameError": ErrorKind.STORAGE,
    "StorageSourceError": ErrorKind.STORAGE,
    "StorageSpecError": ErrorKind.STORAGE,
    "StorageUploadError": ErrorKind.STORAGE,
    "UserRequestRejectedByPolicy": ErrorKind.ASKED,
    "VolumeNotFoundError": ErrorKind.GONE,
    "VolumeNotReadyError": ErrorKind.BUSY,
    "VolumeTopologyConflictError": ErrorKind.ASKED,
    "WorkspaceAmbiguousError": ErrorKind.ASKED,
}

USER_JOB_FAILURE = (
    "USER_JOB_FAILURE"  # code of the event of a job that starts again because its program failed
)
EXIT_CODE_TEXT = re.compile(r"Job exited with exit code (\d+)")
SIGNAL_EXIT_BASE = 128  # exit statuses above it are a signal's

MAX_MESSAGE_CHARACTERS = 300  # characters of SkyPilot's own words in one of our messages
ANSI_ESCAPE = re.compile(r"\x1b\[[0-9;?]*[A-Za-z]")
LINE_PREFIX = re.compile(
    r"^\((?:[\w.-]+, )?[\w.-]+,? pid=\d+(?:, ip=[\d.]+)?\) ?"
)  # SkyPilot's mark of who said a line
CLIENT_LINES = ("├──", "└──", "✓ ", "✗ ", "⚙", "📋", "To view", "To stream", "Tailing ", "Using SkyPilot API")


@dataclass(frozen=True, slots=True)
class ManagedJob:
    """What is read of a managed job. Times are seconds since 1970, as SkyPilot has them."""

    id: int
    name: str
    status: str
    recoveries: int
    cloud: str | None
    region: str | None
    zone: str | None
    started: float | None  # when its first machine was ready for the program
    recovered: float | None  # when its latest was
    ended: float | None
    reason: str | None
    run: str | None  # by its label

    @property
    def alive(self) -> bool:
        return self.status not in END_OF_STATUS

    @property
    def site(self) -> Site | None:
        """Where its machine is, or is being looked for."""
        if not self.cloud or not self.region:
            return None
        return Site(self.cloud.lower(), self.region, self.zone)


@dataclass(frozen=True, slots=True)
class JobFault:
    """Why SkyPilot starts a job's machine again although its place did not take it away."""

    reason: str
    code: int | None = None  # exit status of what ran on it; None: setup had none


def parse_fault(code: str | None, reason: str | None) -> JobFault | None:
    """What SkyPilot's event says of a job that is recovering; None: its machine was taken away.

    A program that somebody killed (an exit status above 128) was most likely on a machine that was warned.
    """
    if code != USER_JOB_FAILURE:
        return None
    exited = EXIT_CODE_TEXT.match(reason or "")
    if exited is None:
        return JobFault("setup failed" if "(FAILED_SETUP)" in (reason or "") else "what runs on it failed")
    status = int(exited[1])
    return None if status > SIGNAL_EXIT_BASE else JobFault("its workers failed", status)


def machine_status(
    job: ManagedJob, placed: float | None, purchase: str | None, fault: JobFault | None = None
) -> MachineStatus:
    """A job as a machine. `placed`: when a machine in its present place was first seen to be on its way.

    One with a `fault` is paid for until its job has been cancelled.
    """
    found = job.site
    site = found and Site(found.cloud, found.region, found.zone, purchase)
    up = None
    if job.recoveries and job.recovered and job.recovered > 0:
        up = job.recovered
    elif job.started and job.started > 0:
        up = min(job.started, placed) if placed else job.started
    began = None if up is None else _time(up)
    if job.alive:
        coming = None if placed is None else _time(placed)
        phase = Phase.FAILING if fault else PHASE_OF_STATUS.get(job.status, Phase.RUNNING)
        return MachineStatus(phase, None, None, None, job.recoveries, site, began, launching_since=coming)
    ours = fault if job.status == "CANCELLED" else None  # one that started again may have got further
    state, reason = (MachineState.FAILED, ours.reason) if ours else END_OF_STATUS[job.status]
    if job.reason and not ours:
        reason = f"{reason}: {one_line(job.reason)}"
    ended = None if not job.ended else _time(job.ended)
    code = 0 if job.status == "SUCCEEDED" else ours.code if ours else None
    return MachineStatus(None, state, code, reason, job.recoveries, site, began, ended)


def explain_error(error: BaseException, doing: str) -> Problem:
    """An error of SkyPilot for a person: what we were doing, what it said, what to try."""
    names = [kind.__name__ for kind in type(error).__mro__]
    kind = next((ERROR_KINDS[name] for name in names if name in ERROR_KINDS), ErrorKind.INSIDE)
    said = one_line(str(error)) or type(error).__name__
    return Problem(f"{doing}: {kind}: {said}", hint=HINTS[kind])


def one_line(text: str) -> str:
    """One line of what SkyPilot said, without colours, and not too long."""
    line = " ".join(ANSI_ESCAPE.sub("", text).split())
    return line if len(line) <= MAX_MESSAGE_CHARACTERS else f"{line[: MAX_MESSAGE_CHARACTERS - 1]}…"


def last_program_lines(log: str, count: int = 6) -> list[str]:
    """The last lines that the machine's own programs said, of a job's log."""
    lines = [ANSI_ESCAPE.sub("", line).rstrip() for line in log.replace("\r", "\n").splitlines()]
    said = [
        LINE_PREFIX.sub("", line)
        for line in lines
        if line.strip() and not line.lstrip().startswith(CLIENT_LINES)
    ]
    return said[-count:]


def program_lines(log: str) -> str:
    """The lines of a jobs controller's log that the machine's own programs said."""
    lines = [ANSI_ESCAPE.sub("", line) for line in log.replace("\r", "\n").splitlines()]
    return "\n".join(line for line in lines if LINE_PREFIX.match(line))


def purchase_kind(cloud: str, zone: str | None, *, spot: bool) -> str:
    """How a machine is paid for. Where there is no spot, the name of its place may say that it can be taken away."""
    if cloud in SPOTLESS:
        return "spot" if zone == "spot" else "on-demand"
    return "spot" if spot else "on-demand"


def _time(seconds: float) -> datetime:
    return datetime.fromtimestamp(seconds, UTC)
