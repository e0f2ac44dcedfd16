"""Translate errors of google-cloud-storage: retry, or fail with a message that says what to do.

Text of a server or of the SDK is passed on only when it is known to hold no credentials.
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
    """Google's reason in one word, such as `forbidden`; not the message, which may hold an address with a token."""
    found: Any = list(error.errors)
    if not found and error.response is not None:  # the SDK does not extract it for uploads and downloads
        try:
            found = error.response.json()["error"]["errors"]
        except (ValueError, LookupError, TypeError, AttributeError):  # the response is not Google's
            return ""
    return str(found[0].get("reason", "")) if found and isinstance(found[0], dict) else ""


def no_bucket(error: GoogleAPICallError) -> bool:
    return status_of(error) == 404 and "bucket does not exist" in str(error)


def translate(error: Exception, doing: str, url: str) -> TransientError | StoreError:  # noqa: PLR0911 - one for each case
    """The meaning of an error while `doing` something, such as "write", at `url`."""
    if isinstance(error, GoogleAPICallError):
        return _translate_response(error, doing, url)
    if isinstance(error, InvalidResponse):
        return TransientError(f"{doing} was answered {int(error.response.status_code)}")
    if isinstance(error, RetryError):
        return TransientError(f"{doing} got no answer, or one that asks to retry later")
    if isinstance(error, auth.GoogleAuthError):
        return _credentials_error(error, url)
    if isinstance(error, requests.exceptions.SSLError) and "CERTIFICATE_VERIFY_FAILED" in str(error):
        return StoreError(
            f"cannot {doing} {url}: the certificate of the endpoint is not trusted",
            hint="set REQUESTS_CA_BUNDLE to the certificates that this network uses",
        )
    if isinstance(error, requests.exceptions.InvalidURL | requests.exceptions.MissingSchema):
        return StoreError(
            f"cannot {doing} {url}: its endpoint is not a URL",
            hint="correct STORAGE_EMULATOR_HOST, or unset it",
        )
    return TransientError(_network_message(error))


def _credentials_error(error: auth.GoogleAuthError, url: str) -> TransientError | StoreError:
    """The meaning of an error about credentials."""
    if isinstance(error, auth.MalformedError):
        return Unauthenticated(f"the credentials for {url} cannot be read", hint=SET_UP)
    if isinstance(error, auth.DefaultCredentialsError):
        return Unauthenticated(f"no credentials for {url}", hint=SET_UP)
    if isinstance(error, auth.TransportError) or error.retryable:
        return TransientError("the credentials could not be renewed")
    if isinstance(error, auth.RefreshError):
        return Unauthenticated(f"the credentials for {url} have expired or were revoked", hint=SIGN_IN)
    return Unauthenticated(f"the credentials for {url} cannot be used ({type(error).__name__})", hint=SET_UP)


def _translate_response(error: GoogleAPICallError, doing: str, url: str) -> TransientError | StoreError:  # noqa: PLR0911
    """The meaning of an error response."""
    status, reason = status_of(error), reason_of(error)
    shown = f"{status} {reason}" if reason else str(status)
    if status == 501:
        return StoreError(
            f"the store cannot {doing} {url} (501)",
            hint="choose an output path on a store with conditional writes: a local folder, S3 or GCS",
        )
    if status >= 500 or status in (408, 429) or reason in RETRYABLE_REASONS:
        return TransientError(f"{doing} was answered {shown}")
    if status in (404, 410) and doing == "write" and not no_bucket(error):
        return TransientError(
            "the upload ended without an answer"
        )  # and the store has dropped it: write it again
    if status == 404:
        return StoreError(
            f"there is no bucket of {url}",
            hint="correct the name, or make the bucket first: gcloud storage buckets create",
        )
    if status == 401:
        return Unauthenticated(
            f"the credentials for {url} are not known to the store or have expired (401)", hint=SIGN_IN
        )
    if status == 403 and reason in ACCOUNT_REASONS:
        return StoreError(
            f"cannot {doing} {url}: the billing account of its project is not active ({reason})",
            hint="check the billing of the project that owns the bucket",
        )
    if status == 403:
        return PermissionDenied(
            f"access denied: cannot {doing} {url}",
            hint="give these credentials roles/storage.objectUser on the bucket (it may list, read, write and overwrite)",
        )
    if status == 400 and reason in ("required", "userProjectMissing"):
        return StoreError(
            f"cannot {doing} {url}: the bucket makes the requester pay",
            hint="choose a bucket whose owner pays",
        )
    if status == 400 and "bucket name" in str(error):
        return bad_bucket_name(url)
    return StoreError(
        f"cannot {doing} {url}: the store answered {shown}",
        hint="look the code up in the documentation of the store",
    )


def bad_bucket_name(url: str) -> StoreError:
    return StoreError(
        f"{url} has no valid bucket name",
        hint="a bucket's name has 3 to 63 small letters, digits, dots, hyphens and underscores",
    )


def _network_message(error: Exception) -> str:
    """What happened on the network. Of the URL only the host."""
    if isinstance(error, requests.exceptions.ProxyError):
        return "cannot connect to the proxy"
    if isinstance(error, requests.exceptions.ReadTimeout):
        return "the response did not come in time"
    asked: Any = getattr(error, "request", None)
    host = urlsplit(str(getattr(asked, "url", "") or "")).netloc.rpartition("@")[2]
    if isinstance(error, requests.exceptions.ConnectionError) and "Failed to establish" in str(error):
        return f"cannot connect to {host}"
    if isinstance(error, DataCorruption):
        return "the bytes received were not those sent"
    return f"the connection broke off ({type(error).__name__})"
