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
from launcher.fleet.backends.base import Sight
from launcher.fleet.states import Phase
from launcher.ledger.records import MachineState, Site
from tasks.skypilot_task import SPOTLESS

# What a managed job's status says of its machine, while the job has not ended.
PHASES: Mapping[str, Phase] = {
    "PENDING": Phase.WAITING,
    "SUBMITTED": Phase.WAITING,  # of older servers
    "STARTING": Phase.WAITING,
    "RUNNING": Phase.RUNNING,  # setup is part of it
    "WINDING_DOWN": Phase.RUNNING,
    "RECOVERING": Phase.RECOVERING,
    "CANCELLING": Phase.ENDING,
}
# What became of it, and why, once it has.
ENDS: Mapping[str, tuple[MachineState, str]] = {
    "SUCCEEDED": (MachineState.STOPPED, "it ended"),
    "CANCELLED": (MachineState.STOPPED, "it was cancelled"),
    "FAILED": (MachineState.LOST, "its workers failed"),
    "FAILED_SETUP": (MachineState.FAILED, "setup failed"),
    "FAILED_PRECHECKS": (MachineState.FAILED, "SkyPilot cannot launch it"),
    "FAILED_NO_RESOURCE": (MachineState.LOST, "no place had one"),
    "FAILED_CONTROLLER": (MachineState.LOST, "SkyPilot's controller failed"),
}


class Kind(StrEnum):
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


HINTS: Mapping[Kind, str] = {
    Kind.SERVER: "sky api start, or check the address: sky api info",
    Kind.VERSION: "install the server's version: embedfleet doctor names both",
    Kind.ACCESS: "sky check, then mend what it says of the cloud",
    Kind.ASKED: "embedfleet launch PLAN --dry-run shows what is asked of it",
    Kind.NONE_LEFT: "plan again with more regions or GPUs in limits",
    Kind.GONE: "sky jobs queue shows what is there",
    Kind.STORAGE: "sky check, then mend what it says of storage",
    Kind.BUSY: "the same command again, a minute later",
    Kind.INSIDE: "sky api logs has more; then the same command again",
}

# Every error that SkyPilot raises, by name.
ERRORS: Mapping[str, Kind] = {
    "APINotSupportedError": Kind.VERSION,
    "APIVersionMismatchError": Kind.VERSION,
    "AWSAzFetchingError": Kind.ACCESS,
    "ApiServerAuthenticationError": Kind.ACCESS,
    "ApiServerConnectionError": Kind.SERVER,
    "CachedClusterUnavailable": Kind.GONE,
    "ClientError": Kind.SERVER,
    "CloudError": Kind.INSIDE,
    "CloudUserIdentityError": Kind.ACCESS,
    "ClusterDoesNotExist": Kind.GONE,
    "ClusterNotUpError": Kind.GONE,
    "ClusterOwnerIdentityMismatchError": Kind.ACCESS,
    "ClusterSetUpError": Kind.INSIDE,
    "ClusterStatusFetchingError": Kind.INSIDE,
    "CommandError": Kind.INSIDE,
    "CommandFailureException": Kind.INSIDE,
    "ConcurrentWorkerExhaustedError": Kind.BUSY,
    "ExecutionPausedError": Kind.BUSY,
    "ExecutionPoolFullError": Kind.BUSY,
    "ExecutionRetryableError": Kind.BUSY,
    "FetchClusterInfoError": Kind.INSIDE,
    "GitError": Kind.INSIDE,
    "InconsistentHighAvailabilityError": Kind.ASKED,
    "InvalidCloudConfigs": Kind.ASKED,
    "InvalidCloudCredentials": Kind.ACCESS,
    "InvalidClusterNameError": Kind.ASKED,
    "InvalidRecipeNameError": Kind.ASKED,
    "InvalidSkyPilotConfigError": Kind.ASKED,
    "InvalidWorkspaceNameError": Kind.ASKED,
    "KubeAPIUnreachableError": Kind.ACCESS,
    "KubernetesValidationError": Kind.ASKED,
    "ManagedJobReachedMaxRetriesError": Kind.NONE_LEFT,
    "ManagedJobStatusError": Kind.INSIDE,
    "ManagedJobUserCancelledError": Kind.GONE,
    "NetworkError": Kind.SERVER,
    "NoCloudAccessError": Kind.ACCESS,
    "NoClusterLaunchedError": Kind.NONE_LEFT,
    "NoWorkspaceAccessError": Kind.ACCESS,
    "NonExistentStorageAccountError": Kind.STORAGE,
    "NotSupportedError": Kind.ASKED,
    "PermissionDeniedError": Kind.ACCESS,
    "PoolDoesNotExistError": Kind.GONE,
    "PortDoesNotExistError": Kind.GONE,
    "ProvisionPrechecksError": Kind.ASKED,
    "ProvisionUnsupportedError": Kind.ASKED,
    "RecipeAlreadyExistsError": Kind.ASKED,
    "RequestAlreadyExistsError": Kind.BUSY,
    "RequestCancelled": Kind.INSIDE,
    "RequestInterruptedError": Kind.SERVER,
    "ResourcesMismatchError": Kind.ASKED,
    "ResourcesUnavailableError": Kind.NONE_LEFT,
    "RestfulPolicyError": Kind.ASKED,
    "ServeUserTerminatedError": Kind.GONE,
    "ServerTemporarilyUnavailableError": Kind.SERVER,
    "SkyPilotExcludeArgsBaseException": Kind.INSIDE,
    "SkyletInternalError": Kind.INSIDE,
    "SkyletMethodNotImplementedError": Kind.VERSION,
    "SkyletUnavailableError": Kind.INSIDE,
    "StorageBucketCreateError": Kind.STORAGE,
    "StorageBucketDeleteError": Kind.STORAGE,
    "StorageBucketGetError": Kind.STORAGE,
    "StorageError": Kind.STORAGE,
    "StorageExternalDeletionError": Kind.STORAGE,
    "StorageInitError": Kind.STORAGE,
    "StorageModeError": Kind.STORAGE,
    "StorageNameError": Kind.STORAGE,
    "StorageSourceError": Kind.STORAGE,
    "StorageSpecError": Kind.STORAGE,
    "StorageUploadError": Kind.STORAGE,
    "UserRequestRejectedByPolicy": Kind.ASKED,
    "VolumeNotFoundError": Kind.GONE,
    "VolumeNotReadyError": Kind.BUSY,
    "VolumeTopologyConflictError": Kind.ASKED,
    "WorkspaceAmbiguousError": Kind.ASKED,
}

