"""Faults of S3; logs and errors hold no secrets."""

import logging
import ssl
import traceback
from collections.abc import Callable

import pytest
from botocore import exceptions as boto
from botocore.exceptions import ClientError

from tasks.stores.base import OutcomeUnknown, PermissionDenied, Store, StoreError, Unauthenticated, read
from tasks.stores.retry import TransientError
from tasks.stores.s3 import S3Store
from tasks.stores.s3_errors import translate
from tests.support.buckets import found_by
from tests.support.objectserver import Fault, Running

SECRET = "wJalrXUtnFEMI-not-a-real-key"
TOKEN = "FwoGZXIvYXdzE-not-a-real-token"
CALLS: list[Callable[[Store], object]] = [
    lambda store: store.create("k", b"1"),
    lambda store: store.put("k", b"1"),
    lambda store: store.get("k"),
    lambda store: store.list(""),
    lambda store: store.now(),
]
NAMES = ["create", "put", "get", "list", "now"]


@pytest.fixture
def store(server: Running, monkeypatch: pytest.MonkeyPatch) -> S3Store:
    found_by(server.address, monkeypatch)
    server.admin.make("bucket")
    return S3Store("bucket", "out", 0.5)


# --- credentials and regions


@pytest.mark.parametrize("call", CALLS, ids=NAMES)
@pytest.mark.parametrize("status", [400, 403])
def test_expired_credentials_are_reported(
    store: S3Store, server: Running, call: Callable[[Store], object], status: int
) -> None:
    server.admin.faults(Fault(status=status, code="ExpiredToken"))
    with pytest.raises(
        Unauthenticated, match=r"the credentials for s3://bucket/out/.* have expired \(ExpiredToken\)"
    ) as refusal:
        call(store)
    assert refusal.value.hint.startswith("sign in again (aws sso login)")


@pytest.mark.parametrize("code", ["InvalidAccessKeyId", "SignatureDoesNotMatch"])
def test_unknown_credentials_are_reported(store: S3Store, server: Running, code: str) -> None:
    server.admin.faults(Fault(status=403, code=code))
    with pytest.raises(Unauthenticated, match=f"are not known to the store \\({code}\\)"):
        store.put("k", b"1")


