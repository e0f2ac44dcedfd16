"""What the errors of google-cloud-storage mean to us: ask again, or refuse and say what to do.

Nothing that a server or the SDK says is passed on unless it is known to hold no credentials.
"""
# google-cloud-storage comes without types
# pyright: reportUnknownMemberType=false, reportUnknownArgumentType=false, reportUnknownVariableType=false

from typing import Any
from urllib.parse import urlsplit

import requests
from google.api_core.exceptions import GoogleAPICallError, RetryError
from google.auth import exceptions as auth
from google.cloud.storage.exceptions import DataCorruption, InvalidResponse
from urllib3.exceptions import HTTPError

from tasks.stores.base import PermissionDenied, StoreError, Unauthenticated
from tasks.stores.retry import TransientError

RETRYABLE_REASONS = {
    "rateLimitExceeded",
    "userRateLimitExceeded",
    "quotaExceeded",
    "backendError",
    "internalError",
    "SlowDown",
}
ACCOUNT_REASONS = {"accountDisabled", "UserProjectAccountProblem", "userProjectAccountProblem"}
SIGN_IN = (
    "sign in again (gcloud auth application-default login) or set fresh credentials, "
    "then resume the run: nothing is lost"
)
SET_UP = "set up credentials: gcloud auth application-default login, or GOOGLE_APPLICATION_CREDENTIALS"
NETWORK_ERRORS = (requests.RequestException, HTTPError, DataCorruption, ConnectionError, TimeoutError)
ERRORS = (GoogleAPICallError, RetryError, auth.GoogleAuthError, InvalidResponse, *NETWORK_ERRORS)


def status_of(error: GoogleAPICallError) -> int:
    return int(error.code or 0)


def reason_of(error: GoogleAPICallError) -> str:
    """One word of Google's, such as `forbidden`; not its message, which may hold an address with a token."""
    found: Any = list(error.errors)
    if not found and error.response is not None:  # of an upload or a download the SDK does not take it out
        try:
            found = error.response.json()["error"]["errors"]
        except (ValueError, LookupError, TypeError, AttributeError):  # it is not Google that answers
            return ""
    return str(found[0].get("reason", "")) if found and isinstance(found[0], dict) else ""


def no_bucket(error: GoogleAPICallError) -> bool:
    return status_of(error) == 404 and "bucket does not exist" in str(error)


def translate(error: Exception, doing: str, place: str) -> TransientError | StoreError:  # noqa: PLR0911 - one for each case
    """Of an error while `doing` (a call) something at `place` (a URL)."""
    if isinstance(error, GoogleAPICallError):
        return _answered(error, doing, place)
    if isinstance(error, InvalidResponse):
        return TransientError(f"{doing} was answered {int(error.response.status_code)}")
    if isinstance(error, RetryError):
        return TransientError(f"{doing} got no answer, or one that says later")
    if isinstance(error, auth.GoogleAuthError):
        return _unknown(error, place)
    if isinstance(error, requests.exceptions.SSLError) and "CERTIFICATE_VERIFY_FAILED" in str(error):
        return StoreError(
            f"cannot {doing} {place}: the certificate of the endpoint is not trusted",
            hint="set REQUESTS_CA_BUNDLE to the certificates that this network uses",
        )
    if isinstance(error, requests.exceptions.InvalidURL | requests.exceptions.MissingSchema):
        return StoreError(
            f"cannot {doing} {place}: its endpoint is no URL", hint="mend STORAGE_EMULATOR_HOST, or unset it"
        )
    return TransientError(_broken(error))


def _unknown(error: auth.GoogleAuthError, place: str) -> TransientError | StoreError:
    """The credentials are not good, or could not be had."""
    if isinstance(error, auth.MalformedError):
        return Unauthenticated(f"the credentials for {place} cannot be read", hint=SET_UP)
    if isinstance(error, auth.DefaultCredentialsError):
        return Unauthenticated(f"no credentials for {place}", hint=SET_UP)
    if isinstance(error, auth.TransportError) or error.retryable:
        return TransientError("the credentials could not be renewed")
    if isinstance(error, auth.RefreshError):
        return Unauthenticated(f"the credentials for {place} have expired or were revoked", hint=SIGN_IN)
    return Unauthenticated(
        f"the credentials for {place} cannot be used ({type(error).__name__})", hint=SET_UP
    )


def _answered(error: GoogleAPICallError, doing: str, place: str) -> TransientError | StoreError:  # noqa: PLR0911
    """The store said no."""
    status, reason = status_of(error), reason_of(error)
    shown = f"{status} {reason}" if reason else str(status)
    if status == 501:
        return StoreError(
            f"the store cannot {doing} {place} (501)",
            hint="choose an output path on a store with conditional writes: a local folder, S3 or GCS",
        )
    if status >= 500 or status in (408, 429) or reason in RETRYABLE_REASONS:
        return TransientError(f"{doing} was answered {shown}")
    if status in (404, 410) and doing == "write" and not no_bucket(error):
        return TransientError("the upload ended without an answer")  # and is forgotten: write it again
    if status == 404:
        return StoreError(
            f"there is no bucket of {place}",
            hint="mend the name, or make the bucket first: gcloud storage buckets create",
        )
    if status == 401:
        return Unauthenticated(
            f"the credentials for {place} are not known to the store or have expired (401)", hint=SIGN_IN
        )
    if status == 403 and reason in ACCOUNT_REASONS:
        return StoreError(
            f"cannot {doing} {place}: its project has no account in good standing ({reason})",
            hint="see the billing of the project that owns the bucket",
        )
    if status == 403:
        return PermissionDenied(
            f"access denied: cannot {doing} {place}",
            hint="give these credentials roles/storage.objectUser on the bucket (it may list, read, write and overwrite)",
        )
    if status == 400 and reason in ("required", "userProjectMissing"):
        return StoreError(
            f"cannot {doing} {place}: whoever asks for something in this bucket must pay for it",
            hint="choose a bucket whose owner pays",
        )
    if status == 400 and "bucket name" in str(error):
        return invalid(place)
    return StoreError(
        f"cannot {doing} {place}: the store answered {shown}",
        hint="look the code up in the documentation of the store",
    )


def invalid(place: str) -> StoreError:
    return StoreError(
        f"{place} has no valid bucket name",
        hint="a bucket's name has 3 to 63 small letters, digits, dots, hyphens and underscores",
    )


def _broken(error: Exception) -> str:
    """What happened on the line. Of the URL only the host is told."""
    if isinstance(error, requests.exceptions.ProxyError):
        return "cannot connect to the proxy"
    if isinstance(error, requests.exceptions.ReadTimeout):
        return "the answer did not come in time"
    asked: Any = getattr(error, "request", None)
    host = urlsplit(str(getattr(asked, "url", "") or "")).netloc.rpartition("@")[2]
    if isinstance(error, requests.exceptions.ConnectionError) and "Failed to establish" in str(error):
        return f"cannot connect to {host}"
    if isinstance(error, DataCorruption):
        return "what came over it was not what was sent"
    return f"the connection broke off ({type(error).__name__})"
