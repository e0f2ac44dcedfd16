"""SkyPilot's errors as problems with a hint.

Pure, and imports nothing of SkyPilot: names are enough. A test compares the table with the installed SkyPilot, and
fails when it has an error that is not here.
"""

import re
from collections.abc import Mapping
from enum import StrEnum
from urllib.parse import urlsplit

from launcher.errors import Problem
from launcher.fleet.backends.base import RequestRefused


class ErrorKind(StrEnum):
    """The kind of an error of SkyPilot, which decides the hint."""

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
    ErrorKind.ACCESS: "sky check, then fix what it says about the cloud",
    ErrorKind.ASKED: "embedfleet launch PLAN --dry-run shows what is asked of it",
    ErrorKind.NONE_LEFT: "plan again with more regions or GPUs in limits",
    ErrorKind.GONE: "sky jobs queue shows what is there",
    ErrorKind.STORAGE: "sky check, then fix what it says about storage",
    ErrorKind.BUSY: "the same command again, a minute later",
    ErrorKind.INSIDE: "sky api logs has more; then the same command again",
}

# Every error that SkyPilot raises, by the name of its class.
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

# Errors of the HTTP library with which SkyPilot asks its server: some calls let them through as they are.
CONNECTION_ERRORS = ("ConnectionError", "Timeout")

MAX_MESSAGE_CHARACTERS = 300  # characters of SkyPilot's own words in one of our messages
ANSI_ESCAPE = re.compile(r"\x1b\[[0-9;?]*[A-Za-z]")


def explain_error(error: BaseException, doing: str) -> Problem:
    """An error of SkyPilot as a Problem: what was being done, what SkyPilot said, what to try."""
    names = [kind.__name__ for kind in type(error).__mro__]
    unreached = next((name for name in names if name in CONNECTION_ERRORS), None)
    other = ErrorKind.SERVER if unreached else ErrorKind.INSIDE
    kind = next((ERROR_KINDS[name] for name in names if name in ERROR_KINDS), other)
    address = _asked_address(error) if unreached else None
    said = f"nothing answers at {address}" if address else one_line(str(error)) or type(error).__name__
    problem = RequestRefused if kind in (ErrorKind.ASKED, ErrorKind.NONE_LEFT) else Problem
    return problem(f"{doing}: {kind}: {said}", hint=HINTS[kind])


def _asked_address(error: BaseException) -> str | None:
    """The server that an error of the HTTP library is about, without its path; None: it does not say."""
    url = getattr(getattr(error, "request", None), "url", None)
    if not isinstance(url, str):
        return None
    parts = urlsplit(url)
    return f"{parts.scheme}://{parts.hostname}" + (f":{parts.port}" if parts.port else "")


def one_line(text: str) -> str:
    """A text of SkyPilot in one line, without colours, and cut to MAX_MESSAGE_CHARACTERS."""
    line = " ".join(ANSI_ESCAPE.sub("", text).split())
    return line if len(line) <= MAX_MESSAGE_CHARACTERS else f"{line[: MAX_MESSAGE_CHARACTERS - 1]}…"
