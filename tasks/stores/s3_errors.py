"""Translate errors of boto3: retry, or fail with a message that says what to do.

Text of a server or of the SDK is passed on only when it is known to hold no credentials.
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
    "SlowDown",
    "Throttling",
    "ThrottlingException",
    "RequestLimitExceeded",
    "TooManyRequests",
    "RequestTimeout",
    "RequestTimeoutException",
    "InternalError",
    "ServiceUnavailable",
    "IncompleteBody",
    "OperationAborted",
    "ConditionalRequestConflict",
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
# Errors of the network. A certificate that is not trusted is not one of them.
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


def translate(error: Exception, doing: str, url: str) -> TransientError | StoreError:  # noqa: PLR0911 - one for each case
    """The meaning of an error while `doing` something, such as "write", at `url`."""
    if isinstance(error, ClientError):
        return _translate_response(error, doing, url)
    if isinstance(error, boto.SSLError) and "CERTIFICATE_VERIFY_FAILED" in str(error):
        return StoreError(
            f"cannot {doing} {url}: the certificate of the endpoint is not trusted",
            hint="set AWS_CA_BUNDLE to the certificates that this network uses",
        )
    if isinstance(error, RecursionError):  # the SDK asks for the region in a loop when the store names none
        return _wrong_region(url, "which the store does not name")
    if isinstance(error, NETWORK_ERRORS):
        return TransientError(_network_message(error))
    unknown = _credentials_error(error, url)
    if unknown:
        return unknown
    if isinstance(error, boto.ProfileNotFound):
        return StoreError(
            f"cannot {doing} {url}: {error}", hint="set AWS_PROFILE to one of: aws configure list-profiles"
        )
    if isinstance(error, boto.ParamValidationError) and "bucket name" in str(error):
        return _bad_bucket_name(url)
    return StoreError(
        f"cannot {doing} {url}: {_type_name(error)}",
        hint="see the configuration of boto3 (aws configure list)",
    )


def _credentials_error(error: Exception, url: str) -> Unauthenticated | None:
    """The error, if it says that there are no credentials or that they could not be fetched."""
    if isinstance(error, boto.NoCredentialsError):
        return Unauthenticated(f"no credentials for {url}", hint=SET_UP)
    if isinstance(error, boto.PartialCredentialsError):
        return Unauthenticated(f"half of the credentials for {url} are missing", hint=SET_UP)
    if isinstance(error, boto.SSOError | boto.LoginError | boto.TokenRetrievalError):
        return Unauthenticated(f"the sign-in for {url} has expired or was never made", hint=SIGN_IN)
    if isinstance(error, boto.CredentialRetrievalError | boto.MetadataRetrievalError):
        return Unauthenticated(
            f"the credentials for {url} could not be fetched ({_type_name(error)})", hint=SIGN_IN
        )
    return None


def _translate_response(error: ClientError, doing: str, url: str) -> TransientError | StoreError:  # noqa: PLR0911
    """The meaning of an error response."""
    status, code = status_of(error), code_of(error)
    if code == "NotImplemented" or status == 501:
        return StoreError(
            f"the store cannot {doing} {url} (NotImplemented)",
            hint="choose an output path on a store with conditional writes: a local folder, S3 or GCS",
        )
    if status >= 500 or status in (408, 429) or code in RETRYABLE_CODES:
        return TransientError(f"{doing} was answered {_status_text(status, code)}")
    if code == "NoSuchBucket" or (status == 404 and doing == "look at"):
        return StoreError(
            f"there is no bucket of {url}", hint="correct the name, or make the bucket first: aws s3 mb"
        )
    if code in EXPIRED_CODES:
        return Unauthenticated(f"the credentials for {url} have expired ({code})", hint=SIGN_IN)
    if code in UNKNOWN_KEY_CODES:
        return Unauthenticated(f"the credentials for {url} are not known to the store ({code})", hint=SET_UP)
    if code == "RequestTimeTooSkewed":
        return StoreError(
            f"cannot {doing} {url}: this machine's clock is wrong ({code})",
            hint="set the clock (timedatectl set-ntp true), then try again",
        )
    if code in WRONG_REGION or status == 301:
        return _wrong_region(url, f"{_region(error)}{_status_text(status, code)}")
    if code == "InvalidBucketName":
        return _bad_bucket_name(url)
    if status in (401, 403) and code in ("", "AccessDenied", "AllAccessDisabled", "401", "403", "Forbidden"):
        return PermissionDenied(
            f"access denied: cannot {doing} {url}",
            hint="allow these credentials s3:ListBucket on the bucket and s3:GetObject and s3:PutObject in it",
        )
    return StoreError(
        f"cannot {doing} {url}: the store answered {_status_text(status, code)}",
        hint="look the code up in the documentation of the store",
    )


def _wrong_region(url: str, region: str) -> StoreError:
    return StoreError(
        f"{url} is in another region ({region})",
        hint="set AWS_REGION to the region of the bucket, and AWS_ENDPOINT_URL_S3 if you set it",
    )


def _bad_bucket_name(url: str) -> StoreError:
    return StoreError(
        f"{url} has no valid bucket name",
        hint="a bucket's name has 3 to 63 small letters, digits, dots and hyphens",
    )


def _network_message(error: Exception) -> str:
    """What happened on the network. Of the URL only the host: it may hold a key, or the user of a proxy."""
    fields: dict[str, Any] = getattr(error, "kwargs", {})
    host = urlsplit(str(fields.get("endpoint_url") or "")).netloc.rpartition("@")[2]
    if isinstance(error, boto.EndpointConnectionError | boto.ConnectTimeoutError):
        return f"cannot connect to {host}"
    if isinstance(error, boto.ProxyConnectionError):
        return "cannot connect to the proxy"
    if isinstance(error, boto.ReadTimeoutError):
        return "the response did not come in time"
    return f"the connection broke off ({type(error).__name__})"


def _region(error: ClientError) -> str:
    headers: Any = error.response.get("ResponseMetadata", {}).get("HTTPHeaders", {})
    found = error.response.get("Error", {}).get("Region") or headers.get("x-amz-bucket-region")
    return f"{found}; " if found else ""


def _status_text(status: int, code: str) -> str:
    return f"{status} {code}" if code and code != str(status) else str(status)


def _type_name(error: Exception) -> str:
    """The type of an error, without its text."""
    return type(error).__name__ if isinstance(error, BotoCoreError) else f"{type(error).__name__} of boto3"