OWN_FAILURE = "USER_JOB_FAILURE"  # code of the event of a job that starts again because its program failed
EXITED = re.compile(r"Job exited with exit code (\d+)")
KILLED = 128  # exit statuses above it are a signal's

LONGEST = 300  # characters of SkyPilot's own words in one of our messages
COLOUR = re.compile(r"\x1b\[[0-9;?]*[A-Za-z]")
TAG = re.compile(
    r"^\((?:[\w.-]+, )?[\w.-]+,? pid=\d+(?:, ip=[\d.]+)?\) ?"
)  # SkyPilot's mark of who said a line
CHATTER = ("├──", "└──", "✓ ", "✗ ", "⚙", "📋", "To view", "To stream", "Tailing ", "Using SkyPilot API")


@dataclass(frozen=True, slots=True)
class Job:
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
        return self.status not in ENDS

    @property
    def site(self) -> Site | None:
        """Where its machine is, or is being looked for."""
        if not self.cloud or not self.region:
            return None
        return Site(self.cloud.lower(), self.region, self.zone)


@dataclass(frozen=True, slots=True)
class Fault:
    """Why SkyPilot starts a job's machine again although its place did not take it away."""

    reason: str
    code: int | None = None  # exit status of what ran on it; None: setup had none


def fault_of(code: str | None, reason: str | None) -> Fault | None:
    """What SkyPilot's event says of a job that is recovering; None: its machine was taken away.

    A program that somebody killed (an exit status above 128) was most likely on a machine that was warned.
    """
    if code != OWN_FAILURE:
        return None
    exited = EXITED.match(reason or "")
    if exited is None:
        return Fault("setup failed" if "(FAILED_SETUP)" in (reason or "") else "what runs on it failed")
    status = int(exited[1])
    return None if status > KILLED else Fault("its workers failed", status)


def sight_of(job: Job, placed: float | None, purchase: str | None, fault: Fault | None = None) -> Sight:
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
        phase = Phase.FAILING if fault else PHASES.get(job.status, Phase.RUNNING)
        return Sight(phase, None, None, None, job.recoveries, site, began, coming=coming)
    ours = fault if job.status == "CANCELLED" else None  # one that started again may have got further
    state, reason = (MachineState.FAILED, ours.reason) if ours else ENDS[job.status]
    if job.reason and not ours:
        reason = f"{reason}: {plain(job.reason)}"
    ended = None if not job.ended else _time(job.ended)
    code = 0 if job.status == "SUCCEEDED" else ours.code if ours else None
    return Sight(None, state, code, reason, job.recoveries, site, began, ended)


def problem_of(error: BaseException, doing: str) -> Problem:
    """An error of SkyPilot for a person: what we were doing, what it said, what to try."""
    names = [kind.__name__ for kind in type(error).__mro__]
    kind = next((ERRORS[name] for name in names if name in ERRORS), Kind.INSIDE)
    said = plain(str(error)) or type(error).__name__
    return Problem(f"{doing}: {kind}: {said}", hint=HINTS[kind])


def plain(text: str) -> str:
    """One line of what SkyPilot said, without colours, and not too long."""
    line = " ".join(COLOUR.sub("", text).split())
    return line if len(line) <= LONGEST else f"{line[: LONGEST - 1]}…"


def last_lines(log: str, count: int = 6) -> list[str]:
    """The last lines that the machine's own programs said, of a job's log."""
    lines = [COLOUR.sub("", line).rstrip() for line in log.replace("\r", "\n").splitlines()]
    said = [TAG.sub("", line) for line in lines if line.strip() and not line.lstrip().startswith(CHATTER)]
    return said[-count:]


def marked_lines(log: str) -> str:
    """The lines of a jobs controller's log that the machine's own programs said."""
    lines = [COLOUR.sub("", line) for line in log.replace("\r", "\n").splitlines()]
    return "\n".join(line for line in lines if TAG.match(line))


def purchase_of(cloud: str, zone: str | None, *, spot: bool) -> str:
    """How a machine is paid for. Where there is no spot, the name of its place may say that it can be taken away."""
    if cloud in SPOTLESS:
        return "spot" if zone == "spot" else "on-demand"
    return "spot" if spot else "on-demand"


def _time(seconds: float) -> datetime:
    return datetime.fromtimestamp(seconds, UTC)
