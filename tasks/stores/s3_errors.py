"""What the errors of boto3 mean to us: ask again, or refuse and say what to do.

Nothing that a server or the SDK says is passed on unless it is known to hold no credentials.
"""
# botocore comes without types
# pyright: reportUnknownMemberType=false, reportUnknownArgumentType=false, reportUnknownVariableType=false

from typing import Any
from urllib.parse import urlsplit

from botocore import exceptions as boto
from botocore.exceptions import BotoCoreError, ClientError
from botocore.parsers import ResponseParserError
from urllib3.exceptions import HTTPError

from tasks.stores.base import PermissionDenied, StoreError, Unauthenticated
from tasks.stores.retry import TransientError

RETRYABLE_CODES = {
    *("SlowDown", "Throttling", "ThrottlingException", "RequestLimitExceeded", "TooManyRequests"),
    *("RequestTimeout", "RequestTimeoutException", "InternalError", "ServiceUnavailable", "IncompleteBody"),
    *("OperationAborted", "ConditionalRequestConflict"),
}
EXPIRED_CODES = {
    "ExpiredToken",
    "ExpiredTokenException",
    "TokenRefreshRequired",
    "InvalidToken",
    "RequestExpired",
}
UNKNOWN_KEY_CODES = {"InvalidAccessKeyId", "SignatureDoesNotMatch"}
WRONG_REGION = {
    "PermanentRedirect",
    "AuthorizationHeaderMalformed",
    "IllegalLocationConstraintException",
    "301",
}
SIGN_IN = "sign in again (aws sso login) or set fresh credentials, then resume the run: nothing is lost"
SET_UP = "set up credentials: aws configure, AWS_PROFILE, or AWS_ACCESS_KEY_ID and AWS_SECRET_ACCESS_KEY"
# One line of the network, whatever went wrong on it. A certificate that is not trusted is no such thing.
NETWORK_ERRORS = (
    boto.HTTPClientError,
    boto.ConnectionError,
    boto.IncompleteReadError,
    ResponseParserError,
    HTTPError,
)


def status_of(error: ClientError) -> int:
    found: Any = error.response.get("ResponseMetadata", {}).get("HTTPStatusCode", 0)
    return int(found)


def code_of(error: ClientError) -> str:
    return str(error.response.get("Error", {}).get("Code", ""))


def translate(error: Exception, doing: str, place: str) -> TransientError | StoreError:  # noqa: PLR0911 - one for each case
    """Of an error while `doing` (a call) something at `place` (a URL)."""
    if isinstance(error, ClientError):
        return _answered(error, doing, place)
    if isinstance(error, boto.SSLError) and "CERTIFICATE_VERIFY_FAILED" in str(error):
        return StoreError(
            f"cannot {doing} {place}: the certificate of the endpoint is not trusted",
            hint="set AWS_CA_BUNDLE to the certificates that this network uses",
        )
    if isinstance(error, RecursionError):  # the SDK asks for the region again and again where none is told
        return _elsewhere(place, "which the store does not name")
    if isinstance(error, NETWORK_ERRORS):
        return TransientError(_broken(error))
    unknown = _unknown(error, place)
    if unknown:
        return unknown
    if isinstance(error, boto.ProfileNotFound):
        return StoreError(
            f"cannot {doing} {place}: {error}", hint="set AWS_PROFILE to one of: aws configure list-profiles"
        )
    if isinstance(error, boto.ParamValidationError) and "bucket name" in str(error):
        return _invalid(place)
    return StoreError(
        f"cannot {doing} {place}: {_named(error)}", hint="see the configuration of boto3 (aws configure list)"
    )


def _unknown(error: Exception, place: str) -> Unauthenticated | None:
    """The credentials are not there, or cannot be had."""
    if isinstance(error, boto.NoCredentialsError):
        return Unauthenticated(f"no credentials for {place}", hint=SET_UP)
    if isinstance(error, boto.PartialCredentialsError):
        return Unauthenticated(f"half of the credentials for {place} are missing", hint=SET_UP)
    if isinstance(error, boto.SSOError | boto.LoginError | boto.TokenRetrievalError):
        return Unauthenticated(f"the sign-in for {place} has expired or was never made", hint=SIGN_IN)
    if isinstance(error, boto.CredentialRetrievalError | boto.MetadataRetrievalError):
        return Unauthenticated(
            f"the credentials for {place} could not be fetched ({_named(error)})", hint=SIGN_IN
        )
    return None