def test_incomplete_credentials_are_reported(store: S3Store, monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.delenv("AWS_SECRET_ACCESS_KEY")
    with pytest.raises(Unauthenticated, match="half of the credentials for s3://bucket/out/k are missing"):
        store.put("k", b"1")


def test_a_missing_profile_is_reported(store: S3Store, monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setenv("AWS_PROFILE", "nobody")
    with pytest.raises(StoreError, match=r"The config profile \(nobody\) could not be found") as refusal:
        store.put("k", b"1")
    assert "aws configure list-profiles" in refusal.value.hint


def test_a_wrong_clock_is_reported(store: S3Store, server: Running) -> None:
    server.admin.faults(Fault(status=403, code="RequestTimeTooSkewed"))
    with pytest.raises(StoreError, match="this machine's clock is wrong"):
        store.put("k", b"1")


def test_a_bucket_in_another_region_is_found_when_the_store_names_the_region(
    store: S3Store, server: Running
) -> None:
    server.admin.set(region="eu-west-3")
    store.put("k", b"1")
    assert read(store, "k") == b"1"


@pytest.mark.parametrize("call", CALLS, ids=NAMES)
def test_a_bucket_in_another_region_is_refused_when_the_store_does_not_name_it(
    store: S3Store, server: Running, call: Callable[[Store], object]
) -> None:
    server.admin.set(region="eu-west-3", tell_region=False)
    with pytest.raises(StoreError, match="is in another region") as refusal:
        call(store)
    assert refusal.value.hint.startswith("set AWS_REGION to the region of the bucket")


def test_a_region_that_the_store_names_is_named(store: S3Store, server: Running) -> None:
    server.admin.faults(Fault(status=400, code="IllegalLocationConstraintException"))
    with pytest.raises(StoreError, match=r"s3://bucket/out/k is in another region \(400 IllegalLocation"):
        store.put("k", b"1")


@pytest.mark.parametrize("name", ["a b", "UP CASE", "x" * 300])
def test_an_invalid_bucket_name_is_refused_without_a_request(
    server: Running, store: S3Store, name: str
) -> None:
    with pytest.raises(StoreError, match="has no valid bucket name"):
        S3Store(name).put("k", b"1")
    assert server.admin.requests().total == 0


def test_an_unknown_error_is_reported_with_its_code(store: S3Store, server: Running) -> None:
    server.admin.faults(Fault(status=418, code="Teapot"))
    with pytest.raises(StoreError, match=r"cannot write s3://bucket/out/k: the store answered 418 Teapot"):
        store.put("k", b"1")


def test_a_temporary_conflict_is_retried(store: S3Store, server: Running) -> None:
    server.admin.faults(Fault(on="put", status=409, code="OperationAborted", times=1))
    store.put("k", b"1")
    assert read(store, "k") == b"1"


@pytest.mark.parametrize("address", ["not a url", "ftp://x", "http://"])
def test_an_invalid_endpoint_is_refused(
    store: S3Store, monkeypatch: pytest.MonkeyPatch, address: str
) -> None:
    monkeypatch.setenv("AWS_ENDPOINT_URL_S3", address)
    with pytest.raises(StoreError) as refusal:
        store.put("k", b"1")
    assert "s3://bucket" in str(refusal.value)


# --- what errors mean


def answered(status: int, code: str) -> ClientError:
    return ClientError(
        {"Error": {"Code": code, "Message": SECRET}, "ResponseMetadata": {"HTTPStatusCode": status}},
        "PutObject",
    )


@pytest.mark.parametrize(
    "error",
    [
        boto.EndpointConnectionError(endpoint_url=f"http://user:{SECRET}@host:1/k"),
        boto.ConnectionClosedError(endpoint_url=f"http://user:{SECRET}@host:1/k?X-Amz-Signature={TOKEN}"),
        boto.ConnectTimeoutError(endpoint_url=f"http://user:{SECRET}@host:1/k"),
        boto.ReadTimeoutError(endpoint_url=f"http://user:{SECRET}@host:1/k"),
        boto.ProxyConnectionError(proxy_url=f"http://user:{SECRET}@proxy:1", error=SECRET),
        boto.IncompleteReadError(actual_bytes=1, expected_bytes=2),
        boto.ResponseStreamingError(error=SECRET),
        answered(503, "SlowDown"),
        answered(500, "InternalError"),
        answered(400, "RequestTimeout"),
    ],
    ids=lambda e: type(e).__name__,
)
def test_network_errors_are_transient(error: Exception) -> None:
    found = translate(error, "write", "s3://bucket/k")
    assert isinstance(found, TransientError)
    assert SECRET not in str(found)
    assert TOKEN not in str(found)


def test_a_certificate_that_is_not_trusted_is_refused_at_once() -> None:
    error = boto.SSLError(
        endpoint_url="https://host/k",
        error=ssl.SSLError("[SSL: CERTIFICATE_VERIFY_FAILED] unable to get issuer"),
    )
    found = translate(error, "write", "s3://bucket/k")
    assert isinstance(found, StoreError)
    assert "AWS_CA_BUNDLE" in found.hint


@pytest.mark.parametrize(
    ("error", "kind"),
    [
        (boto.NoCredentialsError(), Unauthenticated),
        (boto.CredentialRetrievalError(provider="process", error_msg=SECRET), Unauthenticated),
        (boto.TokenRetrievalError(provider="sso", error_msg=SECRET), Unauthenticated),
        (boto.UnauthorizedSSOTokenError(), Unauthenticated),
        (answered(403, "AccessDenied"), PermissionDenied),
        (answered(400, "InvalidRequest"), StoreError),
    ],
    ids=lambda e: getattr(e, "__name__", type(e).__name__),
)
def test_errors_for_people_hold_no_secrets(error: Exception, kind: type[StoreError]) -> None:
    found = translate(error, "write", "s3://bucket/k")
    assert isinstance(found, StoreError)
    assert type(found) is kind
    assert SECRET not in f"{found} {found.hint}"


# --- secrets


@pytest.mark.parametrize(
    "fault",
    [
        None,
        Fault(status=403),
        Fault(status=403, code="InvalidAccessKeyId"),
        Fault(status=400, code="ExpiredToken"),
        Fault(status=503),
        Fault(drop=True),
        Fault(drop=True, after=True),
    ],
    ids=["well", "denied", "unknown", "expired", "overloaded", "dropped", "lost"],
)
def test_logs_and_errors_hold_no_keys(
    server: Running,
    monkeypatch: pytest.MonkeyPatch,
    caplog: pytest.LogCaptureFixture,
    fault: Fault | None,
) -> None:
    found_by(server.address, monkeypatch)
    monkeypatch.setenv("AWS_SECRET_ACCESS_KEY", SECRET)
    monkeypatch.setenv("AWS_SESSION_TOKEN", TOKEN)
    server.admin.make("bucket")
    server.admin.faults(*([fault] if fault else []))
    told: list[str] = []
    with caplog.at_level(logging.DEBUG):
        store = S3Store("bucket", "out", 0.3)
        for call in CALLS:
            try:
                call(store)
            except (StoreError, OutcomeUnknown) as error:
                told.append("".join(traceback.format_exception(error)))
    assert bool(told) == (fault is not None)
    everything = "\n".join([*told, caplog.text])
    assert SECRET not in everything
    assert TOKEN not in everything
    assert "AWS4-HMAC" not in everything