def _answered(error: ClientError, doing: str, place: str) -> TransientError | StoreError:  # noqa: PLR0911
    """The store said no."""
    status, code = status_of(error), code_of(error)
    if code == "NotImplemented" or status == 501:
        return StoreError(
            f"the store cannot {doing} {place} (NotImplemented)",
            hint="choose an output path on a store with conditional writes: a local folder, S3 or GCS",
        )
    if status >= 500 or status in (408, 429) or code in RETRYABLE_CODES:
        return TransientError(f"{doing} was answered {_shown(status, code)}")
    if code == "NoSuchBucket" or (status == 404 and doing == "look at"):
        return StoreError(
            f"there is no bucket of {place}", hint="mend the name, or make the bucket first: aws s3 mb"
        )
    if code in EXPIRED_CODES:
        return Unauthenticated(f"the credentials for {place} have expired ({code})", hint=SIGN_IN)
    if code in UNKNOWN_KEY_CODES:
        return Unauthenticated(
            f"the credentials for {place} are not known to the store ({code})", hint=SET_UP
        )
    if code == "RequestTimeTooSkewed":
        return StoreError(
            f"cannot {doing} {place}: this machine's clock is wrong ({code})",
            hint="set the clock (timedatectl set-ntp true), then try again",
        )
    if code in WRONG_REGION or status == 301:
        return _elsewhere(place, f"{_region(error)}{_shown(status, code)}")
    if code == "InvalidBucketName":
        return _invalid(place)
    if status in (401, 403) and code in ("", "AccessDenied", "AllAccessDisabled", "401", "403", "Forbidden"):
        return PermissionDenied(
            f"access denied: cannot {doing} {place}",
            hint="allow these credentials s3:ListBucket on the bucket and s3:GetObject and s3:PutObject in it",
        )
    return StoreError(
        f"cannot {doing} {place}: the store answered {_shown(status, code)}",
        hint="look the code up in the documentation of the store",
    )


def _elsewhere(place: str, told: str) -> StoreError:
    return StoreError(
        f"{place} is in another region ({told})",
        hint="set AWS_REGION to the region of the bucket, and AWS_ENDPOINT_URL_S3 if you set it",
    )


def _invalid(place: str) -> StoreError:
    return StoreError(
        f"{place} has no valid bucket name",
        hint="a bucket's name has 3 to 63 small letters, digits, dots and hyphens",
    )


def _broken(error: Exception) -> str:
    """What happened on the line. The URL is cut down to the host: it may hold a key, or a user of a proxy."""
    fields: dict[str, Any] = getattr(error, "kwargs", {})
    host = urlsplit(str(fields.get("endpoint_url") or "")).netloc.rpartition("@")[2]
    if isinstance(error, boto.EndpointConnectionError | boto.ConnectTimeoutError):
        return f"cannot connect to {host}"
    if isinstance(error, boto.ProxyConnectionError):
        return "cannot connect to the proxy"
    if isinstance(error, boto.ReadTimeoutError):
        return "the answer did not come in time"
    return f"the connection broke off ({type(error).__name__})"


def _region(error: ClientError) -> str:
    headers: Any = error.response.get("ResponseMetadata", {}).get("HTTPHeaders", {})
    found = error.response.get("Error", {}).get("Region") or headers.get("x-amz-bucket-region")
    return f"{found}; " if found else ""


def _shown(status: int, code: str) -> str:
    return f"{status} {code}" if code and code != str(status) else str(status)


def _named(error: Exception) -> str:
    """The kind of an error without its text."""
    return type(error).__name__ if isinstance(error, BotoCoreError) else f"{type(error).__name__} of boto3"
